//! `cargo xtask bench [FILTER…]`: kernels side by side, and against the machine's own limits.
//!
//! Everything that does not need the library is compiled and tested without the feature `bench` too.

#[cfg(feature = "bench")]
mod cases;
#[cfg(any(feature = "bench", test))]
#[cfg_attr(not(feature = "bench"), allow(dead_code, reason = "the tests' share of it"))]
mod compare;
#[cfg(feature = "bench")]
mod engines;
#[cfg(feature = "bench")]
mod machine;
#[cfg(feature = "bench")]
mod packed;
#[cfg(any(feature = "bench", test))]
#[cfg_attr(not(feature = "bench"), allow(dead_code, reason = "the tests' share of it"))]
mod page;
#[cfg(feature = "bench")]
mod products;
#[cfg(feature = "bench")]
mod pytorch;
#[cfg(any(feature = "bench", test))]
#[cfg_attr(not(feature = "bench"), allow(dead_code, reason = "the tests' share of it"))]
mod roofline;
#[cfg(any(feature = "bench", test))]
#[cfg_attr(not(feature = "bench"), allow(dead_code, reason = "the tests' share of it"))]
mod rows;
#[cfg(feature = "bench")]
mod run;
#[cfg(any(feature = "bench", test))]
#[cfg_attr(not(feature = "bench"), allow(dead_code, reason = "the tests' share of it"))]
mod select;
#[cfg(any(feature = "bench", test))]
#[cfg_attr(not(feature = "bench"), allow(dead_code, reason = "the tests' share of it"))]
mod steps_table;
#[cfg(feature = "bench")]
mod subject;
#[cfg(any(feature = "bench", test))]
#[cfg_attr(not(feature = "bench"), allow(dead_code, reason = "the tests' share of it"))]
mod time;

use std::path::PathBuf;

#[cfg(feature = "bench")]
pub use run::main;

/// Which kernels to measure, and how.
///
/// Each row takes about a quarter of a second, the whole list some minutes. The scalar set and the naive loop run on the
/// smaller shapes only: up to 512³ multiplications, 4·10⁸ operations or a MiB elements.
#[derive(clap::Args, Debug)]
pub struct KernelArgs {
    /// Only kernels whose name contains one of these, or groups: gemm, packed, conv, elementwise, softmax, norm, recurrent,
    /// optim, reduce, copy [default: all]
    filter: Vec<String>,
    /// Numbers of threads
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Our instruction sets, as ETUDE_ISA names them [default: all that the machine has]
    #[arg(long, value_name = "ISA,…", value_delimiter = ',')]
    isa: Vec<String>,
    /// A Python that has PyTorch: its kernels take part
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// Also write the rows as one JSON array
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Store the rows under target/bench/NAME.json
    #[arg(long, value_name = "NAME")]
    save: Option<String>,
    /// Set the rows against those that were stored as NAME; a change counts when it exceeds the spreads of both runs
    #[arg(long, value_name = "NAME")]
    compare: Option<String>,
    /// Only 1024³ and 2048³ of the products, and one shape of each other kernel
    #[arg(long)]
    quick: bool,
    /// Also write a page: BENCHMARKS.md at the root, or another file
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = any_path
    )]
    page: Option<PathBuf>,
    /// Lines of JSON of whole steps, ours (`bench steps --json FILE`) and other libraries', for the page
    #[arg(long, value_name = "FILE", requires = "page")]
    steps: Vec<PathBuf>,
}

/// A path that may be empty, as that of the page at the root is: clap's own parser refuses it.
fn any_path(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser, Debug)]
    struct Line {
        #[command(flatten)]
        kernels: KernelArgs,
    }

    #[test]
    fn a_page_has_a_name_or_is_the_one_at_the_root() {
        let page = |args: &[&str]| {
            let line = ["bench"].iter().chain(args);
            <Line as clap::Parser>::try_parse_from(line).map(|line| line.kernels.page)
        };
        assert_eq!(page(&[]).expect("no page"), None);
        assert_eq!(page(&["--page", "gemm"]).expect("the page at the root"), Some(PathBuf::new()));
        assert_eq!(page(&["--page=a.md"]).expect("a page"), Some("a.md".into()));
    }
}
