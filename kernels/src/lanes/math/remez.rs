//! The derivation of the polynomials beside it: Remez' exchange algorithm in f64, coefficients rounded to f32.
//!
//! The constants are results of [`Fit::coefficients`]; the tests derive them anew and compare, so that not one of their
//! digits can be wrong.
//!
//! Source: Muller, *Elementary Functions*, 3rd ed., §3.5 (the exchange), §3.6 (coefficients of limited precision: here
//! the better of two ways, all rounded at once, or the lowest rounded and the others fitted anew, in turn).

use std::f64::consts::PI;

/// Asks for the Σ c_k x^(first + k·step) nearest to `target` on [lo, hi] in the norm max |error / scale|.
pub struct Fit<'a> {
    pub target: &'a dyn Fn(f64) -> f64,
    pub scale: &'a dyn Fn(f64) -> f64,
    pub lo: f64,
    pub hi: f64,
    pub first: i32,
    pub step: i32,
}

impl Fit<'_> {
    /// `n` coefficients, lowest power first, each representable in f32.
    pub fn coefficients(&self, n: usize) -> Vec<f64> {
        let at_once: Vec<f64> = self.exchange(n).into_iter().map(|c| f64::from(c as f32)).collect();
        let in_turn = self.rounded_in_turn(n);
        if self.worst(&at_once) < self.worst(&in_turn) { at_once } else { in_turn }
    }

    fn rounded_in_turn(&self, n: usize) -> Vec<f64> {
        let mut done: Vec<f64> = Vec::new();
        while done.len() < n {
            let target = |x: f64| (self.target)(x) - self.value(&done, x);
            let first = self.first + done.len() as i32 * self.step;
            let rest = Fit { target: &target, first, ..*self }.exchange(n - done.len());
            done.push(f64::from(rest[0] as f32));
        }
        done
    }

    /// The largest |error / scale| of these coefficients.
    pub fn worst(&self, c: &[f64]) -> f64 {
        (0..4000).map(|i| self.error(c, self.point(i, 4000)).abs()).fold(0.0, f64::max)
    }

    fn value(&self, c: &[f64], x: f64) -> f64 {
        c.iter().enumerate().map(|(k, c)| c * x.powi(self.first + k as i32 * self.step)).sum()
    }

    fn error(&self, c: &[f64], x: f64) -> f64 {
        (self.value(c, x) - (self.target)(x)) / (self.scale)(x)
    }

    /// Chebyshev points, which never include the ends: target and scale may vanish there.
    fn point(&self, i: usize, count: usize) -> f64 {
        let u = (PI * (i as f64 + 0.5) / count as f64).cos();
        0.5 * (self.lo + self.hi) - 0.5 * (self.hi - self.lo) * u
    }

    /// Unrounded coefficients.
    fn exchange(&self, n: usize) -> Vec<f64> {
        let mut nodes: Vec<f64> = (0..=n).map(|i| self.point(i, n + 1)).collect();
        let mut best = (f64::INFINITY, Vec::new());
        for _ in 0..12 {
            let row = |(i, &x): (usize, &f64)| {
                let s = (self.scale)(x);
                let mut row: Vec<f64> = (0..n).map(|k| x.powi(self.first + k as i32 * self.step) / s).collect();
                row.extend([if i % 2 == 0 { 1.0 } else { -1.0 }, (self.target)(x) / s]);
                row
            };
            let mut c = gauss(nodes.iter().enumerate().map(row).collect());
            c.truncate(n);
            let mut peaks = self.peaks(&c);
            let worst = peaks.iter().map(|p| p.1.abs()).fold(0.0, f64::max);
            if worst < best.0 {
                best = (worst, c);
            }
            while peaks.len() > n + 1 {
                let last = peaks.len() - 1;
                peaks.remove(if peaks[0].1.abs() < peaks[last].1.abs() { 0 } else { last });
            }
            if peaks.len() < n + 1 {
                break;
            }
            nodes = peaks.into_iter().map(|p| p.0).collect();
        }
        best.1
    }

    /// (place, error) of the largest error in every run of equal sign.
    fn peaks(&self, c: &[f64]) -> Vec<(f64, f64)> {
        let mut peaks: Vec<(f64, f64)> = Vec::new();
        for x in (0..4000).map(|i| self.point(i, 4000)) {
            let e = self.error(c, x);
            match peaks.last_mut() {
                Some(last) if last.1 * e > 0.0 => *last = if e.abs() > last.1.abs() { (x, e) } else { *last },
                _ => peaks.push((x, e)),
            }
        }
        peaks
    }
}

/// Solves the system with rows [coefficients…, right-hand side] by elimination with partial pivoting.
fn gauss(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| rows[i][k].abs().total_cmp(&rows[j][k].abs())).expect("k < n");
        rows.swap(k, pivot);
        let top = rows[k].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != k) {
            let factor = row[k] / top[k];
            row.iter_mut().zip(&top).for_each(|(v, t)| *v -= factor * t);
        }
    }
    (0..n).map(|k| rows[k][n] / rows[k][k]).collect()
}
