//! What can be wrong with the ids that a language model is given, for the families above this crate.

/// Ids that a model cannot continue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// There is nothing to continue.
    #[error("{what}: the prompt is empty")]
    Empty {
        /// Who asked for it.
        what: &'static str,
    },
    /// An id outside the vocabulary.
    #[error("{what}: id {id} at position {position} is outside the vocabulary 0..{vocab}")]
    Id {
        /// Who asked for it.
        what: &'static str,
        /// What came.
        id: u32,
        /// Where.
        position: usize,
        /// Size of the vocabulary.
        vocab: usize,
    },
}

impl PromptError {
    /// The error unless there are ids and all lie in the vocabulary; `what` names the caller.
    pub fn check(what: &'static str, ids: &[u32], vocab: usize) -> Result<(), Self> {
        if ids.is_empty() {
            return Err(PromptError::Empty { what });
        }
        match ids.iter().position(|&id| id as usize >= vocab) {
            Some(position) => Err(PromptError::Id { what, id: ids[position], position, vocab }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_id_is_named() {
        assert_eq!(PromptError::check("M::run", &[0, 4], 5), Ok(()));
        let message = |ids| PromptError::check("M::run", ids, 5).expect_err("not usable").to_string();
        assert_eq!(message(&[]), "M::run: the prompt is empty");
        assert_eq!(message(&[1, 5, 9]), "M::run: id 5 at position 1 is outside the vocabulary 0..5");
    }
}
