//! Buffers that return to a pool.
//!
//! A fresh 4 KiB page costs 1.0–1.7 µs to fault in, more than many kernels spend on it, and even a small block costs the
//! system's allocator more than a lookup here, so a freed buffer goes to a free list of the thread that took it. Sizes are
//! rounded up to classes in steps of one eighth, which bounds the waste at 12.5 %. A pooled buffer keeps its length and
//! its old, initialised contents: [`Buf::scratch`] hands them out as they are, and no uninitialised memory ever exists.
//!
//! A pooled buffer begins at a cache line (`ALIGN`): a vector load across two lines takes twice as long. A large one
//! begins at a huge page and asks the system for those (`crate::pages`).
//!
//! A buffer that another thread frees than the one that took it goes to a list that all threads share, so that a thread
//! which only takes finds what a thread which only frees has left.
//!
//! Invariant: the free memory of one list is at most the larger of [`KEEP`] and half of the live peak.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::elem::Elem;
use crate::pages;

/// Free bytes that a list keeps whatever the live peak.
pub const KEEP: usize = 64 << 20;

/// Where a buffer begins: at a multiple of this many bytes.
const ALIGN: usize = 64;

/// Bytes from which a buffer counts as live memory, and is worth handing from thread to thread.
const LARGE: usize = 16 << 10;

/// Bytes from which huge pages are asked for.
const HUGE: usize = 2 * pages::HUGE_PAGE;

/// Generation of [`trim`]: a pool that has not seen the newest one empties itself at its next use.
static TRIMS: AtomicU64 = AtomicU64::new(0);

/// Bytes of the large buffers that are in use, and the most that ever were since the last [`trim`].
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// An owned slice of `T` whose memory returns to a pool when it is dropped.
#[derive(Debug)]
pub struct Buf<T: Elem> {
    data: Vec<T>,
    /// Elements before the first.
    start: usize,
    len: usize,
    /// Where it came from; `None` for a vector that was taken over.
    origin: Option<Origin>,
}

/// The class of a pooled buffer and the pool that it was taken from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    class: u32,
    pool: u32,
}

impl<T: Elem> Buf<T> {
    /// A buffer of `len` elements with unspecified (but initialised) contents, to be overwritten.
    pub fn scratch(len: usize) -> Self {
        let class = Class::of(len);
        let bytes = class.bytes::<T>();
        if bytes >= LARGE {
            let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
            PEAK.fetch_max(live, Ordering::Relaxed);
        }
        let (pool, mut data) = T::with_pool(|pool| (pool.id(), pool.take(class))).unwrap_or((NO_POOL, None));
        if data.is_none() && bytes >= LARGE {
            data = T::shared().lock().unwrap_or_else(PoisonError::into_inner).take(class);
        }
        let data = data.unwrap_or_else(|| class.fresh());
        // `align_offset` may decline, by its contract; a buffer is then only slower.
        let start = data.as_ptr().align_offset(class.alignment::<T>()).min(data.len() - len);
        Buf { data, start, len, origin: Some(Origin { class: class.index as u32, pool }) }
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

    /// Takes over a vector without copying. Its memory does not return to a pool: it has no class's size.
    pub fn from_vec(data: Vec<T>) -> Self {
        let len = data.len();
        Buf { data, start: 0, len, origin: None }
    }
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
        let Some(Origin { class, pool: home }) = self.origin else { return };
        let (data, class) = (std::mem::take(&mut self.data), Class::at(class as usize));
        let large = class.bytes::<T>() >= LARGE;
        if large {
            LIVE.fetch_sub(class.bytes::<T>(), Ordering::Relaxed);
        }
        // While a thread shuts down it has no pool.
        let foreign = T::with_pool(|pool| {
            if pool.id() == home {
                pool.give(class, data);
                return None;
            }
            Some(data)
        });
        if let Some(Some(data)) = foreign
            && large
        {
            T::shared().lock().unwrap_or_else(PoisonError::into_inner).give(class, data);
        }
    }
}

/// A size of buffers: a power of two or one of the seven steps of one eighth above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class {
    index: usize,
    /// Elements.
    len: usize,
}

impl Class {
    /// Elements of the smallest class: a cache line of f32.
    const LEAST: usize = 16;

    /// The smallest class that holds `len` elements.
    #[inline]
    fn of(len: usize) -> Class {
        let last = len.max(Self::LEAST) - 1;
        let shift = last.ilog2() - 3;
        let steps = (last >> shift) + 1; // 9..=16 steps of one eighth of the power of two below
        Class { index: shift as usize * 8 + steps - 16, len: steps << shift }
    }

    /// The class of that index.
    #[inline]
    fn at(index: usize) -> Class {
        let (shift, steps) = (index.div_ceil(8), (index + 7) % 8 + 9);
        Class { index, len: steps << shift }
    }

    #[inline]
    fn bytes<T>(self) -> usize {
        self.len * size_of::<T>()
    }

