//! Weights packed for inference: y = x·Wᵀ + b with W made ready once, in f32, bf16 or int8.
//!
//! A decoding step multiplies one row by every weight of a model, so it takes as long as reading them: half the bytes
//! are half the time. Several rows (a prompt, a batch) go through the micro-kernel of all products.
//!
//! W, `[outputs, inputs]`, lies in panels of [`PANEL`] outputs, whose steps along the inputs follow each other: one row
//! reads each panel once, from its first byte to its last, and a tile of the micro-kernel finds its columns side by
//! side. The order is the same on every instruction set.
//!
//! Sums are those of [`super::matmul`]: for f32 and bf16 an element of y is one chain of fused multiplications along k,
//! cut at depths that depend on k alone, whether x has one row or many. f32 weights therefore give the bits of the
//! unpacked product (but for sums that [`super::parts_of_k`] cuts). int8 weights are rounded to f32 for several rows,
//! and summed block by block before they are scaled for one: these differ by roundings of f32, far below those of int8.

mod row;
mod step;
#[cfg(test)]
mod tests;

use std::fmt;

use super::plan::Plan;
use super::product::{even_depth, product};
use super::{Mat, Tile};
use crate::buf::Buf;
use crate::door;
use crate::isa;
use crate::par;
use step::{Bf16, Int8, Int8Block, each_step, pack_bf16, pack_int8, turn_panels};

/// Outputs of a panel: a multiple of the widths of all tiles but NEON's, and as many sums as hide the latency of adding
/// to one on every instruction set.
const PANEL: usize = 64;

/// Inputs of a block of int8 weights, which share a scale for each output.
const BLOCK: usize = 128;

/// Weights that one thread takes at a time, at least.
const GRAIN: usize = 1 << 16;

/// Rows of x that a thread takes at a time: a multiple of the heights of tiles.
const ROWS: usize = 168;

/// How packed weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Storage {
    /// As they are.
    F32,
    /// 8 bits of significand, rounded to the nearest, ties to even: the error of a weight is at most 2⁻⁸ of it.
    Bf16,
    /// Whole numbers q in ±127 with a scale s = max|w| / 127 for each output and block of 128 inputs: the error of a
    /// weight is at most s / 2. A NaN or an infinity makes all weights of its block NaN.
    Int8,
}

impl Storage {
    /// All of them, the most exact first.
    pub const ALL: [Storage; 3] = [Storage::F32, Storage::Bf16, Storage::Int8];

    /// `f32`, `bf16` or `int8`.
    pub fn name(self) -> &'static str {
        match self {
            Storage::F32 => "f32",
            Storage::Bf16 => "bf16",
            Storage::Int8 => "int8",
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A matrix of weights W, `[outputs, inputs]`, packed for products x·Wᵀ.
///
/// ```
/// use etude_kernels::{Packed, Storage};
///
/// let w = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // [2, 3]
/// let packed = Packed::new(Storage::Bf16, &w, 2, 3);
/// let mut y = [0.0; 2];
/// packed.linear(&mut y, &[1.0, 0.0, -1.0], Some(&[10.0, 20.0]));
/// assert_eq!(y, [8.0, 18.0]);
/// ```
#[derive(Clone)]
pub struct Packed {
    outputs: usize,
    inputs: usize,
    data: Data,
}

/// Panel after panel, each `inputs` steps; outputs beyond the last are zeros.
#[derive(Clone)]
enum Data {
    /// Whole panels, and the last one where it has fewer outputs.
    F32 {
        whole: Buf<f32>,
        last: Buf<f32>,
    },
    Bf16(Vec<Bf16>),
    /// And the scales, for each panel those of its blocks.
    Int8(Vec<Int8>, Vec<[f32; PANEL]>),
}

impl Packed {
    /// Packs `weight`, row-major `[outputs, inputs]`.
    ///
    /// # Panics
    /// If `weight` has not `outputs × inputs` elements.
    pub fn new(storage: Storage, weight: &[f32], outputs: usize, inputs: usize) -> Self {
        if storage == Storage::F32 {
            return Packed::in_place(Buf::copy_of(weight), outputs, inputs);
        }
        let w = Mat::row_major(weight, outputs, inputs);
        let steps = outputs.div_ceil(PANEL) * inputs;
        let data = match storage {
            Storage::Int8 => {
                let blocks = outputs.div_ceil(PANEL) * inputs.div_ceil(BLOCK);
                let (steps, scales) = pack_int8(w, vec![Int8::default(); steps], vec![[0.0; PANEL]; blocks]);
                Data::Int8(steps, scales)
            }
            _ => Data::Bf16(pack_bf16(w, vec![Bf16::default(); steps])),
        };
        Packed { outputs, inputs, data }
    }

    /// Packs `weight`, row-major `[outputs, inputs]`, as f32 in its own memory: a model need not hold a matrix twice.
    ///
    /// # Panics
    /// If `weight` has not `outputs × inputs` elements.
    pub fn in_place(mut weight: Buf<f32>, outputs: usize, inputs: usize) -> Self {
        let w = Mat::row_major(&weight, outputs, inputs);
        let first = outputs / PANEL;
        let mut last = Buf::filled(if outputs.is_multiple_of(PANEL) { 0 } else { inputs * PANEL }, 0.0);
        if !last.is_empty() {
            each_step(w, first, |p, weights| last[p * PANEL..][..PANEL].copy_from_slice(weights));
        }
        turn_panels(&mut weight, inputs);
        Packed { outputs, inputs, data: Data::F32 { whole: weight, last } }
    }

    /// Rows of W.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of W.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How the weights are stored.
    pub fn storage(&self) -> Storage {
        match self.data {
            Data::F32 { .. } => Storage::F32,
            Data::Bf16(_) => Storage::Bf16,
            Data::Int8(..) => Storage::Int8,
        }
    }

    /// Bytes of the weights and their scales: what a product with one row reads.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Data::F32 { .. } => self.outputs.div_ceil(PANEL) * PANEL * self.inputs * size_of::<f32>(),
            Data::Bf16(steps) => size_of_val(&steps[..]),
            Data::Int8(steps, scales) => size_of_val(&steps[..]) + size_of_val(&scales[..]),
        }
    }

