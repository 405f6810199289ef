//! Quasi-Newton minimisation of a smooth function of a few variables.
//!
//! The published crates are either frameworks with dozens of dependencies or unmaintained; the method is a page.
//! BFGS update of the inverse Hessian: Nocedal & Wright, *Numerical Optimization*, 2nd ed., eq. (6.17), with the first
//! scaling (6.20); backtracking by quadratic interpolation (§3.5); an update that would lose positive definiteness is
//! skipped. Gradients are central differences (§8.1): the objective is a mean log-likelihood, of order one.

use crate::linear::dot;

/// How a minimisation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The gradient vanished to the tolerance.
    Converged,
    /// No lower value could be found although the gradient had not vanished to the tolerance.
    Stalled,
    /// The iteration limit came first.
    IterationLimit,
}

/// Where a minimisation ended.
#[derive(Clone, Debug)]
pub(crate) struct Minimum {
    pub(crate) x: Vec<f64>,
    pub(crate) value: f64,
    pub(crate) status: Status,
    pub(crate) iterations: usize,
}

/// Step of the central differences: ε^{1/3} rounded, near the optimum of truncation h² against rounding ε/h.
const STEP: f64 = 1e-5;
/// Sufficient decrease, Nocedal & Wright eq. (3.4).
const ARMIJO: f64 = 1e-4;

fn gradient(f: &dyn Fn(&[f64]) -> f64, x: &[f64]) -> Vec<f64> {
    let mut point = x.to_vec();
    (0..x.len())
        .map(|i| {
            let h = STEP * (1.0 + x[i].abs());
            point[i] = x[i] + h;
            let right = f(&point);
            point[i] = x[i] - h;
            let left = f(&point);
            point[i] = x[i];
            (right - left) / (2.0 * h)
        })
        .collect()
}

/// Minimises `f` from `start`; `f` may answer +∞ or NaN where it is not defined, except at the start.
pub(crate) fn minimise(f: &dyn Fn(&[f64]) -> f64, start: &[f64], tolerance: f64, max_iterations: usize) -> Minimum {
    let k = start.len();
    let mut x = start.to_vec();
    let mut value = f(&x);
    let mut g = gradient(f, &x);
    let mut inverse: Option<Vec<f64>> = None;
    for iteration in 0..max_iterations {
        let size = g.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        if size <= tolerance {
            return Minimum { x, value, status: Status::Converged, iterations: iteration };
        }
        let mut direction: Vec<f64> = match &inverse {
            Some(h) => h.chunks_exact(k).map(|row| -dot(row, &g)).collect(),
            None => g.iter().map(|g| -g / size.max(1.0)).collect(),
        };
        let mut slope = dot(&direction, &g);
        if !(slope < 0.0) {
            direction = g.iter().map(|g| -g).collect();
            slope = -dot(&g, &g);
            inverse = None;
        }
        let Some((next, next_value)) = backtrack(f, &x, value, &direction, slope) else {
            if inverse.take().is_some() {
                continue;
            }
            // A gradient this small over a step this short changes nothing beyond rounding.
            let status = if size < 1e-4 { Status::Converged } else { Status::Stalled };
            return Minimum { x, value, status, iterations: iteration };
        };
        let next_g = gradient(f, &next);
        let s: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = next_g.iter().zip(&g).map(|(a, b)| a - b).collect();
        update_inverse(&mut inverse, &s, &y);
        (x, value, g) = (next, next_value, next_g);
    }
    Minimum { x, value, status: Status::IterationLimit, iterations: max_iterations }
}

/// Shortens the step until the value falls enough; `None` when no such step is left.
fn backtrack(
    f: &dyn Fn(&[f64]) -> f64,
    x: &[f64],
    value: f64,
    direction: &[f64],
    slope: f64,
) -> Option<(Vec<f64>, f64)> {
    let mut step = 1.0;
    for _ in 0..40 {
        let point: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let got = f(&point);
        if got <= value + ARMIJO * step * slope && got < value {
            return Some((point, got));
        }
        // Minimiser of the parabola through value, slope and the new value, kept within [0.1, 0.5] of the step.
        let parabola = -0.5 * slope * step * step / (got - value - slope * step);
        step = if parabola.is_finite() { parabola.clamp(0.1 * step, 0.5 * step) } else { 0.1 * step };
    }
    None
}

/// H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ, ρ = 1/yᵀs (Nocedal & Wright eq. (6.17)).
fn update_inverse(inverse: &mut Option<Vec<f64>>, s: &[f64], y: &[f64]) {
    let k = s.len();
    let ys = dot(y, s);
    if !(ys > 1e-12 * dot(s, s).sqrt() * dot(y, y).sqrt()) {
        return;
    }
    let h = inverse.get_or_insert_with(|| {
        let gamma = ys / dot(y, y);
        (0..k * k).map(|ij| if ij / k == ij % k { gamma } else { 0.0 }).collect()
    });
    let hy: Vec<f64> = h.chunks_exact(k).map(|row| dot(row, y)).collect();
    let factor = (1.0 + dot(y, &hy) / ys) / ys;
    for i in 0..k {
        for j in 0..k {
            h[i * k + j] += factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / ys;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrock_ends_at_one_one() {
        let f = |x: &[f64]| (1.0 - x[0]).powi(2) + 100.0 * (x[1] - x[0] * x[0]).powi(2);
        let end = minimise(&f, &[-1.2, 1.0], 1e-8, 200);
        assert_eq!(end.status, Status::Converged);
        assert!((end.x[0] - 1.0).abs() < 1e-6 && (end.x[1] - 1.0).abs() < 1e-6, "{end:?}");
    }

    #[test]
    fn walls_of_infinity_are_walked_around() {
        let f = |x: &[f64]| if x[0] <= 0.0 { f64::INFINITY } else { x[0] - x[0].ln() };
        let end = minimise(&f, &[30.0], 1e-8, 100);
        assert!((end.x[0] - 1.0).abs() < 1e-5, "{end:?}");
    }

    #[test]
    fn nothing_to_minimise_over() {
        let end = minimise(&|_| 3.0, &[], 1e-8, 10);
        assert_eq!((end.status, end.value), (Status::Converged, 3.0));
    }
}
