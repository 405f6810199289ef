//! The part that all optimisers share: parameters with their state, the checks, clipping, saving.

use std::borrow::Cow;
use std::collections::HashMap;

use etude_autograd::{Grads, Tensor, no_grad};
use etude_kernels::{Buf, ew, reduce};
use serde::Serialize;

use super::group::GroupLr;
use super::settings::{self, GroupState, Settings};
use super::{OptimState, Optimizer};
use crate::error::Error;
use crate::matching::Mismatch;
use crate::module::{Module, Value};
use crate::param::Param;

/// An update rule: the arithmetic of one parameter. Serialised, it is the settings that a resumed run must have as well.
pub trait Rule: Clone + Serialize {
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
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) param: Param,
    /// Its place in the module.
    pub(super) place: usize,
    pub(super) group: usize,
    decay: bool,
    /// What the learning rate of its group is multiplied by.
    scale: f64,
    step: u64,
    states: Vec<Tensor>,
}

/// What several parameters have in common.
#[derive(Clone)]
pub(super) struct Group<R> {
    pub(super) rule: R,
    /// [`GroupLr::Times`] 1 for the first group, always: [`Whole::lr`] is its rate.
    pub(super) lr: GroupLr,
    maximize: bool,
}

/// An optimiser with the rule `R`: see [`Sgd`](super::Sgd), [`Adam`](super::Adam), [`AdamW`](super::AdamW) and
/// [`RmsProp`](super::RmsProp).
pub struct Optim<R: Rule> {
    /// At least one: the parameters that are in no other group.
    pub(super) groups: Vec<Group<R>>,
    pub(super) whole: Whole,
    steps: u64,
    grad_norm: f64,
    /// In the module's order.
    pub(super) entries: Vec<Entry>,
}

/// The settings that all groups share.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Whole {
    pub(super) lr: f64,
    clip_norm: Option<f64>,
    clip_value: Option<f64>,
    allow_missing: bool,
    allow_other_settings: bool,
}

impl<R: Rule> Optim<R> {
    #[track_caller]
    pub(super) fn with_rule(model: &dyn Module, lr: f64, rule: R) -> Self {
        if let Some((name, storage)) = model.packed() {
            panic!("{}: {name} is packed as {storage} and cannot be trained", R::NAME);
        }
        let (group, decay, scale, step) = (0, true, 1.0, 0);
        let entry =
            |(place, (name, param))| Entry { name, param, place, group, decay, scale, step, states: Vec::new() };
        let entries: Vec<Entry> = model.named_params().into_iter().enumerate().map(entry).collect();
        assert!(!entries.is_empty(), "{}: the module has no parameters", R::NAME);
        for (i, entry) in entries.iter().enumerate() {
            let twice = entries[..i].iter().any(|other| other.name == entry.name);
            assert!(!twice, "{}: two parameters are called {}", R::NAME, entry.name);
        }
        let whole =
            Whole { lr: 0.0, clip_norm: None, clip_value: None, allow_missing: false, allow_other_settings: false };
        let groups = vec![Group { rule, lr: GroupLr::Times(1.0), maximize: false }];
        let mut out = Optim { groups, whole, steps: 0, grad_norm: 0.0, entries };
        out.set_lr(lr);
        out.fit_states(0);
        out
    }

    /// Some of the parameters, all of one group, as an optimiser of their own.
    pub(super) fn part(&self, group: &Group<R>, entries: Vec<Entry>) -> Self {
        Optim { groups: vec![group.clone()], whole: self.whole, steps: self.steps, grad_norm: 0.0, entries }
    }

    /// The state that the settings of a group need, all zero.
    fn fit_states(&mut self, group: usize) {
        let count = self.groups[group].rule.states().len();
        for entry in self.entries.iter_mut().filter(|entry| entry.group == group) {
            let shape = entry.param.shape();
            // Each its own buffer: a clone would share it until the first step.
            entry.states = (0..count).map(|_| Tensor::zeros(&shape)).collect();
        }
    }

    /// The settings of each group.
    pub(super) fn rules(&self) -> impl Iterator<Item = &R> {
        self.groups.iter().map(|group| &group.rule)
    }

