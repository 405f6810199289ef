//! Does an environment keep the rules of [`Env`]? To be run once on every new one.
//!
//! The idea is gymnasium's `check_env`: a learner on a broken environment fails silently, so the breach is named first.

use etude_kernels::rng::Rng;

use crate::vector::checked;
use crate::{Env, RlError, Transition};

/// Plays two identical runs of `steps` random steps and reports the first broken rule: an observation outside its
/// space, a reward that is not finite, a difference between two episodes of the same seed and actions, a wrong action
/// or a step after the end that is not refused.
///
/// # Errors
/// The breach.
pub fn check_env<E: Env>(env: &mut E, seed: u64, steps: usize) -> Result<(), RlError> {
    let name = env.name();
    let breach = |breach: String| Err(RlError::Breach { env: name, breach });
    if env.actions() == 0 {
        return breach("there are no actions".to_string());
    }
    let first = play(env, seed, steps)?;
    let second = play(env, seed, steps)?;
    if let Some(step) = (0..steps).find(|&i| first[i] != second[i]) {
        return breach(format!(
            "two runs of seed {seed} differ at step {step}: {:?} and {:?}",
            first[step], second[step]
        ));
    }
    env.reset(seed);
    let actions = env.actions();
    if !matches!(env.step(actions), Err(RlError::InvalidAction { .. })) {
        return breach(format!("action {actions} of 0..{actions} is not refused"));
    }
    Ok(())
}

fn play<E: Env>(env: &mut E, seed: u64, steps: usize) -> Result<Vec<Transition<E::Obs>>, RlError> {
    let name = env.name();
    let space = env.observation_space();
    let mut rng = Rng::with_stream(seed, 0);
    let obs = env.reset(rng.next_u64());
    checked(env, &obs, &space, 0)?;
    let mut out = Vec::with_capacity(steps);
    for step in 0..steps {
        let t = env.step(rng.below(env.actions()))?;
        checked(env, &t.obs, &space, step)?;
        if !t.reward.is_finite() {
            return Err(RlError::NotFinite { what: format!("reward of {name}"), step, value: t.reward });
        }
        if t.done() {
            if !matches!(env.step(0), Err(RlError::EpisodeOver { .. })) {
                let breach = format!("a step after the end of an episode (step {step}) is not refused");
                return Err(RlError::Breach { env: name, breach });
            }
            let obs = env.reset(rng.next_u64());
            checked(env, &obs, &space, step)?;
        }
        out.push(t);
    }
    Ok(out)
}
