//! A variational autoencoder in training is stopped, killed and resumed, and ends with the bits of one that was not: its
//! samples of z, its binarised pixels, the loader's order, Adam's moments, the schedule.

use std::path::Path;

use etude_ae_vae::{Autoencoder, Vae, VaeConfig};
use etude_autograd::Tensor;
use etude_data::{Batches, Samples};
use etude_nn::schedule::Schedule;
use etude_nn::testing::process::{self, RESULT};
use etude_nn::{Adam, Checkpoint, Ctx, Optimizer, resume_tests};

/// Trains in `folder` from its checkpoint to step `until`, and leaves a checkpoint there, too. Gives the step it began at.
fn train(folder: &Path, until: u64) -> u64 {
    let path = folder.join("run.safetensors");
    let mut cx = Ctx::train(1);
    let images: Tensor = Tensor::rand([50, 16], &mut cx);
    let vae =
        Vae::new(VaeConfig { input: 16, hidden: vec![12], latent: 2, ..VaeConfig::default() }, &mut cx).expect("valid");
    let mut opt = Adam::new(&vae, 1e-2);
    let schedule = Schedule::cosine(1e-2, 1e-4, 60);
    let mut batches = images.batches(8).shuffled(&mut cx).endless();
    let mut losses = Vec::<f32>::new();
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .model("vae", &vae)
                .optimizer("opt", &mut opt)
                .rng("rng", &mut cx.rng)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .floats("losses", &mut losses)
        };
    }
    let first = parts!().resume(&path).expect("old or new, but whole").map_or(0, |found| found.step);
    for step in first..until {
        let x: Tensor = batches.next().expect("an endless iterator");
        let x = Tensor::rand(x.shape(), &mut cx).lt(&x).to_float();
        let loss = vae.forward(&x, &mut cx).loss.total();
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
#[ignore = "a minute: cargo test -p etude-ae-vae --test it resume::many_kills -- --ignored --nocapture"]
fn many_kills() {
    println!("{:?}", TRAINING.survives(process::kills(250)));
}

/// The examples that resume, each killed and resumed to the same outcome.
macro_rules! examples {
    ($($test:ident: $example:literal, $kills:literal;)*) => {
        mod however_often_it_is_killed {
            use super::process;
            $(
                #[test]
                #[ignore = "minutes: cargo test -p etude-ae-vae however_often_it_is_killed::NAME -- --ignored --nocapture"]
                fn $test() {
                    println!("{:?}", process::example_survives_kills($example, process::kills($kills)));
                }
            )*
        }
    };
}

examples! {
    anomaly: "anomaly", 20;
    autoencoders: "autoencoders", 100;
    clustering: "clustering", 20;
    latent_plane: "latent_plane", 20;
    molecules: "molecules", 20;
    pca: "pca", 20;
    reproduce_vae: "reproduce vae", 20;
    sentences: "sentences", 20;
    vae: "vae", 100;
}
