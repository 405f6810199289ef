//! How far a run is: a bar on a terminal, a plain line now and then elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Between two plain lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// Where progress goes.
pub(super) enum Progress {
    Silent,
    Bar(ProgressBar),
    Lines { out: Box<dyn Write + Send>, every: Duration, last: Instant },
}

impl Progress {
    /// A bar if the standard error output is a terminal, otherwise lines.
    pub(super) fn automatic(name: &str, total: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self::lines(Box::new(io::stderr()), INTERVAL);
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed}<{eta} {msg}")
            .expect("the template is a constant");
        bar.set_style(style.progress_chars("━╸─"));
        bar.set_prefix(name.to_string());
        Progress::Bar(bar)
    }

    pub(super) fn lines(out: Box<dyn Write + Send>, every: Duration) -> Self {
        Progress::Lines { out, every, last: Instant::now() }
    }

    pub(super) fn tick(&mut self, at: &Position<'_>) {
        match self {
            Progress::Silent => {}
            Progress::Bar(bar) => {
                bar.set_position(at.step);
                bar.set_message(at.message.to_string());
            }
            Progress::Lines { out, every, last } => {
                if last.elapsed() >= *every {
                    *last = Instant::now();
                    // A run does not fail because nobody reads its progress.
                    let _ = writeln!(out, "{at}");
                }
            }
        }
    }

    pub(super) fn finish(&mut self, at: &Position<'_>) {
        match self {
            Progress::Silent => {}
            Progress::Bar(bar) => bar.abandon_with_message(at.message.to_string()),
            Progress::Lines { out, .. } => {
                let _ = writeln!(out, "{at}").and_then(|()| out.flush());
            }
        }
    }
}

/// Where a run stands.
pub(super) struct Position<'a> {
    pub(super) name: &'a str,
    pub(super) step: u64,
    pub(super) total: u64,
    pub(super) elapsed: Duration,
    pub(super) message: &'a str,
}

impl std::fmt::Display for Position<'_> {
    /// `name 120/500 24% 0:07 loss 0.31`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Position { name, step, total, elapsed, message } = self;
        write!(f, "{name} {step}/{total}")?;
        if *total > 0 {
            write!(f, " {:.0}%", 100.0 * *step as f64 / *total as f64)?;
        }
        let seconds = elapsed.as_secs();
        write!(f, " {}:{:02}", seconds / 60, seconds % 60)?;
        if message.is_empty() { Ok(()) } else { write!(f, " {message}") }
    }
}
