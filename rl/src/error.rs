//! What can go wrong with an environment, a configuration or a run.
//!
//! An environment is plain data from outside: it may be handed a wrong action and it may hand back nonsense. Both
//! are errors that a caller can match on, never panics.

/// An error of this crate. Every variant names the offender and what was expected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RlError {
    /// The action does not exist.
    #[error("{env}: action {action} is outside the action space 0..{actions}")]
    InvalidAction {
        /// The environment's name.
        env: &'static str,
        /// The action that was asked for.
        action: usize,
        /// The number of actions that exist.
        actions: usize,
    },
    /// `step` came before the first `reset`.
    #[error("{env}: step before reset")]
    NotReset {
        /// The environment's name.
        env: &'static str,
    },
    /// `step` came after the end of the episode.
    #[error("{env}: the episode ended after {steps} steps; reset before the next step")]
    EpisodeOver {
        /// The environment's name.
        env: &'static str,
        /// The length of the finished episode.
        steps: usize,
    },
    /// A number that must be finite is NaN or infinite.
    #[error("{what} is {value} at step {step}; a finite number was expected")]
    NotFinite {
        /// Which number: `"reward of CartPole-v1 (environment 3)"`, `"DQN loss"`, …
        what: String,
        /// The step, counted from 0, at which it was seen.
        step: usize,
        /// The number itself.
        value: f64,
    },
    /// An observation has the wrong length, or leaves the space that the environment announced.
    #[error("{env}: observation {observation} at step {step} is outside the observation space {space}")]
    OutsideSpace {
        /// The environment's name.
        env: &'static str,
        /// The observation as text.
        observation: String,
        /// The space as text.
        space: String,
        /// The step, counted from 0, at which it was seen.
        step: usize,
    },
    /// The environment breaks a rule of [`Env`](crate::Env); found by [`check_env`](crate::check_env).
    #[error("{env}: {breach}")]
    Breach {
        /// The environment's name.
        env: &'static str,
        /// The broken rule.
        breach: String,
    },
    /// A field of a configuration is out of range.
    #[error("{field} is {value}; expected {expected}")]
    Config {
        /// `Struct.field`.
        field: &'static str,
        /// The value given.
        value: String,
        /// The values that are allowed.
        expected: &'static str,
    },
    /// A tabular model is not a Markov decision process.
    #[error("model: state {state}, action {action}: {reason}")]
    Model {
        /// The state.
        state: usize,
        /// The action.
        action: usize,
        /// The broken rule with its numbers.
        reason: String,
    },
    /// Dynamic programming did not reach its tolerance.
    #[error(
        "{method}: change {change:e} after {sweeps} sweeps is above the tolerance {tolerance:e} \
         (is gamma 1 with an endless episode?)"
    )]
    NotConverged {
        /// Which method.
        method: &'static str,
        /// The largest change of a value in the last sweep.
        change: f64,
        /// The sweeps made.
        sweeps: usize,
        /// The change that was asked for.
        tolerance: f64,
    },
    /// The optimiser refused the gradients; nothing was updated.
    #[error("{algorithm}: at step {step}: {reason}")]
    Update {
        /// `DQN` or `PPO`.
        algorithm: &'static str,
        /// The step of the environment, counted from 0.
        step: usize,
        /// The optimiser's message.
        reason: String,
    },
    /// A checkpoint could not be saved, or does not fit; nothing was changed.
    #[error("{reason}")]
    Checkpoint {
        /// The message of [`etude_nn::Error`], which names the file and what was expected.
        reason: String,
    },
    /// A batch was asked of an empty replay buffer.
    #[error("replay: a batch of {batch} was asked of an empty buffer")]
    EmptyReplay {
        /// The size of the batch.
        batch: usize,
    },
}

impl RlError {
    pub(crate) fn checkpoint(error: etude_nn::Error) -> Self {
        RlError::Checkpoint { reason: error.to_string() }
    }
}

/// A configuration error, unless `ok`.
pub(crate) fn require(
    ok: bool,
    field: &'static str,
    value: impl ToString,
    expected: &'static str,
) -> Result<(), RlError> {
    if ok {
        return Ok(());
    }
    Err(RlError::Config { field, value: value.to_string(), expected })
}
