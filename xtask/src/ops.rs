//! `cargo xtask ops`: the op tables of `etude-autograd` and of `etude-nn`'s losses, as one line an op.

use anyhow::Result;

/// What to list.
#[derive(clap::Args, Debug)]
pub struct OpsArgs {
    /// Only ops whose name contains this
    filter: Option<String>,
}

/// Prints the table.
#[cfg(feature = "ops")]
pub fn main(args: &OpsArgs) -> Result<bool> {
    use etude_autograd::table::{self, Tolerance};

    let mut entries = table::entries();
    entries.extend(etude_nn::testing::table::entries());
    let mut rows = vec![["op", "formula", "tolerance", "NaN", "twin"].map(String::from)];
    for entry in &entries {
        if args.filter.as_ref().is_some_and(|filter| !entry.name.contains(filter)) {
            continue;
        }
        let tolerance = match entry.tolerance {
            Tolerance::Each(units) => format!("{units} ε each"),
            Tolerance::Largest(units) => format!("{units} ε of the largest"),
        };
        let nan = if entry.propagates_nan { "propagates" } else { "own rule" };
        let twin = if entry.composite.is_some() { "composite" } else { "" };
        rows.push([entry.name.into(), entry.formula.into(), tolerance, nan.into(), twin.into()]);
    }
    print!("{}", crate::columns::columns(&rows));
    println!("{} of {} ops", rows.len() - 1, entries.len());
    Ok(rows.len() > 1)
}

/// Starts this program again with the feature `ops`.
#[cfg(not(feature = "ops"))]
pub fn main(args: &OpsArgs) -> Result<bool> {
    let OpsArgs { filter: _ } = args;
    crate::again::with("ops")
}
