//! The part that all optimisers share: parameters with their state, the checks, clipping, saving.

use std::borrow::Cow;
use std::collections::HashMap;

use etude_autograd::{Grads, Tensor};
use etude_kernels::{Buf, ew, reduce};

use super::{OptimState, Optimizer};
use crate::error::Error;
use crate::module::{Module, Value};
use crate::param::Param;

/// An update rule: the arithmetic of one parameter.
pub trait Rule {
    /// PyTorch's name of the optimiser.
    const NAME: &'static str;

    /// PyTorch's names of the state tensors that the current settings need, at most [`MOST_STATES`], each shaped as its
    /// parameter.
    fn states(&self) -> Vec<&'static str>;

    /// One update. `step` counts this parameter's updates from 1; `decay` says whether weight decay applies to it.
    fn update(&self, lr: f64, decay: bool, step: u64, param: &mut [f32], grad: &[f32], states: &mut [&mut [f32]]);
}

/// State tensors that a rule may ask for.
pub const MOST_STATES: usize = 3;

/// A parameter with its state.
struct Entry {
    name: String,
    param: Param,
    decay: bool,
    /// What the learning rate is multiplied by.
    scale: f64,
    step: u64,
    states: Vec<Tensor>,
}

/// An optimiser with the rule `R`: see [`Sgd`](super::Sgd), [`Adam`](super::Adam), [`AdamW`](super::AdamW) and
/// [`RmsProp`](super::RmsProp).
pub struct Optim<R: Rule> {
    rule: R,
    lr: f64,
    clip: Option<f64>,
    maximize: bool,
    allow_missing: bool,
    steps: u64,
    grad_norm: f64,
    entries: Vec<Entry>,
}

impl<R: Rule> Optim<R> {
    #[track_caller]
    pub(super) fn with_rule(model: &dyn Module, lr: f64, rule: R) -> Self {
        if let Some((name, storage)) = model.packed() {
            panic!("{}: {name} is packed as {storage} and cannot be trained", R::NAME);
        }
        let entries: Vec<Entry> = model
            .named_params()
            .into_iter()
            .map(|(name, param)| Entry { name, param, decay: true, scale: 1.0, step: 0, states: Vec::new() })
            .collect();
        assert!(!entries.is_empty(), "{}: the module has no parameters", R::NAME);
        for (i, entry) in entries.iter().enumerate() {
            let twice = entries[..i].iter().any(|other| other.name == entry.name);
            assert!(!twice, "{}: two parameters are called {}", R::NAME, entry.name);
        }
        let (clip, maximize, allow_missing) = (None, false, false);
        let mut out = Optim { rule, lr: 0.0, clip, maximize, allow_missing, steps: 0, grad_norm: 0.0, entries };
        out.set_lr(lr);
        out.fit_states();
        out
    }

    /// The state that the settings need, all zero.
    fn fit_states(&mut self) {
        let count = self.rule.states().len();
        for entry in &mut self.entries {
            let shape = entry.param.shape();
            // Each its own buffer: a clone would share it until the first step.
            entry.states = (0..count).map(|_| Tensor::zeros(&shape)).collect();
        }
    }

    /// Changes settings; the state starts anew if they need another one.
    pub(super) fn configure(mut self, change: impl FnOnce(&mut R)) -> Self {
        let before = self.rule.states();
        change(&mut self.rule);
        if self.rule.states() != before {
            self.fit_states();
        }
        self
    }

    /// Scales the gradients down to this global norm when theirs is larger, as `torch.nn.utils.clip_grad_norm_` does.
    /// [`Optimizer::grad_norm`] tells what it was.
    ///
    /// # Panics
    /// If it is not positive.
    #[track_caller]
    pub fn clip_norm(mut self, max: f64) -> Self {
        assert!(max > 0.0, "clip_norm: {max} is not positive");
        self.clip = Some(max);
        self
    }

    /// Ascends instead of descending: every gradient counts with the other sign.
    pub fn maximize(mut self) -> Self {
        self.maximize = true;
        self
    }

    /// Steps over parameters that got no gradient instead of refusing: for models of which a loss uses only a part.
    pub fn allow_missing(mut self) -> Self {
        self.allow_missing = true;
        self
    }

    /// Restricts weight decay to the parameters for which `f(name, shape)` holds, for instance
    /// `|_, shape| shape.len() > 1` to spare biases and norms.
    pub fn decay_where(mut self, f: impl Fn(&str, &[usize]) -> bool) -> Self {
        for entry in &mut self.entries {
            entry.decay = f(&entry.name, &entry.param.shape());
        }
        self
    }

