//! A classifier in training is stopped, killed and resumed, and ends with the bits of one that was not: AdamW, the schedule,
//! dropout, augmentation, the loader's order.

use std::path::Path;

use etude_autograd::Tensor;
use etude_cnn::{Fit, FitConfig, LeNet, LeNetConfig};
use etude_data::{Augment, Batches, Samples};
use etude_nn::testing::process::{self, RESULT};
use etude_nn::{Checkpoint, Ctx, resume_tests};

/// Trains in `folder` from its checkpoint to step `until`, and leaves a checkpoint there, too. Gives the step it began at.
fn train(folder: &Path, until: u64) -> u64 {
    let path = folder.join("run.safetensors");
    let mut cx = Ctx::train(1);
    let images: Tensor = Tensor::rand([30, 1, 16, 16], &mut cx);
    let labels = Tensor::from_vec((0..30).map(|i| i % 3).collect(), [30]);
    let config =
        LeNetConfig { image: 16, channels: [2, 3], hidden: [8, 6], classes: 3, dropout: 0.2, ..LeNetConfig::default() };
    let model = LeNet::new(config, &mut cx).expect("valid");
    let augment = Augment { shift: 2.0, rotate: 12.0, ..Augment::default() };
    let mut changes = cx.rng.split();
    let mut batches = (images, labels).batches(8).shuffled(&mut cx).endless();
    // The length that the schedule is made for; a part of it may be trained.
    let mut run = Fit::new(&model, &FitConfig { steps: 60, ..FitConfig::default() }).expect("valid");
    let mut losses = Vec::<f32>::new();
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .model("model", &model)
                .optimizer("opt", &mut run.opt)
                .rng("rng", &mut cx.rng)
                .rng("changes", &mut changes)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .floats("losses", &mut losses)
        };
    }
    parts!().resume(&path).expect("old or new, but whole");
    let first = run.steps();
    while run.steps() < until {
        let (images, labels) = batches.next().expect("an endless iterator");
        let step = run.step(&augment.apply(&images, &mut changes), &labels, &mut cx).expect("finite");
        losses.push(step.loss as f32);
        if (step.step + 1).is_multiple_of(5) || step.step + 1 == until {
            parts!().save(&path, step.step + 1).expect("writable");
        }
    }
    std::fs::copy(path, folder.join(RESULT)).expect("writable");
    first
}

resume_tests!("resume", train, 60);

#[test]
#[ignore = "a minute: cargo test -p etude-cnn --test it resume::many_kills -- --ignored --nocapture"]
fn many_kills() {
    println!("{:?}", TRAINING.survives(process::kills(250)));
}

#[test]
#[ignore = "minutes: cargo test -p etude-cnn resume::lenet -- --ignored --nocapture"]
fn lenet_however_often_it_is_killed() {
    println!("{:?}", process::example_survives_kills("lenet", process::kills(100)));
}

#[test]
#[ignore = "minutes: cargo test -p etude-cnn resume::mlp -- --ignored --nocapture"]
fn mlp_however_often_it_is_killed() {
    println!("{:?}", process::example_survives_kills("mlp", process::kills(100)));
}
