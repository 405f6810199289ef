//! The header of a safetensors file: JSON that says which tensor lies where.
//!
//! Nothing of it is believed: names must be unique, types known, sizes equal to shape × type without overflow, and the
//! tensors must cover the body without gap, overlap or rest (so that a file has one meaning only). Only then are bytes
//! of the body read. Format: <https://github.com/huggingface/safetensors>, section *Format*.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::FileProblem;
use super::dtype::Dtype;

/// The key of the strings that a file may carry.
pub(crate) const METADATA: &str = "__metadata__";

/// A tensor in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// In the body.
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

#[derive(Debug)]
pub(crate) struct Header {
    /// In the order of the body.
    pub(crate) entries: Vec<Entry>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A tensor as the JSON has it.
#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// A value of the header's object.
enum Item {
    Tensor(RawEntry),
    Strings(Pairs<String>),
}

/// How the value of a key is read.
trait ReadValue: Sized {
    fn read<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Self, A::Error>;
}
impl ReadValue for String {
    fn read<'de, A: MapAccess<'de>>(_: &str, map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}
impl ReadValue for Item {
    fn read<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Self, A::Error> {
        Ok(if key == METADATA { Item::Strings(map.next_value()?) } else { Item::Tensor(map.next_value()?) })
    }
}

/// An object with every key, twice if it is there twice.
struct Pairs<V>(Vec<(String, V)>);

impl<'de, V: ReadValue> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AllPairs(PhantomData))
    }
}

struct AllPairs<V>(PhantomData<V>);

impl<'de, V: ReadValue> Visitor<'de> for AllPairs<V> {
    type Value = Pairs<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = V::read(&key, &mut map).map_err(|e| A::Error::custom(format!("{key:?}: {e}")))?;
            pairs.push((key, value));
        }
        Ok(Pairs(pairs))
    }
}

/// Reads and checks the header of a file whose body has `body` bytes.
pub(crate) fn parse(json: &[u8], body: u64) -> Result<Header, FileProblem> {
    let text = std::str::from_utf8(json).map_err(|e| FileProblem::NotUtf8 { at: 8 + e.valid_up_to() as u64 })?;
    if !text.starts_with('{') {
        return Err(FileProblem::NotAnObject { start: text.chars().take(8).collect() });
    }
    let Pairs(items) =
        serde_json::from_str::<Pairs<Item>>(text).map_err(|e| FileProblem::NotJson { message: e.to_string() })?;
    let mut seen = HashSet::new();
    let mut header = Header { entries: Vec::new(), metadata: BTreeMap::new() };
    for (name, item) in items {
        if !seen.insert(name.clone()) {
            return Err(FileProblem::Duplicate { name });
        }
        match item {
            Item::Tensor(raw) => header.entries.push(check(name, raw)?),
            Item::Strings(Pairs(pairs)) => {
                for (key, value) in pairs {
                    if header.metadata.insert(key.clone(), value).is_some() {
                        return Err(FileProblem::Duplicate { name: format!("{METADATA}.{key}") });
                    }
                }
            }
        }
    }
    header.entries.sort_by_key(|entry| (entry.begin, entry.end));
    cover(&header.entries, body)?;
    Ok(header)
}

/// Type, shape and size of one tensor.
fn check(name: String, raw: RawEntry) -> Result<Entry, FileProblem> {
    let Some(dtype) = Dtype::parse(&raw.dtype) else {
        return Err(FileProblem::UnknownDtype { name, dtype: raw.dtype });
    };
    let (begin, end) = raw.data_offsets;
    // A zero must not hide an overflow of the other lengths: strides are products of them.
    let product = raw.shape.iter().try_fold(dtype.bytes(), |n, &dim| n.checked_mul(dim.max(1)));
    let bytes = product.map(|n| if raw.shape.contains(&0) { 0 } else { n });
    let dims: Result<Vec<usize>, _> = raw.shape.iter().map(|&dim| usize::try_from(dim)).collect();
    let (Some(bytes), Ok(shape)) = (bytes, dims) else {
        return Err(FileProblem::Overflow { name, shape: raw.shape, dtype: dtype.name() });
    };
    if end.checked_sub(begin) != Some(bytes) {
        return Err(FileProblem::Size { name, shape, dtype: dtype.name(), expected: bytes, begin, end });
    }
    Ok(Entry { name, dtype, shape, begin, end })
}

/// The tensors, sorted by place, follow each other from 0 to the end of the body.
fn cover(entries: &[Entry], body: u64) -> Result<(), FileProblem> {
    let mut at = 0;
    for entry in entries {
        let Entry { name, begin, end, .. } = entry;
        if *begin != at {
            return Err(FileProblem::Place { name: name.clone(), begin: *begin, expected: at });
        }
        if *end > body {
            return Err(FileProblem::BeyondEnd { name: name.clone(), end: *end, body });
        }
        at = *end;
    }
    if at == body { Ok(()) } else { Err(FileProblem::Rest { covered: at, body }) }
}
