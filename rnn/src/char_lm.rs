//! A character language model: embedding, LSTM or GRU, linear head.
//!
//! Graves 2013, arXiv:1308.0850, §2: p(x₁…x_T) = Π p(x_{t+1} | y_t) with y_t from the LSTM's state (eqs. 5 and 6), trained
//! by truncated back-propagation through time, the state carried from window to window (§2.1, Williams & Peng 1990).

use etude_autograd::{Tensor, no_grad};
use etude_nn::{
    ConfigError, Ctx, Dropout, Embedding, Gru, Layer, Linear, Lstm, LstmState, Module, PromptError, Sampler, Visitor,
};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The kinds of recurrent layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cell {
    /// Long short-term memory, as in the paper.
    #[default]
    Lstm,
    /// Gated recurrent units: Cho et al. 2014, arXiv:1406.1078.
    Gru,
}

/// The sizes of a [`CharLm`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CharLmConfig {
    /// Number of distinct characters.
    pub vocab: usize,
    /// Size of a character's embedding.
    pub embed: usize,
    /// The recurrent layers.
    pub cell: Cell,
    /// Size of their state.
    pub hidden: usize,
    /// How many are stacked.
    pub layers: usize,
    /// Share of activations dropped between layers and before the head, while training.
    pub dropout: f64,
}

impl Default for CharLmConfig {
    /// One layer of LSTM of 256.
    fn default() -> Self {
        CharLmConfig { vocab: 128, embed: 64, cell: Cell::Lstm, hidden: 256, layers: 1, dropout: 0.0 }
    }
}

impl CharLmConfig {
    /// Sizes must be at least 1, dropout in [0, 1).
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let sizes = [("vocab", self.vocab), ("embed", self.embed), ("hidden", self.hidden), ("layers", self.layers)];
        for (field, value) in sizes {
            ConfigError::check(value > 0, "CharLmConfig", field, value, "at least 1")?;
        }
        let good = (0.0..1.0).contains(&self.dropout);
        ConfigError::check(good, "CharLmConfig", "dropout", self.dropout, "0 ≤ dropout < 1")
    }
}

/// The character model.
#[derive(Clone, Debug)]
pub struct CharLm {
    config: CharLmConfig,
    embed: Embedding,
    cell: Recurrent,
    drop: Dropout,
    head: Linear,
}

#[derive(Clone, Debug)]
enum Recurrent {
    Lstm(Lstm),
    Gru(Gru),
}

/// What a [`CharLm`] knows of the characters before, `[layers, batch, hidden]` each.
#[derive(Clone, Debug)]
pub enum CharLmState {
    /// Of LSTM layers.
    Lstm(LstmState),
    /// Of GRU layers.
    Gru(Tensor),
}

impl CharLmState {
    /// The same values without their history: where a truncated gradient ends.
    pub fn detach(&self) -> Self {
        match self {
            CharLmState::Lstm(state) => CharLmState::Lstm(state.detach()),
            CharLmState::Gru(h) => CharLmState::Gru(h.detach()),
        }
    }

    /// Its tensors, for a checkpoint ([`etude_nn::Checkpoint::tensors`]).
    pub fn tensors_mut(&mut self) -> Vec<&mut Tensor> {
        match self {
            CharLmState::Lstm(LstmState { h, c }) => vec![h, c],
            CharLmState::Gru(h) => vec![h],
        }
    }
}

impl Module for CharLm {
    /// The recurrent layers are called as their kind, `lstm` or `gru`.
    fn visit(&self, visitor: &mut Visitor<'_>) {
        let CharLm { embed, cell, head, drop: _, config: _ } = self;
        visitor.child("embed", embed);
        match cell {
            Recurrent::Lstm(lstm) => visitor.child("lstm", lstm),
            Recurrent::Gru(gru) => visitor.child("gru", gru),
        }
        visitor.child("head", head);
    }
}

impl CharLm {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: CharLmConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        let CharLmConfig { embed, hidden, layers, dropout, .. } = config;
        Ok(CharLm {
            embed: Embedding::new(config.vocab, embed, cx),
            cell: match config.cell {
                Cell::Lstm => Recurrent::Lstm(Lstm::new(embed, hidden, layers, cx).dropout(dropout)),
                Cell::Gru => Recurrent::Gru(Gru::new(embed, hidden, layers, cx).dropout(dropout)),
            },
            drop: Dropout::new(config.dropout),
            head: Linear::new(config.hidden, config.vocab, cx),
            config,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &CharLmConfig {
        &self.config
    }

    /// The state before the first character.
    pub fn zero_state(&self, batch: usize) -> CharLmState {
        match &self.cell {
            Recurrent::Lstm(lstm) => CharLmState::Lstm(lstm.zero_state(batch)),
            Recurrent::Gru(gru) => CharLmState::Gru(gru.zero_state(batch)),
        }
    }

    /// The logits of each next character, `[batch, len]` → `[batch, len, vocab]`, and the state behind the last.
    ///
    /// The state carries the graph; detach it to truncate.
    ///
    /// # Panics
    /// If the state is of another kind, or the shapes do not fit.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<i64>, state: &CharLmState, cx: &mut Ctx) -> (Tensor, CharLmState) {
        let steps = self.embed.forward(&x.t(), cx); // [len, batch, embed]
        let (h, state) = match (&self.cell, state) {
            (Recurrent::Lstm(lstm), CharLmState::Lstm(state)) => {
                let (h, state) = lstm.forward(&steps, state, cx);
                (h, CharLmState::Lstm(state))
            }
            (Recurrent::Gru(gru), CharLmState::Gru(state)) => {
                let (h, state) = gru.forward(&steps, state, cx);
                (h, CharLmState::Gru(state))
            }
            _ => panic!("CharLm: the state is not one of {:?} layers", self.config.cell),
        };
        let h = self.drop.forward(&h, cx).transpose(0, 1);
        (self.head.forward(&h, cx), state)
    }

    /// Continues `prompt` by `n` characters.
    ///
    /// # Errors
    /// If the prompt is empty or has an id outside the vocabulary.
    pub fn sample(&self, prompt: &[u32], n: usize, sampler: Sampler, cx: &mut Ctx) -> Result<Vec<u32>, Error> {
        PromptError::check("CharLm::sample", prompt, self.config.vocab)?;
        let mut ids = prompt.to_vec();
        let mut state = self.zero_state(1);
        let mut input = ids.clone();
        for _ in 0..n {
            let x = Tensor::from_vec(input.iter().map(|&id| i64::from(id)).collect(), [1, input.len()]);
            let (logits, next) = no_grad(|| self.forward(&x, &state, cx));
            let last = logits.select(1, x.dim(1) - 1).to_vec();
            let id = sampler.draw(&last, cx) as u32;
            ids.push(id);
            (state, input) = (next, vec![id]);
        }
        Ok(ids)
    }
}
