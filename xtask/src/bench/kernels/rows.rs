//! One measurement, as a row of the tables and of the JSON files.

use serde::{Deserialize, Serialize};

/// One kernel on one shape by one engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name; `gemm` for A·B, `gemm_nt` for A·Bᵀ, `gemm_tn` for Aᵀ·B, `gemm_batched` and `gemm_batched_nt` for many
    /// products.
    pub kernel: String,
    /// [M, N, K] for a product, the batch before them where there is one; else what the table's column says.
    pub shape: Vec<usize>,
    /// The type of the elements, or the precision of the products: `f32`, `high`, `bf16`, `f64`.
    pub dtype: String,
    /// `etude`, `gemm`, `faer`, `naive`; with `--python`, `torch` and, for convolutions of channels-last images,
    /// `torch-nhwc`.
    pub engine: String,
    /// The instruction set.
    pub isa: String,
    /// The number of threads.
    pub threads: usize,
    /// Median of the rounds.
    pub seconds: f64,
    /// Operations / seconds / 10⁹: 2·M·N·K for a product; elsewhere an element of the largest operand counts as one.
    pub gflops: f64,
    /// Bytes of the operands and the results, each counted once, / seconds / 10⁹.
    pub gbps: f64,
    /// The time that the roofline of this run allows, over `seconds`.
    pub fraction: f64,
    /// The largest difference to f64: of a product relative to Σ|a||b|, else relative to the largest result.
    pub max_error: Option<f64>,
    /// (90th − 10th percentile) / median of the rounds.
    pub spread: f64,
    /// What the shape is, for the tables.
    #[serde(skip)]
    pub note: String,
    /// The group of kernels, for the page.
    #[serde(skip)]
    pub group: String,
}

/// The table's heading.
pub const HEADING: [&str; 12] =
    ["kernel", "shape", "", "dtype", "engine", "isa", "time", "spread", "GFLOP/s", "GB/s", "of bound", "max error"];

impl Row {
    /// What must agree before two rows can be compared.
    pub fn is_same_measurement(&self, other: &Row) -> bool {
        let key = |row: &Row| (row.kernel.clone(), row.shape.clone(), row.dtype.clone(), row.engine.clone());
        key(self) == key(other) && self.isa == other.isa && self.threads == other.threads
    }

    /// The row as the table shows it.
    pub fn cells(&self) -> [String; 12] {
        [
            self.kernel.clone(),
            self.sizes(),
            self.note.clone(),
            self.dtype.clone(),
            self.engine.clone(),
            self.isa.clone(),
            time(self.seconds),
            format!("{:.0} %", 100.0 * self.spread),
            format!("{:.1}", self.gflops),
            format!("{:.1}", self.gbps),
            format!("{:.2}", self.fraction),
            self.max_error.map_or_else(String::new, |error| format!("{error:.1e}")),
        ]
    }

    /// Whether it is a product with an error that rounding cannot explain.
    ///
    /// A sum of K products in f32 is off by at most K·2⁻²⁴·Σ|a||b| to first order (Higham, *Accuracy and Stability*, 2nd
    /// ed., §3.1), whatever its order; bf16 factors are off by 2⁻⁸ each, a pair of their parts by 2⁻¹⁶.
    pub fn is_wrong(&self) -> bool {
        let (true, Some(error)) = (self.kernel.starts_with("gemm"), self.max_error) else { return false };
        let k = self.shape.last().copied().unwrap_or_default();
        let factors = match self.dtype.as_str() {
            "bf16" => 2f64.powi(-7),
            "high" => 2f64.powi(-16),
            _ => 0.0,
        };
        error.is_nan() || error > factors + (k + 1) as f64 * 2f64.powi(-24)
    }

    /// The shape as text.
    pub fn sizes(&self) -> String {
        self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
    }
}

/// A time with a unit that suits it.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A product with these seconds and this spread.
    pub fn row(engine: &str, isa: &str, threads: usize, seconds: f64, spread: f64) -> Row {
        Row {
            kernel: "gemm".into(),
            shape: vec![64, 32, 16],
            dtype: "f32".into(),
            engine: engine.into(),
            isa: isa.into(),
            threads,
            seconds,
            gflops: 2.0 * (64 * 32 * 16) as f64 / seconds / 1e9,
            gbps: 0.5,
            fraction: 0.25,
            max_error: None,
            spread,
            note: "a note".into(),
            group: "gemm".into(),
        }
    }

    #[test]
    fn the_json_has_the_keys_that_readers_expect() {
        let value = serde_json::to_value(row("etude", "avx2", 2, 1e-3, 0.1)).expect("a row is plain data");
        let keys: Vec<&String> = value.as_object().expect("a row is an object").keys().collect();
        let mut expected =
            ["kernel", "shape", "dtype", "engine", "isa", "threads", "seconds", "gflops", "gbps", "fraction"].to_vec();
        expected.extend(["max_error", "spread"]);
        expected.sort_unstable();
        let mut keys: Vec<&str> = keys.into_iter().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, expected);
        assert!(value["max_error"].is_null() && value["shape"] == serde_json::json!([64, 32, 16]));
    }

    #[test]
    fn an_error_beyond_rounding_is_wrong() {
        let with =
            |dtype: &str, error| Row { max_error: error, dtype: dtype.into(), ..row("faer", "avx2", 1, 1.0, 0.0) };
        assert!(!with("f32", Some(1e-7)).is_wrong() && with("f32", Some(1e-5)).is_wrong());
        assert!(!with("high", Some(1e-5)).is_wrong() && with("high", Some(1e-3)).is_wrong());
        assert!(!with("bf16", Some(1e-3)).is_wrong() && with("bf16", Some(1e-1)).is_wrong());
        assert!(with("f32", Some(f64::NAN)).is_wrong() && !with("f32", None).is_wrong());
        let exp = Row { kernel: "exp".into(), ..with("f32", Some(1.0)) };
        assert!(!exp.is_wrong(), "other kernels' errors are relative to something else");
    }

    #[test]
    fn times_have_units() {
        assert_eq!([1.5e-6, 2.5e-3, 3.0].map(time), ["1.5 µs", "2.50 ms", "3.00 s"]);
        assert_eq!(row("etude", "avx2", 1, 1.0, 0.0).cells().len(), HEADING.len());
        assert_eq!(row("etude", "avx2", 1, 1.0, 0.0).sizes(), "64×32×16");
    }
}
