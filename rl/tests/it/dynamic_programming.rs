//! Dynamic programming against closed forms and against itself.

use etude_rl::envs::{cliff_walking, frozen_lake};
use etude_rl::{Mdp, Outcome, RlError};
use proptest::prelude::*;

fn outcome(probability: f64, next: usize, reward: f64, terminated: bool) -> Outcome {
    Outcome { probability, next, reward, terminated }
}

#[test]
fn a_loop_is_worth_its_geometric_series() {
    // One state; action 0 pays 1 for ever: 1/(1 − γ). Action 1 pays 5 once and ends: 5.
    let rows = vec![vec![outcome(1.0, 0, 1.0, false)], vec![outcome(1.0, 0, 5.0, true)]];
    let mdp = Mdp::new(2, vec![1.0], rows).expect("a process");
    let patient = mdp.value_iteration(0.9, 1e-12).expect("it converges");
    assert!((patient.values[0] - 10.0).abs() < 1e-9 && patient.policy == [0]);
    let hasty = mdp.value_iteration(0.5, 1e-12).expect("it converges");
    assert!((hasty.values[0] - 5.0).abs() < 1e-9 && hasty.policy == [1]);
    assert!(matches!(mdp.value_iteration(1.0, 1e-12), Err(RlError::NotConverged { .. })));
}

#[test]
fn known_optima() {
    // Sutton & Barto 2018, example 6.6: 11 steps along the cliff, one up and one down.
    let cliff = cliff_walking(false, None);
    let best = cliff.mdp().value_iteration(1.0, 1e-12).expect("it converges");
    assert!((cliff.mdp().start_value(&best.values) + 13.0).abs() < 1e-9);
    // Without a limit and without discount the best chance on the small slippery lake is 14/17, known from the linear
    // equations of its best policy; dry ice can always be crossed.
    let lake = frozen_lake(false, true);
    let best = lake.mdp().value_iteration(1.0, 1e-14).expect("it converges");
    assert!((lake.mdp().start_value(&best.values) - 14.0 / 17.0).abs() < 1e-9);
    // gymnasium's registry states the optimum within 100 steps, 0.74.
    let within = lake.mdp().policy_return(&best.policy, 100).expect("a policy");
    assert!((lake.mdp().start_value(&within) - 0.74).abs() < 0.005);
    let dry = frozen_lake(true, false);
    let best = dry.mdp().value_iteration(0.99, 1e-12).expect("it converges");
    assert!((dry.mdp().start_value(&best.values) - 0.99f64.powi(13)).abs() < 1e-9, "14 moves to the goal");
}

/// Random processes with 2 actions; every outcome may end the episode.
fn process() -> impl Strategy<Value = Mdp> {
    (2usize..6).prop_flat_map(|states| {
        let row = prop::collection::vec((0.01f64..1.0, 0..states, -1.0f64..1.0, any::<bool>()), 1..4);
        prop::collection::vec(row, states * 2).prop_map(move |rows| {
            let normalise = |row: Vec<(f64, usize, f64, bool)>| {
                let sum: f64 = row.iter().map(|o| o.0).sum();
                row.into_iter().map(|(p, next, reward, end)| outcome(p / sum, next, reward, end)).collect()
            };
            let start = vec![1.0 / states as f64; states];
            Mdp::new(2, start, rows.into_iter().map(normalise).collect()).expect("rows are normalised")
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_solution_is_the_best_of_all_policies(mdp in process(), gamma in 0.0f64..0.95) {
        let best = mdp.value_iteration(gamma, 1e-12).expect("γ < 1 converges");
        let own = mdp.policy_values(&best.policy, gamma, 1e-12).expect("γ < 1 converges");
        for bits in 0..1usize << mdp.states() {
            let policy: Vec<usize> = (0..mdp.states()).map(|s| bits >> s & 1).collect();
            let values = mdp.policy_values(&policy, gamma, 1e-12).expect("γ < 1 converges");
            for s in 0..mdp.states() {
                prop_assert!(values[s] <= best.values[s] + 1e-9);
                prop_assert!((own[s] - best.values[s]).abs() <= 1e-9);
            }
        }
    }
}

#[test]
fn tables_that_are_no_process_are_refused() {
    let message = |start, rows| Mdp::new(1, start, rows).expect_err("no process").to_string();
    let half = message(vec![1.0], vec![vec![outcome(0.5, 0, 0.0, true)]]);
    assert!(half.contains("state 0, action 0") && half.contains("sum to 0.5"), "{half}");
    assert!(message(vec![1.0], vec![vec![outcome(1.0, 3, 0.0, true)]]).contains("outside 1 states"));
    assert!(message(vec![1.0], vec![vec![outcome(1.0, 0, f64::NAN, true)]]).contains("no finite reward"));
    assert!(message(vec![1.0], vec![]).contains("0 rows for 1 states"));
    let mdp = frozen_lake(false, true);
    assert!(matches!(mdp.mdp().value_iteration(1.5, 1e-9), Err(RlError::Config { field: "gamma", .. })));
    assert!(matches!(mdp.mdp().policy_return(&[9; 16], 1), Err(RlError::Config { field: "policy", .. })));
}
