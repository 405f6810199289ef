//! What PPO collects between two updates, and the advantages computed from it.
//!
//! Layout: index `time * copies + copy`, so that a row of the vector environment is contiguous.
//! Source: Schulman et al. 2016, "High-dimensional continuous control using generalized advantage estimation",
//! arXiv 1506.02438.

/// Steps of several copies of an environment under one policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollout {
    /// The number of copies.
    pub copies: usize,
    /// Observations, `features` numbers each.
    pub obs: Vec<f32>,
    /// Actions taken.
    pub action: Vec<i64>,
    /// ln π(action | obs) of the policy that took them.
    pub log_prob: Vec<f32>,
    /// Rewards.
    pub reward: Vec<f32>,
    /// V(obs) by the critic.
    pub value: Vec<f32>,
    /// V of the observation after the step, of the same episode even where it ended.
    pub next_value: Vec<f32>,
    /// Whether the task ended with the step.
    pub terminated: Vec<bool>,
    /// Whether the time ran out with the step.
    pub truncated: Vec<bool>,
}

impl Rollout {
    /// The number of steps over all copies.
    pub fn len(&self) -> usize {
        self.action.len()
    }

    /// Whether nothing was collected.
    pub fn is_empty(&self) -> bool {
        self.action.is_empty()
    }

    /// Generalised advantage estimates: A_t = Σ_l (γλ)^l δ_{t+l} up to the end of the episode or of the rollout, with
    /// δ_t = r_t + γ V(s_{t+1}) − V(s_t) (Schulman et al. 2016, eqs. (16) and (12)).
    ///
    /// A terminated step has no V(s_{t+1}); a truncated one keeps it, since the episode would have gone on, but no sum
    /// runs over either, because the next row belongs to another episode.
    pub fn advantages(&self, gamma: f64, lambda: f64) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        let mut tail = vec![0.0; self.copies];
        for i in (0..self.len()).rev() {
            let copy = i % self.copies;
            let future = if self.terminated[i] { 0.0 } else { gamma * f64::from(self.next_value[i]) };
            let delta = f64::from(self.reward[i]) + future - f64::from(self.value[i]);
            let ends = self.terminated[i] || self.truncated[i];
            tail[copy] = delta + if ends { 0.0 } else { gamma * lambda * tail[copy] };
            out[i] = tail[copy] as f32;
        }
        out
    }
}
