//! One measurement, as a row of the table and of the JSON file.

use serde::Serialize;

/// One kernel on one shape by one engine.
#[derive(Debug, Serialize)]
pub struct Row {
    /// `gemm` for A·B, `gemm_nt` for A·Bᵀ, `gemm_tn` for Aᵀ·B.
    pub kernel: &'static str,
    /// [M, N, K] for a product.
    pub shape: [usize; 3],
    /// The type of the elements.
    pub dtype: &'static str,
    /// `etude`, `gemm`, `faer` or `naive`.
    pub engine: &'static str,
    /// The instruction set.
    pub isa: &'static str,
    /// The number of threads.
    pub threads: usize,
    /// Median of the rounds.
    pub seconds: f64,
    /// 2·M·N·K / seconds / 10⁹.
    pub gflops: f64,
    /// Bytes of the operands and the result, each counted once, / seconds / 10⁹.
    pub gbps: f64,
    /// `gflops` over the multiply-add peak of that instruction set and number of threads, measured in this run.
    pub fraction: f64,
    /// Largest absolute difference to f64, over sampled elements.
    pub max_error: f64,
    /// (largest − smallest) / median of the rounds, for the table.
    #[serde(skip)]
    pub spread: f64,
    /// What the shape is, for the table.
    #[serde(skip)]
    pub name: &'static str,
}

/// The table's heading.
pub const HEADING: [&str; 9] = ["shape", "", "engine", "isa", "time", "spread", "GFLOP/s", "of peak", "max error"];

impl Row {
    /// The row as the table shows it.
    pub fn cells(&self) -> [String; 9] {
        let [m, n, k] = self.shape;
        [
            format!("{m}×{n}×{k}"),
            self.name.to_string(),
            self.engine.to_string(),
            self.isa.to_string(),
            time(self.seconds),
            format!("{:.0} %", 100.0 * self.spread),
            format!("{:.1}", self.gflops),
            format!("{:.2}", self.fraction),
            format!("{:.1e}", self.max_error),
        ]
    }
}

/// A time with a unit that suits it.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