    /// Multiplies the learning rate by `factor` for the parameters for which `f(name, shape)` holds, whatever
    /// [`Optimizer::set_lr`] says later; 0 freezes them. With [`Optim::decay_where`] this is what PyTorch's parameter groups
    /// are mostly used for. Factors of several calls multiply.
    ///
    /// # Panics
    /// If the factor is negative or not finite.
    #[track_caller]
    pub fn lr_where(mut self, factor: f64, f: impl Fn(&str, &[usize]) -> bool) -> Self {
        assert!(factor.is_finite() && factor >= 0.0, "lr_where: the factor is {factor}");
        for entry in self.entries.iter_mut().filter(|entry| f(&entry.name, &entry.param.shape())) {
            entry.scale *= factor;
        }
        self
    }

    /// The gradients of the registered parameters in order, and their global norm.
    fn collect<'a>(&self, grads: &'a Grads) -> Result<(Found<'a>, f64), Error> {
        let step = self.steps + 1;
        let find = |entry: &Entry| {
            let g = grads.by_id(entry.param.id())?;
            Some(if g.is_contiguous() { Cow::Borrowed(g) } else { Cow::Owned(g.contiguous()) })
        };
        let found: Found = self.entries.iter().map(find).collect();
        let named = || self.entries.iter().zip(&found);
        if !self.allow_missing && found.iter().any(Option::is_none) {
            let names = named().filter(|(_, g)| g.is_none()).map(|(e, _)| e.name.clone()).collect();
            return Err(Error::NoGradient { step, names });
        }
        let mut total = 0.0;
        for (entry, g) in named() {
            let Some(g) = g else { continue };
            // The squares of finite f32 values cannot overflow f64, so the sum is finite if every element is.
            let squares = reduce::sum_squares(elements(g));
            if !squares.is_finite() {
                let value = elements(g).iter().copied().find(|x| !x.is_finite()).unwrap_or(f32::NAN);
                return Err(Error::Gradient { step, name: entry.name.clone(), value });
            }
            total += squares;
        }
        Ok((found, total.sqrt()))
    }
}

/// The contiguous gradient of each registered parameter, where there is one.
type Found<'a> = Vec<Option<Cow<'a, Tensor>>>;

fn elements(g: &Tensor) -> &[f32] {
    g.as_slice().expect("gradients are made contiguous when they are collected")
}

impl<R: Rule> Optimizer for Optim<R> {
    fn try_step(&mut self, grads: &Grads) -> Result<(), Error> {
        let (found, norm) = self.collect(grads)?;
        // torch.nn.utils.clip_grad_norm_: g · min(1, max / (‖g‖ + 1e-6)).
        let clipped = self.clip.map_or(1.0, |max| (max / (norm + 1e-6)).min(1.0));
        let factor = if self.maximize { -clipped } else { clipped };
        for (entry, g) in self.entries.iter_mut().zip(&found) {
            let Some(g) = g else { continue };
            let mut g = elements(g);
            let mut scaled;
            if factor != 1.0 {
                scaled = Buf::scratch(g.len());
                ew::unary(ew::Unary::Affine(factor, 0.0), g, &mut scaled);
                g = &scaled;
            }
            entry.step += 1;
            let Entry { param, decay, scale, step, states, .. } = entry;
            let mut slots: [&mut [f32]; MOST_STATES] = Default::default();
            let count = states.len();
            slots.iter_mut().zip(states).for_each(|(slot, state)| *slot = state.make_mut());
            let lr = self.lr * *scale;
            param.update(|p| self.rule.update(lr, *decay, *step, p, g, &mut slots[..count]));
        }
        self.steps += 1;
        self.grad_norm = norm;
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        assert!(lr.is_finite() && lr >= 0.0, "{}: the learning rate is {lr}", R::NAME);
        self.lr = lr;
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn grad_norm(&self) -> f64 {
        self.grad_norm
    }

    fn state(&self) -> OptimState {
        let mut tensors = Vec::new();
        for entry in &self.entries {
            for (name, state) in self.rule.states().iter().zip(&entry.states) {
                tensors.push((format!("{}/{name}", entry.name), Value::Float(state.clone())));
            }
            // A count of steps stays far below 2⁶³.
            tensors.push((format!("{}/step", entry.name), Value::Int(Tensor::scalar(entry.step as i64))));
        }
        OptimState { kind: R::NAME.into(), lr: self.lr, steps: self.steps, tensors }
    }

    fn set_state(&mut self, state: &OptimState) -> Result<(), Error> {
        let mismatches = state.mismatches(&self.state());
        if !mismatches.is_empty() {
            return Err(Error::OptimState { mismatches });
        }
        let by_name: HashMap<&str, &Value> = state.tensors.iter().map(|(name, v)| (name.as_str(), v)).collect();
        let names = self.rule.states();
        for entry in &mut self.entries {
            for (name, slot) in names.iter().zip(&mut entry.states) {
                if let Some(Value::Float(v)) = by_name.get(format!("{}/{name}", entry.name).as_str()) {
                    *slot = v.contiguous();
                }
            }
            if let Some(Value::Int(v)) = by_name.get(format!("{}/step", entry.name).as_str()) {
                entry.step = v.item() as u64;
            }
        }
        self.lr = state.lr;
        self.steps = state.steps;
        Ok(())
    }
}
