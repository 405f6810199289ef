//! Mean and the first two principal axes of the samples.

use crate::error::{Error, Result};
use etude_kernels::gemm::{Accumulate, Mat, matmul};

/// The plane that holds most of the variance.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub(crate) mean: Vec<f64>,
    /// Unit vectors; zero if the samples have one feature only and there is no second axis.
    pub(crate) axes: [Vec<f64>; 2],
}

/// Samples of one accumulation step of the covariance: bounds the memory of the centred copy.
const BLOCK: usize = 4096;

/// Eigenvectors of the two largest eigenvalues of the covariance matrix (Jolliffe 2002, §2.1).
pub(crate) fn principal_plane(samples: &[f32], width: usize) -> Result<Plane> {
    let rows = samples.len() / width;
    let mut mean = vec![0.0f64; width];
    for x in samples.chunks_exact(width) {
        mean.iter_mut().zip(x).for_each(|(m, x)| *m += f64::from(*x));
    }
    mean.iter_mut().for_each(|m| *m /= rows as f64);
    let mut covariance = vec![0.0f64; width * width];
    for block in samples.chunks(BLOCK * width) {
        let centred: Vec<f64> =
            block.chunks_exact(width).flat_map(|x| x.iter().zip(&mean).map(|(x, m)| f64::from(*x) - m)).collect();
        let block = Mat::row_major(&centred, centred.len() / width, width);
        matmul(&mut covariance, block.t(), block, Accumulate::Yes);
    }
    // Scaled to order one: eigenvectors do not depend on the scale, but convergence tests do.
    let largest = covariance.iter().fold(0.0f64, |m, c| m.max(c.abs()));
    // Solvers have been known to hang on NaN and infinity; sums of finite f32 products cannot overflow f64, so this is
    // a second lock on the door.
    if !largest.is_finite() {
        return Err(Error::NoPrincipalAxes);
    }
    let scale = if largest > 0.0 { 1.0 / largest } else { 1.0 };
    let matrix =
        faer::Mat::from_fn(width, width, |i, j| 0.5 * scale * (covariance[i * width + j] + covariance[j * width + i]));
    let eigen = matrix.self_adjoint_eigen(faer::Side::Lower).map_err(|_| Error::NoPrincipalAxes)?;
    // faer orders eigenvalues from the smallest to the largest.
    let vectors = eigen.U();
    let axis = |from_last: usize| -> Vec<f64> {
        if from_last > width {
            return vec![0.0; width];
        }
        let vector: Vec<f64> = (0..width).map(|k| vectors[(k, width - from_last)]).collect();
        let largest = vector.iter().fold(0.0f64, |m, v| if v.abs() > m.abs() { *v } else { m });
        vector.iter().map(|v| v * largest.signum()).collect()
    };
    Ok(Plane { mean, axes: [axis(1), axis(2)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_an_ellipse() {
        // Points at ±3 along (0.6, 0.8) and ±1 across, about (10, −5).
        let (u, v) = ([0.6f32, 0.8], [0.8f32, -0.6]);
        let point = |a: f32, b: f32| [10.0 + a * u[0] + b * v[0], -5.0 + a * u[1] + b * v[1]];
        let samples: Vec<f32> = [point(3.0, 0.0), point(-3.0, 0.0), point(0.0, 1.0), point(0.0, -1.0)].concat();
        let plane = principal_plane(&samples, 2).expect("finite");
        for (got, want) in
            plane.mean.iter().chain(&plane.axes[0]).chain(&plane.axes[1]).zip([10.0, -5.0, 0.6, 0.8, 0.8, -0.6])
        {
            assert!((got - want).abs() < 1e-6, "{plane:?}");
        }
    }

    #[test]
    fn degenerate_samples_still_have_a_plane() {
        let plane = principal_plane(&[2.0; 12], 3).expect("finite");
        assert_eq!(plane.mean, vec![2.0; 3]);
        assert!(plane.axes.iter().flatten().all(|x| x.is_finite()));
        let line = principal_plane(&[1.0, 2.0, 4.0], 1).expect("finite");
        assert_eq!(line.axes, [vec![1.0], vec![0.0]]);
    }
}
