//! A GAN in training is stopped, killed and resumed, and ends with the bits of one that was not: two players, two
//! optimisers, running statistics, noise, the loader's order.

use std::path::Path;

use etude_autograd::Tensor;
use etude_data::{Batches, Samples};
use etude_gan::dcgan::{DcganConfig, Discriminator, Generator, discriminator_step, generator_step};
use etude_nn::testing::process::{self, RESULT};
use etude_nn::{Adam, Checkpoint, Ctx, resume_tests};

/// Trains in `folder` from its checkpoint to step `until`, and leaves a checkpoint there, too. Gives the step it began at.
fn train(folder: &Path, until: u64) -> u64 {
    let path = folder.join("run.safetensors");
    let mut cx = Ctx::train(1);
    let images: Tensor = Tensor::rand([20, 1, 8, 8], &mut cx);
    let config = DcganConfig { channels: 1, side: 8, latent: 4, width: 4, real_label: 0.9 };
    let generator = Generator::new(&config, &mut cx).expect("valid");
    let discriminator = Discriminator::new(&config, &mut cx).expect("valid");
    let (mut g_opt, mut d_opt) = (Adam::new(&generator, 1e-3), Adam::new(&discriminator, 1e-3));
    let mut batches = images.batches(6).shuffled(&mut cx).drop_last().endless();
    let mut losses = Vec::<f32>::new();
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .model("generator", &generator)
                .model("discriminator", &discriminator)
                .optimizer("g_opt", &mut g_opt)
                .optimizer("d_opt", &mut d_opt)
                .rng("rng", &mut cx.rng)
                .cursor("batches", &mut batches, Batches::cursor, Batches::resume)
                .floats("losses", &mut losses)
        };
    }
    let first = parts!().resume(&path).expect("old or new, but whole").map_or(0, |found| found.step);
    for step in first..until {
        let real = batches.next().expect("an endless iterator");
        losses.push(discriminator_step(&discriminator, &generator, &mut d_opt, &real, &mut cx).expect("finite"));
        losses.push(generator_step(&discriminator, &generator, &mut g_opt, 6, &mut cx).expect("finite"));
        if (step + 1) % 5 == 0 || step + 1 == until {
            parts!().save(&path, step + 1).expect("writable");
        }
    }
    std::fs::copy(path, folder.join(RESULT)).expect("writable");
    first
}

resume_tests!("resume", train, 60);

#[test]
#[ignore = "a minute: cargo test -p etude-gan --test it resume::many_kills -- --ignored --nocapture"]
fn many_kills() {
    println!("{:?}", TRAINING.survives(process::kills(250)));
}

#[test]
#[ignore = "minutes: cargo test -p etude-gan resume::dcgan -- --ignored --nocapture"]
fn dcgan_however_often_it_is_killed() {
    println!("{:?}", process::example_survives_kills("dcgan", process::kills(100)));
}

#[test]
#[ignore = "minutes: cargo test -p etude-gan resume::wgan_gp -- --ignored --nocapture"]
fn wgan_gp_however_often_it_is_killed() {
    println!("{:?}", process::example_survives_kills("wgan_gp", process::kills(100)));
}
