//! The replay buffer: what is in it, what comes out, what it refuses.

use etude_kernels::rng::Rng;
use etude_rl::{Replay, RlError, Transition};
use proptest::prelude::*;

/// Transition `i`: every field follows from its number.
fn numbered(i: usize) -> ([f32; 2], usize, Transition<[f32; 2]>) {
    let x = i as f32;
    let t = Transition {
        obs: [x + 0.5, -x],
        reward: 2.0 * i as f64,
        terminated: i.is_multiple_of(3),
        truncated: i.is_multiple_of(5),
    };
    ([x, x * x], i % 4, t)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn rows_are_whole_transitions_of_the_latest(capacity in 1usize..20, pushes in 1usize..50, seed: u64) {
        let mut replay = Replay::new(capacity, 2).expect("a buffer");
        for i in 0..pushes {
            let (obs, action, t) = numbered(i);
            replay.push(&obs, action, &t).expect("finite numbers");
        }
        prop_assert_eq!(replay.len(), pushes.min(capacity));
        let batch = replay.sample(400, &mut Rng::new(seed)).expect("not empty");
        let (obs, next) = (batch.obs.to_vec(), batch.next.to_vec());
        let mut seen = vec![false; pushes];
        for row in 0..400 {
            let i = obs[2 * row] as usize;
            let (o, action, t) = numbered(i);
            prop_assert_eq!(&obs[2 * row..2 * row + 2], &o[..]);
            prop_assert_eq!(&next[2 * row..2 * row + 2], &t.obs[..]);
            prop_assert_eq!(batch.action.to_vec()[row], action as i64);
            prop_assert_eq!(f64::from(batch.reward.to_vec()[row]), t.reward);
            prop_assert_eq!(batch.terminated.to_vec()[row], t.terminated);
            prop_assert_eq!(batch.truncated.to_vec()[row], t.truncated);
            prop_assert_eq!(batch.not_terminated().to_vec()[row], if t.terminated { 0.0 } else { 1.0 });
            seen[i] = true;
        }
        // Each of at most 19 rows is missed by 400 draws with probability (18/19)^400 < 1e-9.
        for (i, seen) in seen.iter().enumerate() {
            prop_assert_eq!(*seen, i + capacity >= pushes, "transition {}", i);
        }
    }
}

#[test]
fn misuse_is_refused() {
    assert!(matches!(Replay::new(0, 2), Err(RlError::Config { field: "Replay.capacity", .. })));
    let mut replay = Replay::new(4, 2).expect("a buffer");
    assert!(matches!(replay.sample(8, &mut Rng::new(0)), Err(RlError::EmptyReplay { batch: 8 })));
    let (obs, action, mut t) = numbered(1);
    t.obs[1] = f32::NAN;
    let error = replay.push(&obs, action, &t).expect_err("NaN").to_string();
    assert!(error.contains("replay: next observation is NaN"), "{error}");
    t.obs[1] = 0.0;
    t.reward = f64::INFINITY;
    assert!(replay.push(&obs, action, &t).is_err());
    let long = Transition { obs: vec![0.0; 3], reward: 0.0, terminated: false, truncated: false };
    assert!(replay.push(&vec![0.0; 3], 0, &long).expect_err("three features").to_string().contains("is 3"));
    assert!(replay.is_empty(), "nothing of the refused was stored");
}
