//! Safetensors files: named tensors on disk, nothing else, nothing executed.
//!
//! The reader believes nothing (see [`FileProblem`] for what it finds), the writer replaces a file all at once. What we
//! write carries a CRC-32C of the whole file in the metadata entry `etude.crc32c`; the reader checks it where it is
//! present, so that a single flipped bit is noticed. Files of other programs have none and load all the same.
//!
//! ```
//! # fn main() -> Result<(), etude_nn::Error> {
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let path = folder.path().join("numbers.safetensors");
//! use etude_autograd::Tensor;
//! use etude_nn::{Value, file};
//!
//! file::write(&path, &[("eye".into(), Value::Float(Tensor::eye(2)))], &Default::default())?;
//! let contents = file::read(&path)?;
//! assert_eq!(contents.float("eye").expect("just written").to_vec(), [1.0, 0.0, 0.0, 1.0]);
//! # Ok(())
//! # }
//! ```

mod atomic;
#[cfg(test)]
mod atomic_tests;
mod dtype;
mod header;
mod problem;
mod read;
mod write;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;
use std::path::Path;

use etude_autograd::Tensor;

pub(crate) use atomic::{previous, replace, sweep, sync_folder};
pub use dtype::{Dtype, Kind};
pub use problem::FileProblem;
pub(crate) use read::Reader;

use crate::error::Error;
use crate::module::Value;

/// The format's limit for the header.
const HEADER_LIMIT: u64 = 100_000_000;
/// The metadata entry with the checksum of the file, its own eight digits taken as zeros.
pub(crate) const CHECKSUM: &str = "etude.crc32c";

/// What a file holds.
#[derive(Clone, Debug)]
pub struct Contents {
    /// In the order of the file.
    pub tensors: Vec<(String, Value)>,
    /// The strings beside them.
    pub metadata: BTreeMap<String, String>,
}

impl Contents {
    /// The float tensor of this name.
    pub fn float(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find_map(|(n, value)| match value {
            Value::Float(x) if n == name => Some(x),
            _ => None,
        })
    }

    /// The integer tensor of this name.
    pub fn int(&self, name: &str) -> Option<&Tensor<i64>> {
        self.tensors.iter().find_map(|(n, value)| match value {
            Value::Int(x) if n == name => Some(x),
            _ => None,
        })
    }
}

/// Reads a whole file: floats as f32, integers and truth values as i64.
pub fn read(path: impl AsRef<Path>) -> Result<Contents, Error> {
    contents(Reader::open(path.as_ref())?)
}

/// [`read`] for a file that is already in memory, such as one embedded in a program; `name` stands in errors.
pub fn read_bytes(name: impl AsRef<Path>, bytes: &[u8]) -> Result<Contents, Error> {
    contents(Reader::new(name.as_ref(), Cursor::new(bytes))?)
}

fn contents<R: std::io::Read + std::io::Seek>(reader: Reader<R>) -> Result<Contents, Error> {
    let metadata = reader.metadata.clone();
    Ok(Contents { tensors: reader.read()?, metadata })
}

/// Writes a file, all or nothing.
pub fn write(
    path: impl AsRef<Path>,
    tensors: &[(String, Value)],
    metadata: &BTreeMap<String, String>,
) -> Result<(), Error> {
    write_keeping(path.as_ref(), false, tensors, metadata)
}

/// [`write`]; with `keep`, what was there before stays under the name of [`previous`].
pub(crate) fn write_keeping(
    path: &Path,
    keep: bool,
    tensors: &[(String, Value)],
    metadata: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let image =
        write::Image::new(tensors, metadata).map_err(|problem| Error::File { path: path.to_path_buf(), problem })?;
    replace(path, keep, |out| image.write(out))
}

/// Where the digits of the checksum stand in a header of ours. Inside a JSON string the quotes would be escaped, so the
/// first match is the entry itself.
fn checksum_place(json: &[u8]) -> Option<Range<usize>> {
    let key = format!("\"{CHECKSUM}\":\"");
    let begin = json.windows(key.len()).position(|window| window == key.as_bytes())? + key.len();
    let place = begin..begin + 8;
    json.get(place.clone()).is_some_and(|digits| !digits.contains(&b'"')).then_some(place)
}

fn blank_checksum(json: &mut [u8]) {
    if let Some(place) = checksum_place(json) {
        json[place].fill(b'0');
    }
}
