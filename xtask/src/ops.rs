//! `cargo xtask ops`: the op tables of `etude-autograd` and of `etude-nn`, as one line an op.
//!
//! A row is not what the table claims but what a run just found: derivatives against central differences, values against
//! the definition on every instruction set, and the largest error.

use std::path::PathBuf;

use anyhow::Result;

/// What to list.
#[derive(clap::Args, Debug)]
pub struct OpsArgs {
    /// Only ops whose name contains this
    filter: Option<String>,
    /// Random cases an op
    #[arg(long, default_value_t = 16)]
    cases: u32,
    /// Writes the rows to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Prints the table; `false` if no op matches or one fails.
#[cfg(feature = "ops")]
pub fn main(args: &OpsArgs) -> Result<bool> {
    use anyhow::Context;
    use etude_autograd::table::{self, Tolerance};
    use etude_autograd::testing;

    let mut entries = table::entries();
    entries.extend(etude_nn::testing::table::entries());
    let header = ["op", "formula", "orders", "instruction sets", "cases", "largest error", "allowed", "NaN", "twin"];
    let mut rows = vec![header.map(String::from)];
    let mut failures = Vec::new();
    for entry in &entries {
        if args.filter.as_ref().is_some_and(|filter| !entry.name.contains(filter)) {
            continue;
        }
        let found = match testing::survey(entry, args.cases) {
            Ok(found) => found,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        let (units, of) = match entry.tolerance {
            Tolerance::Each(units) => (units, "each"),
            Tolerance::Largest(units) => (units, "of the largest"),
        };
        let isas: Vec<&str> = found.isas.iter().map(|isa| isa.name()).collect();
        let nan = if entry.propagates_nan { "propagates" } else { "own rule" };
        let twin = if entry.composite.is_some() { "composite" } else { "" };
        rows.push([
            entry.name.into(),
            entry.formula.into(),
            found.orders.to_string(),
            isas.join(" "),
            found.cases.to_string(),
            format!("{:.1} ε", found.largest),
            format!("{units} ε {of}"),
            nan.into(),
            twin.into(),
        ]);
    }
    print!("{}", crate::columns::columns(&rows));
    failures.iter().for_each(|failure| println!("{failure}"));
    println!("{} of {} ops", rows.len() - 1, entries.len());
    if let Some(path) = &args.json {
        let object = |row: &[String; 9]| {
            header.iter().zip(row).map(|(key, value)| (key.replace(' ', "_"), value.clone().into())).collect()
        };
        let objects: Vec<serde_json::Map<String, serde_json::Value>> = rows[1..].iter().map(object).collect();
        let text = serde_json::to_string_pretty(&objects)?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(rows.len() > 1 && failures.is_empty())
}

/// Starts this program again with the feature `ops`.
#[cfg(not(feature = "ops"))]
pub fn main(args: &OpsArgs) -> Result<bool> {
    let OpsArgs { filter: _, cases: _, json: _ } = args;
    crate::again::with("ops")
}
