//! Damaged copies of good files, from a seed.

use etude_kernels::rng::Rng;

/// What lies at the edges of the readers' arithmetic and grammar.
const WORDS: [&[u8]; 16] = [
    b"18446744073709551615",
    b"9223372036854775808",
    b"4294967296",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"[[[[[[[[",
    b"{\"\":",
    b"\"__metadata__\"",
    b"\xef\xbb\xbf",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x00\x00\x00\x00\x00\x00\x00\x80",
    b"\x7f\xff\xff\xff",
    b"\x1f\x8b\x08\x00",
    b"\"\r\n",
];

/// One of the files with one to four faults.
pub fn damaged(files: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut out = files[rng.below(files.len())].clone();
    for _ in 0..=rng.below(4) {
        let at = rng.below(out.len() + 1);
        let length = rng.below((out.len() - at).min(40) + 1);
        match rng.below(8) {
            0 if at < out.len() => out[at] ^= 1 << rng.below(8),
            1 if at < out.len() => out[at] = rng.next_u32() as u8,
            2 => out.truncate(at),
            3 => drop(out.drain(at..at + length)),
            4 => {
                let again = out[at..at + length].to_vec();
                out.splice(at..at, again);
            }
            5 => {
                let other = &files[rng.below(files.len())];
                let from = rng.below(other.len() + 1);
                out.splice(at..at + length, other[from..].iter().take(40).copied());
            }
            6 => drop(out.splice(at..at + length, WORDS[rng.below(WORDS.len())].iter().copied())),
            _ => {
                let word = WORDS[rng.below(WORDS.len())];
                out.splice(at..(at + word.len()).min(out.len()), word.iter().copied());
            }
        }
    }
    out
}
