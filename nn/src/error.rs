//! What can go wrong with data from outside, and with training itself: always with the name of the file, tensor,
//! parameter or step, what was found and what was expected.

use std::path::{Path, PathBuf};

use etude_autograd::Storage;

use crate::file::FileProblem;
use crate::matching::Mismatch;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The loss became NaN or infinite.
    #[error("step {step}: the loss is {value}")]
    Loss {
        /// The training step.
        step: u64,
        /// NaN or an infinity.
        value: f64,
    },
    /// A gradient holds NaN or infinity; nothing was updated.
    #[error("optimiser step {step}: the gradient of {name} holds {value}; nothing was updated")]
    Gradient {
        /// The optimiser's step, from 1.
        step: u64,
        /// The first such parameter.
        name: String,
        /// Its first such element.
        value: f32,
    },
    /// A guarded step that was not taken: see [`crate::guard::Guard`].
    #[error("{}", not_taken(*step, refused, place.as_deref()))]
    NotFinite {
        /// The training step.
        step: u64,
        /// The loss or the gradient that is not finite.
        refused: Box<Error>,
        /// The operation and the part of the model where the first such number was born, if that was found.
        place: Option<String>,
    },
    /// Registered parameters got no gradient; nothing was updated.
    #[error(
        "optimiser step {step}: no gradient for {}; nothing was updated. \
         If the loss is not meant to depend on them, say .allow_missing()",
        list(names)
    )]
    NoGradient {
        /// The optimiser's step, from 1.
        step: u64,
        /// The parameters' names.
        names: Vec<String>,
    },
    /// A file that is not what its format demands.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: FileProblem,
    },
    /// A file that does not fit the model; nothing was changed.
    #[error("{}: does not fit, nothing was loaded:\n  {}", path.display(), lines(mismatches))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Every mismatch.
        mismatches: Vec<Mismatch>,
    },
    /// A state that does not fit the optimiser; nothing was changed.
    #[error("the optimiser's state does not fit, nothing was changed:\n  {}", lines(mismatches))]
    OptimState {
        /// Every mismatch.
        mismatches: Vec<Mismatch>,
    },
    /// A part of a checkpoint that could not be read again; nothing was saved.
    #[error("checkpoint: {name}: {reason}; nothing was saved")]
    Unsaved {
        /// The part.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A packed parameter has no value that could be saved or replaced.
    #[error("{name} is packed as {storage}: a packed model can be neither saved nor loaded")]
    Packed {
        /// The parameter.
        name: String,
        /// How it is packed.
        storage: Storage,
    },
    /// A picture that is no PNG file.
    #[error("the picture {tag} is no PNG file: it starts with {start:02x?}")]
    NoPng {
        /// Its tag.
        tag: String,
        /// Its first bytes.
        start: Vec<u8>,
    },
    /// The operating system refused.
    #[error("{}: {what}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Its answer.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Error::Io { path, what, source }
    }
}

fn not_taken(step: u64, refused: &Error, place: Option<&str>) -> String {
    let what = match refused {
        // It names the step itself.
        Error::Loss { .. } => refused.to_string(),
        other => format!("step {step}: {other}"),
    };
    place.map_or(what.clone(), |place| format!("{what}: {place}"))
}

/// Every mismatch on a line of its own.
fn lines(mismatches: &[Mismatch]) -> String {
    mismatches.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("\n  ")
}

/// Names in a sentence: all of a few, the first of many.
pub(crate) fn list(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 20;
    let mut text = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// The loss, if it is a number: `total += check_finite(loss.item(), step)?`.
pub fn check_finite(loss: f32, step: u64) -> Result<f32, Error> {
    if loss.is_finite() { Ok(loss) } else { Err(Error::Loss { step, value: f64::from(loss) }) }
}
