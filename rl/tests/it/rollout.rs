//! Advantages and the PPO loss against their definitions, written out with plain numbers.

use etude_autograd::{CreateGraph, Tensor, grad};
use etude_nn::{Ctx, Layer};
use etude_rl::ppo::{Minibatch, clipped_objective, loss};
use etude_rl::{ActorCritic, Rollout};
use proptest::prelude::*;

fn rollout() -> impl Strategy<Value = Rollout> {
    (1usize..4, 1usize..12).prop_flat_map(|(copies, times)| {
        let step = (-1.0f32..1.0, -1.0f32..1.0, -1.0f32..1.0, 0..8usize);
        prop::collection::vec(step, copies * times).prop_map(move |steps| Rollout {
            copies,
            obs: vec![0.0; steps.len()],
            action: vec![0; steps.len()],
            log_prob: vec![0.0; steps.len()],
            reward: steps.iter().map(|s| s.0).collect(),
            value: steps.iter().map(|s| s.1).collect(),
            next_value: steps.iter().map(|s| s.2).collect(),
            terminated: steps.iter().map(|s| s.3 == 0 || s.3 == 2).collect(),
            truncated: steps.iter().map(|s| s.3 == 1 || s.3 == 2).collect(),
        })
    })
}

/// Schulman et al. 2016, eq. (16), as a double loop over one copy's steps.
fn by_definition(r: &Rollout, gamma: f64, lambda: f64) -> Vec<f64> {
    let times = r.len() / r.copies;
    let at = |time: usize, copy: usize| time * r.copies + copy;
    let delta = |i: usize| {
        let next = if r.terminated[i] { 0.0 } else { f64::from(r.next_value[i]) };
        f64::from(r.reward[i]) + gamma * next - f64::from(r.value[i])
    };
    let mut out = vec![0.0; r.len()];
    for copy in 0..r.copies {
        for start in 0..times {
            for time in start..times {
                let i = at(time, copy);
                out[at(start, copy)] += (gamma * lambda).powi((time - start) as i32) * delta(i);
                if r.terminated[i] || r.truncated[i] {
                    break;
                }
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn advantages_follow_their_definition(r in rollout(), gamma in 0.0f64..1.0, lambda in 0.0f64..1.0) {
        for (ours, exact) in r.advantages(gamma, lambda).iter().zip(by_definition(&r, gamma, lambda)) {
            prop_assert!((f64::from(*ours) - exact).abs() < 1e-5, "{} {}", ours, exact);
        }
    }

    #[test]
    fn the_clipped_objective_follows_its_definition(ratio in 0.0f32..3.0, a in -2.0f32..2.0, clip in 0.05f64..0.5) {
        let r = Tensor::from_vec(vec![ratio], [1]).requires_grad();
        let objective = clipped_objective(&r, &Tensor::from_vec(vec![a], [1]), clip);
        let clip = clip as f32;
        // The four cases of Schulman et al. 2017, figure 1: beyond the clip in the direction of improvement it is flat.
        let flat = if a > 0.0 { ratio > 1.0 + clip } else { ratio < 1.0 - clip };
        let edge = if a > 0.0 { 1.0 + clip } else { 1.0 - clip };
        let exact = if flat { edge * a } else { ratio * a };
        prop_assert!((objective.to_vec()[0] - exact).abs() < 1e-6);
        let [slope] = grad(&objective.sum(), [&r], CreateGraph::No);
        let exact = if flat { 0.0 } else { a };
        prop_assert!((slope.to_vec()[0] - exact).abs() < 1e-6, "slope {:?}", slope.to_vec());
    }
}

#[test]
fn the_parts_of_the_loss_are_what_they_say() {
    let mut cx = Ctx::train(5);
    let agent = ActorCritic::new(3, &[8], 4, &mut cx);
    let n = 6;
    let rollout = Rollout {
        copies: 1,
        obs: (0..3 * n).map(|i| (i as f32 * 0.7).sin()).collect(),
        action: vec![0, 1, 2, 3, 0, 1],
        log_prob: vec![-1.2, -1.6, -1.4, -1.3, -1.5, -1.1],
        reward: vec![0.0; n],
        value: vec![0.5, 0.1, -0.2, 0.3, 0.0, 1.0],
        next_value: vec![0.0; n],
        terminated: vec![false; n],
        truncated: vec![false; n],
    };
    let advantages = [1.0, -1.0, 0.5, 2.0, -0.5, 0.0];
    let rows = [4, 0, 3, 1];
    let batch = Minibatch::new(&rollout, &advantages, &rows);
    let parts = loss(&agent, &batch, 0.2, None, &mut cx);

    let logits = agent.actor.forward(&batch.obs, &mut cx).to_vec();
    let values = agent.value(&batch.obs, &mut cx).to_vec();
    let chosen: Vec<f64> = rows.iter().map(|&i| f64::from(advantages[i])).collect();
    let centre = chosen.iter().sum::<f64>() / 4.0;
    let deviation = (chosen.iter().map(|a| (a - centre).powi(2)).sum::<f64>() / 4.0).sqrt();
    let (mut policy, mut value, mut entropy) = (0.0, 0.0, 0.0);
    for (row, &i) in rows.iter().enumerate() {
        let logits: Vec<f64> = logits[4 * row..4 * row + 4].iter().map(|x| f64::from(*x)).collect();
        let total: f64 = logits.iter().map(|x| x.exp()).sum();
        let log_prob = |a: usize| logits[a] - total.ln();
        let ratio = (log_prob(rollout.action[i] as usize) - f64::from(rollout.log_prob[i])).exp();
        let a = (chosen[row] - centre) / deviation;
        policy -= (ratio * a).min(ratio.clamp(0.8, 1.2) * a) / 4.0;
        let target = chosen[row] + f64::from(rollout.value[i]);
        value += (f64::from(values[row]) - target).powi(2) / 4.0;
        entropy -= (0..4).map(|a| log_prob(a).exp() * log_prob(a)).sum::<f64>() / 4.0;
    }
    for (part, exact) in [(parts.policy, policy), (parts.value, value), (parts.entropy, entropy)] {
        assert!((f64::from(part.item()) - exact).abs() < 1e-5, "{} {exact}", part.item());
    }
}

#[test]
fn equal_advantages_are_no_nan() {
    let rollout = Rollout {
        copies: 1,
        obs: vec![0.1, 0.2],
        action: vec![0, 1],
        log_prob: vec![-0.7; 2],
        reward: vec![0.0; 2],
        value: vec![0.0; 2],
        next_value: vec![0.0; 2],
        terminated: vec![false; 2],
        truncated: vec![false; 2],
    };
    for rows in [&[0, 1][..], &[1][..]] {
        let batch = Minibatch::new(&rollout, &[3.0, 3.0], rows);
        assert!(batch.advantage.to_vec().iter().all(|a| *a == 0.0));
    }
}
