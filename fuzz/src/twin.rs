//! The stable twin of the fuzz targets: the corpus, every truncation of its small files, and damaged copies from a seed, each
//! under a bound on memory.

use std::path::Path;

use etude_kernels::rng::Rng;

use super::damage::damaged;

/// Bytes that a reader may take whatever the file: buffers and messages.
const FREE: u64 = 1 << 20;
/// Bytes that it may take for one of the file: a shape's "0," becomes a number of 8 bytes twice over, lists grow by
/// doubling.
const EACH: u64 = 64;
/// What one compressed byte can become at most: zlib's technical notes.
const DEFLATE: u64 = 1032;

/// The most memory that `target` held for these bytes, checked against what they justify.
pub fn measured(target: fn(&[u8]), bytes: &[u8]) -> u64 {
    let compressed = [&b"\x1f\x8b"[..], b"\x89PNG"].iter().any(|start| bytes.starts_with(start));
    let justified = FREE + bytes.len() as u64 * EACH * if compressed { DEFLATE } else { 1 };
    let used = allocation_counter::measure(|| target(bytes)).bytes_max;
    assert!(used <= justified, "{used} bytes for a file of {}: {:02x?}", bytes.len(), &bytes[..bytes.len().min(60)]);
    used
}

/// Runs a target on all of that. `folder` is the corpus, `cases` the number of damaged copies.
pub fn run(folder: &Path, target: fn(&[u8]), cases: usize) {
    let entries = std::fs::read_dir(folder).expect("the corpus of the target");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("readable")).collect();
    assert!(files.len() > 3, "{} is no corpus", folder.display());
    for file in &files {
        for end in 0..=file.len().min(4096) {
            measured(target, &file[..end]);
        }
        measured(target, file);
    }
    let mut rng = Rng::new(cases as u64);
    for _ in 0..cases {
        measured(target, &damaged(&files, &mut rng));
    }
}
