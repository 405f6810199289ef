//! Plain definitions over f64 arrays: slow, obvious, and sharing no code with the kernels or the layouts.

/// A dense row-major array.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The lengths of the axes.
    pub shape: Vec<usize>,
    /// The elements, last axis fastest.
    pub data: Vec<f64>,
}

impl Array {
    /// The element at an index of each axis.
    pub fn at(&self, index: &[usize]) -> f64 {
        self.data[self.shape.iter().zip(index).fold(0, |at, (n, i)| at * n + i)]
    }

    /// An array from a function of the index.
    pub fn from_fn(shape: &[usize], mut f: impl FnMut(&[usize]) -> f64) -> Array {
        let data = indices(shape).iter().map(|index| f(index)).collect();
        Array { shape: shape.to_vec(), data }
    }

    /// A function of every element.
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        self.data.iter().map(|&x| f(x)).collect()
    }

    /// The rows along `axis`: for every index with that axis at 0, the elements along it.
    pub fn rows(&self, axis: usize) -> Vec<Vec<f64>> {
        let mut outer = self.shape.clone();
        outer[axis] = 1;
        indices(&outer)
            .into_iter()
            .map(|mut index| {
                (0..self.shape[axis])
                    .map(|i| {
                        index[axis] = i;
                        self.at(&index)
                    })
                    .collect()
            })
            .collect()
    }

    /// Each row along `axis` replaced by a function of it, of equal length.
    pub fn map_rows(&self, axis: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        let rows: Vec<Vec<f64>> = self.rows(axis).iter().map(|row| f(row)).collect();
        let mut outer = self.shape.clone();
        outer[axis] = 1;
        let place: std::collections::HashMap<Vec<usize>, usize> =
            indices(&outer).into_iter().enumerate().map(|(i, index)| (index, i)).collect();
        Array::from_fn(&self.shape, |index| {
            let mut first = index.to_vec();
            first[axis] = 0;
            rows[place[&first]][index[axis]]
        })
        .data
    }
}

/// Every index of a shape, in row-major order.
pub fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &n in shape {
        all = all.into_iter().flat_map(|index| (0..n).map(move |i| [&index[..], &[i]].concat())).collect();
    }
    all
}

/// The common shape of broadcast operands.
pub fn broadcast_shape(shapes: &[&[usize]]) -> Vec<usize> {
    let rank = shapes.iter().map(|s| s.len()).max().unwrap_or(0);
    let axis = |i: usize| {
        let lengths = shapes.iter().filter_map(|s| (i + s.len()).checked_sub(rank).map(|i| s[i]));
        // 1 gives way to any other length, 0 included.
        lengths.fold(1, |n, m| if m == 1 { n } else { m })
    };
    (0..rank).map(axis).collect()
}

/// The element of `x` that stands at `index` of a shape it is broadcast to.
pub fn broadcast_at(x: &Array, index: &[usize]) -> f64 {
    let lead = index.len() - x.shape.len();
    let own: Vec<usize> = x.shape.iter().zip(&index[lead..]).map(|(&n, &i)| if n == 1 { 0 } else { i }).collect();
    x.at(&own)
}

/// A function of two broadcast operands.
pub fn zip(a: &Array, b: &Array, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let shape = broadcast_shape(&[&a.shape, &b.shape]);
    Array::from_fn(&shape, |index| f(broadcast_at(a, index), broadcast_at(b, index))).data
}

/// Sums over `axes`, which disappear.
pub fn sum_over(x: &Array, axes: &[usize]) -> Vec<f64> {
    let kept: Vec<usize> = (0..x.shape.len()).filter(|i| !axes.contains(i)).collect();
    let shape: Vec<usize> = kept.iter().map(|&i| x.shape[i]).collect();
    let mut out = Array::from_fn(&shape, |_| 0.0);
    for index in indices(&x.shape) {
        let at = kept.iter().fold(0, |at, &i| at * x.shape[i] + index[i]);
        out.data[at] += x.at(&index);
    }
    out.data
}
