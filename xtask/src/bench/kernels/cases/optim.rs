//! Fused updates of optimisers.

use etude_kernels::buf::Buf;
use etude_kernels::elem::Real;
use etude_kernels::optim::{self, Adam, Sgd};

use super::elementwise::SIZES;
use super::{Case, Title, Work, elements, normals, subject, zeros};
use crate::bench::kernels::subject::Subject;

/// Small, so that many calls change the parameters little.
const RATE: f64 = 1e-6;

const ADAM: Adam =
    Adam { lr: RATE, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, decoupled: false, step: 10 };
const ADAM_W: Adam = Adam { weight_decay: 0.01, decoupled: true, ..ADAM };
const SGD: Sgd = Sgd { lr: RATE, momentum: 0.9, dampening: 0.0, weight_decay: 0.0, nesterov: false };

/// All updates.
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for (note, n) in SIZES {
        let title = |kernel| Title { group: "optim", kernel, note, shape: vec![n] };
        // Parameter, gradient and states are read, all but the gradient written.
        all.push(subject(title("adam"), elements(4 * n, 3 * n).in_place(), Adams(ADAM, n)));
        all.push(subject(title("adamw"), elements(4 * n, 3 * n).in_place(), Adams(ADAM_W, n)));
        all.push(subject(title("sgd_momentum"), elements(3 * n, 2 * n).in_place(), Momentum(n)));
    }
    all
}

struct Adams(Adam, usize);

impl Case for Adams {
    fn work<T: Real>(&self) -> Work<T> {
        let Adams(hyper, n) = *self;
        let (g, mut m, mut v) = (normals::<T>(n, 1), zeros(n), Buf::filled(n, T::ONE));
        Work { out: normals(n, 2), call: Box::new(move |p| optim::adam(p, &g, &mut m, &mut v, &hyper)) }
    }
}

struct Momentum(usize);

impl Case for Momentum {
    fn work<T: Real>(&self) -> Work<T> {
        let (g, mut buffer) = (normals::<T>(self.0, 1), zeros(self.0));
        Work { out: normals(self.0, 2), call: Box::new(move |p| optim::sgd(p, &g, &mut buffer, &SGD)) }
    }
}
