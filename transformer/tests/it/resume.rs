//! A GPT in training is stopped, killed and resumed, and ends with the bits of one that was not: AdamW, the schedule, dropout,
//! random windows of the text.

use std::path::Path;

use etude_data::windows::RandomWindows;
use etude_nn::schedule::Schedule;
use etude_nn::testing::process::{self, RESULT};
use etude_nn::{AdamW, Checkpoint, Ctx, Optimizer, resume_tests};
use etude_transformer::{Gpt, GptConfig};

/// Trains in `folder` from its checkpoint to step `until`, and leaves a checkpoint there, too. Gives the step it began at.
fn train(folder: &Path, until: u64) -> u64 {
    let path = folder.join("run.safetensors");
    let mut cx = Ctx::train(1);
    let text: Vec<u32> = (0..150).map(|i| i * i % 7).collect();
    let config = GptConfig { vocab: 7, context: 8, dim: 8, heads: 2, layers: 2, dropout: 0.1, ..GptConfig::default() };
    let model = Gpt::new(config, &mut cx).expect("valid");
    let mut opt = AdamW::new(&model, 1e-2).betas(0.9, 0.99).clip_norm(1.0);
    let schedule = Schedule::cosine(1e-2, 1e-3, 60).warm_up(5);
    let mut windows = RandomWindows::new(&text, 4, 8, &mut cx).expect("long enough");
    let mut losses = Vec::<f32>::new();
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .model("model", &model)
                .optimizer("opt", &mut opt)
                .rng("rng", &mut cx.rng)
                .cursor("windows", &mut windows, RandomWindows::cursor, RandomWindows::resume)
                .floats("losses", &mut losses)
        };
    }
    let first = parts!().resume(&path).expect("old or new, but whole").map_or(0, |found| found.step);
    for step in first..until {
        let (x, y) = windows.next().expect("random windows never end");
        let loss = model.forward(&x, &mut cx).flatten(0..2).cross_entropy(&y.flatten(0..2));
        losses.push(loss.item());
        opt.set_lr(schedule.at(step));
        opt.step(&loss.backward());
        if (step + 1) % 5 == 0 || step + 1 == until {
            parts!().save(&path, step + 1).expect("writable");
        }
    }
    std::fs::copy(path, folder.join(RESULT)).expect("writable");
    first
}

resume_tests!("resume", train, 60);

#[test]
#[ignore = "a minute: cargo test -p etude-transformer --test it resume::many_kills -- --ignored --nocapture"]
fn many_kills() {
    println!("{:?}", TRAINING.survives(process::kills(250)));
}

#[test]
#[ignore = "minutes: cargo test -p etude-transformer resume::gpt -- --ignored --nocapture"]
fn gpt_however_often_it_is_killed() {
    println!("{:?}", process::example_survives_kills("gpt", process::kills(100)));
}
