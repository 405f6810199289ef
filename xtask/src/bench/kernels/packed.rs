//! Products with packed weights: one row, which reads every weight once, and several.
//!
//! A row's fraction is one of the read bandwidth, because each weight is used once; the unpacked product of one row is
//! among the products, as `gemm_nt`.

use etude_kernels::buf::Buf;
use etude_kernels::isa::{self, Isa};
use etude_kernels::{Packed, Storage, par};

use super::cases::normals;
use super::roofline::Cost;
use super::subject::{Competitor, Contest, Subject, worst};

/// Rows, outputs and inputs.
const SHAPES: &[(&str, [usize; 3])] = &[
    ("GPT-2's head", [1, 50_257, 768]),
    ("GPT-2, MLP up", [1, 3072, 768]),
    ("GPT-2, MLP down", [1, 768, 3072]),
    ("", [1, 4096, 4096]),
    ("LSTM step", [16, 2048, 1024]),
    ("GPT-2 prefill", [128, 3072, 768]),
    ("MiniLM", [2048, 1536, 384]),
];

/// Bytes of weights that pass between two uses of the same: beyond every cache, as in a model of many layers.
const ROUND: usize = 128 << 20;

/// All products, each in every storage.
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for &(note, shape) in SHAPES {
        for storage in Storage::ALL {
            let [m, n, k] = shape;
            let (size, scales) = match storage {
                Storage::F32 => (4.0, 0.0),
                Storage::Bf16 => (2.0, 0.0),
                Storage::Int8 => (1.0, 4.0 * (n * k.div_ceil(128)) as f64),
            };
            let (reads, writes) = (size * (n * k) as f64 + scales + 4.0 * (m * k) as f64, 4.0 * (m * n) as f64);
            let cost = Cost { touched: reads.max(ROUND as f64), ..Cost::new(2.0 * (m * n * k) as f64, reads, writes) };
            all.push(Subject {
                group: "packed",
                kernel: if m == 1 { "gemv" } else { "linear" },
                note,
                shape: shape.to_vec(),
                cost,
                quick: false,
                small: m * n * k <= 1 << 22,
                open: Box::new(move |isas, threads| Box::new(Product::new(storage, shape, isas, threads))),
            });
        }
    }
    all
}

struct Product {
    /// The same weights as often as fills a round.
    weights: Vec<Packed>,
    next: usize,
    x: Buf<f32>,
    y: Vec<Buf<f32>>,
    isas: Vec<Isa>,
    threads: usize,
    shape: [usize; 3],
}

impl Product {
    fn new(storage: Storage, shape: [usize; 3], isas: &[Isa], threads: usize) -> Self {
        let [m, n, k] = shape;
        let packed = Packed::new(storage, &normals::<f32>(n * k, 1), n, k);
        Self {
            weights: vec![packed.clone(); ROUND.div_ceil(packed.bytes())],
            next: 0,
            x: normals(m * k, 2),
            y: vec![Buf::filled(m * n, 0.0); isas.len()],
            isas: isas.to_vec(),
            threads,
            shape,
        }
    }
}

impl Contest for Product {
    fn competitors(&self) -> Vec<Competitor> {
        let dtype = self.weights[0].storage().name();
        self.isas.iter().map(|isa| Competitor { engine: "etude", isa: isa.name(), dtype }).collect()
    }

    fn run(&mut self, i: usize) {
        self.next = (self.next + 1) % self.weights.len();
        let (weights, y) = (&self.weights[self.next], &mut self.y[i]);
        isa::with(self.isas[i], || par::with_threads(self.threads, || weights.linear(y, &self.x, None)));
    }

    /// Of the sums, against the weights as they are stored, relative to Σ|x||w|, over a sample of the first row.
    fn max_error(&mut self, i: usize) -> Option<f64> {
        const SAMPLE: usize = 64;
        let [_, n, k] = self.shape;
        let mut w = vec![0.0; k];
        let error = |j: usize| {
            self.weights[0].gather_rows(&[j as i64], &mut w);
            let terms = self.x[..k].iter().zip(&w).map(|(&x, &w)| f64::from(x) * f64::from(w));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), t| (sum + t, size + t.abs()));
            (f64::from(self.y[i][j]) - sum).abs() / f64::max(size, f64::MIN_POSITIVE)
        };
        Some(worst((0..n).step_by((n / SAMPLE).max(1)).map(error)))
    }
}
