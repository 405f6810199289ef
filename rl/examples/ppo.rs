//! PPO learns to balance a pole. It can be stopped at any moment and resumed with `--resume`, and ends with the same bits.

use anyhow::Result;
use etude_data::example::{Args, Better, Report, thousands};
use etude_data::plot::Chart;
use etude_nn::{Ctx, Journal};
use etude_rl::envs::CartPole;
use etude_rl::ppo::Run;
use etude_rl::{PpoConfig, evaluate, mean, test_seeds};

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::resumable(&args, "rl", "ppo", "PPO balances a pole")?;
    let config = PpoConfig { steps: args.pick(102_400, 51_200), seed: args.seed, ..Default::default() };
    report.about(
        format!(
            "A policy and a value network, each with two hidden layers of 64 units, were trained on CartPole-v1, \
             where every step that the pole stays up pays 1 and 500 are the most, for {} steps in 8 copies of it.",
            thousands(config.steps)
        ),
        "The return of the policy as it samples its actions (faint: each training episode) climbs to the limit; the \
         greedy policy (second curve, on validation episodes) is there early, and is judged on 100 fresh episodes.",
    );

    let checkpoint = report.checkpoint()?;
    let mut run = Run::resume(&config, CartPole::new, &checkpoint)?;
    if let Some(found) = run.resumed.take() {
        report.resumed(found.step, found.damaged);
    }
    let mut journal = Journal::resume(Some(report.dir()), "rl-ppo", config.steps as u64, &run.journal)?;
    while !run.is_done() {
        let p = run.step()?;
        journal.scalar("loss", p.step as u64, p.loss);
        journal.scalar("train_return", p.step as u64, p.train_return);
        journal.tick(p.step as u64, format!("loss {:.3}, training return {:.0}", p.loss, p.train_return));
        if run.rollouts() % 10 == 0 {
            run.journal = journal.position();
            run.save(&checkpoint)?;
        }
    }
    journal.finish()?;
    let trained = run.finish();

    let mut cx = Ctx::eval_with_seed(args.seed);
    let returns = evaluate(CartPole::new, &test_seeds(args.seed, 100), |obs| trained.model.greedy(obs, &mut cx))?;
    report.result("ppo_return", mean(&returns), Better::Higher, args.pick(475.0, 195.0));

    let episodes = trained.episodes.iter().map(|end| (end.step as f64, end.total));
    let validations = trained.validations.iter().map(|v| (v.step as f64, v.mean));
    let goal = [(0.0, 475.0), (config.steps as f64, 475.0)];
    let chart = Chart::new("CartPole-v1, PPO").x("step").y("return").y_range(0.0..520.0);
    let chart = chart.smoothed("training", episodes).line("validation, greedy", validations).dashed("solved", goal);
    report.figure_svg(chart.svg()?, "returns.svg", "Return of each episode while the network learns")?;
    report.finish()?;
    Ok(())
}
