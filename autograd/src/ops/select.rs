//! Comparison, masks and choice. Masks are `Tensor<bool>`: no gradient can flow through them.

use etude_kernels::ew::{self, Cmp};

use super::view::broadcast_strided;
use crate::alloc;
use crate::dtype::{Dtype, Float};
use crate::layout::{Shape, broadcast_shapes};
use crate::node::{Op, Saves, Vjp};
use crate::observe;
use crate::tensor::Tensor;

impl<T: Dtype> Tensor<T> {
    #[track_caller]
    fn compare(&self, name: &str, op: Cmp, other: &Tensor<T>) -> Tensor<bool> {
        let Some(shape) = broadcast_shapes(self.shape(), other.shape()) else {
            panic!("{name}: shapes do not broadcast: {:?} and {:?}", self.shape(), other.shape())
        };
        let fits = "the common shape was computed from both";
        let (a, b) = (self.layout().broadcast(&shape).expect(fits), other.layout().broadcast(&shape).expect(fits));
        let mut out = alloc::scratch(shape.iter().product());
        ew::compare(op, broadcast_strided(self, &a), broadcast_strided(other, &b), &shape, &mut out);
        observe::computed("comparison", (self.len() + other.len()) * size_of::<T>() + out.len());
        Tensor::from_buf(out, &shape)
    }
}

macro_rules! comparison {
    ($($(#[$doc:meta])* $name:ident, $scalar:ident, $op:ident;)*) => {
        impl<T: Dtype> Tensor<T> {$(
            $(#[$doc])*
            ///
            /// # Panics
            /// If the shapes do not broadcast.
            #[track_caller]
            pub fn $name(&self, other: &Tensor<T>) -> Tensor<bool> {
                self.compare(stringify!($name), Cmp::$op, other)
            }
            $(#[$doc])*
            ///
            /// The other side is one number.
            pub fn $scalar(&self, value: T) -> Tensor<bool> {
                self.compare(stringify!($scalar), Cmp::$op, &Tensor::scalar(value))
            }
        )*}
    };
}
comparison! {
    /// Where self < other; false for NaN.
    lt, lt_scalar, Lt;
    /// Where self ≤ other; false for NaN.
    le, le_scalar, Le;
    /// Where self > other; false for NaN.
    gt, gt_scalar, Gt;
    /// Where self ≥ other; false for NaN.
    ge, ge_scalar, Ge;
    /// Where self = other; false for NaN.
    eq, eq_scalar, Eq;
    /// Where self ≠ other; true for NaN.
    ne, ne_scalar, Ne;
}

impl Tensor<bool> {
    /// 1 where true, 0 where false.
    pub fn to_float<T: Float>(&self) -> Tensor<T> {
        Tensor::from_vec(self.data().iter().map(|&b| if b { T::ONE } else { T::ZERO }).collect(), self.shape())
    }
    /// The opposite.
    #[allow(clippy::should_implement_trait)] // `!&mask` would read worse than `mask.not()` beside `and` and `or`
    pub fn not(&self) -> Tensor<bool> {
        self.eq_scalar(false)
    }
    /// Where both hold.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn and(&self, other: &Tensor<bool>) -> Tensor<bool> {
        self.compare("and", Cmp::Gt, &other.not()) // true > false
    }
    /// Where either holds.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn or(&self, other: &Tensor<bool>) -> Tensor<bool> {
        self.compare("or", Cmp::Ge, &other.not()) // false ≥ false, that is: other holds
    }
}

impl Tensor<i64> {
    /// The integers as floats; exact up to 2²⁴ in f32.
    pub fn to_float<T: Float>(&self) -> Tensor<T> {
        Tensor::from_vec(self.data().iter().map(|&i| T::from_f64(i as f64)).collect(), self.shape())
    }
}

/// `a` where the mask holds, `b` elsewhere.
struct Where {
    mask: Tensor<bool>,
}

impl<T: Float> Op<T> for Where {
    fn name(&self) -> &'static str {
        "where_cond"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn broadcasts(&self) -> bool {
        true
    }
    fn vjp(&self, cx: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        let zero = Tensor::scalar(T::ZERO);
        vec![
            cx.when(0, || Tensor::where_cond(&self.mask, g, &zero)),
            cx.when(1, || Tensor::where_cond(&self.mask, &zero, g)),
        ]
    }
}

impl<T: Float> Tensor<T> {
    /// `a` where the mask holds, `b` elsewhere; all three broadcast. The other side's value never matters: a NaN that is
    /// not chosen gives neither value nor gradient.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn where_cond(mask: &Tensor<bool>, a: &Tensor<T>, b: &Tensor<T>) -> Self {
        let common = broadcast_shapes(a.shape(), b.shape()).and_then(|s| broadcast_shapes(&s, mask.shape()));
        let Some(shape) = common else {
            panic!("where_cond: shapes do not broadcast: {:?}, {:?} and {:?}", mask.shape(), a.shape(), b.shape())
        };
        let fits = "the common shape was computed from all three";
        let layouts = [mask.layout(), a.layout(), b.layout()].map(|l| l.broadcast(&shape).expect(fits));
        let mut out = alloc::scratch(shape.iter().product());
        let [m, x, y] = &layouts;
        ew::select(broadcast_strided(mask, m), broadcast_strided(a, x), broadcast_strided(b, y), &shape, &mut out);
        Tensor::record(Where { mask: mask.clone() }, &[a, b], Tensor::from_buf(out, &shape))
    }

    /// `value` where the mask holds, self elsewhere.
    ///
    /// # Panics
    /// If the mask does not broadcast to this shape.
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor<bool>, value: T) -> Self {
        let same = broadcast_shapes(self.shape(), mask.shape()).is_some_and(|s: Shape| s[..] == *self.shape());
        assert!(same, "masked_fill: the mask {:?} does not broadcast to {:?}", mask.shape(), self.shape());
        Tensor::where_cond(mask, &Tensor::scalar(value), self)
    }
}
