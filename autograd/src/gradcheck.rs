//! Gradient checks for a user's own operation or module: first and second order against central differences. In f64 where
//! the code allows it, since that finds errors of one part in a million; in f32 for modules that exist in no other precision.
//!
//! One random projection instead of a whole Jacobian: vᵀJu against (f(x + hu) − f(x − hu))·v / 2h. The directions are
//! random, so an error in any entry of the Jacobian shows with probability 1.

use std::fmt;

use etude_kernels::rng::Rng;

use crate::backward::{CreateGraph, grad_with};
use crate::dtype::Float;
use crate::tensor::Tensor;

/// How a precision is checked.
struct Limits {
    /// The step of the central difference: the cube root of the epsilon balances its h² error against rounding.
    step: f64,
    /// The largest allowed difference, relative to the sum of the absolute terms of the projection.
    tolerance: f64,
    epsilon: f64,
}

impl Limits {
    fn of<T: Float>() -> Self {
        if size_of::<T>() == 8 {
            Limits { step: 6e-6, tolerance: 1e-6, epsilon: f64::EPSILON }
        } else {
            Limits { step: 5e-3, tolerance: 5e-3, epsilon: f64::from(f32::EPSILON) }
        }
    }
}

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
    /// A fused rule and the rule that stands for it when the gradient is recorded ([`crate::Op::composite`]) differ.
    RulesDiffer {
        /// Which input.
        input: usize,
        /// The gradient's element from the rule itself.
        plain: f64,
        /// The same element when the gradient is recorded.
        recorded: f64,
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
            GradcheckError::RulesDiffer { input, plain, recorded } => write!(
                f,
                "the gradient of input {input} has an element of {plain:e}, and of {recorded:e} when it is recorded: \
                 the fused rule and its composite twin differ"
            ),
            GradcheckError::NoGradient { input } => {
                write!(f, "input {input} got no gradient, but the output changes with it")
            }
        }
    }
}

impl std::error::Error for GradcheckError {}

/// A differentiable function of some tensors.
pub(crate) type Function<'a, T> = dyn Fn(&[Tensor<T>]) -> Tensor<T> + 'a;

/// Compares the gradient of `f` at `inputs` with central differences, along random directions from `seed`.
///
/// `f` must be deterministic and smooth at `inputs`: keep away from kinks (relu at 0) by more than the step, 6·10⁻⁶ in f64
/// and 5·10⁻³ in f32. In f64 the two may differ by 10⁻⁶ of the size of the terms, in f32 by 5·10⁻³.
///
/// ```
/// use etude_autograd::{gradcheck, gradgradcheck, Op, Saves, Tensor, Vjp};
///
/// /// x³, with a rule of its own.
/// struct Cube;
/// impl Op<f64> for Cube {
///     fn name(&self) -> &'static str { "cube" }
///     fn saves(&self) -> Saves { Saves::INPUTS }
///     fn vjp(&self, cx: &Vjp<'_, f64>, g: &Tensor<f64>) -> Vec<Option<Tensor<f64>>> {
///         vec![Some(g * cx.input(0).square() * 3.0)]
///     }
/// }
/// fn cube(x: &Tensor<f64>) -> Tensor<f64> {
///     let value = x.to_vec().into_iter().map(|v| v * v * v).collect();
///     Tensor::record(Cube, &[x], Tensor::from_vec(value, x.shape()))
/// }
///
/// let x = Tensor::from_slice(&[0.3, -1.2, 0.7], [3]);
/// let w = Tensor::from_slice(&[0.5, 0.1, -0.4, 0.9, 0.2, 0.3], [2, 3]);
/// let layer = |x: &[Tensor<f64>]| cube(&x[0].linear(&x[1], None));
/// gradcheck(&layer, &[x.clone(), w.clone()], 0)?;
/// gradgradcheck(&layer, &[x, w], 0)?;
/// # Ok::<(), etude_autograd::GradcheckError>(())
/// ```
///
/// # Errors
/// If a gradient differs, or an input that the output depends on gets none.
pub fn gradcheck<T: Float>(
    f: &dyn Fn(&[Tensor<T>]) -> Tensor<T>,
    inputs: &[Tensor<T>],
    seed: u64,
) -> Result<(), GradcheckError> {
    directional(f, inputs, &mut Rng::new(seed))
}

/// The same for the second derivative: [`gradcheck`] of a random projection of the gradient of `f`, as a function of the
/// inputs and of the incoming gradient. Before that the gradient itself must be the same plain and recorded.
///
/// # Errors
/// If the two gradients differ, or a second derivative differs from central differences of the first.
pub fn gradgradcheck<T: Float>(
    f: &dyn Fn(&[Tensor<T>]) -> Tensor<T>,
    inputs: &[Tensor<T>],
    seed: u64,
) -> Result<(), GradcheckError> {
    let mut rng = Rng::new(seed);
    plain_equals_recorded(f, inputs, &mut rng)?;
    let (g, inputs) = projected_gradient(f, inputs, &mut rng);
    directional(&*g, &inputs, &mut rng)
}

