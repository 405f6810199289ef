//! A variational autoencoder of molecules, character by character: new strings from pure noise, most of which are molecules. It
//! can be stopped at any moment and resumed with `--resume`, and ends with the same bits.
//!
//! The idea is that of Gómez-Bombarelli et al. 2018, *Automatic Chemical Design Using a Data-Driven Continuous Representation
//! of Molecules*, arXiv:1610.02415, with the recurrent nets of Bowman et al. 2016. The molecules are drawn from a grammar. What
//! is counted as distinct or as new is strings: one molecule has several, as `CCO` and `OCC`.

#[path = "shared/sentences.rs"]
mod shared;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use etude_ae_vae::{KlWeight, Sentence, SentenceConfig, measure};
use etude_autograd::no_grad;
use etude_data::example::{Args, Better, Report, thousands};
use etude_data::molecules::{self, Molecule};
use etude_data::plot::Chart;
use etude_data::text::Vocab;
use etude_kernels::rng::Rng;
use etude_nn::{Ctx, Sampler};

use shared::{Plan, line, train};

/// The most characters that are drawn for a sample.
const LONGEST: usize = 80;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "ae-vae", "molecules", "Molecules from noise")?;
    let mut cx = Ctx::train(args.seed);

    // The same set whatever the run's seed.
    let mut all = molecules::set(21_000, &mut Rng::new(0));
    let test = all.split_off(20_000);
    let vocab = Vocab::of(&all.concat());
    let encode = |set: &[String]| set.iter().map(|smiles| vocab.encode(smiles)).collect::<Result<Vec<_>, _>>();
    let (train_set, test_set) = (encode(&all)?, encode(&test)?);

    let config =
        SentenceConfig { words: vocab.len(), embed: 24, hidden: args.pick(192, 160), latent: 20, word_drop: 0.3 };
    let model = Sentence::new(config, &mut cx)?;
    let steps = args.pick(4000, 1500);
    // Ten nats for nothing: without them the code says little, and lines between codes lead nowhere.
    let kl = KlWeight { warm_up: steps / 4, free_bits: 0.5, ..KlWeight::default() };
    let plan = Plan { seed: args.seed, steps, batch: 64, lr: (4e-3, 2e-4), kl };
    let curves = train(&report, "molecules", &[&model], &train_set, &plan, &mut cx)?;

    let mut eval = cx.eval();
    let ids = model.sample(1000, LONGEST, &Sampler::temperature(1.0)?, &mut eval);
    let samples = ids.iter().map(|ids| vocab.decode(ids)).collect::<Result<Vec<_>, _>>()?;
    let valid: Vec<(&String, Molecule)> =
        samples.iter().filter_map(|smiles| Some((smiles, Molecule::parse(smiles).ok()?))).collect();
    let distinct: BTreeSet<&String> = valid.iter().map(|(smiles, _)| *smiles).collect();
    let known: BTreeSet<&String> = all.iter().collect();
    let new = distinct.iter().filter(|smiles| !known.contains(**smiles)).count();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let validity = share(valid.len(), samples.len());

    let parts = measure::sentence_parts(&model, &test_set, &mut eval)?;
    let nats = |name: &str| parts.iter().find(|part| part.0 == name).map_or(f64::NAN, |part| part.1);
    let paths = paths(&model, &test_set, &vocab, &mut eval)?;
    let between = between(&paths);
    let on_lines = between.iter().filter(|smiles| Molecule::parse(smiles).is_ok()).count();

    let truth: Vec<Molecule> = all.iter().map(|smiles| Molecule::parse(smiles)).collect::<Result<_, _>>()?;
    let found: Vec<Molecule> = valid.iter().map(|(_, molecule)| molecule.clone()).collect();
    let atoms = |molecule: &Molecule| molecule.atoms().len();
    let off = distance(&shares(&truth, atoms), &shares(&found, atoms));
    report.about(
        format!(
            "A recurrent autoencoder with 20 latent variables read {} molecules as strings, character by character: chains, \
             branches, rings and aromatic rings of C, N, O, F, S and Cl, drawn from a grammar that it is not told.",
            thousands(all.len())
        ),
        format!(
            "Of 1,000 strings from pure noise {} close every branch and ring and respect every valence; of 1,000 molecules with \
             their characters in a random order {} do. What is unique or new is counted in strings, of which one molecule has \
             several. A code holds {:.1} nats of divergence, of which training gives ten for nothing. Along the lines one \
             molecule turns into another, mostly through molecules: {} different strings lie between the ends.",
            valid.len(),
            scrambled(&test, args.seed),
            nats("kl"),
            thousands(between.len())
        ),
    );
    report.result("validity", validity, Better::Higher, 0.65);
    report.result("unique_strings", share(distinct.len(), valid.len()), Better::Higher, 0.9);
    report.result("new_strings", share(new, distinct.len()), Better::Higher, 0.7);
    report.result("heavy_atoms_off", off, Better::Lower, 0.25);
    report.result("line_validity", share(on_lines, between.len()), Better::Higher, 0.8);
    report.result("reconstruction", nats("reconstruction"), Better::Lower, 14.0);

    let chart = Chart::new("Size of molecules").x("atoms but for hydrogen").y("share");
    let chart =
        chart.line("training set", shares(&truth, atoms)).dashed("samples that are valid", shares(&found, atoms));
    report.figure_svg(chart.svg()?, "atoms.svg", format!("Half the sum of all differences is {off:.3}"))?;
    let chart = Chart::new("Rings").x("rings").y("share");
    let chart = chart.line("training set", shares(&truth, Molecule::rings));
    let chart = chart.dashed("samples that are valid", shares(&found, Molecule::rings));
    report.figure_svg(chart.svg()?, "rings.svg", "Rings of a molecule, of the training set and of samples")?;
    report.text("samples", table(&samples), "Strings from noise, each with its formula, or with what is wrong with it");
    report.text(
        "line",
        lines(&paths, &test),
        "Straight lines between the codes of two test molecules, which stand in brackets: the ends come back in kind, not \
         exactly, and every character is the most likely one",
    );
    let chart = Chart::new("Learning molecules").x("step").y("nats a molecule");
    let chart = chart.line("reconstruction", curves[0].reconstruction.clone()).line("divergence", curves[0].kl.clone());
    report.figure_svg(
        chart.svg()?,
        "loss.svg",
        "Both parts of the bound while training: ten nats of divergence are free, 30% of the characters kept back",
    )?;
    report.finish()?;
    Ok(())
}

