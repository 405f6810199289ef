//! The peak of the tile unit (AMX) on bf16: four tile loads and four products a step, as a 32 × 32 micro-kernel has them.
//!
//! The operands are not zero, because products of zeros run a quarter faster than products of any other numbers, and they
//! are loaded from the first-level cache in every step, because no kernel could do without. Stable Rust has no intrinsics
//! for the unit, hence the assembly. Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1,
//! chapter 18; Linux's Documentation/arch/x86/xstate.rst for the permission.

/// Floating-point operations of one step: 4 products of 16 × 32 by 32 × 16, each multiplication with its addition.
pub const FLOP_PER_STEP: f64 = 4.0 * 2.0 * (16 * 32 * 16) as f64;

/// Whether this machine has the tile unit with bf16, and the system lets this process use it.
pub fn has_tiles() -> bool {
    imp::has_tiles()
}

/// `steps` steps on this thread; gives the sum of one accumulator's elements.
///
/// # Panics
/// If [`has_tiles`] says no.
pub fn run_tiles(steps: usize) -> f64 {
    assert!(has_tiles(), "run_tiles: this machine has no tile unit for bf16, or the system withholds it");
    imp::run(steps)
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod imp {
    use std::arch::asm;
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::sync::OnceLock;

    use crate::system::{Call, call};

    /// bf16 values of a tile.
    pub(super) const TILE: usize = 16 * 32;

    /// Four operand tiles: two of A (16 × 32), then two of B, whose rows hold pairs of k side by side.
    #[repr(C, align(64))]
    pub(super) struct Operands(pub(super) [u16; 4 * TILE]);

    /// The layout of `ldtilecfg`'s operand.
    #[repr(C, align(64))]
    struct Config {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }

    pub(super) fn has_tiles() -> bool {
        static HAS: OnceLock<bool> = OnceLock::new();
        *HAS.get_or_init(|| {
            // CPUID leaf 7: AMX-BF16 is bit 22, AMX-TILE bit 24 of EDX. Leaf 1: OSXSAVE is bit 27 of ECX.
            let bits = 1 << 22 | 1 << 24;
            __cpuid_count(7, 0).edx & bits == bits && __cpuid(1).ecx & 1 << 27 != 0 && enabled() && permitted()
        })
    }

    /// Whether the system saves tiles when it switches threads: bits 17 and 18 of XCR0.
    fn enabled() -> bool {
        let low: u32;
        // SAFETY: the caller has seen OSXSAVE, which says that XGETBV exists; it only reads a register.
        unsafe { asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack)) };
        low >> 17 & 3 == 3
    }

    /// Asks the system for the tiles; threads that start later inherit the answer.
    fn permitted() -> bool {
        const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
        const XFEATURE_XTILEDATA: usize = 18;
        // SAFETY: this system call neither reads nor writes memory of ours.
        unsafe { call(Call::ARCH_PRCTL, [ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA, 0]) == 0 }
    }

    /// Numbers of either sign in ±[1/8, 2): four exponents, all bits of the mantissa in use, and sums that stay small.
    pub(super) fn operands() -> Operands {
        let value = |i: usize| {
            let bits = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            (bits & 0x8000) as u16 | (0x3E00 + (bits & 0x1FF) as u16)
        };
        Operands(std::array::from_fn(value))
    }

    pub(super) fn run(steps: usize) -> f64 {
        let operands = operands();
        let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        config.row_bytes[..8].fill(64);
        config.rows[..8].fill(16);
        let mut sums = [0f32; 16 * 16];
        // SAFETY: `has_tiles` was true (checked by the caller), so the instructions exist and may be used. The loads read
        // 16 rows of 64 bytes at the four tiles of `operands`, the store writes 16 rows of 64 bytes to `sums`; `config` is
        // 64 bytes. All tiles are released at the end and declared as clobbered. The loop runs at least once.
        unsafe {
            asm!("ldtilecfg [{config}]", "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", "2:",
                "tileloadd tmm4, [{a} + {row}]", "tileloadd tmm6, [{a} + {row} + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{a} + {row} + 3072]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{a} + {row} + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6", "tdpbf16ps tmm3, tmm5, tmm7",
                "dec {steps}", "jnz 2b", "tilestored [{sums} + {row}], tmm0", "tilerelease",
                config = in(reg) &raw const config, a = in(reg) operands.0.as_ptr(), row = in(reg) 64usize,
                sums = in(reg) sums.as_mut_ptr(), steps = inout(reg) steps.max(1) => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _, options(nostack));
        }
        sums.iter().copied().map(f64::from).sum()
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod imp {
    pub(super) fn has_tiles() -> bool {
        false
    }

    pub(super) fn run(_steps: usize) -> f64 {
        unreachable!("run_tiles has checked has_tiles")
    }
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_loop_multiplies() {
        if !has_tiles() {
            eprintln!("skipped: no tile unit here");
            return;
        }
        let operands = imp::operands().0.map(|bits| f64::from(f32::from_bits(u32::from(bits) << 16)));
        let (a, b) = (&operands[..imp::TILE], &operands[2 * imp::TILE..3 * imp::TILE]);
        // Σ over i, j, k of a[i][k] · b[k][j], where b[k][j] lies at (k / 2, 2 j + k mod 2).
        let term = |i: usize, j: usize, k: usize| a[32 * i + k] * b[32 * (k / 2) + 2 * j + k % 2];
        let sum: f64 = (0..16 * 16 * 32).map(|at| term(at / 512, at / 32 % 16, at % 32)).sum();
        assert!(sum.abs() > 1.0, "the operands are not zero");
        // 3 steps of f32 sums below 3 · 32 · 4 in each of 256 elements.
        assert!((run_tiles(3) - 3.0 * sum).abs() < 0.1, "{} instead of {}", run_tiles(3), 3.0 * sum);
    }
}
