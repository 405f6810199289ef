//! Checks of values: against the independent definition, on every instruction set, layout and number of threads.

use etude_kernels::par;

use super::{Check, FIRST, SECOND, close, close_above, on_every_isa, tensors, widen};
use crate::backward::{CreateGraph, grad_with};
use crate::dtype::Float;
use crate::table::{Array, Case, Entry, Operation, Size, Tolerance};
use crate::tensor::Tensor;

/// f64 and, on every instruction set, f32 equal the plain definition.
pub const REFERENCE: Check = Check { name: "the value equals its definition", size: Size::Small, holds: reference };

fn reference(entry: &Entry, case: &Case) -> Result<(), String> {
    let values = case.values();
    let want = (entry.reference)(case, &values);
    on_every_isa(|_| {
        let y = (entry.f64)(case, &tensors(&values));
        close("f64", &widen(&y), &want, Tolerance::Largest(1.0), 1e-11)?;
        if let Some(composite) = entry.composite {
            close("composite", &widen(&composite(case, &tensors(&values))), &want, Tolerance::Largest(1.0), 1e-11)?;
        }
        let y = (entry.f32)(case, &tensors(&values));
        // Sums cancel: their rounding is that of their terms, so the scale is at least that of the inputs.
        let scale = values.iter().flat_map(|x| &x.data).fold(1e-3, |m: f64, v| m.max(v.abs()));
        close_above(scale, "f32", &widen(&y), &want, entry.tolerance, f64::from(f32::EPSILON))
    })
}

/// Views with gaps, with exchanged axes and with repeated elements give what contiguous inputs give, value and gradient.
pub const LAYOUTS: Check = Check { name: "strided inputs give the same", size: Size::Small, holds: layouts };

fn layouts(entry: &Entry, case: &Case) -> Result<(), String> {
    let plain = tensors::<f64>(&case.values());
    let want = value_and_gradients(entry.f64, case, &plain);
    for (name, strided) in [("transposed", transposed as fn(&_) -> _), ("cut from a larger tensor", cut)] {
        let inputs: Vec<Tensor<f64>> = plain.iter().map(strided).collect();
        close(name, &value_and_gradients(entry.f64, case, &inputs), &want, Tolerance::Largest(1.0), 1e-12)?;
    }
    // Other values than the case's, which repeat nothing: the same ones in a tensor that holds each once for each place.
    let views: Vec<Tensor<f64>> = plain.iter().map(|x| repeated(x, case.seed)).collect();
    let copies: Vec<Tensor<f64>> = views.iter().map(Tensor::contiguous).collect();
    let want = value_and_gradients(entry.f64, case, &copies);
    close("expanded", &value_and_gradients(entry.f64, case, &views), &want, Tolerance::Largest(1.0), 1e-12)
}

/// The value, and the gradients of half the sum of its squares.
fn value_and_gradients(op: Operation<f64>, case: &Case, inputs: &[Tensor<f64>]) -> Vec<f64> {
    let inputs: Vec<Tensor<f64>> = inputs.iter().map(Tensor::requires_grad).collect();
    let y = op(case, &inputs);
    let refs: Vec<&Tensor<f64>> = inputs.iter().collect();
    let grads = grad_with(&y, &refs, &y.detach(), CreateGraph::No);
    std::iter::once(&y).chain(grads.iter().flatten()).flat_map(widen).collect()
}

/// The first position of one axis at all its positions: a stride of 0.
fn repeated(x: &Tensor<f64>, seed: u64) -> Tensor<f64> {
    if x.rank() == 0 || x.is_empty() {
        return x.clone();
    }
    let axis = seed as usize % x.rank();
    x.narrow(axis, 0, 1).expand(x.shape())
}

/// The same values with the axes stored in reverse order.
fn transposed(x: &Tensor<f64>) -> Tensor<f64> {
    let reverse: Vec<usize> = (0..x.rank()).rev().collect();
    let stored = x.permute(&reverse).contiguous();
    stored.permute(&reverse)
}

/// The same values as a window of a larger tensor full of NaN.
fn cut(x: &Tensor<f64>) -> Tensor<f64> {
    let mut out = x.clone();
    for axis in 0..x.rank() {
        let mut shape = out.shape().to_vec();
        shape[axis] = 1;
        let border = Tensor::full(&shape, f64::NAN);
        out = Tensor::concat(&[&border, &out, &border], axis);
    }
    (0..x.rank()).fold(out, |out, axis| out.narrow(axis, 1, x.dim(axis)))
}