/// Both sides of central differences of a recorded gradient come from the same rule: it must be the one that ordinary
/// backward passes use.
fn plain_equals_recorded<T: Float>(
    f: &Function<'_, T>,
    inputs: &[Tensor<T>],
    rng: &mut Rng,
) -> Result<(), GradcheckError> {
    let tolerance = Limits::of::<T>().tolerance;
    let leaves: Vec<Tensor<T>> = inputs.iter().map(Tensor::requires_grad).collect();
    let refs: Vec<&Tensor<T>> = leaves.iter().collect();
    let y = f(&leaves);
    let v = random_like::<T>(y.shape(), rng);
    let [plain, recorded] = [CreateGraph::No, CreateGraph::Yes].map(|graph| grad_with(&y, &refs, &v, graph));
    for (input, pair) in plain.iter().zip(&recorded).enumerate() {
        // Nothing stands for zeros: a rule that gives nothing where its twin gives something loses a gradient.
        let [plain, recorded] =
            [pair.0, pair.1].map(|g| g.as_ref().map_or_else(|| vec![0.0; leaves[input].len()], wide));
        let largest = plain.iter().fold(1e-3, |m: f64, g| m.max(g.abs()));
        let differs = |(p, r): &(f64, f64)| (p - r).abs() > tolerance * largest || (p - r).is_nan();
        if let Some((plain, recorded)) = plain.into_iter().zip(recorded).find(differs) {
            return Err(GradcheckError::RulesDiffer { input, plain, recorded });
        }
    }
    Ok(())
}

fn random_like<T: Float>(shape: &[usize], rng: &mut Rng) -> Tensor<T> {
    let len = shape.iter().product();
    Tensor::from_vec((0..len).map(|_| T::from_f64(2.0 * rng.f64() - 1.0)).collect(), shape)
}

fn wide<T: Float>(x: &Tensor<T>) -> Vec<f64> {
    x.to_vec().into_iter().map(|v| v.to_f64()).collect()
}

fn products<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> impl Iterator<Item = f64> {
    wide(a).into_iter().zip(wide(b)).map(|(x, y)| x * y)
}

pub(crate) fn directional<T: Float>(
    f: &Function<'_, T>,
    inputs: &[Tensor<T>],
    rng: &mut Rng,
) -> Result<(), GradcheckError> {
    let Limits { step, tolerance, epsilon } = Limits::of::<T>();
    let leaves: Vec<Tensor<T>> = inputs.iter().map(Tensor::requires_grad).collect();
    let y = f(&leaves);
    let v = random_like::<T>(y.shape(), rng);
    let u: Vec<Tensor<T>> = inputs.iter().map(|x| random_like(x.shape(), rng)).collect();
    let refs: Vec<&Tensor<T>> = leaves.iter().collect();
    let grads = grad_with(&y, &refs, &v, CreateGraph::No);

    let (mut analytic, mut scale) = (0.0, 0.0);
    for (g, u) in grads.iter().zip(&u) {
        let Some(g) = g else { continue };
        analytic += products(g, u).sum::<f64>();
        scale += products(g, u).map(f64::abs).sum::<f64>();
    }
    // The central difference where the inputs that `moves` names move.
    let central = |moves: &dyn Fn(usize) -> bool| {
        let moved = |h: f64| {
            let step = |(i, (x, u)): (usize, (&Tensor<T>, &Tensor<T>))| {
                if moves(i) { x + u.affine(h, 0.0) } else { x.clone() }
            };
            f(&inputs.iter().zip(&u).enumerate().map(step).collect::<Vec<_>>())
        };
        let (above, below) = (moved(step), moved(-step));
        products(&above, &v).zip(products(&below, &v)).map(|(a, b)| a - b).sum::<f64>() / (2.0 * step)
    };
    let numeric = central(&|_| true);
    // What rounding of y itself can do to the difference.
    let rounding = wide(&y).iter().map(|y| y.abs()).sum::<f64>() * epsilon / step;
    let bound = tolerance * scale.max(1e-3) + 4.0 * rounding;
    if (analytic - numeric).abs() <= bound {
        return Ok(());
    }
    let lost = |&i: &usize| grads[i].is_none() && central(&|j| i == j).abs() > bound;
    Err(match (0..inputs.len()).find(lost) {
        Some(input) => GradcheckError::NoGradient { input },
        None => GradcheckError::Differs { analytic, numeric, scale },
    })
}

/// A function and the point to check it at.
pub(crate) type Checked<'a, T> = (Box<Function<'a, T>>, Vec<Tensor<T>>);

/// The function (x, v) ↦ Σᵢ wᵢ·∂(v·f)/∂xᵢ with fixed random w, and the point (inputs, v) to check it at.
pub(crate) fn projected_gradient<'a, T: Float>(
    f: &'a Function<'a, T>,
    inputs: &[Tensor<T>],
    rng: &mut Rng,
) -> Checked<'a, T> {
    let w: Vec<Tensor<T>> = inputs.iter().map(|x| random_like(x.shape(), rng)).collect();
    let v = random_like(f(inputs).shape(), rng);
    let count = inputs.len();
    let g = move |x: &[Tensor<T>]| {
        // Evaluated at plain points too: the gradient always needs leaves.
        let xs: Vec<Tensor<T>> =
            x[..count].iter().map(|x| if x.is_tracked() { x.clone() } else { x.requires_grad() }).collect();
        let y = f(&xs);
        let refs: Vec<&Tensor<T>> = xs.iter().collect();
        let grads = grad_with(&y, &refs, &x[count], CreateGraph::Yes);
        let terms = grads.iter().zip(&w).filter_map(|(g, w)| Some((g.as_ref()? * w).sum()));
        terms.reduce(|a, b| a + b).unwrap_or_else(|| Tensor::scalar(T::ZERO))
    };
    let mut point = inputs.to_vec();
    point.push(v);
    (Box::new(g), point)
}
