//! Word-level text: the clauses of a text, a lexicon of its frequent words, and what is spoken in the embedded plays.
//!
//! A clause ends at one of `. , ; : ? !`, at a dash of two hyphens or at a bracket. Words are in lower case; an apostrophe
//! belongs to its word (`'tis`, `I'll`, `lov'd`), and the printed one, U+2019, is the same (`I’ll` is `i'll`). Of the marks
//! only `?` and `!` stay, as words of their own at the end, since they change what is said.

use std::collections::{BTreeMap, HashMap};

use crate::error::{DataError, Result};
use crate::text;

/// A bijection between words and the ids `0..len()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lexicon {
    /// The most frequent first, equals in alphabetical order; the id is the index.
    words: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Lexicon {
    /// The words that occur at least `times` times in some clauses.
    pub fn frequent(clauses: &[Vec<String>], times: usize) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for word in clauses.iter().flatten() {
            *counts.entry(word).or_default() += 1;
        }
        let mut kept: Vec<(&str, usize)> = counts.into_iter().filter(|&(_, count)| count >= times).collect();
        // The sort is stable, and the map was in alphabetical order.
        kept.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let words: Vec<String> = kept.into_iter().map(|(word, _)| word.to_owned()).collect();
        let ids = words.iter().enumerate().map(|(id, word)| (word.clone(), id as u32)).collect();
        Self { words, ids }
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True without a word.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The words in the order of their ids.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The ids of a clause's words; `None` if one of them is not in the lexicon.
    pub fn encode(&self, clause: &[impl AsRef<str>]) -> Option<Vec<u32>> {
        clause.iter().map(|word| self.ids.get(word.as_ref()).copied()).collect()
    }

    /// The words of some ids with spaces between them, and none before a mark.
    ///
    /// # Errors
    /// Names an id that the lexicon does not have, and where it stands.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut text = String::new();
        for (position, &id) in ids.iter().enumerate() {
            let word = self.words.get(id as usize);
            let word = word.ok_or(DataError::UnknownId { id, position, vocab: self.len() })?;
            if position > 0 && !matches!(word.as_str(), "?" | "!") {
                text.push(' ');
            }
            text.push_str(word);
        }
        Ok(text)
    }
}

/// The clauses of a text, each at least one word: see the top of this page. Line breaks are spaces.
pub fn clauses(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("--", ".").replace('\u{2019}', "'");
    let mut clauses = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(['.', ',', ';', ':', '?', '!', '(', ')', '[', ']']);
        let (clause, mark, behind) = match end {
            Some(at) => (&rest[..at], &rest[at..=at], &rest[at + 1..]),
            None => (rest, "", ""),
        };
        let letter = |c: char| c.is_alphabetic() || c == '\'';
        let bare = clause.split(|c: char| !letter(c)).filter(|word| word.contains(char::is_alphabetic));
        let mut words: Vec<String> = bare.map(str::to_lowercase).collect();
        if !words.is_empty() {
            if matches!(mark, "?" | "!") {
                words.push(mark.to_owned());
            }
            clauses.push(words);
        }
        rest = behind;
    }
    clauses
}

/// The clauses that are spoken in the embedded plays of [`text::shakespeare`]: without the names of speakers, the headings and
/// the stage directions.
pub fn shakespeare() -> Vec<Vec<String>> {
    let plays = without_brackets(&text::shakespeare());
    plays.split("\n\n").filter_map(speech).flat_map(clauses).collect()
}

/// Stage directions stand in square brackets, of which none is in another.
fn without_brackets(text: &str) -> String {
    let mut parts = text.split('[');
    let mut out = parts.next().unwrap_or_default().to_owned();
    // A bracket that is never closed is a slip of the text, and stays as a space.
    out.extend(parts.flat_map(|part| [" ", part.split_once(']').map_or(part, |(_, behind)| behind)]));
    out
}

/// What is said in a paragraph that begins with a line that is a name and a full stop; `None` for other paragraphs.
fn speech(paragraph: &str) -> Option<&str> {
    let (first, said) = paragraph.trim_start().split_once('\n')?;
    let name = first.trim_end().strip_suffix('.')?;
    let good = name.starts_with(char::is_uppercase)
        && name.split(' ').count() <= 3
        && name.chars().all(|c| c.is_alphabetic() || c == ' ');
    good.then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_end_at_marks_and_keep_what_is_asked() {
        let found = clauses("O, speak!--Stop it, Marcellus!\nWho's\n there? 'Tis I: (he) ...");
        let found: Vec<String> = found.iter().map(|words| words.join(" ")).collect();
        assert_eq!(found, ["o", "speak !", "stop it", "marcellus !", "who's there ?", "'tis i", "he"]);
        assert!(clauses(" ?! ' 12").is_empty());
        assert_eq!(clauses("I\u{2019}ll go, \u{2019}tis late"), clauses("I'll go, 'tis late"));
        assert!(clauses("\u{2019}").is_empty());
    }

    #[test]
    fn ids_and_words_are_each_others_inverse_and_what_is_rare_has_none() {
        let set = clauses("to be. or not to be? to go!");
        let lexicon = Lexicon::frequent(&set, 2);
        assert_eq!(lexicon.words(), ["to", "be"]);
        let lexicon = Lexicon::frequent(&set, 1);
        let ids = lexicon.encode(&set[1]).expect("its own words");
        assert_eq!(lexicon.decode(&ids).expect("its own ids"), "or not to be?");
        assert_eq!(lexicon.encode(&["to", "sleep"]), None);
        assert!(matches!(lexicon.decode(&[0, 99]), Err(DataError::UnknownId { id: 99, position: 1, .. })));
    }

    #[test]
    fn names_headings_and_directions_are_not_spoken() {
        let play = "SCENE I. A room.\n\n[Enter Ham.]\n\nHam.\nSwear [aside,\nlow] by my sword.\n\nDramatis\nPersonae.";
        let said: Vec<_> = without_brackets(play).split("\n\n").filter_map(speech).flat_map(clauses).collect();
        assert_eq!(said, [["swear", "by", "my", "sword"].map(str::to_owned)]);
    }

    #[test]
    fn the_plays_have_clauses_that_everyone_knows() {
        let spoken = shakespeare();
        let has = |line: &str| spoken.iter().any(|words| words.join(" ") == line);
        assert!(has("or not to be") && has("i come to bury caesar") && has("what's in a name ?"), "{}", spoken.len());
        assert!(!spoken.iter().flatten().any(|word| word == "exeunt"), "a stage direction");
    }
}
