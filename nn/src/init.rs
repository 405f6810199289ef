//! Initial values of weights.
//!
//! Layers choose for themselves, equal in distribution to PyTorch's; these functions are for models that want others.
//! Fans follow PyTorch: for a weight `[out, in, …taps]`, fan-in is in·taps and fan-out is out·taps.

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;

/// Uniform in ±`bound`.
#[track_caller]
pub fn uniform(shape: impl AsRef<[usize]>, bound: f64, rng: &mut impl AsMut<Rng>) -> Tensor {
    let u = Tensor::rand(shape, rng);
    u.affine(2.0 * bound, -bound)
}

/// Normal with mean 0 and standard deviation `std`.
#[track_caller]
pub fn normal(shape: impl AsRef<[usize]>, std: f64, rng: &mut impl AsMut<Rng>) -> Tensor {
    let mut x = Tensor::randn(shape, rng);
    // In place: the largest table of a model would otherwise be there twice.
    x.make_mut().iter_mut().for_each(|x| *x *= std as f32);
    x
}

/// Uniform in ±√(6 / ((1 + a²)·fan_in)): He et al. 2015, arXiv:1502.01852, eq. (15) for a leaky rectifier of slope `a`.
///
/// a = √5 gives ±1/√fan_in, the default of linear and convolutional layers.
///
/// # Panics
/// If the shape has fewer than two axes.
#[track_caller]
pub fn kaiming_uniform(shape: impl AsRef<[usize]>, a: f64, rng: &mut impl AsMut<Rng>) -> Tensor {
    let (fan_in, _) = fans("kaiming_uniform", shape.as_ref());
    uniform(shape, (6.0 / ((1.0 + a * a) * fan_in)).sqrt(), rng)
}

/// Normal with standard deviation √(2 / fan_in): He et al. 2015, arXiv:1502.01852, eq. (10), for rectifiers.
///
/// # Panics
/// If the shape has fewer than two axes.
#[track_caller]
pub fn kaiming_normal(shape: impl AsRef<[usize]>, rng: &mut impl AsMut<Rng>) -> Tensor {
    let (fan_in, _) = fans("kaiming_normal", shape.as_ref());
    normal(shape, (2.0 / fan_in).sqrt(), rng)
}

/// Uniform in ±gain·√(6 / (fan_in + fan_out)): Glorot & Bengio 2010, eq. (16).
///
/// # Panics
/// If the shape has fewer than two axes.
#[track_caller]
pub fn xavier_uniform(shape: impl AsRef<[usize]>, gain: f64, rng: &mut impl AsMut<Rng>) -> Tensor {
    let (fan_in, fan_out) = fans("xavier_uniform", shape.as_ref());
    uniform(shape, gain * (6.0 / (fan_in + fan_out)).sqrt(), rng)
}

/// A uniformly random matrix with orthonormal rows (or columns, if it has more rows than columns), times `gain`:
/// Saxe et al. 2014, arXiv:1312.6120. Axes from the second on count as one.
///
/// The rows come from Gram–Schmidt on normal variates, done twice in f64; its triangular factor has a positive
/// diagonal, which makes the result uniform over the orthogonal matrices (Mezzadri 2007, arXiv:math-ph/0609050).
///
/// # Panics
/// If the shape has fewer than two axes.
#[track_caller]
pub fn orthogonal(shape: impl AsRef<[usize]>, gain: f64, rng: &mut impl AsMut<Rng>) -> Tensor {
    let shape = shape.as_ref();
    assert!(shape.len() >= 2, "orthogonal: {shape:?} has fewer than two axes");
    let (rows, cols) = (shape[0], shape[1..].iter().product::<usize>());
    let (count, width) = (rows.min(cols), rows.max(cols));
    let rng = rng.as_mut();
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut v: Vec<f64> = (0..width).map(|_| rng.normal()).collect();
        // The second pass removes what rounding left of the first (Giraud et al. 2005).
        for _ in 0..2 {
            for q in &basis {
                let along = dot(q, &v);
                v.iter_mut().zip(q).for_each(|(x, y)| *x -= along * y);
            }
            let norm = dot(&v, &v).sqrt();
            v.iter_mut().for_each(|x| *x /= norm);
        }
        basis.push(v);
    }
    let at = |r: usize, c: usize| if rows <= cols { basis[r][c] } else { basis[c][r] };
    let values = (0..rows).flat_map(|r| (0..cols).map(move |c| (r, c))).map(|(r, c)| (gain * at(r, c)) as f32);
    Tensor::from_vec(values.collect(), shape)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[track_caller]
fn fans(what: &str, shape: &[usize]) -> (f64, f64) {
    assert!(shape.len() >= 2, "{what}: {shape:?} has fewer than two axes");
    let taps: usize = shape[2..].iter().product();
    ((shape[1] * taps) as f64, (shape[0] * taps) as f64)
}
