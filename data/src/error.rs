//! What can be wrong with data that comes from outside, as one error type.
//!
//! Every message names the file, the place in it, what was expected there and what was found, so that a person can repair
//! the file without reading this crate.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// A file, a text or an argument that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted (`read`, `write`, …).
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A set that is not embedded and was not fetched.
    #[error("{}: run `cargo xtask fetch {set}`", absent(folder.as_deref()))]
    NotFetched {
        /// Its name.
        set: &'static str,
        /// Where it would lie; `None` if no cache folder is known.
        folder: Option<PathBuf>,
    },
    /// A compressed stream that is damaged or cut.
    #[error("{file}: not a readable gzip stream: {source}")]
    Gzip {
        /// The file.
        file: String,
        /// The decoder's reason.
        source: std::io::Error,
    },
    /// More bytes than the reader accepts: a decompression bomb, or the wrong file.
    #[error("{file}: holds more than {limit} bytes, the most this reader accepts")]
    TooLarge {
        /// The file.
        file: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file ends before what its header announces.
    #[error("{file}: {what}: expected {expected} bytes, found {found}")]
    Truncated {
        /// The file.
        file: String,
        /// Which part is too short.
        what: &'static str,
        /// Bytes announced.
        expected: u64,
        /// Bytes present (for a compressed file: at most as many).
        found: u64,
    },
    /// The file goes on after what its header announces.
    #[error("{file}: trailing bytes: expected the end after {expected} bytes")]
    Trailing {
        /// The file.
        file: String,
        /// Bytes announced.
        expected: u64,
    },
    /// A value that does not fit.
    #[error("{file}: {at}: expected {expected}, found {found}")]
    Malformed {
        /// The file.
        file: String,
        /// The place: a record, a line, a field.
        at: String,
        /// What should stand there.
        expected: String,
        /// What does.
        found: String,
    },
    /// A character that the vocabulary lacks.
    #[error("character {character:?} at position {position} is not among the {vocab} characters of the vocabulary")]
    UnknownChar {
        /// The character.
        character: char,
        /// Its position, counted in characters.
        position: usize,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// An id outside the vocabulary.
    #[error("id {id} at position {position}: the vocabulary has ids 0..{vocab}")]
    UnknownId {
        /// The id.
        id: u32,
        /// Its position.
        position: usize,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// An argument out of its range.
    #[error("{argument}: expected {expected}, found {found}")]
    Argument {
        /// Its name.
        argument: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A chart that could not be drawn.
    #[error("chart {title:?}: {reason}")]
    Chart {
        /// The chart's title.
        title: String,
        /// The drawing library's reason.
        reason: String,
    },
}

fn absent(folder: Option<&Path>) -> String {
    folder.map_or("neither XDG_CACHE_HOME nor HOME names a folder".to_owned(), |folder| {
        format!("{} is not there", folder.display())
    })
}

impl DataError {
    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }

    pub(crate) fn malformed(file: &str, at: impl ToString, expected: impl ToString, found: impl ToString) -> Self {
        Self::Malformed {
            file: file.to_owned(),
            at: at.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    pub(crate) fn argument(argument: &'static str, expected: impl ToString, found: impl ToString) -> Self {
        Self::Argument { argument, expected: expected.to_string(), found: found.to_string() }
    }
}
