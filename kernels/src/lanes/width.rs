//! How many registers a value of lanes spans.
//!
//! A polynomial is a chain of operations, each waiting for the one before. A loop over single registers leaves it to the
//! processor to look far enough ahead for independent work; a value of several registers does every step on all of them
//! before the next. Nothing else changes: each lane sees the same operations.

/// A number of registers: [`One`], or [`Twice`] another.
pub trait Width: Copy + Send + Sync + 'static {
    /// So many values of `V`.
    type Of<V: Copy>: Copy;
    /// How many.
    const COUNT: usize;
    /// `f(first)`, `f(first + 1)`, …
    fn fill<V: Copy>(first: usize, f: impl FnMut(usize) -> V) -> Self::Of<V>;
    /// Gives `f` every value with its number, from `first` on.
    fn each<V: Copy>(a: Self::Of<V>, first: usize, f: impl FnMut(usize, V));
    /// `f` of each.
    fn map<V: Copy, U: Copy>(a: Self::Of<V>, f: impl Fn(V) -> U + Copy) -> Self::Of<U>;
    /// `f` of each pair.
    fn zip<V: Copy, U: Copy, R: Copy>(a: Self::Of<V>, b: Self::Of<U>, f: impl Fn(V, U) -> R + Copy) -> Self::Of<R>;
    /// All of them in one, by a balanced tree.
    fn fold<V: Copy>(a: Self::Of<V>, f: impl Fn(V, V) -> V + Copy) -> V;
    /// `f` of each triple.
    fn zip3<V: Copy, U: Copy, R: Copy>(
        a: Self::Of<V>,
        b: Self::Of<U>,
        c: Self::Of<U>,
        f: impl Fn(V, U, U) -> R + Copy,
    ) -> Self::Of<R>;
}

/// One register: what it holds is the register itself.
#[derive(Clone, Copy)]
pub struct One;

impl Width for One {
    type Of<V: Copy> = V;
    const COUNT: usize = 1;
    #[inline(always)]
    fn fill<V: Copy>(first: usize, mut f: impl FnMut(usize) -> V) -> V {
        f(first)
    }
    #[inline(always)]
    fn each<V: Copy>(a: V, first: usize, mut f: impl FnMut(usize, V)) {
        f(first, a);
    }
    #[inline(always)]
    fn map<V: Copy, U: Copy>(a: V, f: impl Fn(V) -> U + Copy) -> U {
        f(a)
    }
    #[inline(always)]
    fn zip<V: Copy, U: Copy, R: Copy>(a: V, b: U, f: impl Fn(V, U) -> R + Copy) -> R {
        f(a, b)
    }
    #[inline(always)]
    fn fold<V: Copy>(a: V, _: impl Fn(V, V) -> V + Copy) -> V {
        a
    }
    #[inline(always)]
    fn zip3<V: Copy, U: Copy, R: Copy>(a: V, b: U, c: U, f: impl Fn(V, U, U) -> R + Copy) -> R {
        f(a, b, c)
    }
}

/// Two times `W`.
#[derive(Clone, Copy)]
pub struct Twice<W>(std::marker::PhantomData<W>);

impl<W: Width> Width for Twice<W> {
    type Of<V: Copy> = (W::Of<V>, W::Of<V>);
    const COUNT: usize = 2 * W::COUNT;
    #[inline(always)]
    fn fill<V: Copy>(first: usize, mut f: impl FnMut(usize) -> V) -> Self::Of<V> {
        (W::fill(first, &mut f), W::fill(first + W::COUNT, &mut f))
    }
    #[inline(always)]
    fn each<V: Copy>(a: Self::Of<V>, first: usize, mut f: impl FnMut(usize, V)) {
        W::each(a.0, first, &mut f);
        W::each(a.1, first + W::COUNT, &mut f);
    }
    #[inline(always)]
    fn map<V: Copy, U: Copy>(a: Self::Of<V>, f: impl Fn(V) -> U + Copy) -> Self::Of<U> {
        (W::map(a.0, f), W::map(a.1, f))
    }
    #[inline(always)]
    fn zip<V: Copy, U: Copy, R: Copy>(a: Self::Of<V>, b: Self::Of<U>, f: impl Fn(V, U) -> R + Copy) -> Self::Of<R> {
        (W::zip(a.0, b.0, f), W::zip(a.1, b.1, f))
    }
    #[inline(always)]
    fn fold<V: Copy>(a: Self::Of<V>, f: impl Fn(V, V) -> V + Copy) -> V {
        f(W::fold(a.0, f), W::fold(a.1, f))
    }
    #[inline(always)]
    fn zip3<V: Copy, U: Copy, R: Copy>(
        a: Self::Of<V>,
        b: Self::Of<U>,
        c: Self::Of<U>,
        f: impl Fn(V, U, U) -> R + Copy,
    ) -> Self::Of<R> {
        (W::zip3(a.0, b.0, c.0, f), W::zip3(a.1, b.1, c.1, f))
    }
}

/// Two registers: as many as the 16 of AVX2 allow a function with several constants.
pub type Two = Twice<One>;
/// Four registers: as many as fill an adder's latency.
pub type Four = Twice<Two>;
