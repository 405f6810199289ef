//! The tile unit: detection, configuration and the micro-kernel, in inline assembly.
//!
//! The unit (Intel SDM vol. 1, ch. 18) has eight tiles of 16 rows of 64 bytes. Four hold a 32 × 32 block of C, four the
//! operands: bf16 in pairs along k, a row of A in a tile's row, a column of B in a tile's column of 32-bit words.
//!
//! Invariant: tiles are configured in [`block`] alone and released before it returns, and no function that could use
//! them runs in between; so no other code ever sees them configured, nor loses their contents.

use std::arch::asm;
use std::arch::x86_64::{
    __cpuid, __cpuid_count, __mmask16, _mm512_loadu_ps, _mm512_mask_add_ps, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _xgetbv,
};

use super::super::Tile;
use crate::system::{Call, call};

/// Rows and columns of a block of C, and steps of k between loads of operands.
pub(super) const SIDE: usize = 32;
/// 32-bit words in a tile.
pub(super) const WORDS: usize = 256;

/// Whether this process may use tiles: the processor's bits, the state that the system saves, and the permission that
/// Linux wants asked for once a process, before the first use.
pub(super) fn detect() -> bool {
    let (tiles, bf16) = (1 << 24, 1 << 22);
    let osxsave = 1 << 27;
    if __cpuid(0).eax < 7 || __cpuid(1).ecx & osxsave == 0 || __cpuid_count(7, 0).edx & (tiles | bf16) != tiles | bf16 {
        return false;
    }
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq");
    // SAFETY: the processor has XGETBV, because the system has switched XSAVE on (checked above).
    wide && unsafe { saved() } & (3 << 17) == 3 << 17 && permitted()
}

/// The state components that the system saves: XCR0.
///
/// # Safety
/// The processor must have XGETBV.
#[target_feature(enable = "xsave")]
unsafe fn saved() -> u64 {
    // SAFETY: XCR0 exists wherever XGETBV does (the caller's promise).
    unsafe { _xgetbv(0) }
}

/// arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
fn permitted() -> bool {
    let (request, tile_data) = (0x1023, 18);
    // SAFETY: this system call neither reads nor writes memory of ours.
    unsafe { call(Call::ARCH_PRCTL, [request, tile_data, 0]) == 0 }
}

/// What LDTILECFG reads: palette 1, all eight tiles with 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Config([u8; 64]);

static CONFIG: Config = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    Config(bytes)
};

/// Configured tiles, released at the end of the scope.
struct Configured;

