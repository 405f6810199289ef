//! A variational autoencoder of sentences walks from one line of Shakespeare to another; and why it needs word dropout. It can
//! be stopped at any moment and resumed with `--resume`, and ends with the same bits.
//!
//! Two models see the same batches and have the same warm-up of the divergence (Bowman et al. 2016, arXiv:1511.06349,
//! section 3.1). They differ in one thing: one is told every word while training, from the other six in ten of them are kept
//! back.

#[path = "shared/sentences.rs"]
mod shared;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use etude_ae_vae::{KlWeight, Sentence, SentenceConfig, measure};
use etude_autograd::no_grad;
use etude_data::example::{Args, Better, Report, thousands};
use etude_data::plot::Chart;
use etude_data::words::{self, Lexicon};
use etude_nn::{Ctx, Sampler};

use shared::{Plan, line, train};

/// The most words of a clause, with the mark.
const LONGEST: usize = 9;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "ae-vae", "sentences", "From one line of Shakespeare to another")?;
    let mut cx = Ctx::train(args.seed);

    let (lexicon, train_set, test) = clauses();

    let config = |word_drop| SentenceConfig { words: lexicon.len(), embed: 64, hidden: 160, latent: 16, word_drop };
    let told = Sentence::new(config(0.0), &mut cx)?;
    let dropped = Sentence::new(config(0.6), &mut cx)?;
    let steps = args.pick(3000, 1200);
    let kl = KlWeight { warm_up: steps / 4, ..KlWeight::default() };
    let plan = Plan { seed: args.seed, steps, batch: 64, lr: (3e-3, 2e-4), kl };
    let curves = train(&report, "sentences", &[&told, &dropped], &train_set, &plan, &mut cx)?;

    let mut eval = cx.eval();
    let told = Found::of(&told, &test, &mut eval)?;
    let of_dropped = Found::of(&dropped, &test, &mut eval)?;
    report.about(
        format!(
            "Two recurrent autoencoders with 16 latent variables read {} clauses of three to eight frequent words ({} \
             words) from seven plays; from one, 60% of the words that its decoder is told were kept back while training.",
            thousands(train_set.len()),
            thousands(lexicon.len()),
        ),
        format!(
            "A decoder that is told every word learns to do without the code: {:.2} nats of divergence are left in {} \
             variables that still move, and 500 codes from the prior give {} clauses; with words kept back there are \
             {:.2} nats in {} variables, and {} clauses. The perplexity of clauses that it has not seen is {:.0} for {:.0}. \
             Along the lines a clause turns into another through clauses; so few nats cannot name one of thousands, so that the ends come back in kind, not word \
             for word.",
            told.kl, told.active, told.distinct, of_dropped.kl, of_dropped.active, of_dropped.distinct,
            of_dropped.perplexity, told.perplexity,
        ),
    );
    report.result("sentence_kl", of_dropped.kl, Better::Higher, args.pick(3.0, 1.2));
    report.result("kl_told_every_word", told.kl, Better::Lower, args.pick(2.4, 0.6));
    report.result("active_units", of_dropped.active as f64, Better::Higher, 6.0);
    report.result("distinct_samples", of_dropped.distinct as f64, Better::Higher, args.pick(350.0, 120.0));
    report.result("distinct_samples_told_every_word", told.distinct as f64, Better::Lower, args.pick(340.0, 110.0));
    report.result("perplexity", of_dropped.perplexity, Better::Lower, 120.0);
    report.result("perplexity_told_every_word", told.perplexity, Better::Lower, args.pick(185.0, 105.0));
    report.text(
        "lines",
        lines(&dropped, &test, &lexicon, &mut eval)?,
        "Straight lines between the codes of two test clauses, which stand in brackets",
    );
    report.text(
        "samples",
        told_and_dropped(&told, &of_dropped, &lexicon)?,
        "Codes from the prior, the most likely words",
    );
    let chart = Chart::new("What the code says").x("step").y("divergence, nats a clause");
    let [all, half] = [&curves[0].kl, &curves[1].kl].map(Clone::clone);
    let chart = chart.line("60% of the words kept back", half).line("told every word", all);
    report.figure_svg(
        chart.svg()?,
        "kl.svg",
        format!(
            "KL(q(z|x) ‖ p(z)) while training; its weight rises from 0 to 1 until step {}",
            thousands(kl.warm_up as usize)
        ),
    )?;
    report.finish()?;
    Ok(())
}

