//! Packing for the tile unit: f32 split into bf16 parts, in the order of tiles.
//!
//! x = hi + lo + e with hi = bf16(x), lo = bf16(x − hi), |e| ≤ 2⁻¹⁷·2^⌊log₂|x|⌋ (Henry, Tang & Heinecke 2019, arXiv
//! 1904.06376), by integer additions: half a unit is added and the lower half of the word dropped (ties go away from
//! zero, which is as near). A 32-bit word of a tile holds elements p and p + 16 of a step of 32 along k: both operands
//! agree on it, and it takes no permutation to make.
//!
//! Elements without such parts (infinities, NaN, and what would round to infinity) are packed as zeros and reported as
//! strays; [`super`] adds their products in f32.

use std::arch::x86_64::*;

use super::super::Mat;
use super::tiles::{SIDE, WORDS};

/// Elements of an operand without bf16 parts: (row of A or column of B, position along k).
pub(super) type Strays = Vec<(usize, usize)>;

/// Which operand a tile is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A: a row of the matrix in a row of the tile.
    Left,
    /// B: a column of the matrix in a column of words.
    Right,
}

/// 32-bit words that `lines` rows of A or columns of B take, with `depth` elements each.
pub(super) fn words(lines: usize, depth: usize, parts: usize) -> usize {
    lines.div_ceil(SIDE) * depth.div_ceil(SIDE) * parts * 2 * WORDS
}

/// The smallest |x|, as bits, that has no bf16 parts: it would round to infinity.
const NO_PARTS: u32 = 0x7f7f_8000;

/// Packs `m`, the lines of an operand (rows of A, columns of B) along k, into panels of 32 lines, zeros behind the last
/// line and the last element. Strays are counted from `origin`.
///
/// # Panics
/// If `m` leaves its data, `out` is too short, or the machine has no tiles.
pub(super) fn pack(
    side: Side,
    parts: usize,
    m: Mat<'_, f32>,
    out: &mut [f32],
    origin: (usize, usize),
    strays: &mut Strays,
) {
    m.check();
    assert!(super::present(), "gemm: this machine has no tiles");
    let Mat { rows, cols, row_stride, col_stride, .. } = m;
    let out = &mut out[..words(rows, cols, parts)];
    if col_stride != 1 && row_stride != 1 {
        return scattered(side, parts, m, out, origin, strays);
    }
    let steps = cols.div_ceil(SIDE);
    let [whole_rows, whole_cols] = if side == Side::Right { pack_lines(parts, m, out) } else { [0; 2] };
    for i in (0..rows).step_by(SIDE) {
        for p in (if i < whole_rows { whole_cols } else { 0 }..cols).step_by(SIDE) {
            let at = (i / SIDE * steps + p / SIDE) * parts * 2 * WORDS;
            for half in 0..2 {
                let (i, out) = (i + 16 * half, &mut out[at + half * WORDS..][..(2 * parts - 1) * WORDS]);
                let source = Source::of(m, i, p);
                // SAFETY: `present` implies AVX-512 F and BW; vectors and lanes of the source that are not masked are
                // elements of `m`, which lie in its data (checked above); `out` holds the tiles of all parts.
                let clean = unsafe { pack_tile(side, parts, col_stride == 1, source, out) };
                if !clean {
                    let block = m.block(i, p, (rows - i).min(16), (cols - p).min(SIDE));
                    repack(side, parts, block, out, (origin.0 + i, origin.1 + p), strays);
                }
            }
        }
    }
}

/// Packs what it can of a right operand whose rows are long lines, line by line, as memory is fastest: whole steps of k
/// of whole panels. Returns up to which line and position along k; nothing if there are strays.
fn pack_lines(parts: usize, m: Mat<'_, f32>, out: &mut [f32]) -> [usize; 2] {
    let [lines, depth] = [m.rows / SIDE * SIDE, m.cols / SIDE * SIDE];
    if m.row_stride != 1 || lines == 0 {
        return [0; 2];
    }
    let panel = m.cols.div_ceil(SIDE) * parts * 2 * WORDS;
    for p in (0..depth).step_by(SIDE) {
        let (from, to) = (&m.data[p * m.col_stride..], &mut out[p * parts * 2 * WORDS / SIDE..]);
        let step = if parts == 1 { step_of_lines::<1> } else { step_of_lines::<2> };
        // SAFETY: AVX-512 F and BW are there (`pack`).
        if !unsafe { step(from, m.col_stride, lines, to, panel) } {
            return [0; 2];
        }
    }
    [lines, depth]
}

