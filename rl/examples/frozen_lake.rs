//! Q-learning on the frozen lake, judged by dynamic programming.
//!
//! The learner only sees samples; the transition table is used afterwards, to compute what its policy is really worth
//! and what the best policy would be. No episode is simulated for the result, so it has no sampling noise.

use anyhow::Result;
use etude_data::example::{Args, Better, Report};
use etude_data::plot::{Chart, HeatMap};
use etude_rl::{QTable, Solution, TabularConfig, TabularEnv, envs, mean, q_learning};

const GAMMA: f64 = 0.99;

/// What [`marks`] draws.
const SYMBOLS: &str =
    "an arrow is the move chosen on a tile of ice, ● a hole, G the goal; the start is at the upper left";

fn main() -> Result<()> {
    let args = Args::parse();
    let mut report = Report::new(&args, "rl", "frozen_lake", "Q-learning crosses a slippery lake")?;
    report.about(
        "A table of 16 × 4 action values was learnt by Q-learning from 200,000 steps on FrozenLake-v1, where two moves \
         in three slip sideways; the probabilities were not shown to it.",
        "Compare the two maps: the arrows learnt from samples should be those that dynamic programming derives from \
         the true probabilities (several may be equally good), and the values should nearly agree.",
    );
    let mut lake = envs::frozen_lake(false, true);
    let learnt = q_learning(&mut lake, &TabularConfig { gamma: GAMMA, seed: args.seed, ..Default::default() })?;

    let mdp = lake.mdp();
    let best = mdp.value_iteration(GAMMA, 1e-12)?;
    let own = mdp.policy_values(&learnt.policy(), GAMMA, 1e-12)?;
    let ratio = mdp.start_value(&own) / mdp.start_value(&best.values);
    report.result("frozen_lake_value_ratio", ratio, Better::Higher, 0.98);
    // gymnasium's registry: solved at 0.70, optimum 0.74, within 100 steps.
    let success = mdp.start_value(&mdp.policy_return(&learnt.policy(), 100)?);
    report.result("frozen_lake_success", success, Better::Higher, 0.70);

    report.figure_svg(
        learnt_map(&lake, &learnt)?,
        "learnt.svg",
        format!("Values and moves learnt from samples: {SYMBOLS}"),
    )?;
    report.figure_svg(
        best_map(&lake, &best)?,
        "best.svg",
        format!("Values and moves by value iteration: {SYMBOLS}"),
    )?;
    let shares = learnt.returns.chunks_exact(200).enumerate().map(|(i, chunk)| (200.0 * i as f64, mean(chunk)));
    let chart = Chart::new("Share of 200 episodes that reach the goal").x("episode").y("share").line("", shares);
    report.figure_svg(
        chart.svg()?,
        "returns.svg",
        "While it learns, ε falls from 1 to 0.1: many failures are its own random moves",
    )?;
    report.finish()?;
    Ok(())
}

fn learnt_map(lake: &TabularEnv, q: &QTable) -> Result<String> {
    let values = (0..lake.mdp().states()).map(|s| q.value(s, q.best(s)));
    Ok(HeatMap::new("Q-learning", 4, values).text(marks(&q.policy())).svg()?)
}

fn best_map(lake: &TabularEnv, best: &Solution) -> Result<String> {
    let values = (0..lake.mdp().states()).map(|s| best.values[s]);
    Ok(HeatMap::new("Dynamic programming", 4, values).text(marks(&best.policy)).svg()?)
}

/// An arrow for each tile of ice, a letter for holes and the goal.
fn marks(policy: &[usize]) -> Vec<String> {
    let tiles = envs::FROZEN_LAKE_4X4.concat();
    let mark = |(tile, action): (char, &usize)| match tile {
        'H' => "●".to_string(),
        'G' => "G".to_string(),
        _ => ["←", "↓", "→", "↑"][*action].to_string(),
    };
    tiles.chars().zip(policy).map(mark).collect()
}
