//! Kernels that do little more than read or move: sums, maxima, and the copy of a transpose.

use etude_kernels::elem::Real;
use etude_kernels::reduce::{self, Reduce};
use etude_kernels::strided::{self, Strided};

use super::elementwise::SIZES;
use super::{Case, Title, Work, elements, normals, subject};
use crate::bench::kernels::subject::Subject;

/// Length of the rows of those kernels that have rows.
const ROW: usize = 1024;

/// All of them: the shape is [outer, reduced, inner] of a reduction, rows and columns of a transpose.
pub fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for (note, n) in SIZES {
        let reductions = [
            ("sum", Reduce::Sum, [1, n, 1]),
            ("max", Reduce::Max, [1, n, 1]),
            ("sum_rows", Reduce::Sum, [n / ROW, ROW, 1]),
            ("sum_columns", Reduce::Sum, [1, n / ROW, ROW]),
        ];
        for (kernel, op, shape) in reductions {
            let title = Title { group: "reduce", kernel, note, shape: shape.to_vec() };
            all.push(subject(title, elements(n, shape[0] * shape[2]), Reduction { op, shape }));
        }
        let side = n.isqrt();
        let title = Title { group: "copy", kernel: "transpose", note, shape: vec![side, side] };
        all.push(subject(title, elements(n, n), Transpose(side)));
    }
    all
}

struct Reduction {
    op: Reduce,
    shape: [usize; 3],
}

impl Case for Reduction {
    fn work<T: Real>(&self) -> Work<T> {
        let Reduction { op, shape: [outer, n, inner] } = *self;
        let x = normals::<T>(outer * n * inner, 1);
        Work::new(outer * inner, move |out| reduce::reduce(op, &x, outer, n, inner, out))
    }
}

struct Transpose(usize);

impl Case for Transpose {
    fn work<T: Real>(&self) -> Work<T> {
        let side = self.0;
        let x = normals::<T>(side * side, 1);
        Work::new(side * side, move |out| {
            strided::copy(Strided { data: &x[..], offset: 0, strides: &[1, side] }, &[side, side], out);
        })
    }
}