    /// y = x·Wᵀ + b, with `x` as row-major `[rows, inputs]`, `y` as `[rows, outputs]`, and `bias` as `[outputs]`.
    ///
    /// NaN in x gives NaN in y. So does an infinity where the weights are int8 and x has one row.
    ///
    /// # Panics
    /// If the lengths do not fit each other.
    pub fn linear(&self, y: &mut [f32], x: &[f32], bias: Option<&[f32]>) {
        let Packed { outputs, inputs, .. } = *self;
        let rows = y.len().checked_div(outputs).unwrap_or(0);
        let fits = y.len() == rows * outputs && (outputs == 0 || x.len() == door::product("packed", &[rows, inputs]));
        assert!(fits, "packed: x has {} elements, y {}, for weights [{outputs}, {inputs}]", x.len(), y.len());
        if let Some(bias) = bias {
            assert_eq!(bias.len(), outputs, "packed: {} biases for weights [{outputs}, {inputs}]", bias.len());
            y.chunks_exact_mut(outputs.max(1)).for_each(|row| row.copy_from_slice(bias));
        } else if inputs == 0 {
            y.fill(0.0);
        }
        if y.is_empty() || inputs == 0 {
            return;
        }
        let add = bias.is_some();
        match &self.data {
            _ if rows > 1 => self.several_rows(y, Mat::row_major(x, rows, inputs), add),
            Data::F32 { whole, last } => {
                let (full, rest) = y.split_at_mut(outputs / PANEL * PANEL);
                self.one_row(full, x, add, whole.as_chunks::<PANEL>().0, &[]);
                self.one_row(rest, x, add, last.as_chunks::<PANEL>().0, &[]);
            }
            Data::Bf16(steps) => self.one_row(y, x, add, steps, &[]),
            Data::Int8(steps, scales) => self.one_row(y, x, add, steps, scales),
        }
    }

    /// [`Packed::linear`] for one row of x: every weight is read once, where it lies.
    fn one_row<W: step::Step>(&self, y: &mut [f32], x: &[f32], add: bool, steps: &[W], scales: &[[f32; PANEL]]) {
        let isa = isa::current();
        let sums = row::block_sums(x);
        let panels = GRAIN.div_ceil(PANEL * self.inputs);
        par::chunks_mut(y, panels * PANEL, |task, y| {
            let steps = &steps[task * panels * self.inputs..];
            let scales = &scales[(task * panels * self.inputs.div_ceil(BLOCK)).min(scales.len())..];
            isa.run(row::Row { y, x, add, steps, scales, sums: &sums });
        });
    }

