//! Our environments against gymnasium: `golden/from_gymnasium.json`, written by the script beside it.

use etude_rl::envs::{CartPole, cliff_walking, frozen_lake};
use etude_rl::{Env, Mdp, Transition};
use serde_json::Value;

fn golden() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/from_gymnasium.json");
    let text = std::fs::read_to_string(path).expect("the golden file is checked in");
    serde_json::from_str(&text).expect("the golden file is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn state(row: &[f64]) -> [f64; 4] {
    row.try_into().expect("four numbers")
}

/// Whether a transition is the golden row [action, reward, terminated, truncated, state × 4].
fn assert_same(t: &Transition<[f32; 4]>, row: &[f64], place: &str) {
    for (ours, theirs) in t.obs.iter().zip(&row[4..]) {
        assert!((f64::from(*ours) - theirs).abs() <= 1e-6, "{place}: {:?}, gymnasium {:?}", t.obs, &row[4..]);
    }
    let ours = [t.reward, f64::from(u8::from(t.terminated)), f64::from(u8::from(t.truncated))];
    assert_eq!(ours, row[1..4], "{place}: reward, terminated, truncated");
}

#[test]
fn cart_pole_makes_gymnasiums_transitions() {
    for (e, episode) in golden()["cart_pole"].as_array().expect("episodes").iter().enumerate() {
        let rows: Vec<Vec<f64>> = episode["rows"].as_array().expect("rows").iter().map(numbers).collect();
        let start = state(&numbers(&episode["start"]));
        let before = std::iter::once(start).chain(rows.iter().map(|row| state(&row[4..])));
        for (i, (row, before)) in rows.iter().zip(before).enumerate() {
            let mut env = CartPole::new();
            env.reset_to(before).expect("a finite state");
            let mut t = env.step(row[0] as usize).expect("a legal step");
            // A single step says nothing about the time limit; the next test does.
            t.truncated = row[3] == 1.0;
            assert_same(&t, row, &format!("episode {e}, step {i}"));
        }
    }
}

#[test]
fn cart_pole_ends_its_episodes_where_gymnasium_does() {
    for (e, episode) in golden()["cart_pole"].as_array().expect("episodes").iter().enumerate() {
        let rows: Vec<Vec<f64>> = episode["rows"].as_array().expect("rows").iter().map(numbers).collect();
        let mut env = CartPole::new();
        env.reset_to(state(&numbers(&episode["start"]))).expect("a finite state");
        for (i, row) in rows.iter().enumerate() {
            let t = env.step(row[0] as usize).expect("a legal step");
            let flags = [f64::from(u8::from(t.terminated)), f64::from(u8::from(t.truncated))];
            assert_eq!(flags, row[2..4], "episode {e}, step {i}");
            assert_eq!(t.done(), i + 1 == rows.len());
            // Rounding differences of sin and cos grow with e^(4 t) in an unstable system: short episodes stay close.
            if rows.len() < 100 {
                assert_same(&t, row, &format!("rolled episode {e}, step {i}"));
            }
        }
    }
}

#[test]
fn tables_are_gymnasiums() {
    let golden = golden();
    let check = |name: &str, mdp: &Mdp| {
        let rows = golden[name].as_array().expect("rows");
        assert_eq!(rows.len(), mdp.states() * mdp.actions(), "{name}");
        for (i, row) in rows.iter().enumerate() {
            let theirs: Vec<Vec<f64>> = row.as_array().expect("outcomes").iter().map(numbers).collect();
            let ours = mdp.outcomes(i / mdp.actions(), i % mdp.actions());
            assert_eq!(ours.len(), theirs.len(), "{name}, row {i}");
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!((ours.probability - theirs[0]).abs() <= 1e-12, "{name}, row {i}");
                let rest = [ours.next as f64, ours.reward, f64::from(u8::from(ours.terminated))];
                assert_eq!(rest, theirs[1..], "{name}, row {i}");
            }
        }
    };
    check("frozen_lake_4x4", frozen_lake(false, true).mdp());
    check("frozen_lake_4x4_dry", frozen_lake(false, false).mdp());
    check("frozen_lake_8x8", frozen_lake(true, true).mdp());
    check("cliff_walking", cliff_walking(false, None).mdp());
    check("cliff_walking_slippery", cliff_walking(true, None).mdp());
}
