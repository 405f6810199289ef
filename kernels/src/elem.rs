//! The element types: `f32`, `f64`, `i64`, `bool`.
//!
//! Both traits are sealed. Kernels are generic over [`Real`] inside this crate and stamped once here, behind concrete
//! functions, so that no crate above compiles them again.

use std::sync::Mutex;

use crate::buf::Pool;
use crate::lanes::LaneReal;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for bool {}
}

/// An element type of buffers and tensors.
pub trait Elem:
    sealed::Sealed
    + Copy
    + Send
    + Sync
    + PartialEq
    + PartialOrd
    + Default
    + std::fmt::Debug
    + std::fmt::Display
    + crate::ew::Compares<Self>
    + crate::strided::Copies<Self>
    + crate::index::Gathers<Self>
    + 'static
{
    /// The name used in messages and in files: `f32`, `f64`, `i64`, `bool`.
    const NAME: &'static str;
    /// Calls `f` with this thread's free buffers of this type; `None` while the thread shuts down.
    #[doc(hidden)]
    fn with_pool<R>(f: impl FnOnce(&mut Pool<Self>) -> R) -> Option<R>;
    /// The free buffers of this type that belong to no thread.
    #[doc(hidden)]
    fn shared() -> &'static Mutex<Pool<Self>>;
}

macro_rules! elem {
    ($($t:ty, $pool:ident, $name:literal;)*) => {$(
        impl Elem for $t {
            const NAME: &'static str = $name;
            fn with_pool<R>(f: impl FnOnce(&mut Pool<Self>) -> R) -> Option<R> {
                thread_local! {
                    static $pool: std::cell::RefCell<Pool<$t>> = const { std::cell::RefCell::new(Pool::new()) };
                }
                $pool.try_with(|pool| f(&mut pool.borrow_mut())).ok()
            }
            fn shared() -> &'static Mutex<Pool<Self>> {
                static SHARED: Mutex<Pool<$t>> = Mutex::new(Pool::new());
                &SHARED
            }
        }
    )*};
}
elem! {
    f32, POOL_F32, "f32";
    f64, POOL_F64, "f64";
    i64, POOL_I64, "i64";
    bool, POOL_BOOL, "bool";
}

/// A floating-point element type, with the lanes that [`crate::lanes`] gives it.
pub trait Real:
    Elem
    + LaneReal
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::MulAssign
    + std::iter::Sum
    + crate::ew::Maps<Self>
    + crate::rng::Draws<Self>
    + crate::optim::Updates<Self>
    + crate::norm::Norms<Self>
    + crate::softmax::Softmaxes<Self>
    + crate::reduce::Reductions<Self>
    + crate::strided::ScatterAdds<Self>
    + crate::index::Scatters<Self>
    + crate::gemm::Products<Self>
    + crate::gemm::TileUnit
    + crate::conv::Convolutions<Self>
    + crate::pool::Pools<Self>
    + crate::recurrent::Scans<Self>
    + crate::attention::Attends<Self>
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// −∞.
    const NEG_INFINITY: Self;
    /// +∞.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// Rounds from f64.
    fn from_f64(x: f64) -> Self;
    /// Widens to f64; exact.
    fn to_f64(self) -> f64;
    /// Whether it is NaN.
    fn is_nan(self) -> bool;
    /// Whether it is neither NaN nor infinite.
    fn is_finite(self) -> bool;
}

macro_rules! real {
    ($($t:ident),*) => {$(
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const INFINITY: Self = $t::INFINITY;
            const NAN: Self = $t::NAN;
            const EPSILON: Self = $t::EPSILON;
            const MIN_POSITIVE: Self = $t::MIN_POSITIVE;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
        }
    )*};
}
real!(f32, f64);
