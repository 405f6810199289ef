//! Writing safetensors: integers first (they need the stricter alignment), otherwise in the order given, so that equal
//! contents give equal bytes.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use super::header::METADATA;
use super::{CHECKSUM, FileProblem, HEADER_LIMIT, blank_checksum, checksum_place};
use crate::crc32c::Crc32c;
use crate::module::Value;

/// Bytes of elements converted at once.
const CHUNK: usize = 1 << 16;

/// A file in the making: the header is complete, the body still lies in the tensors.
pub(crate) struct Image<'a> {
    /// Length and JSON.
    head: Vec<u8>,
    body: Vec<&'a Value>,
}

impl<'a> Image<'a> {
    pub(crate) fn new(
        tensors: &'a [(String, Value)],
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, FileProblem> {
        let mut sorted: Vec<&(String, Value)> = tensors.iter().collect();
        sorted.sort_by_key(|(_, value)| matches!(value, Value::Float(_)));
        let json = header(&sorted, metadata)?;
        let mut image = Image { head: Vec::new(), body: sorted.into_iter().map(|(_, value)| value).collect() };
        image.head.extend((json.len() as u64).to_le_bytes());
        image.head.extend(json);
        image.stamp();
        Ok(image)
    }

    /// Replaces the zeros of the checksum by its value.
    fn stamp(&mut self) {
        debug_assert!(checksum_place(&self.head[8..]).is_some(), "the header was made with a checksum");
        blank_checksum(&mut self.head[8..]);
        let mut crc = Crc32c::new();
        crc.update(&self.head);
        for value in &self.body {
            for_bytes(value, &mut |bytes| {
                crc.update(bytes);
                Ok(())
            })
            .expect("a checksum takes any bytes");
        }
        if let Some(place) = checksum_place(&self.head[8..]) {
            self.head[8..][place].copy_from_slice(format!("{:08x}", crc.value()).as_bytes());
        }
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        for value in &self.body {
            for_bytes(value, &mut |bytes| out.write_all(bytes))?;
        }
        Ok(())
    }
}

/// The JSON, padded to a multiple of 8 bytes.
fn header(tensors: &[&(String, Value)], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, FileProblem> {
    let mut strings = metadata.clone();
    // What other programs look for: the layout is PyTorch's.
    strings.entry("format".into()).or_insert_with(|| "pt".into());
    strings.insert(CHECKSUM.into(), "00000000".into());
    let mut json = format!("{{{}:{}", quoted(METADATA), serde_json::json!(strings));
    let mut seen = HashSet::new();
    let mut at = 0;
    for (name, value) in tensors {
        if name == METADATA {
            return Err(FileProblem::Reserved { name: name.clone() });
        }
        if !seen.insert(name) {
            return Err(FileProblem::Duplicate { name: name.clone() });
        }
        let (dtype, bytes) = match value {
            Value::Float(x) => ("F32", 4 * x.len()),
            Value::Int(x) => ("I64", 8 * x.len()),
        };
        let entry = serde_json::json!({ "dtype": dtype, "shape": value.shape(), "data_offsets": [at, at + bytes] });
        json.push_str(&format!(",{}:{entry}", quoted(name)));
        at += bytes;
    }
    json.push('}');
    while json.len() % 8 != 0 {
        json.push(' ');
    }
    match json.len() as u64 {
        header if header > HEADER_LIMIT => Err(FileProblem::HeaderTooLong { header, limit: HEADER_LIMIT }),
        _ => Ok(json.into_bytes()),
    }
}

fn quoted(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

/// Calls `f` with the elements' little-endian bytes, piece by piece.
fn for_bytes(value: &Value, f: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK);
    match value {
        Value::Float(x) => {
            let x = x.contiguous();
            for part in x.as_slice().expect("just made contiguous").chunks(CHUNK / 4) {
                bytes.clear();
                bytes.extend(part.iter().flat_map(|x| x.to_le_bytes()));
                f(&bytes)?;
            }
        }
        Value::Int(x) => {
            let x = x.contiguous();
            for part in x.as_slice().expect("just made contiguous").chunks(CHUNK / 8) {
                bytes.clear();
                bytes.extend(part.iter().flat_map(|x| x.to_le_bytes()));
                f(&bytes)?;
            }
        }
    }
    Ok(())
}