/// Axes of length 1, and tensors without axes, give the definition's value and derivatives of both orders.
pub const ONES: Check = Check { name: "axes of length 1 work", size: Size::One, holds: ones };

fn ones(entry: &Entry, case: &Case) -> Result<(), String> {
    reference(entry, case)?;
    if entry.differentiable {
        (FIRST.holds)(entry, case)?;
        (SECOND.holds)(entry, case)?;
    }
    Ok(())
}

/// Empty inputs give a value and gradients of the right shape, without a panic.
pub const EMPTY: Check = Check { name: "empty inputs work", size: Size::Empty, holds: empty };

fn empty(entry: &Entry, case: &Case) -> Result<(), String> {
    let values = case.values();
    let inputs: Vec<Tensor<f32>> = tensors(&values).iter().map(Tensor::requires_grad).collect();
    let y = (entry.f32)(case, &inputs);
    let want = (entry.reference)(case, &values);
    if y.len() != want.len() {
        return Err(format!("{} elements, expected {}", y.len(), want.len()));
    }
    if !entry.differentiable {
        return if y.is_tracked() {
            Err("the output is tracked, but the entry says it has no derivative".into())
        } else {
            Ok(())
        };
    }
    let refs: Vec<&Tensor<f32>> = inputs.iter().collect();
    for create_graph in [CreateGraph::No, CreateGraph::Yes] {
        for (x, g) in inputs.iter().zip(grad_with(&y, &refs, &Tensor::ones(y.shape()), create_graph)) {
            let g = g.ok_or("an input got no gradient")?;
            if g.shape() != x.shape() {
                return Err(format!("the gradient of {:?} has shape {:?}", x.shape(), g.shape()));
            }
        }
    }
    Ok(())
}

/// One NaN in any input shows in the output, where the entry says so, on every instruction set.
pub const NAN: Check = Check { name: "NaN is not lost", size: Size::Small, holds: nan };

fn nan(entry: &Entry, case: &Case) -> Result<(), String> {
    if !entry.propagates_nan {
        return Ok(());
    }
    let values = case.values();
    for i in 0..values.len() {
        let mut poisoned = values.clone();
        let len = poisoned[i].data.len();
        if len == 0 {
            continue;
        }
        poisoned[i].data[case.seed as usize % len] = f64::NAN;
        on_every_isa(|_| {
            let lost = |y: Vec<f64>| !y.is_empty() && !y.iter().any(|v| v.is_nan());
            let single = widen(&(entry.f32)(case, &tensors::<f32>(&poisoned)));
            let double = widen(&(entry.f64)(case, &tensors::<f64>(&poisoned)));
            if lost(single) || lost(double) { Err(format!("a NaN in input {i} is lost")) } else { Ok(()) }
        })?;
    }
    Ok(())
}

/// Value and gradients have the same bits on 1, 2, 3 and 8 threads, on every instruction set.
pub const THREADS: Check = Check { name: "the number of threads changes nothing", size: Size::Large, holds: threads };

fn threads(entry: &Entry, case: &Case) -> Result<(), String> {
    let values = case.values();
    on_every_isa(|_| {
        let want = par::with_threads(1, || all_bits::<f32>(entry.f32, case, &values));
        for n in [2, 3, 8] {
            if par::with_threads(n, || all_bits::<f32>(entry.f32, case, &values)) != want {
                return Err(format!("{n} threads give other bits than 1"));
            }
        }
        Ok(())
    })
}

fn all_bits<T: Float>(op: fn(&Case, &[Tensor<T>]) -> Tensor<T>, case: &Case, values: &[Array]) -> Vec<u64> {
    let inputs: Vec<Tensor<T>> = tensors(values).iter().map(Tensor::requires_grad).collect();
    let y = op(case, &inputs);
    let refs: Vec<&Tensor<T>> = inputs.iter().collect();
    let grads = grad_with(&y, &refs, &y.detach(), CreateGraph::No);
    let all = std::iter::once(y).chain(grads.into_iter().flatten());
    all.flat_map(|x| widen(&x)).map(f64::to_bits).collect()
}
