//! The journal of a run: progress, scalars, pictures and texts.
//!
//! A journal is output that the caller asks for, and the one place of the library that draws: a progress bar if the
//! standard error output is a terminal, otherwise a plain line every few seconds. With a folder it also writes
//! `FOLDER/NAME/journal.jsonl`, one JSON object a line, and `FOLDER/NAME/events.out.tfevents.etude` for
//! `tensorboard --logdir FOLDER`.
//!
//! Training goes on when the disk is full: the first error is kept, later entries are dropped, and [`Journal::finish`]
//! returns it.

mod events;
mod progress;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::error::Error;
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
}

impl Journal {
    /// Starts the journal of a run of `total_steps` steps; without a folder it only shows progress. Files of an earlier
    /// run of this name are replaced.
    ///
    /// # Errors
    /// If `name` cannot be a folder's name, or the folder or the files cannot be created.
    pub fn new(out_dir: Option<&Path>, name: &str, total_steps: u64) -> Result<Self, Error> {
        Self::open(out_dir, name, total_steps, false)
    }

    /// As [`Journal::new`], but goes on with the files of an earlier run of this name: for a run that resumes from a
    /// checkpoint.
    ///
    /// # Errors
    /// As [`Journal::new`].
    pub fn resume(out_dir: Option<&Path>, name: &str, total_steps: u64) -> Result<Self, Error> {
        Self::open(out_dir, name, total_steps, true)
    }

    fn open(out_dir: Option<&Path>, name: &str, total: u64, resume: bool) -> Result<Self, Error> {
        let files = out_dir.map(|folder| Files::open(folder, name, resume)).transpose()?;
        Ok(Journal {
            name: name.into(),
            total,
            start: Instant::now(),
            step: 0,
            message: String::new(),
            progress: Progress::automatic(name, total),
            files,
            error: None,
        })
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
            elapsed: self.start.elapsed(),
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
            elapsed: self.start.elapsed(),
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
        self.start.elapsed().as_secs_f64()
    }

    fn note(&mut self, write: impl FnOnce(&mut Files) -> io::Result<()>) {
        let (Some(files), None) = (&mut self.files, &self.error) else { return };
        let written = write(files).and_then(|()| files.flush_now_and_then());
        self.error = written.map_err(Error::io(&files.folder, "cannot write the journal")).err();
    }
}

impl Files {
    fn open(out_dir: &Path, name: &str, resume: bool) -> Result<Self, Error> {
        let folder = out_dir.join(name);
        if Path::new(name).file_name() != Some(name.as_ref()) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, format!("{name:?} is no name of a folder"));
            return Err(Error::io(&folder, "cannot start the journal")(error));
        }
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "cannot create the folder"))?;
        let open = |file: &str| {
            let path = folder.join(file);
            let file = match resume {
                true => OpenOptions::new().append(true).create(true).open(&path),
                false => File::create(&path),
            };
            file.map(|file| (file, path.clone())).map_err(Error::io(&path, "cannot create"))
        };
        let (lines, _) = open("journal.jsonl")?;
        let (events, path) = open("events.out.tfevents.etude")?;
        let fresh = events.metadata().map_err(Error::io(&path, "cannot read"))?.len() == 0;
        let events = BufWriter::new(events);
        let events = match fresh {
            true => EventWriter::new(events, now()).map_err(Error::io(&path, "cannot write"))?,
            false => EventWriter::continued(events),
        };
        Ok(Files { folder, lines: BufWriter::new(lines), events, flushed: Instant::now() })
    }

    fn line(&mut self, value: serde_json::Value) -> io::Result<()> {
        writeln!(self.lines, "{value}")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.lines.flush()?;
        self.events.flush()
    }

    fn flush_now_and_then(&mut self) -> io::Result<()> {
        if self.flushed.elapsed() < FLUSH { Ok(()) } else { self.flush() }
    }
}

/// Seconds since 1970, as events count them; 0 on a clock that stands before.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