/// Packs one tile of each part: vectors of the source become rows of the tile, or its columns. False if there are strays.
///
/// # Safety
/// As [`tile`].
unsafe fn pack_tile(side: Side, parts: usize, along_k: bool, source: Source, out: &mut [f32]) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        match (parts, along_k == (side == Side::Right)) {
            (1, false) => tile::<1, false>(source, out),
            (1, true) => tile::<1, true>(source, out),
            (_, false) => tile::<2, false>(source, out),
            (_, true) => tile::<2, true>(source, out),
        }
    }
}

/// A square tile's worth of an operand with no unit stride, or with strays, through a block with both made good.
fn repack(side: Side, parts: usize, m: Mat<'_, f32>, out: &mut [f32], origin: (usize, usize), strays: &mut Strays) {
    let mut block = [0.0; 16 * SIDE];
    for i in 0..m.rows {
        for p in 0..m.cols {
            let x = m.data[i * m.row_stride + p * m.col_stride];
            if x.abs().to_bits() < NO_PARTS {
                block[i * SIDE + p] = x;
            } else {
                strays.push((origin.0 + i, origin.1 + p));
            }
        }
    }
    let source = Source { from: block.as_ptr(), step: SIDE, second: 16, next: 0, counts: [16; 2], masks: [!0; 2] };
    // SAFETY: `present` was true in `pack`; the source is the whole block; `out` holds the tiles of all parts.
    unsafe { pack_tile(side, parts, true, source, out) };
}

/// [`pack`] for an operand with no unit stride.
fn scattered(side: Side, parts: usize, m: Mat<'_, f32>, out: &mut [f32], origin: (usize, usize), strays: &mut Strays) {
    let steps = m.cols.div_ceil(SIDE);
    for i in (0..m.rows.next_multiple_of(SIDE)).step_by(16) {
        for p in (0..m.cols).step_by(SIDE) {
            let at = (i / SIDE * steps + p / SIDE) * parts * 2 * WORDS + i % SIDE / 16 * WORDS;
            let out = &mut out[at..][..(2 * parts - 1) * WORDS];
            let (lines, depth) = (m.rows.saturating_sub(i).min(16), (m.cols - p).min(SIDE));
            let block = if lines > 0 { m.block(i, p, lines, depth) } else { Mat { rows: 0, cols: 0, ..m } };
            repack(side, parts, block, out, (origin.0 + i, origin.1 + p), strays);
        }
    }
}

/// The first `left` of 16 lanes.
fn mask(left: usize) -> __mmask16 {
    if left >= 16 { !0 } else { (1 << left) - 1 }
}

/// 16 pairs of vectors of 16 elements.
#[derive(Clone, Copy)]
struct Source {
    from: *const f32,
    /// From a pair to the next.
    step: usize,
    /// From the first of a pair to the second.
    second: usize,
    /// To the source that comes next, which is asked for ahead.
    next: usize,
    /// How many firsts and seconds there are; the others are zeros.
    counts: [usize; 2],
    /// Which of their lanes there are; the others are zeros.
    masks: [__mmask16; 2],
}

impl Source {
    /// Lines `i`.. and positions `p`.. of an operand with a unit stride, as far as there are any.
    fn of(m: Mat<'_, f32>, i: usize, p: usize) -> Source {
        let Mat { data, rows, cols, row_stride, col_stride } = m;
        let (lines, depth) = (rows.saturating_sub(i).min(16), cols - p);
        let from = data.as_ptr().wrapping_add(i * row_stride + p * col_stride);
        if col_stride == 1 {
            let masks = [mask(depth), mask(depth.saturating_sub(16))];
            return Source { from, step: row_stride, second: 16, next: SIDE, counts: [lines; 2], masks };
        }
        let counts = [depth.min(16), depth.saturating_sub(16).min(16)];
        let [second, next] = [16 * col_stride, SIDE * col_stride];
        Source { from, step: col_stride, second, next, counts, masks: [mask(lines); 2] }
    }

