//! DQN learns to balance a pole. It can be stopped at any moment and resumed with `--resume`, and ends with the same bits.

use anyhow::Result;
use etude_autograd::Tensor;
use etude_data::example::{Args, Better, Report, thousands};
use etude_data::plot::Chart;
use etude_kernels::rng::Rng;
use etude_nn::{Ctx, Journal};
use etude_rl::dqn::Run;
use etude_rl::envs::CartPole;
use etude_rl::{DqnConfig, Env, dqn, evaluate, mean, test_seeds};

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "rl", "dqn", "DQN balances a pole")?;
    let config = DqnConfig { steps: args.pick(60_000, 40_000), seed: args.seed, ..Default::default() };
    report.about(
        format!(
            "A network with two hidden layers of 64 units learnt the action values of CartPole-v1, where every step \
             that the pole stays up pays 1 and 500 are the most, from {} steps by double DQN.",
            thousands(config.steps)
        ),
        "The greedy policy (second curve, on validation episodes) forgets and relearns, as DQN does: the network of \
         the best validation is kept and judged on 100 episodes that neither training nor validation saw.",
    );

    let checkpoint = report.checkpoint()?;
    let mut run = Run::resume(&config, CartPole::new, &checkpoint)?;
    if let Some(found) = run.resumed.take() {
        report.resumed(found.step, found.damaged);
    }
    let mut journal = Journal::resume(Some(report.dir()), "rl-dqn", config.steps as u64, &run.journal)?;
    while !run.is_done() {
        if let Some(p) = run.step()? {
            journal.scalar("loss", p.step as u64, p.loss);
            journal.scalar("train_return", p.step as u64, p.train_return);
            journal.tick(p.step as u64, format!("loss {:.3}, training return {:.0}", p.loss, p.train_return));
        }
        if run.steps() % 2_000 == 0 {
            run.journal = journal.position();
            run.save(&checkpoint)?;
        }
    }
    journal.finish()?;
    let trained = run.finish();

    let mut cx = Ctx::eval_with_seed(args.seed);
    let returns =
        evaluate(CartPole::new, &test_seeds(args.seed, 100), |obs| dqn::greedy(&trained.model, obs, &mut cx))?;
    report.result("dqn_return", mean(&returns), Better::Higher, args.pick(475.0, 195.0));

    let episodes = trained.episodes.iter().map(|end| (end.step as f64, end.total));
    let validations = trained.validations.iter().map(|v| (v.step as f64, v.mean));
    let goal = [(0.0, 475.0), (config.steps as f64, 475.0)];
    let chart = Chart::new("CartPole-v1, DQN").x("step").y("return").y_range(0.0..520.0);
    let chart = chart.smoothed("training", episodes).line("validation, greedy", validations).dashed("solved", goal);
    report.figure_svg(chart.svg()?, "returns.svg", "Return of each episode while the network learns")?;

    let trained_angle = angles(test_seeds(args.seed, 1)[0], |obs| {
        dqn::greedy(&trained.model, &Tensor::from_slice(obs, [1, 4]), &mut cx).item() as usize
    })?;
    let mut rng = Rng::new(args.seed);
    let random_angle = angles(test_seeds(args.seed, 1)[0], |_| rng.below(2))?;
    let chart = Chart::new("Angle of the pole").x("step").y("degrees");
    let chart = chart.line("trained", trained_angle).line("random actions", random_angle);
    // Not a number lifts the pen between the two limits.
    let limits = [(0.0, 12.0), (500.0, 12.0), (500.0, f64::NAN), (0.0, -12.0), (500.0, -12.0)];
    let chart = chart.dashed("fallen", limits);
    report.figure_svg(chart.svg()?, "angle.svg", "One fresh episode: the trained network against random actions")?;
    report.finish()?;
    Ok(())
}

/// The pole's angle at each step of an episode.
fn angles(seed: u64, mut policy: impl FnMut(&[f32; 4]) -> usize) -> Result<Vec<(f64, f64)>> {
    let mut env = CartPole::new();
    let mut obs = env.reset(seed);
    let mut out = vec![(0.0, env.state()[2].to_degrees())];
    loop {
        let t = env.step(policy(&obs))?;
        out.push((out.len() as f64, env.state()[2].to_degrees()));
        if t.done() {
            return Ok(out);
        }
        obs = t.obs;
    }
}
