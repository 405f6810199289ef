//! Character-level text: the vocabulary, ids, the split into training and held-out text, and the embedded plays.
//!
//! Characters are Unicode scalar values, sorted by code point, so that the vocabulary is a function of the text alone.
//! The windows that turn ids into batches are in [`crate::windows`], the file of a vocabulary in `vocab_file`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{DataError, Result};
use crate::file;

/// A bijection between characters and the ids `0..len()`.
///
/// ```
/// # fn main() -> Result<(), etude_data::DataError> {
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// # let path = folder.path().join("vocab.json");
/// use etude_data::text::Vocab;
///
/// let vocab = Vocab::of("to be or not to be");
/// vocab.save(&path)?;
/// // Another day, beside the weights of the model that learnt it:
/// assert_eq!(Vocab::open(&path)?.encode("bet")?, vocab.encode("bet")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocab {
    /// Distinct; the id is the index.
    chars: Vec<char>,
    ids: BTreeMap<char, u32>,
}

impl Vocab {
    /// The distinct characters of a text.
    pub fn of(text: &str) -> Self {
        let distinct: std::collections::BTreeSet<char> = text.chars().collect();
        Self::in_order(distinct.into_iter().collect()).expect("a set has no character twice")
    }

    /// The characters as their ids have them; `Err` with the ids of one that stands twice.
    pub(crate) fn in_order(chars: Vec<char>) -> std::result::Result<Self, [u32; 2]> {
        let mut ids = BTreeMap::new();
        for (id, &character) in (0..).zip(&chars) {
            if let Some(first) = ids.insert(character, id) {
                return Err([first, id]);
            }
        }
        Ok(Self { chars, ids })
    }

    /// Number of characters.
    pub fn len(&self) -> usize {
        self.chars.len()
    }

    /// True without a character.
    pub fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// The characters in the order of their ids.
    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The ids of a text's characters.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let id = |(position, character): (usize, char)| {
            self.ids.get(&character).copied().ok_or(DataError::UnknownChar { character, position, vocab: self.len() })
        };
        text.chars().enumerate().map(id).collect()
    }

    /// The text of some ids.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let char_of = |(position, &id): (usize, &u32)| {
            self.chars.get(id as usize).copied().ok_or(DataError::UnknownId { id, position, vocab: self.len() })
        };
        ids.iter().enumerate().map(char_of).collect()
    }
}

/// A text as ids of its own vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    vocab: Vocab,
    ids: Vec<u32>,
}

impl Text {
    /// Takes a text and its distinct characters.
    pub fn new(text: &str) -> Self {
        let vocab = Vocab::of(text);
        let ids = vocab.encode(text).expect("the vocabulary was made from this text");
        Self { vocab, ids }
    }

    /// Reads a UTF-8 file, plain or gzip.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&file::read(path)?, &path.display().to_string())
    }

    /// Reads UTF-8 bytes, plain or gzip; `file` names them in messages.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        Ok(Self::new(&file::inflate_text(bytes, file)?))
    }

    /// The embedded plays of Shakespeare.
    pub fn shakespeare() -> Self {
        Self::new(&shakespeare())
    }

    /// The vocabulary.
    pub fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// One id per character.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Number of characters.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True without a character.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Training and held-out ids: the last `held_out` of the text (a fraction in 0..=1, rounded to whole characters) is held out.
    ///
    /// Both parts use the vocabulary of the whole text, so that every held-out character has an id.
    pub fn split(&self, held_out: f64) -> Result<(&[u32], &[u32])> {
        if !(0.0..=1.0).contains(&held_out) {
            return Err(DataError::argument("held_out", "a fraction in 0..=1", held_out));
        }
        let held = (self.len() as f64 * held_out).round() as usize;
        Ok(self.ids.split_at(self.len() - held))
    }
}

/// Seven plays of Shakespeare, 844,923 characters: see `assets/README.md`.
pub fn shakespeare() -> String {
    const PLAYS: &[u8] = include_bytes!("../assets/text/shakespeare-7-plays.txt.gz");
    file::inflate_text(PLAYS, "shakespeare-7-plays.txt.gz").expect("the embedded text is whole, as the tests show")
}
