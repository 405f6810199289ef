//! A golden file, and the account of comparisons with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use etude_autograd::Tensor;
use safetensors::Dtype;
use safetensors::tensor::{SafeTensors, TensorView, serialize};

/// Tensors that PyTorch computed, by keys of the form `CASE/…`.
pub struct Golden {
    file: SafeTensors<'static>,
    names: BTreeSet<String>,
}

/// A tensor of any type of number, widened.
pub struct Values {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Golden {
    pub fn new(bytes: &'static [u8]) -> Self {
        let file = SafeTensors::deserialize(bytes).expect("the golden file is whole");
        let names = file.names().into_iter().map(String::from).collect();
        Golden { file, names }
    }

    /// The first parts of all keys.
    pub fn cases(&self) -> BTreeSet<String> {
        self.names.iter().map(|key| key.split('/').next().unwrap_or(key).to_string()).collect()
    }

    /// What stands behind the prefix in the keys that have it.
    pub fn keys<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.names.iter().filter_map(move |key| key.strip_prefix(prefix))
    }

    fn view(&self, key: &str) -> TensorView<'static> {
        self.file.tensor(key).unwrap_or_else(|_| panic!("the golden file has no {key}"))
    }

    pub fn values(&self, key: &str) -> Values {
        let view = self.view(key);
        let data = match view.dtype() {
            Dtype::F32 => view.data().as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            Dtype::F64 => view.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            Dtype::I64 => view.data().as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
            other => panic!("{key} is {other:?}"),
        };
        Values { shape: view.shape().to_vec(), data }
    }

    pub fn is_float(&self, key: &str) -> bool {
        self.view(key).dtype() != Dtype::I64
    }

    pub fn float(&self, key: &str) -> Tensor {
        let Values { shape, data } = self.values(key);
        Tensor::from_vec(data.into_iter().map(|x| x as f32).collect(), shape)
    }

    pub fn ids(&self, key: &str) -> Tensor<i64> {
        let Values { shape, data } = self.values(key);
        Tensor::from_vec(data.into_iter().map(|x| x as i64).collect(), shape)
    }

    /// Writes the tensors with this prefix as a file of their own, without it; tells how many there were.
    pub fn write(&self, prefix: &str, path: &Path) -> usize {
        let part: BTreeMap<&str, TensorView<'_>> =
            self.keys(prefix).map(|key| (key, self.view(&format!("{prefix}{key}")))).collect();
        let count = part.len();
        std::fs::write(path, serialize(part, None).expect("consistent")).expect("writable");
        count
    }
}

/// How many comparisons there were, and how far they were off.
pub struct Tally {
    what: String,
    tolerance: f64,
    cases: usize,
    comparisons: usize,
    largest: f64,
    at: String,
    failures: Vec<String>,
}

impl Tally {
    /// Comparisons with this largest error, relative to the largest element.
    pub fn new(what: impl Into<String>, tolerance: f64) -> Self {
        Tally {
            what: what.into(),
            tolerance,
            cases: 0,
            comparisons: 0,
            largest: 0.0,
            at: String::new(),
            failures: Vec::new(),
        }
    }

    pub fn case(&mut self) {
        self.cases += 1;
    }

    pub fn fail(&mut self, message: String) {
        self.failures.push(message);
    }

    /// Compares a tensor, relative to the largest element of PyTorch's.
    pub fn compare(&mut self, what: &str, shape: &[usize], ours: &[f64], theirs: &Values) {
        if shape != theirs.shape {
            return self.fail(format!("{what} has shape {shape:?} here, {:?} in PyTorch", theirs.shape));
        }
        let scale = theirs.data.iter().fold(1e-3f64, |m, x| m.max(x.abs()));
        self.compare_at_scale(what, ours, &theirs.data, scale);
    }

    /// Compares numbers relative to `scale`.
    pub fn compare_at_scale(&mut self, what: &str, ours: &[f64], theirs: &[f64], scale: f64) {
        self.comparisons += 1;
        let mut failed = false;
        for (i, (x, y)) in ours.iter().zip(theirs).enumerate() {
            // Equal infinities are no error, and a NaN is one.
            let error = if x == y { 0.0 } else { (x - y).abs() / scale };
            if error > self.largest || error.is_nan() {
                (self.largest, self.at) = (error, what.to_string());
            }
            let within = error <= self.tolerance;
            if !within && !failed {
                failed = true;
                self.failures.push(format!("{what} at {i}: {x} here, {y} in PyTorch"));
            }
        }
    }

    /// Prints the account, and fails unless everything agreed and the cases were all that the file has.
    pub fn finish(self, cases: &BTreeSet<String>) {
        let Tally { what, tolerance, comparisons, largest, at, failures, .. } = self;
        println!(
            "golden {what}: {} cases, {comparisons} comparisons, largest error {largest:.1e} ({at}), allowed {tolerance:.0e}",
            self.cases
        );
        assert!(
            failures.is_empty(),
            "{} of {comparisons} comparisons failed:\n{}",
            failures.len(),
            failures.join("\n")
        );
        assert_eq!(self.cases, cases.len(), "{what}: every case of the file is compared");
    }
}
