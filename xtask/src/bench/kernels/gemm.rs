//! `cargo xtask bench gemm`: matrix products on cubes and on shapes of real models.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use etude_kernels::isa::Isa;
use etude_kernels::rng::Rng;
use indicatif::{ProgressBar, ProgressStyle};

use super::engines::{Engine, Problem};
use super::rows::{HEADING, Row};
use super::{KernelArgs, peak, time};
use crate::columns::columns;

/// Larger products are skipped by the engines that would take seconds for each: the naive loop and the scalar set.
const SLOW_LIMIT: usize = 512 * 512 * 512;

/// What is multiplied: the name of a use, the form, and M, N, K.
struct Shape {
    name: &'static str,
    kernel: &'static str,
    sizes: [usize; 3],
}

const fn shape(name: &'static str, kernel: &'static str, sizes: [usize; 3]) -> Shape {
    Shape { name, kernel, sizes }
}

/// The two shapes of `--quick` first.
const SHAPES: &[Shape] = &[
    shape("", "gemm", [1024; 3]),
    shape("", "gemm", [2048; 3]),
    shape("", "gemm", [64; 3]),
    shape("", "gemm", [128; 3]),
    shape("", "gemm", [256; 3]),
    shape("", "gemm", [512; 3]),
    shape("MLP forward", "gemm", [128, 512, 784]),
    shape("MLP dX, A·Bᵀ", "gemm_nt", [128, 784, 512]),
    shape("MLP dW, Aᵀ·B", "gemm_tn", [784, 512, 128]),
    shape("im2col", "gemm", [50176, 32, 288]),
    shape("im2col dW, Aᵀ·B", "gemm_tn", [288, 32, 50176]),
    shape("transformer", "gemm", [4096, 2048, 512]),
    shape("GEMV", "gemm", [1, 4096, 4096]),
    shape("GEMV, A·Bᵀ", "gemm_nt", [1, 4096, 4096]),
    shape("LSTM step", "gemm", [16, 2048, 1024]),
    shape("LSTM step, A·Bᵀ", "gemm_nt", [16, 2048, 1024]),
];

/// Measures all shapes on all numbers of threads, prints a table for each number, and writes the rows.
pub fn main(args: &KernelArgs) -> Result<bool> {
    let isas = chosen(&args.isa)?;
    let wanted = |shape: &&Shape| args.filter.is_empty() || args.filter.iter().any(|part| shape.kernel.contains(part));
    let shapes: Vec<&Shape> = if args.quick { &SHAPES[..2] } else { SHAPES }.iter().filter(wanted).collect();
    let mut rows = Vec::new();
    for &threads in &args.threads {
        if threads == 0 {
            bail!("--threads: 0 threads cannot run anything");
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("--threads")?;
        let peaks: HashMap<Isa, f64> =
            Isa::available().into_iter().map(|isa| (isa, peak::gflops(isa, threads))).collect();
        println!("\n{threads} {}", if threads == 1 { "thread" } else { "threads" });
        for isa in Isa::available() {
            println!("  multiply-add peak, {isa}: {:.0} GFLOP/s", peaks[&isa]);
        }
        let first = rows.len();
        let bar = ProgressBar::new(shapes.len() as u64)
            .with_style(ProgressStyle::with_template("{pos}/{len} {wide_msg}").expect("the template is valid"));
        for shape in &shapes {
            bar.set_message(format!("{:?} {}", shape.sizes, shape.name));
            // The peers' threads are those of the pool that they are called in.
            rows.extend(pool.install(|| measure(shape, &isas, threads, &peaks)));
            bar.inc(1);
        }
        bar.finish_and_clear();
        let table: Vec<_> = rows[first..].iter().map(Row::cells).collect();
        println!("{}", columns(&[&[HEADING.map(String::from)], &table[..]].concat()));
    }
    if let Some(path) = &args.json {
        let mut text = serde_json::to_string_pretty(&rows)?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(true)
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

/// All engines on one shape.
fn measure(shape: &Shape, isas: &[Isa], threads: usize, peaks: &HashMap<Isa, f64>) -> Vec<Row> {
    let [m, n, k] = shape.sizes;
    let problem = problem(shape);
    let mut engines: Vec<Engine> = isas.iter().map(|isa| Engine::Etude(*isa)).collect();
    engines.extend([Engine::Gemm, Engine::Faer, Engine::Naive]);
    engines.retain(|engine| engine.has_threads() || threads == 1);
    engines.retain(|engine| engine.isa() != Isa::Scalar || m * n * k <= SLOW_LIMIT);

    let mut results: Vec<Vec<f32>> = vec![vec![0.0; m * n]; engines.len()];
    let timings = {
        let calls = engines.iter().zip(&mut results);
        let mut calls: Vec<Box<dyn FnMut() + '_>> =
            calls.map(|(engine, c)| Box::new(|| engine.run(&problem, c, threads)) as Box<dyn FnMut()>).collect();
        time::interleaved(&mut calls)
    };
    let row = |((engine, timing), c): ((&Engine, time::Timing), &Vec<f32>)| {
        let gflops = 2.0 * (m * n * k) as f64 / timing.median / 1e9;
        Row {
            kernel: shape.kernel,
            shape: shape.sizes,
            dtype: "f32",
            engine: engine.name(),
            isa: engine.isa().name(),
            threads,
            seconds: timing.median,
            gflops,
            gbps: 4.0 * (m * k + k * n + m * n) as f64 / timing.median / 1e9,
            fraction: gflops / peaks[&engine.isa()],
            max_error: problem.max_error(c),
            spread: timing.spread,
            name: shape.name,
        }
    };
    engines.iter().zip(timings).zip(&results).map(row).collect()
}

/// Operands in [−1, 1), the same in every run.
fn problem(shape: &Shape) -> Problem {
    let [m, n, k] = shape.sizes;
    let mut rng = Rng::new(0);
    let mut uniform = |count: usize| {
        let mut values = vec![0f32; count];
        rng.fill_uniform(&mut values);
        values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
        values
    };
    Problem {
        shape: shape.sizes,
        a_transposed: shape.kernel == "gemm_tn",
        b_transposed: shape.kernel == "gemm_nt",
        a: uniform(m * k),
        b: uniform(k * n),
    }
}
