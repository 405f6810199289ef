//! Convolutions of the shapes that models have: forward and both gradients.

use etude_kernels::conv::{self, Conv2d};
use etude_kernels::elem::Real;

use super::{Case, Title, Work, normals, subject};
use crate::bench::kernels::roofline::Cost;
use crate::bench::kernels::subject::Subject;

/// One geometry, square everywhere.
const fn square(
    batch: usize,
    channels: [usize; 2],
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Conv2d {
    Conv2d {
        batch,
        in_channels: channels[0],
        height: size,
        width: size,
        out_channels: channels[1],
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [1, 1],
        groups: 1,
    }
}

const SHAPES: [(&str, Conv2d); 8] = [
    ("3×3, padded", square(64, [32, 64], 28, 3, 1, 1)),
    ("LeNet, first", square(64, [1, 6], 28, 5, 1, 2)),
    ("LeNet, second", square(64, [6, 16], 14, 5, 1, 0)),
    ("DCGAN, 4×4 step 2", square(64, [64, 128], 16, 4, 2, 1)),
    ("1×1", square(16, [128, 128], 28, 1, 1, 0)),
    ("depthwise 3×3", Conv2d { groups: 64, ..square(16, [64, 64], 28, 3, 1, 1) }),
    ("ResNet 3×3", square(1, [64, 64], 56, 3, 1, 1)),
    ("ResNet 3×3, deep", square(1, [512, 512], 7, 3, 1, 1)),
];

/// A transposed convolution is the gradient of this one with respect to its input.
const TRANSPOSED: (&str, Conv2d) = ("generator, 4×4 step 2", square(64, [128, 256], 8, 4, 2, 1));

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Input,
    Weight,
}

/// All convolutions. The shape is batch, channels in, height, width, channels out, kernel, stride, padding, groups.
pub fn subjects() -> Vec<Subject> {
    let directions = [
        ("conv2d", Direction::Forward),
        ("conv2d_grad_input", Direction::Input),
        ("conv2d_grad_weight", Direction::Weight),
    ];
    let mut all = Vec::new();
    for (kernel, direction) in directions {
        all.extend(SHAPES.into_iter().map(|(note, shape)| one(kernel, note, shape, direction)));
    }
    all.push(one("conv_transpose2d", TRANSPOSED.0, TRANSPOSED.1, Direction::Input));
    all
}

fn one(kernel: &'static str, note: &'static str, shape: Conv2d, direction: Direction) -> Subject {
    let s = shape;
    let sizes = vec![
        s.batch,
        s.in_channels,
        s.height,
        s.width,
        s.out_channels,
        s.kernel[0],
        s.stride[0],
        s.padding[0],
        s.groups,
    ];
    let [x, w, out] = lengths(&shape);
    let (reads, writes) = match direction {
        Direction::Forward => (x + w, out),
        Direction::Input => (w + out, x),
        Direction::Weight => (x + out, w),
    };
    let patch = w / s.out_channels;
    let cost = Cost::new(2.0 * (out * patch) as f64, 4.0 * reads as f64, 4.0 * writes as f64);
    subject(Title { group: "conv", kernel, note, shape: sizes }, cost, Convolution { shape, direction })
}

/// Elements of the input, the weights and the output.
fn lengths(s: &Conv2d) -> [usize; 3] {
    let [oh, ow] = s.output();
    let weights = s.out_channels * s.in_channels / s.groups * s.kernel[0] * s.kernel[1];
    [s.batch * s.in_channels * s.height * s.width, weights, s.batch * s.out_channels * oh * ow]
}

struct Convolution {
    shape: Conv2d,
    direction: Direction,
}

impl Case for Convolution {
    fn work<T: Real>(&self) -> Work<T> {
        let (shape, [x, w, out]) = (self.shape, lengths(&self.shape));
        match self.direction {
            Direction::Forward => {
                let (x, w) = (normals(x, 1), normals(w, 2));
                Work::new(out, move |out| conv::forward(&shape, &x, &w, None, out))
            }
            Direction::Input => {
                let (w, g) = (normals(w, 2), normals(out, 3));
                Work::new(x, move |dx| conv::grad_input(&shape, &w, &g, dx))
            }
            Direction::Weight => {
                let (x, g) = (normals(x, 1), normals(out, 3));
                Work::new(w, move |dw| conv::grad_weight(&shape, &x, &g, dw))
            }
        }
    }
}
