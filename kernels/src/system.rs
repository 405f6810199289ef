//! Linux's system calls, for the few that the standard library has no door to.
//!
//! This needs `unsafe`, and a dependency for a few calls is not worth it. Elsewhere than on Linux there are none, and who
//! asks does without.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

/// A system call by its number on this architecture.
#[derive(Clone, Copy)]
pub(crate) struct Call(usize);

#[cfg(target_arch = "x86_64")]
impl Call {
    pub(crate) const MADVISE: Call = Call(28);
    pub(crate) const ARCH_PRCTL: Call = Call(158);
    pub(crate) const GETTID: Call = Call(186);
    pub(crate) const SCHED_SETAFFINITY: Call = Call(203);
    pub(crate) const SCHED_GETAFFINITY: Call = Call(204);
    pub(crate) const GETCPU: Call = Call(309);
}

#[cfg(target_arch = "aarch64")]
impl Call {
    pub(crate) const MADVISE: Call = Call(233);
    pub(crate) const GETTID: Call = Call(178);
    pub(crate) const SCHED_SETAFFINITY: Call = Call(122);
    pub(crate) const SCHED_GETAFFINITY: Call = Call(123);
    pub(crate) const GETCPU: Call = Call(168);
}

/// Calls the system; the answer, or minus the number of an error.
///
/// # Safety
/// The arguments are what the call wants, and memory that it writes is exclusively the caller's.
pub(crate) unsafe fn call(call: Call, arguments: [usize; 3]) -> isize {
    let [a, b, c] = arguments;
    let answer: isize;
    // SAFETY: the caller's promise, and the system's convention: it keeps all registers but rax, rcx and r11.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") call.0 as isize => answer,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    // SAFETY: the caller's promise, and the system's convention: it keeps all registers but x0.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("svc 0", in("x8") call.0, inlateout("x0") a => answer, in("x1") b, in("x2") c, options(nostack));
    }
    answer
}
