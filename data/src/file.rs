//! Bytes from and to files: bounded reading, plain or gzip by content, and all-or-nothing writing.
//!
//! Invariant: memory in use grows with the bytes that are really there, never with a number that a file claims. Reading goes
//! through `take(limit + 1)`, so an endless device or a decompression bomb stops at the limit.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::error::{DataError, Result};

/// The most bytes, after decompression, that the readers of this crate accept from one file: 1 GiB.
pub const LIMIT: u64 = 1 << 30;

/// What a compressed file may always grow to: 64 MiB.
const FREE: u64 = 64 << 20;

/// And beyond that only so many bytes for one of its own. Images and text shrink to a third or a tenth; a file of zeros
/// shrinks to a thousandth, and a larger one of them is a bomb, not data.
const GROWTH: u64 = 100;

/// The most bytes that a gzip file of `len` bytes may hold.
pub(crate) fn inflated_limit(len: usize) -> u64 {
    (len as u64).saturating_mul(GROWTH).clamp(FREE, LIMIT)
}

/// Deflate spends at least 1 bit on 258 output bytes with another for the distance: 1032 to 1 (zlib's technical notes).
pub(crate) const DEFLATE_RATIO: u64 = 1032;

/// Reads a whole file of at most [`LIMIT`] bytes, as it stands.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(DataError::io(path, "open"))?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(DataError::io(path, "read"))?;
    check_length(bytes.len() as u64, &path.display().to_string())?;
    Ok(bytes)
}

fn check_length(length: u64, file: &str) -> Result<()> {
    if length > LIMIT { Err(DataError::TooLarge { file: file.to_owned(), limit: LIMIT }) } else { Ok(()) }
}

/// True if the bytes start like a gzip member (RFC 1952, section 2.3.1).
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// A reader over plain or gzip bytes, decided by content, and the most bytes that it can possibly yield.
pub(crate) fn reader(bytes: &[u8]) -> (Box<dyn Read + '_>, u64) {
    let len = bytes.len() as u64;
    if is_gzip(bytes) {
        (Box::new(MultiGzDecoder::new(bytes)), len.saturating_mul(DEFLATE_RATIO))
    } else {
        (Box::new(bytes), len)
    }
}

/// All bytes, decompressed if they are gzip.
pub(crate) fn inflate<'a>(bytes: &'a [u8], file: &str) -> Result<Cow<'a, [u8]>> {
    if !is_gzip(bytes) {
        check_length(bytes.len() as u64, file)?;
        return Ok(Cow::Borrowed(bytes));
    }
    let limit = inflated_limit(bytes.len());
    let mut out = Vec::new();
    reader(bytes)
        .0
        .take(limit + 1)
        .read_to_end(&mut out)
        .map_err(|source| DataError::Gzip { file: file.to_owned(), source })?;
    if out.len() as u64 > limit {
        return Err(DataError::TooLarge { file: file.to_owned(), limit });
    }
    Ok(Cow::Owned(out))
}

/// As [`inflate`], and the result must be UTF-8.
pub(crate) fn inflate_text(bytes: &[u8], file: &str) -> Result<String> {
    String::from_utf8(inflate(bytes, file)?.into_owned()).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        DataError::malformed(file, format!("byte {at}"), "UTF-8 text", format!("{:#04x}", e.as_bytes()[at]))
    })
}

/// Writes all bytes or leaves what was there: a temporary file beside the target, forced to the disk, then renamed over it.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or_else(|| DataError::argument("path", "a file name", path.display()))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let temporary: PathBuf = path.with_file_name(hidden);
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        // The error that matters is the first; a leftover that cannot be removed is hidden and harmless.
        let _ = fs::remove_file(&temporary);
        DataError::Io { path: path.to_owned(), action: "write", source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("a Vec takes every byte");
        encoder.finish().expect("a Vec takes every byte")
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gz(&vec![0; 65 << 20]);
        assert!(bomb.len() < 100_000, "65 MiB of zeros in {} bytes", bomb.len());
        let error = inflate(&bomb, "bomb.gz").expect_err("65 MiB from less than 100 kB");
        assert!(matches!(error, DataError::TooLarge { limit, .. } if limit == 64 << 20), "{error}");
        // The ratio bound that `reader` claims holds for the most compressible input there is.
        assert!(reader(&bomb).1 >= 65 << 20);
        assert_eq!([1000, 1 << 20, 1 << 40].map(inflated_limit), [64 << 20, 100 << 20, LIMIT]);
    }

    #[test]
    fn plain_bytes_have_the_same_limit() {
        // Zeros that nobody touches take no memory.
        let bytes = vec![0; LIMIT as usize + 1];
        assert!(matches!(inflate(&bytes, "x"), Err(DataError::TooLarge { limit: LIMIT, .. })));
        assert_eq!(inflate(&bytes[1..], "x").expect("just enough").len() as u64, LIMIT);
    }

    #[test]
    fn several_members_are_one_stream() {
        let both = [gz(b"one "), gz(b"two")].concat();
        assert_eq!(inflate(&both, "x").expect("two whole members").as_ref(), b"one two");
    }

    #[test]
    fn every_truncation_of_a_gzip_stream_is_an_error() {
        let whole = gz(b"The quality of mercy is not strain'd");
        for cut in 2..whole.len() {
            assert!(inflate(&whole[..cut], "x").is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn invalid_utf8_is_named_by_its_byte() {
        let error = inflate_text(b"abc\xff", "t.txt").expect_err("0xff is never UTF-8");
        assert_eq!(error.to_string(), "t.txt: byte 3: expected UTF-8 text, found 0xff");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("kept");
        write_atomic(&path, b"old").expect("a writable folder");
        write_atomic(&path, b"new").expect("a writable folder");
        assert_eq!(fs::read(&path).expect("just written"), b"new");
        // A folder cannot be replaced by a file.
        let folder = dir.path().join("folder");
        fs::create_dir_all(folder.join("inside")).expect("a writable folder");
        assert!(write_atomic(&folder, b"x").is_err());
        let left: Vec<_> =
            fs::read_dir(dir.path()).expect("readable").map(|e| e.expect("readable").file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}
