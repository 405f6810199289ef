//! Pictures in rows.

use etude_autograd::Tensor;
use etude_data::picture::{Grid, Picture};

/// Pictures of 28 × 28 pixels: the first `columns` of each set, a row a set.
pub fn rows(sets: &[&Tensor], columns: usize) -> Picture {
    let cut: Vec<Tensor> = sets.iter().map(|x| x.narrow(0, 0, columns)).collect();
    let all = Tensor::concat(&cut.iter().collect::<Vec<_>>(), 0);
    Picture::grid(&all.reshape([columns * sets.len(), 1, 28, 28]), &Grid::new(columns))
}
