//! Groups of parameters with settings of their own.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Optimizer;
use super::engine::{Entry, Optim, Rule};

/// The learning rate of a group beside the optimiser's, which [`Optimizer::set_lr`] moves. That of the parameters in no group
/// of their own is the optimiser's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum GroupLr {
    /// So many times the optimiser's: it follows in proportion, to 0 and back as well.
    Times(f64),
    /// This rate whatever the optimiser's: it was chosen while that was 0, and nothing is in proportion to 0.
    Fixed(f64),
}

impl GroupLr {
    /// What gives the rate `lr` beside the optimiser's, `whole`.
    pub(super) fn of(lr: f64, whole: f64) -> Self {
        let times = lr / whole;
        if times.is_finite() { GroupLr::Times(times) } else { GroupLr::Fixed(lr) }
    }

    /// The rate where the optimiser's is `whole`.
    pub(super) fn at(self, whole: f64) -> f64 {
        match self {
            GroupLr::Times(times) => whole * times,
            GroupLr::Fixed(lr) => lr,
        }
    }

    /// The same rate in an optimiser whose own is what `base` was in this one, where the optimiser's was `whole`.
    pub(super) fn over(self, base: Self, whole: f64) -> Self {
        match (self, base) {
            (GroupLr::Fixed(_), _) => self,
            // Not by way of the rates, which are both 0 where a schedule ended at 0.
            (GroupLr::Times(own), GroupLr::Times(base)) if (own / base).is_finite() => GroupLr::Times(own / base),
            (GroupLr::Times(_), _) => GroupLr::of(self.at(whole), base.at(whole)),
        }
    }
}

impl fmt::Display for GroupLr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupLr::Times(times) => write!(f, "{times:?} times the optimiser's"),
            GroupLr::Fixed(lr) => write!(f, "{lr:?} whatever the optimiser's"),
        }
    }
}

impl<R: Rule> Optim<R> {
    /// Gives the parameters for which `members(name, shape)` holds settings of their own: PyTorch's parameter groups. A
    /// parameter belongs to the first group that it fits; the group starts with the settings so far, and `settings` changes
    /// them. Settings that follow later apply to every group.
    ///
    /// ```
    /// use etude_nn::{AdamW, Act, Ctx, Mlp, Optimizer};
    ///
    /// let model = Mlp::new(&[4, 8, 2], Act::Relu, &mut Ctx::train(0));
    /// let opt = AdamW::new(&model, 1e-3)
    ///     .group(|name, _| name.starts_with("2."), |head| head.with_lr(1e-2).betas(0.8, 0.99))
    ///     .group(|_, shape| shape.len() == 1, |biases| biases.weight_decay(0.0));
    /// assert_eq!((opt.lr(), opt.lrs()), (1e-3, vec![1e-3, 1e-2, 1e-3]));
    /// ```
    ///
    /// # Panics
    /// If no parameter is left that fits, or `settings` changes what belongs to the whole optimiser: clipping, and what it
    /// allows.
    #[track_caller]
    pub fn group(mut self, members: impl Fn(&str, &[usize]) -> bool, settings: impl FnOnce(Self) -> Self) -> Self {
        let fits = |entry: &Entry| entry.group == 0 && members(&entry.name, &entry.param.shape());
        let (chosen, rest): (Vec<Entry>, Vec<Entry>) = self.entries.drain(..).partition(fits);
        assert!(!chosen.is_empty(), "group: no parameter is left that fits");
        self.entries = rest;
        let new = settings(self.part(&self.groups[0], chosen));
        let mut whole = new.whole;
        whole.lr = self.whole.lr;
        assert!(whole == self.whole, "group: clipping and what is allowed belong to the whole optimiser");
        let first = self.groups.len();
        let lrs = new.lrs();
        self.groups.extend(new.groups.into_iter().zip(lrs).map(|(mut group, lr)| {
            // The same rate is one that was not changed, even if it is 0.
            group.lr = if lr == whole.lr { GroupLr::Times(1.0) } else { GroupLr::of(lr, whole.lr) };
            group
        }));
        self.entries.extend(new.entries.into_iter().map(|mut entry| {
            entry.group += first;
            entry
        }));
        self.entries.sort_by_key(|entry| entry.place);
        self
    }

    /// The same with this learning rate, mostly within [`Optim::group`].
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn with_lr(mut self, lr: f64) -> Self {
        self.set_lr(lr);
        self
    }

    /// The learning rate of each group: of the parameters in no [`Optim::group`], then of the groups in order.
    pub fn lrs(&self) -> Vec<f64> {
        self.groups.iter().map(|group| group.lr.at(self.whole.lr)).collect()
    }

    /// Changes the learning rate of one group, as [`Optim::lrs`] counts them; the others keep theirs. [`Optimizer::set_lr`]
    /// moves all groups in proportion afterwards, except that the rate of a group which was chosen while that of group 0 is 0
    /// stays until the next call for it or for group 0.
    ///
    /// # Panics
    /// If there is no such group, or the rate is negative or not finite.
    #[track_caller]
    pub fn set_lr_of(&mut self, group: usize, lr: f64) {
        let groups = self.groups.len();
        assert!(group < groups, "set_lr_of: group {group} of {groups}");
        assert!(lr.is_finite() && lr >= 0.0, "set_lr_of: the learning rate is {lr}");
        if group > 0 {
            self.groups[group].lr = GroupLr::of(lr, self.whole.lr);
        } else if lr != self.whole.lr {
            let old = std::mem::replace(&mut self.whole.lr, lr);
            for other in &mut self.groups[1..] {
                other.lr = GroupLr::of(other.lr.at(old), lr);
            }
        }
    }
}
