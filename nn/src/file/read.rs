//! Reading safetensors: the header is checked first, then the body is read once, tensor by tensor, in a fixed buffer.
//!
//! Invariants: no input makes it panic; nothing is allocated that the file's true length does not justify (widening takes
//! at most eight bytes for one of the file's).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use etude_autograd::Tensor;

use super::dtype::{Kind, decode_floats, decode_ints};
use super::header::{self, Entry};
use super::{CHECKSUM, FileProblem, HEADER_LIMIT, blank_checksum};
use crate::crc32c::Crc32c;
use crate::error::Error;
use crate::module::Value;

/// A multiple of every element's size.
const CHUNK: usize = 1 << 16;

/// A file whose header has been checked.
pub(crate) struct Reader<R> {
    path: PathBuf,
    source: R,
    pub(crate) entries: Vec<Entry>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Of all before the body.
    crc: Crc32c,
}

impl Reader<File> {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io(path, "cannot open"))?;
        let kind = file.metadata().map_err(Error::io(path, "cannot read"))?;
        if !kind.is_file() {
            return Err(Error::io(path, "cannot read")(io::Error::other("not a regular file")));
        }
        Reader::new(path, file)
    }
}

impl<R: Read + Seek> Reader<R> {
    pub(crate) fn new(path: &Path, mut source: R) -> Result<Self, Error> {
        let io = || Error::io(path, "cannot read");
        let wrong = |problem| Error::File { path: path.to_path_buf(), problem };
        let file = source.seek(SeekFrom::End(0)).map_err(io())?;
        source.seek(SeekFrom::Start(0)).map_err(io())?;
        let Some(rest) = file.checked_sub(8) else { return Err(wrong(FileProblem::TooShort { bytes: file })) };
        let mut length = [0; 8];
        source.read_exact(&mut length).map_err(io())?;
        let header = u64::from_le_bytes(length);
        let Some(body) = rest.checked_sub(header) else {
            return Err(wrong(FileProblem::HeaderBeyondEnd { header, file }));
        };
        if header > HEADER_LIMIT {
            return Err(wrong(FileProblem::HeaderTooLong { header, limit: HEADER_LIMIT }));
        }
        let mut json = vec![0; header as usize];
        source.read_exact(&mut json).map_err(io())?;
        let parsed = header::parse(&json, body).map_err(wrong)?;
        blank_checksum(&mut json);
        let mut crc = Crc32c::new();
        crc.update(&length);
        crc.update(&json);
        Ok(Reader { path: path.to_path_buf(), source, entries: parsed.entries, metadata: parsed.metadata, crc })
    }

    /// Every tensor, in the order of `entries`.
    pub(crate) fn read(mut self) -> Result<Vec<(String, Value)>, Error> {
        let mut values = Vec::with_capacity(self.entries.len());
        let mut buffer = vec![0; CHUNK];
        for entry in std::mem::take(&mut self.entries) {
            let value = self.read_tensor(&entry, &mut buffer)?;
            values.push((entry.name, value));
        }
        let found = format!("{:08x}", self.crc.value());
        match self.metadata.remove(CHECKSUM) {
            Some(stated) if stated != found => Err(self.wrong(FileProblem::Checksum { key: CHECKSUM, stated, found })),
            _ => Ok(values),
        }
    }

    fn read_tensor(&mut self, entry: &Entry, buffer: &mut [u8]) -> Result<Value, Error> {
        let Entry { name, dtype, shape, begin, end } = entry;
        let Some(kind) = dtype.kind() else {
            return Err(self.wrong(FileProblem::Unsupported { name: name.clone(), dtype: dtype.name() }));
        };
        let mut left = end - begin;
        let elements = (left / dtype.bytes()) as usize;
        let (mut floats, mut ints) = match kind {
            Kind::Float => (Vec::with_capacity(elements), Vec::new()),
            Kind::Int => (Vec::new(), Vec::with_capacity(elements)),
        };
        while left > 0 {
            let bytes = &mut buffer[..left.min(CHUNK as u64) as usize];
            self.source.read_exact(bytes).map_err(Error::io(&self.path, "cannot read"))?;
            self.crc.update(bytes);
            left -= bytes.len() as u64;
            match kind {
                Kind::Float => decode_floats(*dtype, bytes, &mut floats),
                Kind::Int => decode_ints(*dtype, bytes, &mut ints),
            }
            .map_err(|value| self.wrong(FileProblem::Range { name: name.clone(), value }))?;
        }
        let fits = "the header's check found as many bytes as the shape needs";
        Ok(match kind {
            Kind::Float => Value::Float(Tensor::try_from_vec(floats, shape).expect(fits)),
            Kind::Int => Value::Int(Tensor::try_from_vec(ints, shape).expect(fits)),
        })
    }

    fn wrong(&self, problem: FileProblem) -> Error {
        Error::File { path: self.path.clone(), problem }
    }
}
