//! Checks of derivatives: against central differences, twin against twin, f32 against f64.
//!
//! A gradient is compared with one random projection: vᵀJu against (f(x + hu) − f(x − hu))·v / 2h, three evaluations
//! instead of a whole Jacobian (as `check_vjp` of HIPS/autograd does). The second order applies the same to the gradient.

use etude_kernels::rng::Rng;

use super::{Check, close_above, on_every_isa, tensors, widen};
use crate::backward::{CreateGraph, grad_with};
use crate::dtype::Float;
use crate::gradcheck::{directional, projected_gradient};
use crate::table::{Case, Entry, Operation, Size, Tolerance};
use crate::tensor::Tensor;

/// vᵀJ equals central differences.
pub const FIRST: Check = Check { name: "the gradient equals central differences", size: Size::Small, holds: first };

fn first(entry: &Entry, case: &Case) -> Result<(), String> {
    let inputs = tensors::<f64>(&case.values());
    let f = |x: &[Tensor<f64>]| (entry.f64)(case, x);
    directional(&f, &inputs, &mut Rng::new(case.seed)).map_err(|error| error.to_string())
}

/// The gradient of a projection of the gradient equals central differences of it.
pub const SECOND: Check =
    Check { name: "the second gradient equals central differences", size: Size::Small, holds: second };

fn second(entry: &Entry, case: &Case) -> Result<(), String> {
    let inputs = tensors::<f64>(&case.values());
    let f = |x: &[Tensor<f64>]| (entry.f64)(case, x);
    let (g, inputs) = projected_gradient(&f, &inputs, &mut Rng::new(case.seed));
    directional(&*g, &inputs, &mut Rng::new(case.seed + 1)).map_err(|error| error.to_string())
}

/// The fused rule and the recorded rule give the same gradient; so does the composite twin.
pub const FUSED_EQUALS_COMPOSITE: Check =
    Check { name: "fused and composite rules agree", size: Size::Small, holds: fused };

fn fused(entry: &Entry, case: &Case) -> Result<(), String> {
    let want = gradients(entry.f64, case, CreateGraph::No);
    same("recorded rule", &gradients(entry.f64, case, CreateGraph::Yes), &want, Tolerance::Largest(1.0), 1e-10)?;
    match entry.composite {
        Some(twin) => same("twin", &gradients(twin, case, CreateGraph::No), &want, Tolerance::Largest(1.0), 1e-10),
        None => Ok(()),
    }
}

/// First and second gradients in f32 equal those in f64, on every instruction set.
pub const SINGLE_EQUALS_DOUBLE: Check = Check { name: "f32 gradients equal f64", size: Size::Small, holds: single };

fn single(entry: &Entry, case: &Case) -> Result<(), String> {
    // A gradient is a longer chain of roundings than the value.
    let bound = match entry.tolerance {
        Tolerance::Each(n) | Tolerance::Largest(n) => Tolerance::Largest(16.0 * (n + 8.0)),
    };
    let epsilon = f64::from(f32::EPSILON);
    let first = gradients(entry.f64, case, CreateGraph::No);
    let second = second_gradients(entry.f64, case);
    on_every_isa(|_| {
        same("first", &gradients(entry.f32, case, CreateGraph::No), &first, bound, epsilon)?;
        same("recorded first", &gradients(entry.f32, case, CreateGraph::Yes), &first, bound, epsilon)?;
        same("second", &second_gradients(entry.f32, case), &second, bound, epsilon)
    })
}

/// A fixed direction of a given shape.
fn direction<T: Float>(shape: &[usize], seed: u64) -> Tensor<T> {
    let mut rng = Rng::new(seed);
    let len = shape.iter().product();
    Tensor::from_vec((0..len).map(|_| T::from_f64(f64::from((2.0 * rng.f64() - 1.0) as f32))).collect(), shape)
}

fn gradients<T: Float>(op: Operation<T>, case: &Case, create_graph: CreateGraph) -> Vec<Vec<f64>> {
    let inputs: Vec<Tensor<T>> = tensors(&case.values()).iter().map(Tensor::requires_grad).collect();
    let y = op(case, &inputs);
    let refs: Vec<&Tensor<T>> = inputs.iter().collect();
    let grads = grad_with(&y, &refs, &direction(y.shape(), case.seed + 7), create_graph);
    grads.iter().map(|g| g.as_ref().map(widen).unwrap_or_default()).collect()
}

/// The gradients of Σᵢ wᵢ·gᵢ, where gᵢ are the first gradients.
fn second_gradients<T: Float>(op: Operation<T>, case: &Case) -> Vec<Vec<f64>> {
    let inputs: Vec<Tensor<T>> = tensors(&case.values()).iter().map(Tensor::requires_grad).collect();
    let y = op(case, &inputs);
    let refs: Vec<&Tensor<T>> = inputs.iter().collect();
    let grads = grad_with(&y, &refs, &direction(y.shape(), case.seed + 7), CreateGraph::Yes);
    let weigh = |(i, g): (usize, &Tensor<T>)| (g * direction::<T>(g.shape(), case.seed + 11 + i as u64)).sum();
    let projection = grads.iter().flatten().enumerate().map(weigh).reduce(|a, b| a + b);
    let Some(projection) = projection else { return Vec::new() };
    grad_with(&projection, &refs, &Tensor::ones([]), CreateGraph::No)
        .iter()
        .map(|g| g.as_ref().map(widen).unwrap_or_default())
        .collect()
}

fn same(what: &str, got: &[Vec<f64>], want: &[Vec<f64>], tolerance: Tolerance, epsilon: f64) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{what}: {} gradients, expected {}", got.len(), want.len()));
    }
    // A gradient that is zero by cancellation is small against the others, so all share one scale; and rules cancel
    // terms of order 1, such as 1 − y in σ′ = y(1 − y), so the scale is at least a tenth.
    let flat = |all: &[Vec<f64>]| all.concat();
    if got.iter().zip(want).any(|(g, w)| g.len() != w.len()) {
        return Err(format!("{what}: gradients of {:?} elements, expected {:?}", lens(got), lens(want)));
    }
    close_above(0.1, what, &flat(got), &flat(want), tolerance, epsilon)
}

fn lens(all: &[Vec<f64>]) -> Vec<usize> {
    all.iter().map(Vec::len).collect()
}
