//! An LSTM writes Shakespeare, character by character. It can be stopped at any moment and resumed with `--resume`, and ends
//! with the same bits.

use anyhow::Result;
use etude_autograd::no_grad;
use etude_data::Text;
use etude_data::example::{Args, Better, Report};
use etude_data::plot::Chart;
use etude_data::windows::{Scored, Streams};
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Checkpoint, Ctx, Journal, JournalPosition, Optimizer, Sampler, check_finite};
use etude_rnn::{CharLm, CharLmConfig};

const LN_2: f64 = std::f64::consts::LN_2;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "rnn", "char_lstm", "An LSTM writes Shakespeare")?;
    let (steps, batch, len) = (args.pick(1000, 420), 32, 64);
    let mut cx = Ctx::train(args.seed);
    let text = Text::shakespeare();
    let (train, _) = text.split(0.1)?;
    let config = CharLmConfig { vocab: text.vocab().len(), hidden: args.pick(384, 256), ..Default::default() };
    let model = CharLm::new(config, &mut cx)?;
    let mut opt = Adam::new(&model, 4e-3).clip_norm(1.0);
    let schedule = Schedule::cosine(4e-3, 4e-4, steps).warm_up(50);
    let (mut streams, mut state) = (Streams::new(train, batch, len)?, model.zero_state(batch));
    let (mut curve, mut at) = (Vec::new(), JournalPosition::default());
    let checkpoint = report.checkpoint()?;
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(args.seed, steps))
                .model("model", &model)
                .optimizer("opt", &mut opt)
                .rng("rng", &mut cx.rng)
                .cursor("streams", &mut streams, Streams::position, |streams, &at| streams.seek(at))
                .tensors("state", state.tensors_mut())
                .data("curve", &mut curve)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    let mut step = parts!().resume(&checkpoint)?.map_or(0, |found| report.resumed(found.step, found.damaged));
    let mut journal = Journal::resume(Some(report.dir()), "char_lstm", steps, &at)?;
    while step < steps {
        let Some((x, y)) = streams.next() else {
            streams.seek(0)?;
            state = model.zero_state(batch);
            continue;
        };
        let (logits, next) = model.forward(&x, &state, &mut cx);
        let loss = logits.flatten(0..2).cross_entropy(&y.flatten(0..2));
        let bits = f64::from(check_finite(loss.item(), step)?) / LN_2;
        opt.set_lr(schedule.at(step));
        opt.step(&loss.backward());
        state = next.detach(); // truncated back-propagation: values go on, the graph does not
        curve.push((step as f64, bits));
        step += 1;
        journal.scalar("bits", step, bits as f32);
        journal.tick(step, format!("{bits:.3} bits a character"));
        if step % 20 == 0 {
            at = journal.position();
            parts!().save(&checkpoint, step)?;
        }
    }
    journal.finish()?;

    let mut eval = cx.eval();
    // Every character is predicted with at least half a window before it.
    let bpc = Scored::new(text.ids(), train.len(), 64, 256)?.bits_each(|x, y| {
        let (logits, _) = no_grad(|| model.forward(x, &model.zero_state(x.dim(0)), &mut eval));
        logits.flatten(0..2).cross_entropy_each(&y.flatten(0..2))
    });
    report.about(
        "A long short-term memory network read seven plays of Shakespeare, character by character, and learnt to predict \
         the next one.",
        "The text below was drawn from it: names, line breaks and spelling come from the letters alone. The figure is its \
         surprise at a tenth of the text that it has never seen.",
    );
    report.result("lstm_bpc", bpc, Better::Lower, args.pick(2.25, 2.7));
    let prompt = text.vocab().encode("\nHAMLET.\n")?;
    let ids = model.sample(&prompt, 600, Sampler::temperature(0.7)?, &mut eval)?;
    report.text("sample", text.vocab().decode(&ids)?, "600 characters, temperature 0.7");
    let chart = Chart::new("LSTM on Shakespeare").x("step").y("bits a character").smoothed("training", curve);
    report.figure_svg(chart.svg()?, "bits.svg", "Bits a character while training")?;
    report.finish()?;
    Ok(())
}