    /// Pair `v`.
    ///
    /// # Safety
    /// The lanes of `masks` of vectors below `counts` lie in one slice.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn pair(&self, v: usize) -> [__m512; 2] {
        let at = self.from.wrapping_add(v * self.step);
        let masks = [0, 1].map(|h| if v < self.counts[h] { self.masks[h] } else { 0 });
        // SAFETY: lanes outside of the masks are not read; the others lie in the slice (the caller's promise).
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(self.next).cast());
            _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(self.next + self.second).cast());
            [_mm512_maskz_loadu_ps(masks[0], at), _mm512_maskz_loadu_ps(masks[1], at.wrapping_add(self.second))]
        }
    }
}

/// Packs 32 rows of B, `cols` columns, into the tiles of one step of every panel. False if there are strays.
#[target_feature(enable = "avx512f,avx512bw")]
fn step_of_lines<const PARTS: usize>(from: &[f32], stride: usize, cols: usize, out: &mut [f32], panel: usize) -> bool {
    let mut seen = Seen::new();
    for v in 0..16 {
        let x = from[v * stride..][..cols].as_chunks::<SIDE>().0;
        let y = from[(v + 16) * stride..][..cols].as_chunks::<SIDE>().0;
        for (j, (x, y)) in x.iter().zip(y).enumerate() {
            let to = &mut out[j * panel..][..2 * PARTS * WORDS];
            for half in 0..2 {
                let at = half * WORDS + 16 * v;
                // SAFETY: each is 16 floats of a slice.
                unsafe {
                    let x = _mm512_loadu_ps(x[16 * half..][..16].as_ptr());
                    let y = _mm512_loadu_ps(y[16 * half..][..16].as_ptr());
                    let [high, low] = split::<PARTS>(x, y, &mut seen);
                    _mm512_storeu_si512(to[at..][..16].as_mut_ptr().cast(), high);
                    if PARTS == 2 {
                        _mm512_storeu_si512(to[2 * WORDS + at..][..16].as_mut_ptr().cast(), low);
                    }
                }
            }
        }
    }
    seen.clean()
}

/// The parts of 16 pairs; the second is unspecified if there is one part.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn split<const PARTS: usize>(x: __m512, y: __m512, seen: &mut Seen) -> [__m512i; 2] {
    let (first, second) = (rounded(x), rounded(y));
    let high = joined(first, second);
    if PARTS == 1 {
        seen.largest = larger(larger(seen.largest, x), y);
        return [high; 2];
    }
    let (x, y) = (rest(x, first), rest(y, second));
    // What has no parts leaves a rest that is infinite or NaN, and that times zero is NaN.
    let zero = _mm512_setzero_ps();
    seen.odd = _mm512_fmadd_ps(x, zero, _mm512_fmadd_ps(y, zero, seen.odd));
    [high, joined(rounded(x), rounded(y))]
}

/// Whether there were elements without parts.
struct Seen {
    /// The largest |x|, as bits shifted by one.
    largest: __m512i,
    /// NaN where there was one.
    odd: __m512,
}

impl Seen {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new() -> Self {
        Seen { largest: _mm512_setzero_si512(), odd: _mm512_setzero_ps() }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn clean(&self) -> bool {
        _mm512_cmpge_epu32_mask(self.largest, _mm512_set1_epi32((NO_PARTS << 1) as i32)) == 0
            && _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.odd, self.odd) == 0
    }
}

