//! Softmax, its logarithm and the cross-entropy of class targets, forward and backward, over rows.

use etude_kernels::elem::Real;
use etude_kernels::softmax;

use super::{Case, Title, Work, elements, normals, subject, zeros};
use crate::bench::kernels::subject::Subject;

/// Rows and their length.
const SHAPES: [(&str, [usize; 2]); 3] =
    [("in cache", [512, 128]), ("attention", [16_384, 1024]), ("vocabulary", [256, 32_000])];

#[derive(Clone, Copy)]
enum Kernel {
    Softmax,
    SoftmaxGrad,
    LogSoftmax,
    LogSoftmaxGrad,
    CrossEntropy,
    CrossEntropyGrad,
}

const KERNELS: [(&str, Kernel); 6] = [
    ("softmax", Kernel::Softmax),
    ("softmax_grad", Kernel::SoftmaxGrad),
    ("log_softmax", Kernel::LogSoftmax),
    ("log_softmax_grad", Kernel::LogSoftmaxGrad),
    ("cross_entropy", Kernel::CrossEntropy),
    ("cross_entropy_grad", Kernel::CrossEntropyGrad),
];

/// All kernels on all shapes: rows × length.
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for (name, kernel) in KERNELS {
        for (note, [rows, n]) in SHAPES {
            let title = Title { group: "softmax", kernel: name, note, shape: vec![rows, n] };
            let cost = match kernel {
                Kernel::Softmax | Kernel::LogSoftmax | Kernel::CrossEntropyGrad => elements(rows * n, rows * n),
                Kernel::SoftmaxGrad | Kernel::LogSoftmaxGrad => elements(2 * rows * n, rows * n),
                Kernel::CrossEntropy => elements(rows * n, rows),
            };
            all.push(subject(title, cost, Rows { kernel, rows, n }));
        }
    }
    all
}

struct Rows {
    kernel: Kernel,
    rows: usize,
    n: usize,
}

impl Case for Rows {
    fn work<T: Real>(&self) -> Work<T> {
        let Rows { kernel, rows, n } = *self;
        let x = normals::<T>(rows * n, 1);
        // The gradients of softmax and its logarithm start from the result.
        let result = |forward: fn(&[T], usize, usize, &mut [T])| {
            let mut y = zeros(rows * n);
            forward(&x, rows, n, &mut y);
            (y, normals::<T>(rows * n, 2))
        };
        let targets: Vec<i64> = (0..rows).map(|row| (row * 7919 % n) as i64).collect();
        match kernel {
            Kernel::Softmax => Work::new(rows * n, move |out| softmax::softmax(&x, rows, n, out)),
            Kernel::SoftmaxGrad => {
                let (y, g) = result(softmax::softmax);
                Work::new(rows * n, move |out| softmax::softmax_grad(&y, &g, rows, n, out))
            }
            Kernel::LogSoftmax => Work::new(rows * n, move |out| softmax::log_softmax(&x, rows, n, out)),
            Kernel::LogSoftmaxGrad => {
                let (y, g) = result(softmax::log_softmax);
                Work::new(rows * n, move |out| softmax::log_softmax_grad(&y, &g, rows, n, out))
            }
            Kernel::CrossEntropy => Work::new(rows, move |out| softmax::cross_entropy(&x, &targets, rows, n, out)),
            Kernel::CrossEntropyGrad => {
                let g = normals::<T>(rows, 2);
                Work::new(rows * n, move |out| softmax::cross_entropy_grad(&x, &targets, &g, rows, n, out))
            }
        }
    }
}
