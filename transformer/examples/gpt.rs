//! A GPT writes Shakespeare, character by character. It can be stopped at any moment and resumed with `--resume`, and ends with
//! the same bits.

use anyhow::{Result, ensure};
use etude_autograd::{Tensor, no_grad};
use etude_data::Text;
use etude_data::example::{Args, Better, Report};
use etude_data::plot::Chart;
use etude_data::windows::{RandomWindows, Scored};
use etude_nn::schedule::Schedule;
use etude_nn::{AdamW, Checkpoint, Ctx, Journal, JournalPosition, Optimizer, Sampler, check_finite};
use etude_transformer::{Gpt, GptConfig};

const LN_2: f64 = std::f64::consts::LN_2;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "transformer", "gpt", "A GPT writes Shakespeare")?;
    let (steps, batch) = (args.pick(1200, 280), 16);
    let mut cx = Ctx::train(args.seed);
    let text = Text::shakespeare();
    let (train, _) = text.split(0.1)?;
    let config = GptConfig { vocab: text.vocab().len(), context: 64, ..Default::default() };
    let context = config.context;
    let model = Gpt::new(config, &mut cx)?;
    let mut opt = AdamW::new(&model, 3e-3).betas(0.9, 0.99).clip_norm(1.0);
    let schedule = Schedule::cosine(3e-3, 3e-4, steps).warm_up(100);
    let mut windows = RandomWindows::new(train, batch, context, &mut cx)?;
    let (mut curve, mut at) = (Vec::new(), JournalPosition::default());
    let checkpoint = report.checkpoint()?;
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(args.seed, steps))
                .model("model", &model)
                .optimizer("opt", &mut opt)
                .rng("rng", &mut cx.rng)
                .cursor("windows", &mut windows, RandomWindows::cursor, RandomWindows::resume)
                .data("curve", &mut curve)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    let first = parts!().resume(&checkpoint)?.map_or(0, |found| report.resumed(found.step, found.damaged));
    let mut journal = Journal::resume(Some(report.dir()), "gpt", steps, &at)?;
    for step in first..steps {
        let (x, y) = windows.next().expect("random windows never end");
        let loss = model.forward(&x, &mut cx).flatten(0..2).cross_entropy(&y.flatten(0..2));
        let bits = f64::from(check_finite(loss.item(), step)?) / LN_2;
        opt.set_lr(schedule.at(step));
        opt.step(&loss.backward());
        curve.push((step as f64, bits));
        journal.scalar("bits", step, bits as f32);
        journal.tick(step, format!("{bits:.3} bits a character"));
        if (step + 1) % 20 == 0 {
            at = journal.position();
            parts!().save(&checkpoint, step + 1)?;
        }
    }
    journal.finish()?;

    let mut eval = cx.eval();
    // Every character is predicted with at least half a window before it.
    let bpc = Scored::new(text.ids(), train.len(), 64, context)?.bits_each(|x, y| {
        let logits = no_grad(|| model.forward(x, &mut eval));
        logits.flatten(0..2).cross_entropy_each(&y.flatten(0..2))
    });
    report.about(
        "A transformer with four layers read seven plays of Shakespeare in windows of 64 characters and learnt to predict \
         the next one from all that it sees.",
        "The text below was drawn from it. The figure is its surprise at a tenth of the text that it has never seen.",
    );
    report.result("gpt_bpc", bpc, Better::Lower, args.pick(2.7, 3.6));
    let difference = cache_difference(&model, &text.ids()[train.len()..][..context], &mut eval)?;
    report.result("gpt_cache_difference", f64::from(difference), Better::Lower, 1e-5);
    let prompt = text.vocab().encode("\nHAMLET.\n")?;
    let ids = model.generate(&prompt, 600, Sampler::temperature(0.7)?, &mut eval)?;
    report.text("sample", text.vocab().decode(&ids)?, "600 characters, temperature 0.7");
    let chart = Chart::new("GPT on Shakespeare").x("step").y("bits a character").smoothed("training", curve);
    report.figure_svg(chart.svg()?, "bits.svg", "Bits a character while training")?;
    report.finish()?;
    Ok(())
}

/// The largest difference between logits with the cache, token by token, and those of one full pass; the greedy tokens must
/// be the same.
fn cache_difference(model: &Gpt, ids: &[u32], cx: &mut Ctx) -> Result<f32> {
    let x = Tensor::from_vec(ids.iter().map(|&id| i64::from(id)).collect(), [1, ids.len()]);
    let full = no_grad(|| model.forward(&x, cx));
    let mut cache = model.kv_cache();
    let mut largest = 0f32;
    for (t, &id) in ids.iter().enumerate() {
        let step = model.step(&[id], &mut cache, cx)?;
        let whole = full.select(1, t).to_vec();
        let same = Sampler::greedy().draw(&step, cx) == Sampler::greedy().draw(&whole, cx);
        ensure!(same, "token {t}: the cache changes the greedy choice");
        largest = step.iter().zip(&whole).fold(largest, |m, (a, b)| m.max((a - b).abs()));
    }
    Ok(largest)
}
