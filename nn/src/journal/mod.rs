//! The journal of a run: progress, scalars, pictures and texts.
//!
//! A journal is output that the caller asks for, and the one place of the library that draws: a progress bar if the
//! standard error output is a terminal, otherwise a plain line every few seconds. With a folder it also writes
//! `FOLDER/NAME/journal.jsonl`, one JSON object a line, and `FOLDER/NAME/events.out.tfevents.etude` for
//! `tensorboard --logdir FOLDER`.
//!
//! A run that resumes from a checkpoint goes on with these files where the checkpoint was saved: [`Journal::position`] is
//! part of the checkpoint, and [`Journal::resume`] takes back what was noted after it, so that every step stands in the
//! files once, however often the run was killed.
//!
//! Training goes on when the disk is full: the first error is kept, later entries are dropped, and [`Journal::finish`]
//! returns it.

mod events;
mod progress;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Error;
use crate::file::sync_folder;
use events::{EventWriter, PngHead};
use progress::{Position, Progress};

/// How long an entry may wait in memory before it is written.
const FLUSH: Duration = Duration::from_secs(2);

/// The journal of a run: see the [module's page](self).
///
/// ```
/// # fn main() -> Result<(), etude_nn::Error> {
/// # let folder = tempfile::tempdir().expect("a temporary folder");
/// use etude_nn::Journal;
///
/// let mut journal = Journal::new(Some(folder.path()), "lenet", 100)?;
/// for step in 0..100 {
///     let loss = 1.0 / (step + 1) as f32;
///     journal.scalar("loss", step, loss);
///     journal.tick(step + 1, format!("loss {loss:.3}"));
/// }
/// journal.finish()?;
/// # Ok(())
/// # }
/// ```
pub struct Journal {
    name: String,
    total: u64,
    start: Instant,
    /// Seconds of the run before `start`.
    earlier: f64,
    step: u64,
    message: String,
    progress: Progress,
    files: Option<Files>,
    error: Option<Error>,
}

struct Files {
    folder: PathBuf,
    lines: BufWriter<File>,
    events: EventWriter<BufWriter<File>>,
    flushed: Instant,
    /// The lengths that were last forced to the disk.
    safe: [u64; 2],
}

/// Where a journal stands; saved in a checkpoint ([`crate::Checkpoint::data`]) and given to [`Journal::resume`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JournalPosition {
    /// Bytes of `journal.jsonl`.
    lines: u64,
    /// Bytes of the event file.
    events: u64,
    /// Seconds since the run began.
    seconds: f64,
}

impl Journal {
    /// Starts the journal of a run of `total_steps` steps; without a folder it only shows progress. Files of an earlier
    /// run of this name are replaced.
    ///
    /// # Errors
    /// If `name` cannot be a folder's name, or the folder or the files cannot be created.
    pub fn new(out_dir: Option<&Path>, name: &str, total_steps: u64) -> Result<Self, Error> {
        Self::open(out_dir, name, total_steps, None)
    }

    /// Goes on with the files of an earlier run of this name from where they stood at `position`: what was noted later is
    /// removed, since the run that resumes notes it again.
    ///
    /// # Errors
    /// As [`Journal::new`], and if the files are shorter than they were. They are unchanged then.
    pub fn resume(
        out_dir: Option<&Path>,
        name: &str,
        total_steps: u64,
        position: &JournalPosition,
    ) -> Result<Self, Error> {
        Self::open(out_dir, name, total_steps, Some(position))
    }

    fn open(out_dir: Option<&Path>, name: &str, total: u64, resume: Option<&JournalPosition>) -> Result<Self, Error> {
        let lengths = resume.map(|at| [at.lines, at.events]);
        let files = out_dir.map(|folder| Files::open(folder, name, lengths)).transpose()?;
        Ok(Journal {
            name: name.into(),
            total,
            start: Instant::now(),
            earlier: resume.map_or(0.0, |at| at.seconds.max(0.0)),
            step: 0,
            message: String::new(),
            progress: Progress::automatic(name, total),
            files,
            error: None,
        })
    }

    /// Where the journal stands, everything noted so far forced to the disk: for a checkpoint that is saved after this call.
    ///
    /// After an error, which [`Journal::finish`] returns, it is the last position that is safe.
    pub fn position(&mut self) -> JournalPosition {
        self.note(Files::force);
        let [lines, events] = self.files.as_ref().map_or([0; 2], |files| files.safe);
        JournalPosition { lines, events, seconds: self.seconds() }
    }

    /// Shows no progress.
    pub fn silent(mut self) -> Self {
        self.progress = Progress::Silent;
        self
    }

    /// Shows progress as plain lines on `out`, at most one in `every`, and one at the end.
    pub fn lines_to(mut self, out: impl Write + Send + 'static, every: Duration) -> Self {
        self.progress = Progress::lines(Box::new(out), every);
        self
    }

    /// Notes a number. NaN and infinities are noted too, in JSON as strings.
    pub fn scalar(&mut self, tag: &str, step: u64, value: impl Into<f64>) {
        let value = value.into();
        let seconds = self.seconds();
        self.note(|files| {
            let number = if value.is_finite() { json!(value) } else { json!(value.to_string()) };
            files.line(json!({ "seconds": seconds, "step": step, "tag": tag, "value": number }))?;
            files.events.scalar(now(), tag, step, value)
        });
    }

