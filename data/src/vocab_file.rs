//! The file of a vocabulary: one JSON object from token to id, `{"a": 0, "b": 1}`, as Hugging Face's `vocab.json`.
//!
//! Nothing is believed: every token is one character and stands once, and the ids are 0, 1, … in any order, each once.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::error::{DataError, Result};
use crate::file;
use crate::text::Vocab;

/// The pairs of a JSON object in their order, with those whose key was there before: a map would drop them silently.
struct Pairs(Vec<(String, u64)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from tokens to ids")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl Vocab {
    /// Reads what [`Vocab::save`] wrote, or another program's `vocab.json` of single characters, plain or gzip.
    ///
    /// # Errors
    /// If the file cannot be read or is no such object: a token that is not one character or stands twice, an id that is
    /// missing, stands twice or is beyond the number of tokens.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::parse(&file::read(path)?, &path.display().to_string())
    }

    /// [`Vocab::open`] for bytes; `file` names them in messages.
    ///
    /// # Errors
    /// As there.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        let malformed = |at: String, expected: String, found: String| DataError::Malformed {
            file: file.to_owned(),
            at,
            expected,
            found,
        };
        let text = file::inflate_text(bytes, file)?;
        let Pairs(pairs) = serde_json::from_str(&text).map_err(|error| {
            malformed(format!("line {}", error.line()), "an object from tokens to ids".into(), error.to_string())
        })?;
        let count = pairs.len();
        let mut chars = vec![None; count];
        for (token, id) in pairs {
            let mut letters = token.chars();
            let (Some(character), None) = (letters.next(), letters.next()) else {
                return Err(malformed(format!("id {id}"), "a token of one character".into(), format!("{token:?}")));
            };
            let place = usize::try_from(id).ok().and_then(|id| chars.get_mut(id));
            match place {
                Some(place @ None) => *place = Some(character),
                Some(Some(other)) => {
                    return Err(malformed(
                        format!("token {token:?}"),
                        "an id of its own".into(),
                        format!("{id}, which {other:?} has"),
                    ));
                }
                None => {
                    return Err(malformed(
                        format!("token {token:?}"),
                        format!("an id below {count}, the number of tokens"),
                        id.to_string(),
                    ));
                }
            }
        }
        // As many ids as places, none twice: every place has a character.
        let chars: Vec<char> = chars.into_iter().flatten().collect();
        let twice = |[first, second]: [u32; 2]| {
            malformed(
                format!("token {:?}", chars[first as usize]),
                "each token once".into(),
                format!("ids {first} and {second}"),
            )
        };
        Vocab::in_order(chars.clone()).map_err(twice)
    }

    /// Writes the characters with their ids as JSON, all or nothing.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let pair = |(id, character): (u32, &char)| format!("{}: {id}", serde_json::json!(character.to_string()));
        let pairs: Vec<String> = (0..).zip(self.chars()).map(pair).collect();
        file::write_atomic(path.as_ref(), format!("{{{}}}\n", pairs.join(", ")).as_bytes())
    }
}