/// The share of molecules with each number of something, from 0 to the largest; of no molecules all are 0.
fn shares(molecules: &[Molecule], count: impl Fn(&Molecule) -> usize) -> Vec<(f64, f64)> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    molecules.iter().for_each(|molecule| *counts.entry(count(molecule)).or_default() += 1);
    let most = counts.keys().last().copied().unwrap_or(0);
    let share = |n: usize| counts.get(&n).copied().unwrap_or(0) as f64 / molecules.len().max(1) as f64;
    (0..=most).map(|n| (n as f64, share(n))).collect()
}

/// Half the sum of the differences of shares: 0 for equal distributions, 1 for those that have nothing in common.
fn distance(a: &[(f64, f64)], b: &[(f64, f64)]) -> f64 {
    let at = |shares: &[(f64, f64)], i: usize| shares.get(i).map_or(0.0, |share| share.1);
    (0..a.len().max(b.len())).map(|i| (at(a, i) - at(b, i)).abs()).sum::<f64>() / 2.0
}

/// How many of a thousand test molecules are still valid with their characters in a random order.
fn scrambled(test: &[String], seed: u64) -> usize {
    let mut rng = Rng::new(seed);
    let shuffled = test.iter().map(|smiles| {
        let mut characters: Vec<char> = smiles.chars().collect();
        rng.shuffle(&mut characters);
        characters.into_iter().collect::<String>()
    });
    shuffled.filter(|smiles| Molecule::parse(smiles).is_ok()).count()
}

/// The first samples, a line each.
fn table(samples: &[String]) -> String {
    let about = |smiles: &String| match Molecule::parse(smiles) {
        Ok(molecule) => format!("{smiles:<36}{:<14}rings: {}", molecule.formula(), molecule.rings()),
        Err(error) => format!("{smiles:<36}no molecule: {error}"),
    };
    samples.iter().take(20).map(about).collect::<Vec<_>>().join("\n")
}

/// Seven points on the straight line between the codes of each two neighbours of the test set.
fn paths(model: &Sentence, test: &[Vec<u32>], vocab: &Vocab, eval: &mut Ctx) -> Result<Vec<Vec<String>>> {
    let codes = no_grad(|| Ok::<_, etude_ae_vae::Error>(model.encode(&model.batch(&test[..200])?, eval)))?;
    let path = |i: usize| {
        let points = line(&codes.narrow(0, i, 1), &codes.narrow(0, i + 1, 1), 7);
        let found = model.decode(&points, LONGEST, &Sampler::greedy(), eval);
        found.iter().map(|ids| Ok(vocab.decode(ids)?)).collect()
    };
    (0..codes.dim(0)).step_by(2).map(path).collect()
}

/// The different strings on the inner points of paths, but for those that either end of their path has.
fn between(paths: &[Vec<String>]) -> BTreeSet<&String> {
    let mut found = BTreeSet::new();
    for path in paths {
        if let [first, inner @ .., last] = path.as_slice() {
            found.extend(inner.iter().filter(|smiles| *smiles != first && *smiles != last));
        }
    }
    found
}

/// The first three paths, with the molecules at their ends.
fn lines(paths: &[Vec<String>], test: &[String]) -> String {
    let path = |(path, ends): (&Vec<String>, &[String])| {
        let mark = |smiles: &String| match Molecule::parse(smiles) {
            Ok(_) => format!("  {smiles}"),
            Err(error) => format!("  {smiles:<34}no molecule: {error}"),
        };
        let points: Vec<String> = path.iter().map(mark).collect();
        format!("[{}]\n{}\n[{}]", ends[0], points.join("\n"), ends[1])
    };
    paths.iter().zip(test.chunks(2)).take(3).map(path).collect::<Vec<_>>().join("\n\n")
}
