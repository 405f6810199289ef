//! The IDX format of MNIST and its descendants (Fashion-MNIST, KMNIST, EMNIST).
//!
//! Layout, all big-endian (LeCun, Cortes, Burges, *The MNIST database*, "File formats"): two zero bytes, the type of the
//! elements, the number of axes, one u32 per axis, the elements with the last axis fastest.
//! Invariant: the header is read first and believed only as far as the file's size allows; nothing is allocated for more
//! bytes than the file can hold, and no input panics.

use std::io::Read;
use std::path::Path;

use crate::error::{DataError, Result};
use crate::file::{self, LIMIT};

/// The elements of an IDX file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// Type 0x08, pixels and labels.
    U8(Vec<u8>),
    /// Type 0x09.
    I8(Vec<i8>),
    /// Type 0x0B.
    I16(Vec<i16>),
    /// Type 0x0C.
    I32(Vec<i32>),
    /// Type 0x0D.
    F32(Vec<f32>),
    /// Type 0x0E.
    F64(Vec<f64>),
}

/// An array read from an IDX file.
#[derive(Clone, Debug, PartialEq)]
pub struct Idx {
    /// Where it came from, for messages.
    pub file: String,
    /// Length of each axis; their product is the number of elements.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub values: Values,
}

/// Reads an IDX file, plain or gzip (decided by content, not by name).
pub fn open(path: impl AsRef<Path>) -> Result<Idx> {
    let path = path.as_ref();
    parse(&file::read(path)?, &path.display().to_string())
}

/// Reads IDX bytes, plain or gzip; `file` names them in messages.
pub fn parse(bytes: &[u8], file: &str) -> Result<Idx> {
    let (mut reader, at_most) = file::reader(bytes);
    let mut magic = [0; 4];
    fill(&mut reader, &mut magic, file, "magic number")?;
    let [zero_a, zero_b, kind, axes] = magic;
    let size = element_size(kind);
    let (0, 0, Some(size), 1..) = (zero_a, zero_b, size, axes) else {
        return Err(DataError::malformed(
            file,
            "magic number",
            "00 00, a type in 08 09 0b 0c 0d 0e, a number of axes of at least 1",
            format!("{zero_a:02x} {zero_b:02x} {kind:02x} {axes:02x}"),
        ));
    };
    let mut dims = vec![0; 4 * usize::from(axes)];
    fill(&mut reader, &mut dims, file, "lengths of the axes")?;
    let shape: Vec<u64> =
        dims.chunks_exact(4).map(|d| u64::from(u32::from_be_bytes([d[0], d[1], d[2], d[3]]))).collect();
    let header = 4 + dims.len() as u64;
    let Some(expected) = shape.iter().try_fold(size, |n, &d| n.checked_mul(d)) else {
        let found = shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ");
        return Err(DataError::malformed(file, "lengths of the axes", "fewer than 2⁶⁴ bytes of elements", found));
    };
    if expected > at_most.saturating_sub(header) {
        return Err(DataError::Truncated {
            file: file.to_owned(),
            what: "elements",
            expected,
            found: at_most.saturating_sub(header),
        });
    }
    let limit = if file::is_gzip(bytes) { file::inflated_limit(bytes.len()) } else { LIMIT };
    if expected > limit {
        return Err(DataError::TooLarge { file: file.to_owned(), limit });
    }
    let mut body = Vec::new();
    reader
        .take(expected + 1)
        .read_to_end(&mut body)
        .map_err(|source| DataError::Gzip { file: file.to_owned(), source })?;
    let found = body.len() as u64;
    if found < expected {
        return Err(DataError::Truncated { file: file.to_owned(), what: "elements", expected, found });
    }
    if found > expected {
        return Err(DataError::Trailing { file: file.to_owned(), expected: header + expected });
    }
    // Every length fits: an axis of a non-empty array is at most LIMIT, and an empty array's is a u32.
    Ok(Idx { file: file.to_owned(), shape: shape.iter().map(|&d| d as usize).collect(), values: decode(kind, body) })
}

fn element_size(kind: u8) -> Option<u64> {
    match kind {
        0x08 | 0x09 => Some(1),
        0x0b => Some(2),
        0x0c | 0x0d => Some(4),
        0x0e => Some(8),
        _ => None,
    }
}

fn decode(kind: u8, body: Vec<u8>) -> Values {
    macro_rules! words {
        ($t:ty) => {
            body.chunks_exact(size_of::<$t>())
                .map(|b| <$t>::from_be_bytes(b.try_into().expect("chunks_exact gives whole words")))
                .collect()
        };
    }
    match kind {
        0x09 => Values::I8(words!(i8)),
        0x0b => Values::I16(words!(i16)),
        0x0c => Values::I32(words!(i32)),
        0x0d => Values::F32(words!(f32)),
        0x0e => Values::F64(words!(f64)),
        _ => Values::U8(body),
    }
}

/// Fills `buffer` or says how many bytes there were.
fn fill(reader: &mut dyn Read, buffer: &mut [u8], file: &str, what: &'static str) -> Result<()> {
    let mut found = 0;
    while found < buffer.len() {
        match reader.read(&mut buffer[found..]) {
            Ok(0) => {
                let expected = buffer.len() as u64;
                return Err(DataError::Truncated { file: file.to_owned(), what, expected, found: found as u64 });
            }
            Ok(n) => found += n,
            Err(source) => return Err(DataError::Gzip { file: file.to_owned(), source }),
        }
    }
    Ok(())
}

impl Idx {
    /// The elements if they are bytes, or an error that says what they are.
    pub fn bytes(&self) -> Result<&[u8]> {
        match &self.values {
            Values::U8(v) => Ok(v),
            other => Err(DataError::malformed(&self.file, "type of the elements", "08 (u8)", other.name())),
        }
    }

    /// The array as an uncompressed IDX file. Panics if the shape has no axis or more than 255, or an axis needs more than 32 bits.
    #[track_caller]
    pub fn encode(&self) -> Vec<u8> {
        let axes = u8::try_from(self.shape.len()).ok().filter(|&n| n > 0).expect("idx: 1 to 255 axes");
        let mut out = vec![0, 0, self.values.kind(), axes];
        for &d in &self.shape {
            out.extend(u32::try_from(d).expect("idx: an axis has at most 32 bits").to_be_bytes());
        }
        match &self.values {
            Values::U8(v) => out.extend(v),
            Values::I8(v) => out.extend(v.iter().flat_map(|x| x.to_be_bytes())),
            Values::I16(v) => out.extend(v.iter().flat_map(|x| x.to_be_bytes())),
            Values::I32(v) => out.extend(v.iter().flat_map(|x| x.to_be_bytes())),
            Values::F32(v) => out.extend(v.iter().flat_map(|x| x.to_be_bytes())),
            Values::F64(v) => out.extend(v.iter().flat_map(|x| x.to_be_bytes())),
        }
        out
    }
}

impl Values {
    fn kind(&self) -> u8 {
        match self {
            Values::U8(_) => 0x08,
            Values::I8(_) => 0x09,
            Values::I16(_) => 0x0b,
            Values::I32(_) => 0x0c,
            Values::F32(_) => 0x0d,
            Values::F64(_) => 0x0e,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Values::U8(_) => "08 (u8)",
            Values::I8(_) => "09 (i8)",
            Values::I16(_) => "0b (i16)",
            Values::I32(_) => "0c (i32)",
            Values::F32(_) => "0d (f32)",
            Values::F64(_) => "0e (f64)",
        }
    }
}
