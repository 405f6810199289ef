//! Keeping a thread that is woken off the core that wakes it.
//!
//! A system may put a woken thread on the core of the thread that woke it, above all where it packs work onto few cores.
//! Here that core is busy from then on, since the caller takes blocks itself: the worker waits until it is moved, for
//! milliseconds. So for the moment of waking it is forbidden that core, and then allowed all its cores again.
//!
//! Elsewhere than on Linux, or where a thread may use one core only, nothing happens.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
mod imp {
    use crate::system::{Call, call};

    /// Cores by number, one bit each; systems with more are left alone.
    type Set = [u64; 16];

    /// A thread and the cores that it could use when it started.
    #[derive(Clone, Copy)]
    pub(crate) struct Cores {
        thread: usize,
        all: Option<Set>,
    }

    impl Cores {
        /// Those of the calling thread.
        pub(crate) fn own() -> Self {
            let mut set: Set = [0; 16];
            // SAFETY: no argument is used.
            let thread = unsafe { call(Call::GETTID, [0; 3]) };
            // SAFETY: the call writes at most so many bytes to `set`; 0 is the calling thread.
            let written =
                unsafe { call(Call::SCHED_GETAFFINITY, [0, size_of::<Set>(), set.as_mut_ptr().expose_provenance()]) };
            let several = set.iter().map(|bits| bits.count_ones()).sum::<u32>() > 1;
            Cores { thread: thread as usize, all: (thread > 0 && written > 0 && several).then_some(set) }
        }

        /// Forbids the thread the core on which the caller runs.
        pub(crate) fn avoid_current(&self) {
            let Some(mut set) = self.all else { return };
            let mut core = u32::MAX;
            // SAFETY: the call writes a u32 to `core`.
            let answer = unsafe { call(Call::GETCPU, [(&raw mut core).expose_provenance(), 0, 0]) };
            let Some(bits) = set.get_mut(core as usize / 64).filter(|_| answer == 0) else { return };
            *bits &= !(1 << (core % 64));
            self.restrict(&set);
        }

        /// Allows the thread all of its cores.
        pub(crate) fn allow_all(&self) {
            if let Some(set) = &self.all {
                self.restrict(set);
            }
        }

        fn restrict(&self, set: &Set) {
            // SAFETY: the call reads so many bytes of `set`; it changes where a thread of this process runs, not what it
            // does. An error, as for an empty set, leaves it where it is.
            unsafe { call(Call::SCHED_SETAFFINITY, [self.thread, size_of::<Set>(), set.as_ptr().expose_provenance()]) };
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_thread_leaves_the_core_and_may_return() {
            let waker = Cores::own();
            if waker.all.is_none() {
                return; // one core
            }
            let count = |cores: Cores| cores.all.map_or(1, |set| set.iter().map(|bits| bits.count_ones()).sum::<u32>());
            waker.avoid_current();
            let less = Cores::own();
            waker.allow_all();
            let back = Cores::own();
            assert_eq!(count(less), count(waker) - 1);
            assert_eq!(back.all, waker.all);
        }
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
mod imp {
    /// Nothing is known about cores here.
    #[derive(Clone, Copy)]
    pub(crate) struct Cores;

    impl Cores {
        pub(crate) fn own() -> Self {
            Cores
        }
        pub(crate) fn avoid_current(&self) {}
        pub(crate) fn allow_all(&self) {}
    }
}

pub(super) use imp::Cores;
