//! What the checkpoint of a run holds beside models, generators and long arrays.

use etude_nn::JournalPosition;

use crate::training::{Record, Validation};
use crate::{Env, EpisodeEnd, RlError, VecEnv, VecEnvState};

/// Where environments, record and journal of a run stand.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Ledger {
    env: VecEnvState,
    /// The bits of the present observations, which an environment that runs otherwise does not come to.
    obs: Vec<Vec<u32>>,
    loss: f32,
    episodes: Vec<EpisodeEnd>,
    validations: Vec<Validation>,
    best: Option<Validation>,
    journal: JournalPosition,
}

/// The bits of some observations.
fn bits<O: AsRef<[f32]>>(obs: &[O]) -> Vec<Vec<u32>> {
    obs.iter().map(|obs| obs.as_ref().iter().map(|x| x.to_bits()).collect()).collect()
}

impl Ledger {
    pub fn new<E: Env<Obs: AsRef<[f32]>>, M>(
        env: &VecEnv<E>,
        record: &Record<M>,
        loss: f32,
        journal: JournalPosition,
    ) -> Self {
        Ledger {
            env: env.state(),
            obs: bits(env.obs()),
            loss,
            episodes: record.episodes.clone(),
            validations: record.validations.clone(),
            best: record.best.as_ref().map(|(validation, _)| *validation),
            journal,
        }
    }

    /// Takes the environments to where they stood, and gives record, loss and journal; `best` is the model of the best
    /// validation, if there was one.
    ///
    /// # Errors
    /// If the environments run otherwise than they did.
    pub fn restore<E: Env<Obs: AsRef<[f32]>>, M>(
        self,
        env: &mut VecEnv<E>,
        best: M,
    ) -> Result<(Record<M>, f32, JournalPosition), RlError> {
        env.restore(&self.env)?;
        if bits(env.obs()) != self.obs {
            let breach = "its episodes come to other observations than when the checkpoint was saved".to_string();
            return Err(RlError::Breach { env: env.name(), breach });
        }
        let best = self.best.map(|validation| (validation, best));
        Ok((Record { episodes: self.episodes, validations: self.validations, best }, self.loss, self.journal))
    }
}
