//! What every example program shares: its arguments and the report that it leaves for a person and for `cargo xtask tour`.
//!
//! A report is a folder of figures and one JSON file that names them, with the results and their thresholds. Figures reach the
//! disk whole when they are added; the JSON is written last and whole, and the one of an earlier run is removed first, so its
//! presence says that the example came to its end.
//! A result beyond its threshold is an error of [`Report::finish`], so that an example that misses ends with a failure status;
//! figures and JSON are written all the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::DataError;
use crate::file;
use crate::picture::Picture;

/// Arguments of an example.
#[derive(Clone, Debug, PartialEq, clap::Parser)]
#[command(about = None, long_about = None)]
#[command(after_help = "The exit status is 0 only if every result reached its threshold.\n\
                        The thresholds were checked with the seeds 0, 1 and 2; another may miss one.")]
pub struct Args {
    /// Train for a small part of the full length
    #[arg(long)]
    pub quick: bool,
    /// Seed of every random choice
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Folder for the figures and the JSON result
    #[arg(long, value_name = "DIR", default_value = "target/examples")]
    pub out: PathBuf,
    /// Go on from the checkpoint in that folder, if there is one
    #[arg(long)]
    pub resume: bool,
}

impl Args {
    /// The arguments of this process. Prints the usage and exits on wrong ones or `--help`: only for programs.
    pub fn parse() -> Self {
        <Self as clap::Parser>::parse()
    }

    /// `quick` with `--quick`, else `full`.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Which results are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// At least the threshold.
    Higher,
    /// At most the threshold.
    Lower,
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// `--resume` of an example that always starts anew.
    #[error("{example}: keeps no checkpoint, so there is nothing to --resume")]
    NoCheckpoint {
        /// The example.
        example: String,
    },
    /// A figure or the JSON could not be drawn, read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A family, example or figure whose name would leave the folder.
    #[error("{what} {name:?}: expected letters, digits, '.', '_' and '-', not beginning with '.'")]
    Name {
        /// `family`, `example` or `figure`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Two figures of one name: the second would replace the first.
    #[error("figure {name:?} was already added")]
    Twice {
        /// The file's name.
        name: String,
    },
    /// Two results of one name, or a value or threshold that is not finite.
    #[error("result {metric:?}: {reason}")]
    Result {
        /// The metric.
        metric: String,
        /// What is wrong.
        reason: String,
    },
    /// An example without a result has nothing to show.
    #[error("{family} {example}: no result was reported")]
    NoResult {
        /// The family.
        family: String,
        /// The example.
        example: String,
    },
    /// Results that did not reach their thresholds. The figures and the JSON are written.
    #[error("{family} {example}: missed {missed}")]
    Missed {
        /// The family.
        family: String,
        /// The example.
        example: String,
        /// Every such metric with its value and its threshold.
        missed: String,
    },
}

#[derive(Clone, Debug, serde::Serialize)]
struct Outcome {
    metric: String,
    value: f64,
    better: Better,
    threshold: f64,
}

impl Outcome {
    fn good(&self) -> bool {
        match self.better {
            Better::Higher => self.value >= self.threshold,
            Better::Lower => self.value <= self.threshold,
        }
    }

    /// `≥ 0.98`
    fn wanted(&self) -> String {
        let sign = if self.better == Better::Higher { '≥' } else { '≤' };
        format!("{sign} {}", short(self.threshold))
    }
}

#[derive(Clone, Debug, serde::Serialize)]
struct Figure {
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    caption: String,
}

#[derive(Debug, serde::Serialize)]
struct Contents {
    family: String,
    example: String,
    title: String,
    about: Vec<String>,
    seed: u64,
    quick: bool,
    seconds: f64,
    isa: &'static str,
    threads: usize,
    results: Vec<Outcome>,
    figures: Vec<Figure>,
}

/// The results and figures of one run.
///
/// ```no_run
/// use etude_data::example::{Args, Better, Report};
///
/// let args = Args::parse();
/// let mut report = Report::new(&args, "cnn", "lenet", "A convolutional network reads handwritten digits")?;
/// report.about("What was trained, on what.", "What to look at.");
/// report.result("lenet_accuracy", 0.985, Better::Higher, 0.98);
/// report.text("sample", "To be, or not to be", "what the model wrote");
/// report.finish()?;
/// # Ok::<(), etude_data::example::ReportError>(())
/// ```
#[derive(Debug)]
pub struct Report {
    dir: PathBuf,
    start: Instant,
    contents: Contents,
    resume: bool,
}

impl Report {
    /// Makes the folder and starts the clock. Removes the JSON of an earlier run.
    ///
    /// # Errors
    /// If a name is not one of a file, the folder cannot be made, or `--resume` was asked of this example, which keeps no
    /// checkpoint.
    pub fn new(args: &Args, family: &str, example: &str, title: &str) -> Result<Self, ReportError> {
        if args.resume {
            return Err(ReportError::NoCheckpoint { example: example.to_owned() });
        }
        Self::resumable(args, family, example, title)
    }

