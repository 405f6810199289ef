//! Groups of parameters with settings of their own.

use super::Optimizer;
use super::engine::{Entry, Optim, Rule};

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
        let factor = self.factor_of(new.whole.lr);
        let first = self.groups.len();
        self.groups.extend(new.groups.into_iter().map(|mut group| {
            group.factor *= factor;
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
        self.groups.iter().map(|group| self.whole.lr * group.factor).collect()
    }

    /// Changes the learning rate of one group, as [`Optim::lrs`] counts them. [`Optimizer::set_lr`] moves all groups in
    /// proportion afterwards.
    ///
    /// # Panics
    /// If there is no such group, or the rate is negative or not finite.
    #[track_caller]
    pub fn set_lr_of(&mut self, group: usize, lr: f64) {
        let groups = self.groups.len();
        assert!(group < groups, "set_lr_of: group {group} of {groups}");
        assert!(lr.is_finite() && lr >= 0.0, "set_lr_of: the learning rate is {lr}");
        if group > 0 {
            self.groups[group].factor = self.factor_of(lr);
            return;
        }
        // The others keep theirs.
        let others = self.lrs();
        self.whole.lr = lr;
        for (i, other) in others.into_iter().enumerate().skip(1) {
            self.groups[i].factor = self.factor_of(other);
        }
    }

    /// A learning rate over that of the whole.
    #[track_caller]
    fn factor_of(&self, lr: f64) -> f64 {
        let whole = self.whole.lr;
        if lr == whole {
            return 1.0;
        }
        assert!(whole > 0.0, "a group's learning rate {lr} is a multiple of the optimiser's, which is 0");
        lr / whole
    }
}
