//! What can be wrong with a safetensors file, tensor by tensor.

/// A fault of a file's form. [`crate::Error::File`] adds the path.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// Not even a length.
    #[error("{bytes} bytes are too few: a safetensors file starts with the length of its header in 8 bytes")]
    TooShort {
        /// The file's length.
        bytes: u64,
    },
    /// The header would end behind the file.
    #[error("the header should have {header} bytes, the file has {file}: truncated, or not a safetensors file")]
    HeaderBeyondEnd {
        /// The length that the file states.
        header: u64,
        /// The file's length.
        file: u64,
    },
    /// The header is longer than the format allows.
    #[error("the header should have {header} bytes, more than the format's limit of {limit}")]
    HeaderTooLong {
        /// The length that the file states.
        header: u64,
        /// The limit.
        limit: u64,
    },
    /// The header is not text.
    #[error("the header is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The offset in the file.
        at: u64,
    },
    /// The header is not an object.
    #[error("the header starts with {start:?} instead of an opening brace")]
    NotAnObject {
        /// Its first characters.
        start: String,
    },
    /// The header is not the JSON that it should be.
    #[error("the header is not as expected: {message}")]
    NotJson {
        /// The parser's words, with the tensor's name if it came that far.
        message: String,
    },
    /// Two tensors, or two metadata entries, of one name.
    #[error("{name:?} occurs twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A name that the format keeps for itself.
    #[error("no tensor can be called {name:?}")]
    Reserved {
        /// The name.
        name: String,
    },
    /// An element type that nobody here knows.
    #[error("tensor {name:?} is of the unknown type {dtype:?}")]
    UnknownDtype {
        /// The tensor.
        name: String,
        /// The type in the file.
        dtype: String,
    },
    /// An element type without a counterpart here.
    #[error("tensor {name:?} is of type {dtype}, which cannot be read as f32 or i64")]
    Unsupported {
        /// The tensor.
        name: String,
        /// The type in the file.
        dtype: &'static str,
    },
    /// More elements than can be counted.
    #[error("tensor {name:?} of shape {shape:?} and type {dtype} has more bytes than can be counted")]
    Overflow {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<u64>,
        /// Its type.
        dtype: &'static str,
    },
    /// Shape, type and bytes disagree.
    #[error("tensor {name:?} of shape {shape:?} and type {dtype} needs {expected} bytes, but lies at {begin}..{end}")]
    Size {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its type.
        dtype: &'static str,
        /// Bytes by shape and type.
        expected: u64,
        /// Where it begins in the body.
        begin: u64,
        /// Where it ends.
        end: u64,
    },
    /// A gap or an overlap.
    #[error("tensor {name:?} begins at byte {begin} of the body instead of {expected}: a gap or an overlap")]
    Place {
        /// The tensor.
        name: String,
        /// Where it begins in the body.
        begin: u64,
        /// Where the one before it ends.
        expected: u64,
    },
    /// A tensor ends behind the file.
    #[error("tensor {name:?} should end at byte {end} of the body, which has {body}: truncated?")]
    BeyondEnd {
        /// The tensor.
        name: String,
        /// Where it should end.
        end: u64,
        /// Bytes of the body.
        body: u64,
    },
    /// Bytes behind the last tensor.
    #[error("the tensors cover {covered} bytes of the body, which has {body}")]
    Rest {
        /// Bytes that belong to tensors.
        covered: u64,
        /// Bytes of the body.
        body: u64,
    },
    /// A number that f32 or i64 cannot hold.
    #[error("tensor {name:?} holds {value}, which does not fit")]
    Range {
        /// The tensor.
        name: String,
        /// The number.
        value: String,
    },
    /// The bytes are not those that were saved.
    #[error(
        "the checksum is {found}, not {stated}: damaged, or changed by a program that kept the metadata entry {key:?}"
    )]
    Checksum {
        /// The metadata entry with the checksum.
        key: &'static str,
        /// What it says.
        stated: String,
        /// What the bytes give.
        found: String,
    },
    /// A checkpoint without the checksum that every save writes.
    #[error("there is no metadata entry {key:?}: damaged, or not saved as a checkpoint")]
    NoChecksum {
        /// The metadata entry that is missing.
        key: &'static str,
    },
}