    /// Notes a picture, a PNG file in memory, for TensorBoard.
    pub fn image(&mut self, tag: &str, step: u64, png: &[u8]) {
        let Some(head) = PngHead::read(png) else {
            let start = png.iter().take(8).copied().collect();
            self.error.get_or_insert(Error::NoPng { tag: tag.into(), start });
            return;
        };
        let seconds = self.seconds();
        self.note(|files| {
            let size = [head.width, head.height];
            files.line(json!({ "seconds": seconds, "step": step, "tag": tag, "image": size }))?;
            files.events.image(now(), tag, step, head, png)
        });
    }

    /// Notes a text; TensorBoard reads it as Markdown.
    pub fn text(&mut self, tag: &str, step: u64, text: &str) {
        let seconds = self.seconds();
        self.note(|files| {
            files.line(json!({ "seconds": seconds, "step": step, "tag": tag, "text": text }))?;
            files.events.text(now(), tag, step, text)
        });
    }

    /// Shows that `steps` steps are done.
    pub fn tick(&mut self, steps: u64, message: impl AsRef<str>) {
        self.step = steps;
        self.message.clear();
        self.message.push_str(message.as_ref());
        let at = Position {
            name: &self.name,
            step: self.step,
            total: self.total,
            elapsed: Duration::try_from_secs_f64(self.seconds()).unwrap_or_default(),
            message: &self.message,
        };
        self.progress.tick(&at);
    }

    /// Ends the progress and the files.
    ///
    /// # Errors
    /// The first error since the start.
    pub fn finish(mut self) -> Result<(), Error> {
        let at = Position {
            name: &self.name,
            step: self.step,
            total: self.total,
            elapsed: Duration::try_from_secs_f64(self.seconds()).unwrap_or_default(),
            message: &self.message,
        };
        self.progress.finish(&at);
        self.note(|files| files.flush());
        match self.error {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn seconds(&self) -> f64 {
        self.earlier + self.start.elapsed().as_secs_f64()
    }

    fn note(&mut self, write: impl FnOnce(&mut Files) -> io::Result<()>) {
        let (Some(files), None) = (&mut self.files, &self.error) else { return };
        let written = write(files).and_then(|()| files.flush_now_and_then());
        self.error = written.map_err(Error::io(&files.folder, "cannot write the journal")).err();
    }
}

impl Files {
    /// Files of these lengths, or new ones.
    fn open(out_dir: &Path, name: &str, lengths: Option<[u64; 2]>) -> Result<Self, Error> {
        let folder = out_dir.join(name);
        if Path::new(name).file_name() != Some(name.as_ref()) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of a folder"));
            return Err(Error::io(&folder, "cannot start the journal")(error));
        }
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "cannot create the folder"))?;
        let paths = ["journal.jsonl", "events.out.tfevents.etude"].map(|file| folder.join(file));
        let open = |path: &Path, length: u64| {
            // One that should have some length and is not there is not made either.
            let file = OpenOptions::new().read(true).write(true).create(length == 0).truncate(false).open(path)?;
            match file.metadata()?.len() {
                found if found < length => {
                    let message = format!("has {found} bytes, fewer than the {length} at the checkpoint");
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
                }
                _ => Ok(file),
            }
        };
        let lengths = lengths.unwrap_or_default();
        let at = |i: usize| open(&paths[i], lengths[i]).map_err(Error::io(&paths[i], "cannot open the journal"));
        // Both are open and long enough before either is cut.
        let files = [at(0)?, at(1)?];
        // A checkpoint that names these files must find them after a power failure too.
        for folder in [&folder, out_dir] {
            sync_folder(folder).map_err(Error::io(folder, "cannot sync the folder"))?;
        }
        for ((mut file, path), length) in files.iter().zip(&paths).zip(lengths) {
            let cut = file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length)));
            cut.map_err(Error::io(path, "cannot cut the journal"))?;
        }
        let [lines, events] = files.map(BufWriter::new);
        let events = match lengths[1] {
            0 => EventWriter::new(events, now()).map_err(Error::io(&paths[1], "cannot write"))?,
            _ => EventWriter::continued(events),
        };
        Ok(Files { folder, lines, events, flushed: Instant::now(), safe: lengths })
    }

    fn line(&mut self, value: serde_json::Value) -> io::Result<()> {
        writeln!(self.lines, "{value}")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.lines.flush()?;
        self.events.flush()
    }

    /// Everything to the disk.
    fn force(&mut self) -> io::Result<()> {
        self.flush()?;
        let files = [self.lines.get_ref(), self.events.out().get_ref()];
        let mut lengths = [0; 2];
        for (length, file) in lengths.iter_mut().zip(files) {
            file.sync_data()?;
            *length = file.metadata()?.len();
        }
        self.safe = lengths;
        Ok(())
    }

    fn flush_now_and_then(&mut self) -> io::Result<()> {
        if self.flushed.elapsed() < FLUSH { Ok(()) } else { self.flush() }
    }
}

/// Seconds since 1970, as events count them; 0 on a clock that stands before.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
