//! Functions of one variable with their gradients, and addition, in cache and out of it.

use etude_kernels::elem::Real;
use etude_kernels::ew::{self, Binary, Saves, Unary};
use etude_kernels::strided::Strided;

use super::{Case, Title, Work, elements, normals, subject};
use crate::bench::kernels::subject::Subject;

/// 256 KiB an operand lie in a core's own cache, 64 MiB do not.
pub const SIZES: [(&str, usize); 2] = [("in cache", 64 << 10), ("out of cache", 16 << 20)];

const FUNCTIONS: [(&str, &str, Unary); 10] = [
    ("exp", "exp_grad", Unary::Exp),
    ("tanh", "tanh_grad", Unary::Tanh),
    ("sigmoid", "sigmoid_grad", Unary::Sigmoid),
    ("gelu", "gelu_grad", Unary::Gelu),
    ("gelu_tanh", "gelu_tanh_grad", Unary::GeluTanh),
    ("silu", "silu_grad", Unary::Silu),
    ("softplus", "softplus_grad", Unary::Softplus),
    ("relu", "relu_grad", Unary::Relu),
    ("pow3", "pow3_grad", Unary::Powf(3.0)),
    ("pow7", "pow7_grad", Unary::Powf(7.0)),
];

/// All elementwise kernels.
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for (note, n) in SIZES {
        let title = |kernel| Title { group: "elementwise", kernel, note, shape: vec![n] };
        for (name, grad, function) in FUNCTIONS {
            all.push(subject(title(name), elements(n, n), Function(function, n)));
            all.push(subject(title(grad), elements(2 * n, n), Gradient(function, n)));
        }
        all.push(subject(title("add"), elements(2 * n, n), Sum(n)));
    }
    all
}

struct Function(Unary, usize);

impl Case for Function {
    fn work<T: Real>(&self) -> Work<T> {
        let Function(function, n) = *self;
        let x = normals::<T>(n, 1);
        Work::new(n, move |out| ew::unary(function, &x, out))
    }
}

struct Gradient(Unary, usize);

impl Case for Gradient {
    fn work<T: Real>(&self) -> Work<T> {
        let Gradient(function, n) = *self;
        let (mut saved, g) = (normals::<T>(n, 1), normals::<T>(n, 2));
        if function.saves() == Saves::Output {
            ew::unary_mut(function, &mut saved);
        }
        Work::new(n, move |out| ew::unary_grad(function, &saved, &g, out))
    }
}

struct Sum(usize);

impl Case for Sum {
    fn work<T: Real>(&self) -> Work<T> {
        let n = self.0;
        let (a, b) = (normals::<T>(n, 1), normals::<T>(n, 2));
        Work::new(n, move |out| {
            let view = |data| Strided { data, offset: 0, strides: &[1] };
            ew::binary(Binary::Add, view(&a[..]), view(&b[..]), &[n], out);
        })
    }
}
