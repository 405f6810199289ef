//! The order of a run: the roofline, then the kernels, for each number of threads; then what becomes of the rows.

use std::path::Path;

use anyhow::{Context, Result, bail};
use etude_kernels::isa::Isa;
use indicatif::{ProgressBar, ProgressStyle};

use super::pytorch::PyTorch;
use super::roofline::Roofline;
use super::rows::{HEADING, Row};
use super::select::select;
use super::subject::Subject;
use super::{KernelArgs, cases, compare, machine, packed, page, products, steps_table};
use crate::columns::columns;
use crate::workspace;

/// Measures, prints a table for each number of threads, and writes the rows; `false` when a product was wrong.
pub fn main(args: &KernelArgs) -> Result<bool> {
    let isas = chosen(&args.isa)?;
    let mut subjects = products::subjects();
    subjects.extend(packed::subjects());
    subjects.extend(cases::subjects());
    let subjects = select(subjects, &args.filter, args.quick)?;
    let folder = workspace::metadata()?.target_directory.join("bench");
    let before = args.compare.as_ref().map(|name| compare::load(&folder, name)).transpose()?;
    let steps = args.steps.iter().map(|path| steps_table::read(path)).collect::<Result<Vec<_>>>()?.concat();
    let mut pytorch = args.python.as_deref().map(PyTorch::start).transpose()?;
    let (mut rooflines, mut rows) = (Vec::new(), Vec::new());
    for &threads in &args.threads {
        if threads == 0 {
            bail!("--threads: 0 threads cannot run anything");
        }
        let roofline = Roofline::measure(threads);
        println!("\n{threads} {}", if threads == 1 { "thread" } else { "threads" });
        roofline.lines().iter().for_each(|line| println!("  {line}"));
        let measured = measure(&subjects, &isas, &roofline, pytorch.as_mut())?;
        let cells: Vec<_> = measured.iter().map(Row::cells).collect();
        println!("{}", columns(&[&[HEADING.map(String::from)], &cells[..]].concat()));
        rooflines.push(roofline);
        rows.extend(measured);
    }
    if let Some(path) = &args.json {
        compare::write(path, &rows)?;
    }
    if let Some(before) = &before {
        println!("{}", compare::table(before, &rows));
    }
    if let Some(name) = &args.save {
        compare::save(&folder, name, &rows)?;
    }
    if let Some(path) = &args.page {
        let path = if path == Path::new("") { workspace::root().join("BENCHMARKS.md") } else { path.clone() };
        let text = page::text(&machine::here(), &rooflines, &steps_table::table(&steps), &rows);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{} written", path.display());
    }
    let wrong: Vec<&Row> = rows.iter().filter(|row| row.is_wrong()).collect();
    for row in &wrong {
        eprintln!("wrong: {}", row.cells().join(" "));
    }
    Ok(wrong.is_empty())
}

/// The rows of all subjects on one number of threads.
fn measure(
    subjects: &[Subject],
    isas: &[Isa],
    roofline: &Roofline,
    mut pytorch: Option<&mut PyTorch>,
) -> Result<Vec<Row>> {
    // The peers' threads are those of the pool that they are called in.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(roofline.threads).build().context("--threads")?;
    let style = ProgressStyle::with_template("{pos}/{len} {wide_msg}").expect("the template is valid");
    let bar = ProgressBar::new(subjects.len() as u64).with_style(style);
    let mut rows = Vec::new();
    for subject in subjects {
        bar.set_message(format!("{} {:?} {}", subject.kernel, subject.shape, subject.note));
        rows.extend(pool.install(|| subject.measure(isas, roofline, pytorch.as_deref_mut()))?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(rows)
}

/// The instruction sets that `--isa` names.
fn chosen(names: &[String]) -> Result<Vec<Isa>> {
    let available = Isa::available();
    if names.is_empty() {
        return Ok(available);
    }
    let find = |name: &String| match available.iter().find(|isa| isa.name() == name) {
        Some(isa) => Ok(*isa),
        None => {
            let names: Vec<_> = available.iter().map(|isa| isa.name()).collect();
            bail!("--isa: \"{name}\" is not on this machine; it has {}", names.join(", "))
        }
    };
    names.iter().map(find).collect()
}
