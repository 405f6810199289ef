//! A Wasserstein GAN with gradient penalty finds 25 Gaussians. It can be stopped at any moment and resumed with `--resume`, and
//! ends with the same bits.

use anyhow::Result;
use etude_data::example::{Args, Better, Report};
use etude_data::plot::Chart;
use etude_gan::modes::GaussianGrid;
use etude_gan::wgan_gp::{Critic, Generator, WganGpConfig, critic_step, generator_step};
use etude_nn::schedule::Schedule;
use etude_nn::{Adam, Checkpoint, Ctx, Journal, JournalPosition, Module, Optimizer};

/// The data are scaled to about unit variance for the networks, as in the paper's authors' code.
const SCALE: f32 = 2.828;

/// Chosen on the share of good samples after 2,000 steps: 1e-3 gives 0.20, 2e-3 0.48, 3e-3 0.79, 6e-3 0.80.
const LR: f64 = 3e-3;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "gan", "wgan_gp", "A Wasserstein GAN finds 25 modes")?;
    let (steps, batch) = (args.pick(4000, 1500), 256);
    let grid = GaussianGrid::default();
    let config = WganGpConfig { critic_steps: 5, ..Default::default() };
    let mut cx = Ctx::train(args.seed);
    let (generator, critic) = (Generator::new(&config, &mut cx)?, Critic::new(&config, &mut cx)?);
    // The average of the weights over the last steps, which a GAN's circling does not blur (Yazıcı et al. 2019).
    let average = generator.clone();
    let mut g_opt = Adam::new(&generator, LR).betas(0.5, 0.9);
    let mut c_opt = Adam::new(&critic, LR).betas(0.5, 0.9);
    let schedule = Schedule::linear(LR, 0.0, steps);
    let checkpoint = report.checkpoint()?;
    let (mut distances, mut at) = (Vec::new(), JournalPosition::default());
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .config("run", &(args.seed, steps))
                .model("generator", &generator)
                .model("critic", &critic)
                .model("average", &average)
                .optimizer("g_opt", &mut g_opt)
                .optimizer("c_opt", &mut c_opt)
                .rng("rng", &mut cx.rng)
                .data("distances", &mut distances)
                .data("journal", &mut at)
                .keep_previous()
        };
    }
    let first = parts!().resume(&checkpoint)?.map_or(0, |found| report.resumed(found.step, found.damaged));
    let mut journal = Journal::resume(Some(report.dir()), "wgan_gp", steps, &at)?;
    for step in first..steps {
        g_opt.set_lr(schedule.at(step));
        c_opt.set_lr(schedule.at(step));
        let mut found = None;
        for _ in 0..config.critic_steps {
            let real = grid.sample(batch, &mut cx) * (1.0 / SCALE);
            found = Some(critic_step(&critic, &generator, &config, &mut c_opt, &real, &mut cx)?);
        }
        generator_step(&critic, &generator, &mut g_opt, batch, &mut cx)?;
        average.ema_from(&generator, 0.01);
        if let Some(found) = found {
            journal.scalar("distance", step, found.distance);
            journal.tick(step, format!("distance {:.3}, penalty {:.3}", found.distance, found.penalty));
            distances.push((step as f64, f64::from(found.distance)));
        }
        if (step + 1) % 100 == 0 {
            at = journal.position();
            parts!().save(&checkpoint, step + 1)?;
        }
    }
    journal.finish()?;

    let mut eval = cx.eval();
    let samples = average.sample(10_000, &mut eval) * SCALE;
    let coverage = grid.coverage(&samples, 20)?;
    report.about(
        "A generator and a critic with three hidden layers of 128 played against each other on a mixture of 25 narrow \
         Gaussians, the critic held to slope 1 by a penalty on its gradient: a derivative of a derivative.",
        "Every dot is a generated point and every ring surrounds the centre of a mode: a GAN that collapses leaves rings \
         empty, one that hesitates leaves threads of dots between them.",
    );
    report.result("wgan_gp_modes", coverage.modes as f64, Better::Higher, args.pick(24.0, 18.0));
    report.result("wgan_gp_share", coverage.share, Better::Higher, args.pick(0.5, 0.3));
    let points = |x: &etude_autograd::Tensor| -> Vec<(f64, f64)> {
        x.to_vec().chunks_exact(2).map(|p| (f64::from(p[0]), f64::from(p[1]))).collect()
    };
    let centres = grid.centres().into_iter().map(|[x, y]| (f64::from(x), f64::from(y)));
    let shown = points(&samples.narrow(0, 0, 2500));
    let chart = Chart::new("25 Gaussians").square().scatter("generated", shown).rings("modes", centres);
    report.figure_svg(
        chart.svg()?,
        "modes.svg",
        "2,500 generated points and the 25 modes; a ring is somewhat wider than 3σ",
    )?;
    let chart = Chart::new("The critic's distance").x("step").y("E D(x) − E D(G(z))").smoothed("distance", distances);
    report.figure_svg(
        chart.svg()?,
        "distance.svg",
        "The critic's estimate of the distance falls as the generator learns",
    )?;
    report.finish()?;
    Ok(())
}
