//! `cargo xtask tour`: trains the showpieces of every family and shows what they learned.
//!
//! The showpieces are built once, then run one after another as programs, so that a crash costs one section of the page
//! and not the tour. Everything on the page comes from what the programs wrote; this program measures only their time.

mod build;
#[cfg(test)]
mod fake;
mod html;
pub mod machine;
mod page;
#[cfg(test)]
mod page_tests;
mod report;
mod results;
mod run;
mod showpieces;
mod table;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::workspace;
use report::Report;
use showpieces::{Family, Showpiece};

/// What to run.
#[derive(clap::Args, Debug)]
#[command(after_help = "The exit status is 0 only if every example ran and every figure met its threshold.\n\
                  A family that fails does not stop the others: the page and the table show it as failed.")]
pub struct TourArgs {
    /// Train for about two minutes in all instead of six, with thresholds to match
    #[arg(long)]
    quick: bool,
    /// The folder for index.html and results.json [default: target/tour]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The seed of every example
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Only these families, by folder name
    #[arg(long, value_name = "FAMILY,…", value_delimiter = ',')]
    only: Vec<String>,
}

/// What came of one showpiece.
#[derive(Debug)]
pub struct Visit {
    family: &'static Family,
    showpiece: &'static Showpiece,
    /// Where the example wrote its files.
    folder: PathBuf,
    /// From the start of the program to its end.
    seconds: f64,
    outcome: Outcome,
}

/// Whether an example ran to its end and left a valid report.
#[derive(Debug)]
pub enum Outcome {
    /// It did; its thresholds may still be missed.
    Done(Box<Report>),
    /// It did not, for this reason.
    Failed(String),
}

/// The tour as a whole, for the page.
pub struct Tour {
    quick: bool,
    seed: u64,
    seconds: f64,
    machine: String,
    visits: Vec<Visit>,
}

/// Runs the tour; `false` when an example failed or a threshold was missed.
pub fn main(args: &TourArgs) -> Result<bool> {
    let families = showpieces::chosen(&args.only)?;
    // The examples run with this working directory, so that a relative --out means the same to them and to us.
    let out = match &args.out {
        Some(out) => std::path::absolute(out).context("--out")?,
        None => workspace::metadata()?.target_directory.join("tour"),
    };
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;

    eprintln!("Building the showpieces …");
    let programs = build::build(&families)?;
    let start = Instant::now();
    let visits = visit_all(&families, &programs, args, &out);
    let tour = Tour {
        quick: args.quick,
        seed: args.seed,
        seconds: start.elapsed().as_secs_f64(),
        machine: machine::line(&visits),
        visits,
    };

    results::write(&out.join("results.json"), &tour.visits)?;
    let page = out.join("index.html");
    std::fs::write(&page, page::render(&tour)).with_context(|| format!("cannot write {}", page.display()))?;
    println!("\n{}", table::render(&tour.visits));
    println!("{}", tour.machine);
    println!("{:.0} s of training · {}", tour.seconds, page.display());
    Ok(tour.visits.iter().all(Visit::passed))
}

/// Runs the showpieces one after another: each has the machine to itself.
fn visit_all(families: &[&'static Family], programs: &build::Programs, args: &TourArgs, out: &Path) -> Vec<Visit> {
    let mut arguments = vec!["--seed".to_string(), args.seed.to_string()];
    if args.quick {
        arguments.push("--quick".to_string());
    }
    let stops: Vec<(&'static Family, &'static Showpiece)> =
        families.iter().flat_map(|family| family.showpieces.iter().map(move |piece| (*family, piece))).collect();
    let bar = progress_bar(stops.len());
    let mut visits = Vec::new();
    for (family, showpiece) in stops {
        let name = format!("{} {}", family.folder, showpiece.example);
        bar.set_message(name.clone());
        let program = programs[&(family.folder, showpiece.example)].as_ref();
        let folder = out.join(format!("{}-{}", family.folder, showpiece.example));
        let visit = run::visit(family, showpiece, program.map(PathBuf::as_path), &arguments, &folder, &mut |line| {
            bar.set_message(format!("{name}: {line}"))
        });
        bar.suspend(|| println!("{}", table::line(&visit)));
        bar.inc(1);
        visits.push(visit);
    }
    bar.finish_and_clear();
    visits
}

fn progress_bar(stops: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(stops as u64);
    let style =
        ProgressStyle::with_template("{elapsed:>4} {bar:24} {pos}/{len} {wide_msg}").expect("the template is valid");
    bar.set_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
