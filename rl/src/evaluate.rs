//! How good is a policy? Whole episodes on given seeds, many at once.

use etude_autograd::{Tensor, no_grad};

use crate::vector::checked;
use crate::{Env, RlError};

/// Observations as the rows of a tensor [n, features].
pub(crate) fn rows<O: AsRef<[f32]>>(obs: &[O]) -> Tensor {
    let features = obs.first().map_or(0, |x| x.as_ref().len());
    let flat: Vec<f32> = obs.iter().flat_map(|x| x.as_ref()).copied().collect();
    Tensor::from_vec(flat, [obs.len(), features])
}

/// The undiscounted return of one episode for each seed. `policy` maps observations `[n, features]` to actions `[n]`.
///
/// The episodes run side by side, so that the policy sees batches; a finished one leaves the batch. An environment
/// without a time limit under a policy that never ends its episode does not return.
///
/// # Errors
/// An error of an environment, an observation outside its space, a reward that is not finite.
pub fn evaluate<E: Env<Obs: AsRef<[f32]>>>(
    mut make: impl FnMut() -> E,
    seeds: &[u64],
    mut policy: impl FnMut(&Tensor) -> Tensor<i64>,
) -> Result<Vec<f64>, RlError> {
    let mut envs: Vec<E> = seeds.iter().map(|_| make()).collect();
    let mut obs: Vec<E::Obs> = envs.iter_mut().zip(seeds).map(|(env, &seed)| env.reset(seed)).collect();
    let mut returns = vec![0.0; seeds.len()];
    let mut running: Vec<usize> = (0..seeds.len()).collect();
    let Some(space) = envs.first().map(Env::observation_space) else { return Ok(returns) };
    let mut step = 0;
    while !running.is_empty() {
        let seen: Vec<&E::Obs> = running.iter().map(|&i| &obs[i]).collect();
        let actions = no_grad(|| policy(&rows(&seen))).to_vec();
        let mut still = Vec::with_capacity(running.len());
        for (&i, &action) in running.iter().zip(&actions) {
            let t = envs[i].step(action as usize)?;
            checked(&envs[i], &t.obs, &space, step)?;
            if !t.reward.is_finite() {
                let what = format!("reward of {}", envs[i].name());
                return Err(RlError::NotFinite { what, step, value: t.reward });
            }
            returns[i] += t.reward;
            if !t.done() {
                still.push(i);
            }
            obs[i] = t.obs;
        }
        running = still;
        step += 1;
    }
    Ok(returns)
}

/// The average; 0 of none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