    /// Changes settings of all groups; the state starts anew where they need another one.
    pub(super) fn configure(mut self, change: impl Fn(&mut R)) -> Self {
        for i in 0..self.groups.len() {
            let rule = &mut self.groups[i].rule;
            let before = rule.states();
            change(rule);
            if rule.states() != before {
                self.fit_states(i);
            }
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
        self.whole.clip_norm = Some(max);
        self
    }

    /// Cuts every element of the gradients off at ±`max`, as `torch.nn.utils.clip_grad_value_` does; before
    /// [`Optim::clip_norm`], if both are asked for.
    ///
    /// # Panics
    /// If it is not positive.
    #[track_caller]
    pub fn clip_value(mut self, max: f64) -> Self {
        assert!(max > 0.0, "clip_value: {max} is not positive");
        self.whole.clip_value = Some(max);
        self
    }

    /// Ascends instead of descending: every gradient counts with the other sign.
    pub fn maximize(mut self) -> Self {
        self.groups.iter_mut().for_each(|group| group.maximize = true);
        self
    }

    /// Steps over parameters that got no gradient instead of refusing: for models of which a loss uses only a part.
    pub fn allow_missing(mut self) -> Self {
        self.whole.allow_missing = true;
        self
    }

    /// Lets [`Optimizer::set_state`] take over the state of an optimiser with other settings (decays, ε, clipping, groups …)
    /// instead of refusing: for a run that goes on with new settings on purpose. These here hold, and the learning rates are
    /// the old run's, as always; where the parameters of a group had several, it keeps its proportion to the optimiser's.
    pub fn allow_other_settings(mut self) -> Self {
        self.whole.allow_other_settings = true;
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
    /// [`Optimizer::set_lr`] says later; 0 freezes them. Factors of several calls multiply. For other settings there is
    /// [`Optim::group`].
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
        if !self.whole.allow_missing && found.iter().any(Option::is_none) {
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

    /// What the settings of one parameter are, by name.
    fn settings_of(&self, entry: &Entry) -> Settings {
        let group = &self.groups[entry.group];
        let mut all = settings::fields(&group.rule);
        let Whole { clip_norm, clip_value, .. } = self.whole;
        let limit = |max: Option<f64>| max.map_or("none".into(), |max| format!("{max:?}"));
        all.extend([
            ("clip_norm".into(), limit(clip_norm)),
            ("clip_value".into(), limit(clip_value)),
            ("maximize".into(), group.maximize.to_string()),
            ("decay_where".into(), entry.decay.to_string()),
            ("lr_where".into(), format!("{:?}", entry.scale)),
        ]);
        all
    }

    /// The names of each group's parameters.
    fn members(&self) -> impl Iterator<Item = Vec<&str>> {
        let of = |group| self.entries.iter().filter(move |entry| entry.group == group);
        (0..self.groups.len()).map(move |group| of(group).map(|entry| entry.name.as_str()).collect())
    }

    /// The parameters with equal settings, together.
    fn group_states(&self) -> Vec<GroupState> {
        let mut out: Vec<(usize, GroupState)> = Vec::new();
        for entry in &self.entries {
            let settings = self.settings_of(entry);
            match out.iter_mut().find(|(group, state)| *group == entry.group && state.settings == settings) {
                Some((_, state)) => state.params.push(entry.name.clone()),
                None => {
                    let lr = self.groups[entry.group].lr;
                    out.push((entry.group, GroupState { params: vec![entry.name.clone()], lr, settings }));
                }
            }
        }
        out.into_iter().map(|(_, state)| state).collect()
    }
}

/// The contiguous gradient of each registered parameter, where there is one.
type Found<'a> = Vec<Option<Cow<'a, Tensor>>>;

fn elements(g: &Tensor) -> &[f32] {
    g.as_slice().expect("gradients are made contiguous when they are collected")
}

impl<R: Rule> Optimizer for Optim<R> {
    fn try_step(&mut self, grads: &Grads) -> Result<(), Error> {
        let (mut found, norm) = self.collect(grads)?;
        let mut clipped_norm = norm;
        if let Some(max) = self.whole.clip_value {
            let cut = |g: Cow<'_, Tensor>| Cow::Owned(no_grad(|| g.clamp(-max, max)));
            found = found.into_iter().map(|g| g.map(cut)).collect();
            clipped_norm = found.iter().flatten().map(|g| reduce::sum_squares(elements(g))).sum::<f64>().sqrt();
        }
        // torch.nn.utils.clip_grad_norm_: g · min(1, max / (‖g‖ + 1e-6)).
        let clipped = self.whole.clip_norm.map_or(1.0, |max| (max / (clipped_norm + 1e-6)).min(1.0));
        for (entry, g) in self.entries.iter_mut().zip(&found) {
            let Some(g) = g else { continue };
            let Group { rule, lr, maximize } = &self.groups[entry.group];
            let mut g = elements(g);
            let mut scaled;
            let sign = if *maximize { -clipped } else { clipped };
            if sign != 1.0 {
                scaled = Buf::scratch(g.len());
                ew::unary(ew::Unary::Affine(sign, 0.0), g, &mut scaled);
                g = &scaled;
            }
            entry.step += 1;
            let Entry { param, decay, scale, step, states, .. } = entry;
            let mut slots: [&mut [f32]; MOST_STATES] = Default::default();
            let count = states.len();
            slots.iter_mut().zip(states).for_each(|(slot, state)| *slot = state.make_mut());
            let lr = lr.at(self.whole.lr) * *scale;
            param.update(|p| rule.update(lr, *decay, *step, p, g, &mut slots[..count]));
        }
        self.steps += 1;
        self.grad_norm = norm;
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.whole.lr
    }

    fn set_lr(&mut self, lr: f64) {
        assert!(lr.is_finite() && lr >= 0.0, "{}: the learning rate is {lr}", R::NAME);
        self.whole.lr = lr;
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
            for (name, state) in self.groups[entry.group].rule.states().iter().zip(&entry.states) {
                tensors.push((format!("{}/{name}", entry.name), Value::Float(state.clone())));
            }
            // A count of steps stays far below 2⁶³.
            tensors.push((format!("{}/step", entry.name), Value::Int(Tensor::scalar(entry.step as i64))));
        }
        let groups = self.group_states();
        OptimState { kind: R::NAME.into(), lr: self.whole.lr, steps: self.steps, groups, tensors }
    }

    fn mismatches(&self, state: &OptimState) -> Vec<Mismatch> {
        let own = self.state();
        let mut out = state.unfit(&own);
        if !self.whole.allow_other_settings && state.kind == own.kind {
            out.extend(settings::differences(&own.groups, &state.groups));
            out.extend(settings::several_rates(self.members(), &state.groups));
        }
        out
    }

    fn set_state(&mut self, state: &OptimState) -> Result<(), Error> {
        let mismatches = self.mismatches(state);
        if !mismatches.is_empty() {
            return Err(Error::OptimState { mismatches });
        }
        let by_name: HashMap<&str, &Value> = state.tensors.iter().map(|(name, v)| (name.as_str(), v)).collect();
        for entry in &mut self.entries {
            for (name, slot) in self.groups[entry.group].rule.states().iter().zip(&mut entry.states) {
                if let Some(Value::Float(v)) = by_name.get(format!("{}/{name}", entry.name).as_str()) {
                    *slot = v.contiguous();
                }
            }
            if let Some(Value::Int(v)) = by_name.get(format!("{}/step", entry.name).as_str()) {
                entry.step = v.item() as u64;
            }
        }
        let found: Vec<Option<GroupLr>> =
            self.members().map(|members| settings::common_rate(members, &state.groups)).collect();
        // Parameters may have changed groups on purpose: the rate of the first one is the optimiser's again.
        let base = found[0].unwrap_or(GroupLr::Times(1.0));
        self.whole.lr = base.at(state.lr);
        for (group, lr) in self.groups.iter_mut().zip(found) {
            group.lr = lr.map_or(group.lr, |lr| lr.over(base, state.lr));
        }
        self.groups[0].lr = GroupLr::Times(1.0);
        self.steps = state.steps;
        Ok(())
    }
}