    /// A buffer begins at a multiple of this many bytes.
    #[inline]
    fn alignment<T>(self) -> usize {
        if self.bytes::<T>() >= HUGE { pages::HUGE_PAGE } else { ALIGN }
    }

    /// New memory with room to begin at an aligned place.
    #[cold]
    fn fresh<T: Elem>(self) -> Vec<T> {
        // Zeros: large blocks come from the system as such, and no page is touched before its first use.
        let data = vec![T::default(); self.len + self.alignment::<T>() / size_of::<T>()];
        if self.bytes::<T>() >= HUGE {
            pages::ask_for_huge(&data);
        }
        data
    }
}

/// What [`Pool::id`] never is.
const NO_POOL: u32 = 0;

/// The free lists of one thread, or those that all share, for one element type.
#[derive(Debug)]
pub struct Pool<T> {
    /// The free buffers of each class.
    lists: Vec<Vec<Vec<T>>>,
    free: usize,
    trims: u64,
    id: u32,
}

impl<T: Elem> Pool<T> {
    pub(crate) const fn new() -> Self {
        Pool { lists: Vec::new(), free: 0, trims: 0, id: NO_POOL }
    }

    /// A number of its own.
    #[inline]
    fn id(&mut self) -> u32 {
        static NEXT: AtomicU32 = AtomicU32::new(NO_POOL + 1);
        if self.id == NO_POOL {
            self.id = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        self.id
    }

    fn take(&mut self, class: Class) -> Option<Vec<T>> {
        self.see_trims();
        let data = self.lists.get_mut(class.index)?.pop()?;
        self.free -= class.bytes::<T>();
        Some(data)
    }

    fn give(&mut self, class: Class, data: Vec<T>) {
        self.see_trims();
        let bytes = class.bytes::<T>();
        if self.free + bytes > bound() {
            return;
        }
        self.free += bytes;
        if self.lists.len() <= class.index {
            self.lists.resize_with(class.index + 1, Vec::new);
        }
        self.lists[class.index].push(data);
    }

    #[inline]
    fn see_trims(&mut self) {
        let newest = TRIMS.load(Ordering::Relaxed);
        if self.trims != newest {
            self.trims = newest;
            self.lists.clear();
            self.free = 0;
        }
    }
}

/// Bytes that a list may keep.
fn bound() -> usize {
    KEEP.max(PEAK.load(Ordering::Relaxed) / 2)
}

/// Gives the free memory of every list back to the system; other threads follow at their next use of a buffer.
pub fn trim() {
    fn one<T: Elem>() {
        T::with_pool(Pool::see_trims);
        T::shared().lock().unwrap_or_else(PoisonError::into_inner).see_trims();
    }
    TRIMS.fetch_add(1, Ordering::Relaxed);
    PEAK.store(LIVE.load(Ordering::Relaxed), Ordering::Relaxed);
    one::<f32>();
    one::<f64>();
    one::<i64>();
    one::<bool>();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn classes_hold_their_length_and_waste_an_eighth(len in 0usize..1 << 40) {
            let class = Class::of(len);
            prop_assert!(class.len >= len && (class.len - len <= len / 8 + 1 || class.len == Class::LEAST));
            prop_assert_eq!(Class::of(class.len), class);
            prop_assert_eq!(Class::at(class.index), class);
        }
    }

    #[test]
    fn classes_are_numbered_without_gaps() {
        let mut class = Class::of(0);
        for index in 0..200 {
            assert_eq!(class.index, index);
            class = Class::of(class.len + 1);
        }
    }

    #[test]
    fn a_freed_buffer_is_handed_out_again() {
        for len in [3, 1000, 100_000, 2 << 20] {
            let mut buf = Buf::<f32>::scratch(len);
            buf.fill(3.0);
            let at = buf.as_ptr();
            drop(buf);
            let again = Buf::<f32>::scratch(len - len / 1000);
            assert_eq!((again.as_ptr(), again.len()), (at, len - len / 1000));
            let align = if len < 2 << 20 { ALIGN } else { pages::HUGE_PAGE };
            assert_eq!(again.as_ptr().addr() % align, 0);
        }
        assert_eq!(Buf::<bool>::scratch(3).as_ptr().addr() % ALIGN, 0);
    }

    #[test]
    fn a_buffer_that_another_thread_frees_is_found_again() {
        // A size that no other test asks for.
        let buf = Buf::<f64>::scratch(33_333);
        let at = buf.as_ptr().addr();
        std::thread::spawn(move || drop(buf)).join().expect("dropping does not panic");
        let found = (0..8).map(|_| Buf::<f64>::scratch(33_333)).any(|buf| buf.as_ptr().addr() == at);
        assert!(found);
    }

    #[test]
    fn free_memory_is_bounded_and_trimmed() {
        let held: Vec<_> = (0..40).map(|_| Buf::<f64>::scratch(1 << 20)).collect();
        drop(held); // 320 MiB live at the peak: at most half of the peak may stay
        f64::with_pool(|pool| assert!(pool.free > 0 && pool.free <= bound()));
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
