//! What is made of gradients: products with the Hessian, Jacobians, Newton steps, learning to learn.

use etude_autograd::{CreateGraph, Tensor, grad, grad_with};

fn vector(x: &[f64]) -> Tensor<f64> {
    Tensor::from_slice(x, [x.len()])
}

/// H·v as the gradient of ∇f·v: two passes, no Hessian. Pearlmutter 1994.
fn hessian_vector(f: impl Fn(&Tensor<f64>) -> Tensor<f64>, x: &[f64], v: &[f64]) -> Vec<f64> {
    let x = vector(x).requires_grad();
    let [g] = grad(&f(&x), [&x], CreateGraph::Yes);
    let [hv] = grad(&(g * vector(v)).sum(), [&x], CreateGraph::No);
    hv.to_vec()
}

/// The rows of the Jacobian, one pass each: vᵀJ for the unit vectors v.
fn jacobian(f: impl Fn(&Tensor<f64>) -> Tensor<f64>, x: &[f64]) -> Vec<Vec<f64>> {
    let x = vector(x).requires_grad();
    let y = f(&x);
    let units = Tensor::<f64>::eye(y.len());
    let row =
        |i| grad_with(&y, &[&x], &units.select(0, i), CreateGraph::No)[0].as_ref().expect("depends on x").to_vec();
    (0..y.len()).map(row).collect()
}

/// (1 − a)² + 100·(b − a²)². Rosenbrock 1960.
fn rosenbrock(x: &Tensor<f64>) -> Tensor<f64> {
    let (a, b) = (x.select(0, 0), x.select(0, 1));
    (1.0 - &a).square() + (b - a.square()).square() * 100.0
}

#[test]
fn a_product_with_the_hessian_needs_no_hessian() {
    let (a, b) = (-1.25, 0.5);
    // [[2 − 400·(b − 3a²), −400·a], [−400·a, 200]]
    let hessian = [[2.0 - 400.0 * (b - 3.0 * a * a), -400.0 * a], [-400.0 * a, 200.0]];
    for v in [[1.0, 0.0], [0.0, 1.0], [0.5, -2.0]] {
        let wanted = hessian.map(|row| row[0] * v[0] + row[1] * v[1]);
        assert_eq!(hessian_vector(rosenbrock, &[a, b], &v), wanted);
    }
}

#[test]
fn jacobians_of_small_functions() {
    // Polar coordinates: (r cos φ, r sin φ).
    let polar = |x: &Tensor<f64>| {
        let (r, angle) = (x.select(0, 0), x.select(0, 1));
        Tensor::stack(&[&(&r * angle.cos()), &(&r * angle.sin())], 0)
    };
    let (r, angle) = (2.0, 0.75f64);
    let wanted = [[angle.cos(), -r * angle.sin()], [angle.sin(), r * angle.cos()]];
    for (row, wanted) in jacobian(polar, &[r, angle]).iter().zip(wanted) {
        row.iter().zip(wanted).for_each(|(j, w)| assert!((j - w).abs() < 1e-14, "{j} and {w}"));
    }
    // The Jacobian of the gradient is the Hessian, which is symmetric.
    let gradient = |x: &Tensor<f64>| grad(&rosenbrock(x), [x], CreateGraph::Yes)[0].clone();
    let hessian = jacobian(gradient, &[-1.25, 0.5]);
    assert_eq!(hessian[0][1], hessian[1][0]);
    assert_eq!(hessian[1][1], 200.0);
}

/// An outer gradient through a step of descent: Finn, Abbeel & Levine 2017, arXiv:1703.03400, eq. (1).
#[test]
fn a_step_of_descent_can_be_differentiated() {
    let (rate, x, y) = (0.1, 1.5, 2.0);
    let inner = |w: &Tensor<f64>| (w * x - y).square().sum();
    let outer = |w: &Tensor<f64>| (w * 0.5 - 1.0).square().sum();
    let w = vector(&[0.25]).requires_grad();
    let [g] = grad(&inner(&w), [&w], CreateGraph::Yes);
    let adapted = &w - g * rate;
    let [meta] = grad(&outer(&adapted), [&w], CreateGraph::No);
    // w′ = w − 2ηx(wx − y), so dw′/dw = 1 − 2ηx².
    let at = 0.25 - 2.0 * rate * x * (0.25 * x - y);
    let wanted = 2.0 * 0.5 * (at * 0.5 - 1.0) * (1.0 - 2.0 * rate * x * x);
    assert!((meta.item() - wanted).abs() < 1e-14, "{} and {wanted}", meta.item());
}