/// The lexicon, and each clause that has three to eight of its words once, in the order of the plays: those that train, and one
/// in twelve that tests. The lexicon is counted over clauses that train alone, however often they are said.
fn clauses() -> (Lexicon, Vec<Vec<u32>>, Vec<Vec<u32>>) {
    let mut short = words::shakespeare();
    short.retain(|clause| {
        let words = clause.iter().filter(|word| word.contains(char::is_alphabetic)).count();
        (3..LONGEST).contains(&words)
    });
    let mut times: BTreeMap<&Vec<String>, usize> = BTreeMap::new();
    let mut distinct = Vec::new();
    for clause in &short {
        let count = times.entry(clause).or_default();
        if *count == 0 {
            distinct.push(clause);
        }
        *count += 1;
    }
    let part = |test: bool| {
        let kept = distinct.iter().enumerate().filter(move |&(i, _)| i.is_multiple_of(12) == test);
        kept.map(|(_, clause)| *clause)
    };
    let said: Vec<Vec<String>> =
        part(false).flat_map(|clause| std::iter::repeat_n(clause, times[clause])).cloned().collect();
    let lexicon = Lexicon::frequent(&said, 5);
    let known = |test| part(test).filter_map(|clause| lexicon.encode(clause)).collect();
    let (train_set, test) = (known(false), known(true));
    (lexicon, train_set, test)
}

/// What a trained model does with clauses that it has not seen.
struct Found {
    kl: f64,
    active: usize,
    perplexity: f64,
    samples: Vec<Vec<u32>>,
    /// How many of the samples differ.
    distinct: usize,
}

impl Found {
    fn of(model: &Sentence, test: &[Vec<u32>], eval: &mut Ctx) -> Result<Self> {
        let parts = measure::sentence_parts(model, test, eval)?;
        let part =
            |name: &str| parts.iter().find(|part| part.0 == name).map(|part| part.1).context("a part of the loss");
        let codes = no_grad(|| Ok::<_, etude_ae_vae::Error>(model.encode(&model.batch(test)?, eval)))?;
        let samples = model.sample(500, 2 * LONGEST, &Sampler::greedy(), eval);
        Ok(Found {
            kl: part("kl")?,
            active: measure::active_units(&codes),
            perplexity: measure::word_perplexity(part("total")?, test)?,
            distinct: samples.iter().collect::<BTreeSet<_>>().len(),
            samples,
        })
    }
}

/// Six points on each of four lines between the codes of test clauses, with the clauses themselves at both ends.
fn lines(model: &Sentence, test: &[Vec<u32>], lexicon: &Lexicon, eval: &mut Ctx) -> Result<String> {
    let mut text = Vec::new();
    for i in 0..4 {
        let (from, to) = (&test[100 * i + 7], &test[100 * i + 57]);
        let ends = no_grad(|| Ok::<_, anyhow::Error>(model.encode(&model.batch(&[from.clone(), to.clone()])?, eval)))?;
        let codes = line(&ends.narrow(0, 0, 1), &ends.narrow(0, 1, 1), 6);
        let found = model.decode(&codes, 2 * LONGEST, &Sampler::greedy(), eval);
        text.push(format!("[{}]", lexicon.decode(from)?));
        for sentence in &found {
            text.push(format!("  {}", lexicon.decode(sentence)?));
        }
        text.push(format!("[{}]\n", lexicon.decode(to)?));
    }
    Ok(text.join("\n"))
}

fn told_and_dropped(told: &Found, dropped: &Found, lexicon: &Lexicon) -> Result<String> {
    let some = |found: &Found| -> Result<String> {
        let each: Result<Vec<String>> = found.samples.iter().take(12).map(|ids| Ok(lexicon.decode(ids)?)).collect();
        Ok(each?.iter().map(|text| format!("  {text}")).collect::<Vec<_>>().join("\n"))
    };
    Ok(format!("60% of the words kept back:\n{}\n\ntold every word:\n{}", some(dropped)?, some(told)?))
}