    /// [`Report::new`] of an example that keeps a checkpoint ([`Report::checkpoint`]).
    ///
    /// # Errors
    /// If a name is not one of a file, or the folder cannot be made.
    pub fn resumable(args: &Args, family: &str, example: &str, title: &str) -> Result<Self, ReportError> {
        check_name("family", family)?;
        check_name("example", example)?;
        fs::create_dir_all(&args.out).map_err(DataError::io(&args.out, "create"))?;
        let contents = Contents {
            family: family.to_owned(),
            example: example.to_owned(),
            title: title.to_owned(),
            about: Vec::new(),
            seed: args.seed,
            quick: args.quick,
            seconds: 0.0,
            isa: etude_kernels::isa::current().name(),
            threads: etude_kernels::par::threads(),
            results: Vec::new(),
            figures: Vec::new(),
        };
        let report = Self { dir: args.out.clone(), start: Instant::now(), contents, resume: args.resume };
        remove(&report.json_path())?;
        Ok(report)
    }

    /// Where an example keeps its checkpoint. With `--resume` there may be one; without, one of an earlier run is removed, so
    /// that a run never goes on from another's.
    pub fn checkpoint(&self) -> Result<PathBuf, ReportError> {
        let path = self.path("checkpoint.safetensors");
        if !self.resume {
            remove(&path)?;
            remove(&self.path("checkpoint.safetensors.previous"))?;
        }
        Ok(path)
    }

    /// Says that a run goes on from the checkpoint of `step`, and what is wrong with a newer one that it stands in for; gives
    /// the step.
    pub fn resumed(&self, step: u64, damaged: Option<impl std::fmt::Display>) -> u64 {
        if let Some(damaged) = damaged {
            println!("The newest checkpoint cannot be read, so the one before it stands in: {damaged}");
        }
        println!("Going on from step {}.", thousands(step as usize));
        step
    }

    /// The folder that holds the figures and the JSON.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a figure of this name belongs: `DIR/<family>-<example>-<file>`, so that examples can share a folder.
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(self.file_name(file))
    }

    /// Two sentences: what was trained on what, and what to look at.
    pub fn about(&mut self, trained: impl Into<String>, look: impl Into<String>) {
        self.contents.about = vec![trained.into(), look.into()];
    }

    /// One result; the first is the headline. [`Report::finish`] refuses two of one name and values that are not finite.
    pub fn result(&mut self, metric: &str, value: impl Into<f64>, better: Better, threshold: f64) {
        self.contents.results.push(Outcome { metric: metric.to_owned(), value: value.into(), better, threshold });
    }

    /// Adds a PNG that was already written to [`Report::path`]`(file)`.
    pub fn figure_png(&mut self, file: &str, caption: impl Into<String>) -> Result<(), ReportError> {
        self.check_figure(file)?;
        Picture::open(self.path(file))?;
        self.add("png", file, None, caption.into());
        Ok(())
    }

    /// Writes a picture into the folder and adds it.
    pub fn picture(&mut self, picture: &Picture, file: &str, caption: impl Into<String>) -> Result<(), ReportError> {
        self.check_figure(file)?;
        picture.save(self.path(file))?;
        self.add("png", file, None, caption.into());
        Ok(())
    }

    /// Writes an SVG into the folder and adds it.
    pub fn figure_svg(
        &mut self,
        svg: impl AsRef<str>,
        file: &str,
        caption: impl Into<String>,
    ) -> Result<(), ReportError> {
        self.check_figure(file)?;
        file::write_atomic(&self.path(file), svg.as_ref().as_bytes())?;
        self.add("svg", file, None, caption.into());
        Ok(())
    }

