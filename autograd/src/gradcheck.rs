//! Gradient checks for a user's own operation or module: first and second order against central differences, in f64.
//!
//! One random projection instead of a whole Jacobian: vᵀJu against (f(x + hu) − f(x − hu))·v / 2h. The directions are
//! random, so an error in any entry of the Jacobian shows with probability 1.

use std::fmt;

use etude_kernels::rng::Rng;

use crate::backward::{CreateGraph, grad_with};
use crate::tensor::Tensor;

/// The step of the central difference: the cube root of the f64 epsilon balances its h² error against rounding.
const STEP: f64 = 6e-6;
/// The largest allowed difference, relative to the sum of the absolute terms of the projection.
const TOLERANCE: f64 = 1e-6;

/// A gradient that differs from the central difference.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GradcheckError {
    /// The projections differ.
    Differs {
        /// From the derivative rules.
        analytic: f64,
        /// From central differences.
        numeric: f64,
        /// The sum of the absolute terms of the projection.
        scale: f64,
    },
    /// The output depends on the input, but no gradient came back.
    NoGradient {
        /// Which input.
        input: usize,
    },
}

impl fmt::Display for GradcheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GradcheckError::Differs { analytic, numeric, scale } => write!(
                f,
                "the rules give vᵀJu = {analytic:e}, central differences {numeric:e} (terms add up to {scale:e})"
            ),
            GradcheckError::NoGradient { input } => {
                write!(f, "input {input} got no gradient, but the output changes with it")
            }
        }
    }
}

impl std::error::Error for GradcheckError {}

/// A differentiable function of some tensors.
pub(crate) type Function<'a> = dyn Fn(&[Tensor<f64>]) -> Tensor<f64> + 'a;

/// Compares the gradient of `f` at `inputs` with central differences, along random directions from `seed`.
///
/// `f` must be deterministic and smooth at `inputs`.
///
/// ```
/// use etude_autograd::{gradcheck, gradgradcheck, Tensor};
///
/// let x = Tensor::from_slice(&[0.3f64, -1.2, 0.7], [3]);
/// let w = Tensor::from_slice(&[0.5f64, 0.1, -0.4, 0.9, 0.2, 0.3], [2, 3]);
/// let layer = |x: &[Tensor<f64>]| x[0].linear(&x[1], None).tanh();
/// gradcheck(&layer, &[x.clone(), w.clone()], 0)?;
/// gradgradcheck(&layer, &[x, w], 0)?;
/// # Ok::<(), etude_autograd::GradcheckError>(())
/// ```
pub fn gradcheck(
    f: &dyn Fn(&[Tensor<f64>]) -> Tensor<f64>,
    inputs: &[Tensor<f64>],
    seed: u64,
) -> Result<(), GradcheckError> {
    directional(f, inputs, &mut Rng::new(seed))
}

/// The same for the second derivative: [`gradcheck`] of a random projection of the gradient of `f`, as a function of the
/// inputs and of the incoming gradient.
pub fn gradgradcheck(
    f: &dyn Fn(&[Tensor<f64>]) -> Tensor<f64>,
    inputs: &[Tensor<f64>],
    seed: u64,
) -> Result<(), GradcheckError> {
    let mut rng = Rng::new(seed);
    let (g, inputs) = projected_gradient(f, inputs, &mut rng);
    directional(&*g, &inputs, &mut rng)
}

fn random_like(shape: &[usize], rng: &mut Rng) -> Tensor<f64> {
    let len = shape.iter().product();
    Tensor::from_vec((0..len).map(|_| 2.0 * rng.f64() - 1.0).collect(), shape)
}

fn dot(a: &Tensor<f64>, b: &Tensor<f64>) -> f64 {
    a.to_vec().iter().zip(b.to_vec()).map(|(x, y)| x * y).sum()
}

pub(crate) fn directional(f: &Function<'_>, inputs: &[Tensor<f64>], rng: &mut Rng) -> Result<(), GradcheckError> {
    let leaves: Vec<Tensor<f64>> = inputs.iter().map(Tensor::requires_grad).collect();
    let y = f(&leaves);
    let v = random_like(y.shape(), rng);
    let u: Vec<Tensor<f64>> = inputs.iter().map(|x| random_like(x.shape(), rng)).collect();
    let refs: Vec<&Tensor<f64>> = leaves.iter().collect();
    let grads = grad_with(&y, &refs, &v, CreateGraph::No);

    let (mut analytic, mut scale) = (0.0, 0.0);
    for (g, u) in grads.iter().zip(&u) {
        let Some(g) = g else { continue };
        analytic += dot(g, u);
        scale += g.to_vec().iter().zip(u.to_vec()).map(|(x, y)| (x * y).abs()).sum::<f64>();
    }
    let moved = |h: f64| f(&inputs.iter().zip(&u).map(|(x, u)| x + u.affine(h, 0.0)).collect::<Vec<_>>());
    let numeric = dot(&(moved(STEP) - moved(-STEP)), &v) / (2.0 * STEP);
    // What rounding of y itself can do to the difference.
    let rounding = y.to_vec().iter().map(|y| y.abs()).sum::<f64>() * f64::EPSILON / STEP;
    let bound = TOLERANCE * scale.max(1e-3) + 4.0 * rounding;
    if (analytic - numeric).abs() <= bound {
        return Ok(());
    }
    match grads.iter().position(Option::is_none) {
        Some(input) => Err(GradcheckError::NoGradient { input }),
        None => Err(GradcheckError::Differs { analytic, numeric, scale }),
    }
}

/// A function and the point to check it at.
pub(crate) type Checked<'a> = (Box<Function<'a>>, Vec<Tensor<f64>>);

/// The function (x, v) ↦ Σᵢ wᵢ·∂(v·f)/∂xᵢ with fixed random w, and the point (inputs, v) to check it at.
pub(crate) fn projected_gradient<'a>(f: &'a Function<'a>, inputs: &[Tensor<f64>], rng: &mut Rng) -> Checked<'a> {
    let w: Vec<Tensor<f64>> = inputs.iter().map(|x| random_like(x.shape(), rng)).collect();
    let v = random_like(f(inputs).shape(), rng);
    let count = inputs.len();
    let g = move |x: &[Tensor<f64>]| {
        // Evaluated at plain points too: the gradient always needs leaves.
        let xs: Vec<Tensor<f64>> =
            x[..count].iter().map(|x| if x.is_tracked() { x.clone() } else { x.requires_grad() }).collect();
        let y = f(&xs);
        let refs: Vec<&Tensor<f64>> = xs.iter().collect();
        let grads = grad_with(&y, &refs, &x[count], CreateGraph::Yes);
        let terms = grads.iter().zip(&w).filter_map(|(g, w)| Some((g.as_ref()? * w).sum()));
        terms.reduce(|a, b| a + b).unwrap_or_else(|| Tensor::scalar(0.0))
    };
    let mut point = inputs.to_vec();
    point.push(v);
    (Box::new(g), point)
}
