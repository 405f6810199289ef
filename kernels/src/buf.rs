//! Buffers that return to a pool.
//!
//! A fresh 4 KiB page costs 1.0–1.7 µs to fault in, more than many kernels spend on it, so a freed buffer goes to a free
//! list of the thread that frees it. Sizes are rounded up to classes in steps of one eighth, which bounds the waste at
//! 12.5 %. A pooled buffer keeps its length and its old, initialised contents: [`Buf::scratch`] hands them out as they
//! are, and no uninitialised memory ever exists.
//!
//! A pooled buffer begins at a cache line ([`ALIGN`]): a vector load across two lines takes twice as long.
//!
//! Invariant: the free memory of one list is at most the larger of [`KEEP`] and half of that list's live peak.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::elem::Elem;

/// Free bytes that a list keeps whatever its live peak.
pub const KEEP: usize = 64 << 20;

/// Where a buffer begins: at a multiple of this many bytes.
const ALIGN: usize = 64;

/// Below this many bytes the system's allocator is as fast.
const SMALL: usize = 16 << 10;

/// Generation of [`trim`]: a pool that has not seen the newest one empties itself at its next use.
static TRIMS: AtomicU64 = AtomicU64::new(0);

/// An owned slice of `T` whose memory returns to a pool when it is dropped.
#[derive(Debug)]
pub struct Buf<T: Elem> {
    data: Vec<T>,
    /// Elements before the first.
    start: usize,
    len: usize,
}

impl<T: Elem> Buf<T> {
    /// A buffer of `len` elements with unspecified (but initialised) contents, to be overwritten.
    pub fn scratch(len: usize) -> Self {
        if len * size_of::<T>() < SMALL {
            return Buf::aligned(vec![T::default(); len + slack::<T>()], len);
        }
        let full = class_of(len) + slack::<T>();
        let data = T::with_pool(|pool| pool.take(full)).flatten();
        Buf::aligned(data.unwrap_or_else(|| vec![T::default(); full]), len)
    }

    /// `len` elements of `data` from the first cache line on.
    fn aligned(data: Vec<T>, len: usize) -> Self {
        // `align_offset` may decline, by its contract; a buffer is then only slower.
        let start = data.as_ptr().align_offset(ALIGN).min(data.len() - len);
        Buf { data, start, len }
    }

    /// A buffer of `len` times `value`.
    pub fn filled(len: usize, value: T) -> Self {
        let mut buf = Buf::scratch(len);
        buf.fill(value);
        buf
    }

    /// A copy of `slice`.
    pub fn copy_of(slice: &[T]) -> Self {
        let mut buf = Buf::scratch(slice.len());
        buf.copy_from_slice(slice);
        buf
    }

    /// Takes over a vector without copying.
    pub fn from_vec(data: Vec<T>) -> Self {
        let len = data.len();
        Buf { data, start: 0, len }
    }
}

/// Elements that a buffer has beyond its class, to begin at a cache line.
const fn slack<T>() -> usize {
    ALIGN / size_of::<T>()
}

impl<T: Elem> Clone for Buf<T> {
    fn clone(&self) -> Self {
        Buf::copy_of(self)
    }
}

impl<T: Elem> Deref for Buf<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<T: Elem> DerefMut for Buf<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}

impl<T: Elem> Drop for Buf<T> {
    fn drop(&mut self) {
        // Vectors that were taken over have odd sizes; only class sizes can be handed out again.
        let Some(class) = self.data.len().checked_sub(slack::<T>()) else { return };
        if class * size_of::<T>() >= SMALL && class_of(class) == class {
            let data = std::mem::take(&mut self.data);
            T::with_pool(|pool| pool.give(data));
        }
    }
}

/// The free lists of one thread and one element type.
#[derive(Debug)]
pub struct Pool<T> {
    /// (length, its free buffers), sorted by length.
    lists: Vec<(usize, Vec<Vec<T>>)>,
    free: usize,
    live: usize,
    peak: usize,
    trims: u64,
}

impl<T: Elem> Pool<T> {
    pub(crate) const fn new() -> Self {
        Pool { lists: Vec::new(), free: 0, live: 0, peak: 0, trims: 0 }
    }

    fn take(&mut self, len: usize) -> Option<Vec<T>> {
        self.see_trims();
        let bytes = len * size_of::<T>();
        self.live += bytes;
        self.peak = self.peak.max(self.live);
        let at = self.lists.binary_search_by_key(&len, |list| list.0).ok()?;
        let data = self.lists[at].1.pop()?;
        self.free -= bytes;
        Some(data)
    }

    fn give(&mut self, data: Vec<T>) {
        self.see_trims();
        let bytes = size_of_val(data.as_slice());
        // Saturating: the buffer may have been taken on another thread.
        self.live = self.live.saturating_sub(bytes);
        if self.free + bytes > KEEP.max(self.peak / 2) {
            return;
        }
        self.free += bytes;
        match self.lists.binary_search_by_key(&data.len(), |list| list.0) {
            Ok(at) => self.lists[at].1.push(data),
            Err(at) => self.lists.insert(at, (data.len(), vec![data])),
        }
    }

    fn see_trims(&mut self) {
        let newest = TRIMS.load(Ordering::Relaxed);
        if self.trims != newest {
            self.trims = newest;
            self.lists.clear();
            self.free = 0;
            self.peak = self.live;
        }
    }
}

/// Gives the free memory of every list back to the system; other threads follow at their next use of a buffer.
pub fn trim() {
    TRIMS.fetch_add(1, Ordering::Relaxed);
    f32::with_pool(Pool::see_trims);
    f64::with_pool(Pool::see_trims);
    i64::with_pool(Pool::see_trims);
    bool::with_pool(Pool::see_trims);
}

/// The smallest class that holds `len`: a power of two or one of the seven steps of one eighth above it.
fn class_of(len: usize) -> usize {
    let step = (len.next_power_of_two() / 16).max(1);
    len.div_ceil(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn classes_hold_their_length_and_waste_an_eighth(len in 1usize..1 << 40) {
            let class = class_of(len);
            prop_assert!(class >= len && class - len <= len / 8 + 1);
            prop_assert_eq!(class_of(class), class);
        }
    }

    #[test]
    fn a_freed_buffer_is_handed_out_again() {
        let mut buf = Buf::<f32>::scratch(100_000);
        buf.fill(3.0);
        let at = buf.as_ptr();
        drop(buf);
        let again = Buf::<f32>::scratch(99_999);
        assert_eq!(again.as_ptr(), at);
        assert_eq!(again.len(), 99_999);
        assert_eq!(again.as_ptr().addr() % ALIGN, 0);
        assert_eq!(Buf::<bool>::scratch(3).as_ptr().addr() % ALIGN, 0);
    }

    #[test]
    fn free_memory_is_bounded_and_trimmed() {
        let held: Vec<_> = (0..40).map(|_| Buf::<f64>::scratch(1 << 20)).collect();
        drop(held); // 320 MiB live at the peak: at most 160 MiB may stay
        f64::with_pool(|pool| assert!(pool.free > 0 && pool.free <= KEEP.max(pool.peak / 2)));
        trim();
        f64::with_pool(|pool| assert_eq!(pool.free, 0));
    }

    #[test]
    fn a_vector_is_taken_over_and_compared() {
        let buf = Buf::from_vec(vec![1i64, 2, 3]);
        assert_eq!(&*buf.clone(), &[1, 2, 3]);
        assert_eq!(&*Buf::filled(2, true), &[true, true]);
    }
}