    /// Adds a text, such as a sample of a language model.
    pub fn text(&mut self, name: &str, text: impl Into<String>, caption: impl Into<String>) {
        self.add("text", name, Some(text.into()), caption.into());
    }

    /// Writes `DIR/<family>-<example>.json`, prints a short summary, and gives the path.
    ///
    /// # Errors
    /// If a result is no number or there is none, the file cannot be written, or, after all is written and printed, a
    /// result missed its threshold.
    pub fn finish(mut self) -> Result<PathBuf, ReportError> {
        self.contents.seconds = self.start.elapsed().as_secs_f64();
        self.check_results()?;
        let path = self.json_path();
        let mut json = serde_json::to_vec_pretty(&self.contents).expect("numbers and texts always become JSON");
        json.push(b'\n');
        file::write_atomic(&path, &json)?;
        println!("{}", self.summary(&path));
        if let Some(profile) = etude_autograd::profile_of_run() {
            println!("{profile}");
        }
        let missed = self.contents.results.iter().filter(|r| !r.good());
        let missed: Vec<_> = missed.map(|r| format!("{} {} ({})", r.metric, short(r.value), r.wanted())).collect();
        if missed.is_empty() {
            return Ok(path);
        }
        let Contents { family, example, .. } = self.contents;
        Err(ReportError::Missed { family, example, missed: missed.join(", ") })
    }

    fn summary(&self, path: &Path) -> String {
        let c = &self.contents;
        let mut lines = vec![format!("{} {}: {} ({:.1} s, seed {})", c.family, c.example, c.title, c.seconds, c.seed)];
        let width = c.results.iter().map(|r| r.metric.len()).max().unwrap_or(0);
        for r in &c.results {
            let verdict = if r.good() { "reached" } else { "MISSED" };
            lines.push(format!("  {:width$}  {}  ({} {verdict})", r.metric, short(r.value), r.wanted()));
        }
        lines.extend(
            c.figures.iter().filter_map(|f| f.file.as_ref()).map(|f| format!("  {}", self.dir.join(f).display())),
        );
        lines.push(format!("  {}", path.display()));
        lines.join("\n")
    }

    fn json_path(&self) -> PathBuf {
        self.dir.join(format!("{}-{}.json", self.contents.family, self.contents.example))
    }

    fn file_name(&self, file: &str) -> String {
        format!("{}-{}-{file}", self.contents.family, self.contents.example)
    }

    fn check_results(&self) -> Result<(), ReportError> {
        let results = &self.contents.results;
        for (i, r) in results.iter().enumerate() {
            let reason = if !r.value.is_finite() || !r.threshold.is_finite() {
                format!("expected finite numbers, found {} (threshold {})", r.value, r.threshold)
            } else if results[..i].iter().any(|other| other.metric == r.metric) {
                "was reported twice".to_owned()
            } else {
                continue;
            };
            return Err(ReportError::Result { metric: r.metric.clone(), reason });
        }
        if results.is_empty() {
            let (family, example) = (self.contents.family.clone(), self.contents.example.clone());
            return Err(ReportError::NoResult { family, example });
        }
        Ok(())
    }

    fn check_figure(&self, file: &str) -> Result<(), ReportError> {
        check_name("figure", file)?;
        if self.contents.figures.iter().any(|f| f.file.is_some() && f.name == file) {
            return Err(ReportError::Twice { name: file.to_owned() });
        }
        Ok(())
    }

    fn add(&mut self, kind: &'static str, name: &str, text: Option<String>, caption: String) {
        let file = text.is_none().then(|| self.file_name(name));
        self.contents.figures.push(Figure { kind, name: name.to_owned(), file, text, caption });
    }
}

/// Removes a file if it is there.
fn remove(path: &Path) -> Result<(), DataError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(DataError::io(path, "remove")(e)),
        _ => Ok(()),
    }
}

/// A count as texts write it: `60,000`.
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Six significant digits, without zeros that say nothing.
fn short(value: f64) -> String {
    let decimals = (5 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn check_name(what: &'static str, name: &str) -> Result<(), ReportError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(ReportError::Name { what, name: name.to_owned() });
    }
    Ok(())
}