    /// [`Packed::linear`] for more rows: panels as the micro-kernel reads them, widened to f32 block by block.
    fn several_rows(&self, y: &mut [f32], x: Mat<'_, f32>, add: bool) {
        let isa = isa::current();
        let (k, deepest) = (self.inputs, even_depth(self.inputs));
        let plan = Plan { pack_a: false, pack_b: false, rows: ROWS, columns: PANEL };
        let mut tiles = Tile::whole(y, x.rows, self.outputs).split(ROWS, PANEL);
        par::chunks_mut(&mut tiles, 1, |_, tile| {
            let tile = &mut tile[0];
            let mut scratch = Buf::scratch(if matches!(self.data, Data::F32 { .. }) { 0 } else { deepest * PANEL });
            for p in (0..k).step_by(deepest) {
                let depth = deepest.min(k - p);
                let from = tile.col() / PANEL * k + p;
                let block = match &self.data {
                    Data::F32 { .. } => &self.f32_panel(tile.col() / PANEL)[p * PANEL..][..depth * PANEL],
                    Data::Bf16(steps) => {
                        isa.run(row::Widen { steps: &steps[from..][..depth], out: &mut scratch });
                        &scratch[..depth * PANEL]
                    }
                    Data::Int8(steps, scales) => {
                        let scales = &scales[tile.col() / PANEL * k.div_ceil(BLOCK)..];
                        let block = Int8Block { steps: &steps[from..][..depth], scales, at: p };
                        isa.run(row::WidenInt8 { block, out: &mut scratch });
                        &scratch[..depth * PANEL]
                    }
                };
                let x = x.block(tile.row(), p, tile.rows(), depth);
                let w = Mat { data: block, rows: depth, cols: tile.cols(), row_stride: PANEL, col_stride: 1 };
                product(isa, tile, 0, x, w, add || p > 0, plan);
            }
        });
    }

    /// Panel `i` of weights stored as f32.
    fn f32_panel(&self, i: usize) -> &[f32] {
        let len = PANEL * self.inputs;
        match &self.data {
            Data::F32 { whole, .. } if i < self.outputs / PANEL => &whole[i * len..][..len],
            Data::F32 { last, .. } => last,
            _ => unreachable!("the weights are {}", self.storage()),
        }
    }

    /// `out[i, :] = W[ids[i], :]`, as f32: a table of vectors that also serves as weights.
    ///
    /// # Panics
    /// If `out` is not `ids.len() × inputs` long, or there is no such row.
    pub fn gather_rows(&self, ids: &[i64], out: &mut [f32]) {
        let Packed { outputs, inputs, .. } = *self;
        assert_eq!(
            out.len(),
            door::product("packed", &[ids.len(), inputs]),
            "packed: out is not {} rows of {inputs}",
            ids.len()
        );
        if out.is_empty() {
            return;
        }
        // Neighbours in a row of W lie a step apart: each is a line of memory.
        let rows = (GRAIN / 16).div_ceil(inputs);
        par::chunks_mut(out, rows * inputs, |task, out| {
            for (out, &id) in out.chunks_exact_mut(inputs).zip(&ids[task * rows..]) {
                assert!((0..outputs as i64).contains(&id), "packed: row {id} of weights [{outputs}, {inputs}]");
                self.row(id as usize, out);
            }
        });
    }

    /// Row `j` of W.
    fn row(&self, j: usize, out: &mut [f32]) {
        let (from, at) = (j / PANEL * self.inputs, j % PANEL);
        match &self.data {
            Data::F32 { .. } => {
                let steps = self.f32_panel(j / PANEL).as_chunks::<PANEL>().0;
                out.iter_mut().zip(steps).for_each(|(out, step)| *out = step[at]);
            }
            Data::Bf16(steps) => out.iter_mut().zip(&steps[from..]).for_each(|(out, step)| *out = step.at(at)),
            Data::Int8(steps, scales) => {
                let scales = &scales[j / PANEL * self.inputs.div_ceil(BLOCK)..];
                let blocks = out.chunks_mut(BLOCK).zip(steps[from..].chunks(BLOCK)).zip(scales);
                for ((out, steps), scales) in blocks {
                    out.iter_mut().zip(steps).for_each(|(out, step)| *out = scales[at] * step.at(at));
                }
            }
        }
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed<{}>[{}, {}]", self.storage(), self.outputs, self.inputs)
    }
}
