//! Colours shared by pictures and charts: a perceptual scale for values and a palette for kinds.

/// Eleven points of matplotlib's `viridis` (Smith and van der Walt 2015, CC0), at 0, 0.1, …, 1; linear between them.
const VIRIDIS: [[u8; 3]; 11] = [
    [68, 1, 84],
    [72, 36, 117],
    [65, 68, 135],
    [53, 95, 141],
    [42, 120, 142],
    [33, 145, 140],
    [34, 168, 132],
    [68, 191, 112],
    [122, 209, 81],
    [189, 223, 38],
    [253, 231, 37],
];

/// Colours that stay apart for colour-blind readers (Okabe and Ito 2008), without its yellow and black.
pub(crate) const KINDS: [[u8; 3]; 6] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [230, 159, 0]];

/// The colour of a value: 0 is dark violet, 1 is yellow; outside values are clamped and NaN is grey.
pub fn viridis(value: f64) -> [u8; 3] {
    if value.is_nan() {
        return [128; 3];
    }
    let at = value.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let left = (at as usize).min(VIRIDIS.len() - 2);
    let (a, b, part) = (VIRIDIS[left], VIRIDIS[left + 1], at - left as f64);
    std::array::from_fn(|c| (f64::from(a[c]) + part * (f64::from(b[c]) - f64::from(a[c]))).round() as u8)
}
