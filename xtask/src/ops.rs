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

/// What a run found of one op; a line of the table and an object of the JSON file.
#[cfg(feature = "ops")]
struct Row {
    entry: etude_autograd::table::Entry,
    found: etude_autograd::testing::Survey,
}

#[cfg(feature = "ops")]
impl Row {
    const HEADER: [&'static str; 9] =
        ["op", "formula", "orders", "instruction sets", "cases", "largest error", "allowed", "NaN", "twin"];

    /// What the tolerance allows, in units of the f32 epsilon, and relative to what.
    fn allowed(&self) -> (f64, &'static str) {
        use etude_autograd::table::Tolerance;
        match self.entry.tolerance {
            Tolerance::Each(units) => (units, "each"),
            Tolerance::Largest(units) => (units, "of the largest"),
        }
    }

    fn isas(&self) -> Vec<&'static str> {
        self.found.isas.iter().map(|isa| isa.name()).collect()
    }

    fn cells(&self) -> [String; 9] {
        let (units, of) = self.allowed();
        [
            self.entry.name.into(),
            self.entry.formula.into(),
            self.found.orders.to_string(),
            self.isas().join(" "),
            self.found.cases.to_string(),
            format!("{:.1} ε", self.found.largest),
            format!("{units} ε {of}"),
            if self.entry.propagates_nan { "propagates" } else { "own rule" }.into(),
            if self.entry.composite.is_some() { "composite" } else { "" }.into(),
        ]
    }

    /// Errors in units of the f32 epsilon.
    fn json(&self) -> serde_json::Value {
        let (allowed, relative_to) = self.allowed();
        serde_json::json!({
            "op": self.entry.name,
            "formula": self.entry.formula,
            "orders": self.found.orders,
            "instruction_sets": self.isas(),
            "cases": self.found.cases,
            "largest_error": self.found.largest,
            "allowed_error": allowed,
            "error_relative_to": relative_to,
            "propagates_nan": self.entry.propagates_nan,
            "has_composite_twin": self.entry.composite.is_some(),
        })
    }
}

/// Prints the table; `false` if no op matches or one fails.
#[cfg(feature = "ops")]
pub fn main(args: &OpsArgs) -> Result<bool> {
    use anyhow::Context;
    use etude_autograd::{table, testing};

    let mut entries = table::entries();
    entries.extend(etude_nn::testing::table::entries());
    let all = entries.len();
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for entry in entries {
        if args.filter.as_ref().is_some_and(|filter| !entry.name.contains(filter)) {
            continue;
        }
        match testing::survey(&entry, args.cases) {
            Ok(found) => rows.push(Row { entry, found }),
            Err(error) => failures.push(error),
        }
    }
    let lines: Vec<_> = std::iter::once(Row::HEADER.map(String::from)).chain(rows.iter().map(Row::cells)).collect();
    print!("{}", crate::columns::columns(&lines));
    failures.iter().for_each(|failure| println!("{failure}"));
    println!("{} of {all} ops", rows.len());
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&rows.iter().map(Row::json).collect::<Vec<_>>())?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(!rows.is_empty() && failures.is_empty())
}

/// Starts this program again with the feature `ops`.
#[cfg(not(feature = "ops"))]
pub fn main(args: &OpsArgs) -> Result<bool> {
    let OpsArgs { filter: _, cases: _, json: _ } = args;
    crate::again::with("ops", "dev")
}
