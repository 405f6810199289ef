//! Asking the system for huge pages.
//!
//! A page of 2 MiB is faulted in and looked up once where 512 small ones would be. Linux gives them to memory that asks
//! (its usual setting is `madvise`); where it does not, or on another system, nothing happens.

/// Bytes of a huge page on the systems that have one of this size, and an alignment anywhere else.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Asks for huge pages under the part of `data` that consists of whole ones.
pub(crate) fn ask_for_huge<T>(data: &[T]) {
    let start = data.as_ptr().addr();
    let (from, to) = (start.next_multiple_of(HUGE_PAGE), (start + size_of_val(data)) / HUGE_PAGE * HUGE_PAGE);
    if from < to {
        advise(from, to - from);
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
fn advise(start: usize, len: usize) {
    use crate::system::{Call, call};
    const MADV_HUGEPAGE: usize = 14;
    // SAFETY: madvise(MADV_HUGEPAGE) changes how memory is mapped, never what it holds, and the range lies within one
    // live allocation (`ask_for_huge`). An error means that there are no huge pages, which is no error here.
    unsafe { call(Call::MADVISE, [start, len, MADV_HUGEPAGE]) };
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
fn advise(_: usize, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_stay() {
        let data = vec![7u8; 5 * HUGE_PAGE];
        ask_for_huge(&data);
        ask_for_huge(&data[..100]);
        assert!(data.iter().all(|&x| x == 7));
    }
}