impl Configured {
    /// # Safety
    /// [`detect`] was true.
    unsafe fn new() -> Self {
        // SAFETY: the unit is there (the caller's promise), and CONFIG has the form of palette 1.
        unsafe { asm!("ldtilecfg [{config}]", config = in(reg) &CONFIG, options(nostack, readonly)) };
        Configured
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: a value exists only where the unit does (`new`).
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Packed operands, as [`super::split`] lays them out: panels of 32 rows of A and of 32 columns of B, each `steps` times
/// `parts` pairs of tiles.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) a: &'a [f32],
    pub(super) b: &'a [f32],
    /// Thirty-twos of k.
    pub(super) steps: usize,
    /// Parts of an element: 2 (three products) or 1.
    pub(super) parts: usize,
}

/// C = A·B or C += A·B for the `rows` × `cols` elements of `c` from `at` on.
///
/// # Panics
/// If the elements leave C, panels are missing, or the machine has no tiles.
pub(super) fn block(c: &mut Tile<'_, f32>, at: [usize; 2], [rows, cols]: [usize; 2], panels: Panels<'_>, add: bool) {
    let Panels { a, b, steps, parts } = panels;
    assert!(super::present(), "gemm: this machine has no tiles");
    assert!(parts == 1 || parts == 2, "gemm: {parts} parts");
    assert!(steps > 0 && at[0] + rows <= c.rows() && at[1] + cols <= c.cols(), "gemm: a block of tiles leaves C");
    let panel = steps * parts * 2 * WORDS;
    assert!(rows.div_ceil(SIDE) * panel <= a.len(), "gemm: panels of A are missing");
    assert!(cols.div_ceil(SIDE) * panel <= b.len(), "gemm: panels of B are missing");
    let (start, stride) = c.start_mut();
    // SAFETY: every element below lies in C (assertions above), which is exclusive for the call; so do the panels in
    // their slices; `present` implies AVX-512 F.
    unsafe { sweep(start.add(at[0] * stride + at[1]), stride, [rows, cols], a.as_ptr(), b.as_ptr(), steps, parts, add) }
}

/// [`block`] on pointers.
///
/// # Safety
/// C has `rows` × `cols` elements, A and B their panels, and the machine has tiles.
#[target_feature(enable = "avx512f")]
#[allow(clippy::too_many_arguments)]
unsafe fn sweep(
    c: *mut f32,
    stride: usize,
    [rows, cols]: [usize; 2],
    a: *const f32,
    b: *const f32,
    steps: usize,
    parts: usize,
    add: bool,
) {
    let panel = steps * parts * 2 * WORDS;
    let mut sums = Sums([0.0; SIDE * SIDE]);
    let mut waiting = Drain { c, stride, rows: 0, store: [0; 2], add: [0; 2] };
    // SAFETY: the machine has tiles (the caller's promise).
    let configured = unsafe { Configured::new() };
    for j in (0..cols).step_by(SIDE) {
        let store = [mask(cols - j), mask((cols - j).saturating_sub(16))];
        for i in (0..rows).step_by(SIDE) {
            // SAFETY: panels i / 32 of A and j / 32 of B exist, and element (i, j) lies in C (the caller's promise).
            unsafe {
                let (a, b) = (a.add(i / SIDE * panel), b.add(j / SIDE * panel));
                // A share of the next panel of B, which lies a cache farther away than the blocks of A.
                let next = Next { c: c.add(i * stride + j), b: b.wrapping_add(panel + i / SIDE * steps * 128) };
                let in_loop = (waiting.rows / 2).min(steps);
                waiting.run(&sums, 2 * in_loop);
                if parts == 1 {
                    one(a, b, steps, &mut sums, &waiting, in_loop, next);
                } else {
                    three(a, b, steps, &mut sums, &waiting, in_loop, next);
                }
                let rows = SIDE.min(rows - i);
                waiting = Drain { c: next.c, stride, rows, store, add: if add { store } else { [0; 2] } };
            }
        }
    }
    drop(configured);
    // SAFETY: the last block lies in C like the others.
    unsafe { waiting.run(&sums, 0) };
}

/// The first `left` of 16 lanes.
fn mask(left: usize) -> __mmask16 {
    if left >= 16 { !0 } else { (1 << left) - 1 }
}

/// A block of sums on its way from the tiles to C.
#[repr(C, align(64))]
struct Sums([f32; SIDE * SIDE]);

/// Where a block of sums goes: a block is moved to C while the next one is computed, since C may be far away.
struct Drain {
    c: *mut f32,
    stride: usize,
    rows: usize,
    /// The lanes of a row's two halves that lie in C.
    store: [__mmask16; 2],
    /// Those that are added to C.
    add: [__mmask16; 2],
}

impl Drain {
    /// Moves the rows from `from` on.
    ///
    /// # Safety
    /// `rows` rows of C lie at `c`, with the lanes of `store`.
    #[target_feature(enable = "avx512f")]
    unsafe fn run(&self, sums: &Sums, from: usize) {
        for i in from..self.rows {
            for (half, at) in [0, 16].into_iter().enumerate() {
                // SAFETY: lanes outside of the masks are neither read nor written; the others lie in C (the caller's
                // promise); row i < 32 lies in `sums`.
                unsafe {
                    let c = self.c.add(i * self.stride).wrapping_add(at);
                    let sum = _mm512_loadu_ps(sums.0[i * SIDE + at..][..16].as_ptr());
                    let old = _mm512_maskz_loadu_ps(self.add[half], c);
                    let new = _mm512_mask_add_ps(sum, self.add[half], sum, old);
                    _mm512_mask_storeu_ps(c, self.store[half], new);
                }
            }
        }
    }
}

/// What is asked for ahead: the block of C whose sums are computed, and what follows in B.
#[derive(Clone, Copy)]
struct Next {
    c: *mut f32,
    b: *const f32,
}

/// Two rows of the waiting block to C, and a look ahead to two rows of the next one.
macro_rules! drain_two_rows {
    () => {
        "vmovups zmm16, [{from}]
         vmovups zmm17, [{from} + 64]
         vmovups zmm18, [{from} + 128]
         vmovups zmm19, [{from} + 192]
         vaddps zmm16 {{{add0}}}, zmm16, [{c}]
         vaddps zmm17 {{{add1}}}, zmm17, [{c} + 64]
         vaddps zmm18 {{{add0}}}, zmm18, [{c} + {stride}]
         vaddps zmm19 {{{add1}}}, zmm19, [{c} + {stride} + 64]
         vmovups [{c}] {{{store0}}}, zmm16
         vmovups [{c} + 64] {{{store1}}}, zmm17
         vmovups [{c} + {stride}] {{{store0}}}, zmm18
         vmovups [{c} + {stride} + 64] {{{store1}}}, zmm19
         lea {c}, [{c} + 2*{stride}]
         add {from}, 256"
    };
}

macro_rules! look_ahead {
    () => {
        "prefetchw [{next}]
         prefetchw [{next} + 64]
         prefetchw [{next} + {stride}]
         prefetchw [{next} + {stride} + 64]
         lea {next}, [{next} + 2*{stride}]"
    };
}

/// Eight lines of the next panel of B to the second-level cache.
macro_rules! fetch_b {
    () => {
        "prefetcht1 [{ahead}]
         prefetcht1 [{ahead} + 64]
         prefetcht1 [{ahead} + 128]
         prefetcht1 [{ahead} + 192]
         prefetcht1 [{ahead} + 256]
         prefetcht1 [{ahead} + 320]
         prefetcht1 [{ahead} + 384]
         prefetcht1 [{ahead} + 448]
         add {ahead}, 512"
    };
}

/// A micro-kernel: the step of 32 along k and the bytes by which it moves along the panels.
macro_rules! micro_kernel {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $step:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// Tiles are configured, `steps` steps of operands lie at `a` and `b`, and 2·`in_loop` rows of C at `to`.
        #[target_feature(enable = "avx512f")]
        unsafe fn $name(
            a: *const f32,
            b: *const f32,
            steps: usize,
            sums: &mut Sums,
            to: &Drain,
            in_loop: usize,
            next: Next,
        ) {
            // SAFETY: the assembly reads the operands and `sums`, writes the rows of C and `sums` (the caller's promise;
            // in_loop ≤ steps), and clobbers what it says. Prefetching may name any address.
            unsafe {
                asm!(
                    "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                    "test {moves}, {moves}", "jz 3f",
                    "2:", $step, fetch_b!(), drain_two_rows!(), look_ahead!(),
                    concat!("add {a}, ", $bytes), concat!("add {b}, ", $bytes), "dec {moves}", "jnz 2b",
                    "3:", "test {rest}, {rest}", "jz 5f",
                    "4:", $step, fetch_b!(),
                    concat!("add {a}, ", $bytes), concat!("add {b}, ", $bytes), "dec {rest}", "jnz 4b",
                    "5:", "mov {line}, 128",
                    "tilestored [{sums} + {line}], tmm0", "tilestored [{sums} + {line} + 64], tmm1",
                    "tilestored [{sums} + {line} + 2048], tmm2", "tilestored [{sums} + {line} + 2112], tmm3",
                    a = inout(reg) a => _, b = inout(reg) b => _, line = inout(reg) 64usize => _,
                    moves = inout(reg) in_loop => _, rest = inout(reg) steps - in_loop => _,
                    sums = in(reg) sums.0.as_mut_ptr(), from = inout(reg) sums.0.as_ptr() => _,
                    c = inout(reg) to.c => _, stride = in(reg) 4 * to.stride, next = inout(reg) next.c => _,
                    ahead = inout(reg) next.b => _,
                    store0 = in(kreg) to.store[0], store1 = in(kreg) to.store[1],
                    add0 = in(kreg) to.add[0], add1 = in(kreg) to.add[1],
                    out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

micro_kernel! {
    /// The product of operands of one part.
    one, "2048",
    "tileloadd tmm4, [{a} + {line}]
     tileloadd tmm6, [{b} + {line}]
     tdpbf16ps tmm0, tmm4, tmm6
     tileloadd tmm7, [{b} + {line} + 1024]
     tdpbf16ps tmm1, tmm4, tmm7
     tileloadd tmm5, [{a} + {line} + 1024]
     tdpbf16ps tmm2, tmm5, tmm6
     tdpbf16ps tmm3, tmm5, tmm7"
}

micro_kernel! {
    /// Three of the four products of operands of two parts: high by low, high by high, low by high.
    three, "4096",
    "tileloadd tmm4, [{a} + {line}]
     tileloadd tmm6, [{b} + {line} + 2048]
     tdpbf16ps tmm0, tmm4, tmm6
     tileloadd tmm7, [{b} + {line} + 3072]
     tdpbf16ps tmm1, tmm4, tmm7
     tileloadd tmm5, [{a} + {line} + 1024]
     tdpbf16ps tmm2, tmm5, tmm6
     tdpbf16ps tmm3, tmm5, tmm7
     tileloadd tmm6, [{b} + {line}]
     tdpbf16ps tmm0, tmm4, tmm6
     tdpbf16ps tmm2, tmm5, tmm6
     tileloadd tmm7, [{b} + {line} + 1024]
     tdpbf16ps tmm1, tmm4, tmm7
     tdpbf16ps tmm3, tmm5, tmm7
     tileloadd tmm4, [{a} + {line} + 2048]
     tdpbf16ps tmm0, tmm4, tmm6
     tdpbf16ps tmm1, tmm4, tmm7
     tileloadd tmm5, [{a} + {line} + 3072]
     tdpbf16ps tmm2, tmm5, tmm6
     tdpbf16ps tmm3, tmm5, tmm7"
}