/// Packs one tile for each part, 2·[`WORDS`] apart; with `TURN`, its transpose. False if there are strays.
///
/// # Safety
/// As [`Source::pair`]; `out` has a tile for each part.
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn tile<const PARTS: usize, const TURN: bool>(source: Source, out: &mut [f32]) -> bool {
    assert!(out.len() >= (2 * PARTS - 1) * WORDS);
    let out = out.as_mut_ptr();
    let low_out = out.wrapping_add(2 * WORDS);
    let mut high = [_mm512_setzero_si512(); 16];
    let mut low = [_mm512_setzero_si512(); 16];
    let mut seen = Seen::new();
    for v in 0..16 {
        // SAFETY: the caller's promise.
        let [x, y] = unsafe { source.pair(v) };
        [high[v], low[v]] = split::<PARTS>(x, y, &mut seen);
        if !TURN {
            // SAFETY: row v < 16 of a tile lies in `out` (assertion above).
            unsafe {
                _mm512_storeu_si512(out.add(16 * v).cast(), high[v]);
                if PARTS == 2 {
                    _mm512_storeu_si512(low_out.add(16 * v).cast(), low[v]);
                }
            }
        }
    }
    if TURN {
        // SAFETY: a tile has 16 rows of 16 words (assertion above).
        unsafe {
            store_turned(high, out);
            if PARTS == 2 {
                store_turned(low, low_out);
            }
        }
    }
    seen.clean()
}

/// The larger |x|, as bits shifted by one.
#[inline]
#[target_feature(enable = "avx512f")]
fn larger(seen: __m512i, x: __m512) -> __m512i {
    _mm512_max_epu32(seen, _mm512_slli_epi32::<1>(_mm512_castps_si512(x)))
}

/// x with half a unit of bf16 added: its upper half is bf16(x).
#[inline]
#[target_feature(enable = "avx512f")]
fn rounded(x: __m512) -> __m512i {
    _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000))
}

/// x − bf16(x), exact.
#[inline]
#[target_feature(enable = "avx512f")]
fn rest(x: __m512, rounded: __m512i) -> __m512 {
    let high = _mm512_and_si512(rounded, _mm512_set1_epi32(0xffff_0000_u32 as i32));
    _mm512_sub_ps(x, _mm512_castsi512_ps(high))
}

/// The upper halves of two vectors in one: the first's below, the second's above.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn joined(first: __m512i, second: __m512i) -> __m512i {
    _mm512_mask_blend_epi16(0xaaaa_aaaa, _mm512_srli_epi32::<16>(first), second)
}

/// Writes the transpose of 16 rows of 16 words.
///
/// # Safety
/// `out` has room for 256 words.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn store_turned(rows: [__m512i; 16], out: *mut f32) {
    // Four rounds: words of neighbouring rows, pairs of words, quarters, halves.
    let mut pairs = rows;
    for i in 0..8 {
        let (a, b) = (rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i] = _mm512_unpacklo_epi32(a, b);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(a, b);
    }
    let mut fours = pairs;
    for g in 0..4 {
        for h in 0..2 {
            let (a, b) = (pairs[4 * g + h], pairs[4 * g + h + 2]);
            fours[4 * g + 2 * h] = _mm512_unpacklo_epi64(a, b);
            fours[4 * g + 2 * h + 1] = _mm512_unpackhi_epi64(a, b);
        }
    }
    for c in 0..4 {
        // Quarter q of these four has column 4·q + c of rows 0–3, 4–7, 8–11 and 12–15.
        let [g0, g1, g2, g3] = [fours[c], fours[4 + c], fours[8 + c], fours[12 + c]];
        let (even, odd) =
            (_mm512_shuffle_i32x4::<0b10_00_10_00>(g0, g1), _mm512_shuffle_i32x4::<0b11_01_11_01>(g0, g1));
        let (even2, odd2) =
            (_mm512_shuffle_i32x4::<0b10_00_10_00>(g2, g3), _mm512_shuffle_i32x4::<0b11_01_11_01>(g2, g3));
        let columns = [
            _mm512_shuffle_i32x4::<0b10_00_10_00>(even, even2),
            _mm512_shuffle_i32x4::<0b10_00_10_00>(odd, odd2),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(even, even2),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(odd, odd2),
        ];
        for (q, column) in columns.into_iter().enumerate() {
            // SAFETY: row 4·q + c < 16 of the tile (the caller's promise).
            unsafe { _mm512_storeu_si512(out.add(16 * (4 * q + c)).cast(), column) };
        }
    }
}
