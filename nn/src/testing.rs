//! Weights, inputs and losses that a PyTorch program computes as well, for tests and benches.
//!
//! Weights and inputs come from an integer hash of a name and an index, so both sides make them without a file between
//! them; `tests/golden/shared/hashed.py` does the same in Python. `steps.py` beside it wrote `steps.json`: for each workload of
//! `cargo xtask bench steps` the first loss at full size, and ten losses of a twin of reduced width.
//!
//! The hash: splitmix64 (Steele et al. 2014) of FNV-1a(name) xor index; its upper 53 bits are a number u in [0, 1).

#[cfg(feature = "linalg")]
mod linalg;
pub mod process;
pub mod table;

use etude_autograd::Tensor;
use etude_kernels::par;
use serde::Deserialize;

use crate::module::Module;
use crate::optim::Optimizer;

/// How far a loss may be from PyTorch's, relative to the scale of its terms.
pub const TOLERANCE: f64 = 1e-4;

/// Losses of a twin.
pub const TWIN_STEPS: usize = 10;

/// 64 bits for a name and an index.
pub fn hash(name: &str, index: u64) -> u64 {
    splitmix(fnv(name) ^ index)
}

/// FNV-1a with the offset and the prime of 64 bits.
fn fnv(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn splitmix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// low + (high − low)·u + shift, computed in f64 and rounded once.
fn fill(name: &str, [low, high]: [f64; 2], shift: f64, out: &mut [f32]) {
    const CHUNK: usize = 1 << 15;
    let seed = fnv(name);
    par::chunks_mut(out, CHUNK, |chunk, part| {
        for (i, x) in part.iter_mut().enumerate() {
            let bits = splitmix(seed ^ (chunk * CHUNK + i) as u64) >> 11;
            *x = (low + (high - low) * (bits as f64 / (1u64 << 53) as f64) + shift) as f32;
        }
    });
}

/// Numbers in [low, high).
pub fn uniform(name: &str, shape: impl AsRef<[usize]>, low: f64, high: f64) -> Tensor {
    let mut out = vec![0.0; shape.as_ref().iter().product()];
    fill(name, [low, high], 0.0, &mut out);
    Tensor::from_vec(out, shape)
}

/// Numbers of mean 0 and variance 1: uniform in ±√3.
pub fn standard(name: &str, shape: impl AsRef<[usize]>) -> Tensor {
    uniform(name, shape, -3f64.sqrt(), 3f64.sqrt())
}

/// Ids in 0..n: the hash modulo n.
pub fn ids(name: &str, shape: impl AsRef<[usize]>, n: usize) -> Tensor<i64> {
    let len = shape.as_ref().iter().product::<usize>() as u64;
    Tensor::from_vec((0..len).map(|i| (hash(name, i) % n as u64) as i64).collect(), shape)
}

/// Sets every parameter by its name: uniform in ±1/√fan-in, where fan-in is the product of all axes but the first, or the
/// length of a vector. Vectors that are called `weight` scale a normalised value and get 1 added.
pub fn initialise(model: &dyn Module) {
    for (name, param) in model.named_params() {
        let shape = param.shape();
        let fan_in = if shape.len() > 1 { shape[1..].iter().product() } else { shape.iter().product::<usize>() };
        let bound = 1.0 / (fan_in as f64).sqrt();
        let scales = shape.len() == 1 && name.ends_with("weight");
        param.update(|x| fill(&name, [-bound, bound], f64::from(u8::from(scales)), x));
    }
}

/// What PyTorch computes for one workload.
#[derive(Clone, Debug, Deserialize)]
pub struct Golden {
    /// The first loss at full size, or the sum of the outputs where nothing is trained.
    pub first: f64,
    /// What an error is relative to: `first` itself, or the norm of the outputs that it sums.
    pub scale: f64,
    /// The number of parameters at full size.
    pub params: usize,
    /// The losses (or sums of outputs) of the twin, one a step.
    pub twin: Vec<f64>,
    /// Their scales.
    pub twin_scale: Vec<f64>,
}

/// The golden values of a workload; `None` if it has none.
pub fn golden(workload: &str) -> Option<Golden> {
    let text = include_str!("../tests/golden/steps.json");
    let mut all: serde_json::Value = serde_json::from_str(text).expect("the golden file is JSON");
    let entry = all.get_mut(workload)?.take();
    Some(serde_json::from_value(entry).expect("steps.py writes every field"))
}

/// Whether a loss agrees with PyTorch's.
pub fn agrees(ours: f64, theirs: f64, scale: f64) -> bool {
    (ours - theirs).abs() <= TOLERANCE * scale
}

/// Runs the steps 0, 1, … of a twin and compares each loss with PyTorch's.
///
/// # Errors
/// Names the first step whose loss differs, and both losses.
pub fn compare_twin(workload: &str, mut step: impl FnMut(usize) -> f64) -> Result<(), String> {
    let golden = golden(workload).ok_or_else(|| format!("{workload}: no golden losses"))?;
    for (i, (&theirs, &scale)) in golden.twin.iter().zip(&golden.twin_scale).enumerate() {
        let ours = step(i);
        if !agrees(ours, theirs, scale) {
            return Err(format!("{workload}: loss {i} of the twin is {ours} here, {theirs} in PyTorch"));
        }
    }
    Ok(())
}

/// One step of descent; gives the loss before it.
pub fn descend(opt: &mut dyn Optimizer, loss: Tensor) -> f64 {
    let value = f64::from(loss.item());
    opt.step(&loss.backward());
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_script() {
        // The 64-bit offset basis is FNV-1a of nothing; splitmix64's first output from seed 0 is in its reference code.
        assert_eq!(fnv(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(splitmix(0), 0xe220_a839_7b1d_cdaf);
        let text = include_str!("../tests/golden/steps.json");
        let all: serde_json::Value = serde_json::from_str(text).expect("the golden file is JSON");
        let theirs: Vec<u64> = serde_json::from_value(all["hash"].clone()).expect("numbers");
        let ours: Vec<u64> = (0..theirs.len() as u64).map(|i| hash("a.weight", i)).collect();
        assert_eq!(ours, theirs);
    }
}
