//! Convolutions against their definition, and gradients against adjointness.

use proptest::prelude::*;

use super::*;
use crate::isa::{self, Isa};
use crate::par;
use crate::rng::Rng;

/// The definition: seven nested loops, in f64. Calls `f(out index, x index, w index)` for every product.
fn each_product(s: &Conv2d, mut f: impl FnMut(usize, usize, usize)) {
    let [oh, ow] = s.output();
    let (inputs, outputs) = (s.in_channels / s.groups, s.out_channels / s.groups);
    for n in 0..s.batch {
        for o in 0..s.out_channels {
            for i in 0..oh {
                for j in 0..ow {
                    for c in 0..inputs {
                        for a in 0..s.kernel[0] {
                            for b in 0..s.kernel[1] {
                                let y = (i * s.stride[0] + a * s.dilation[0]) as isize - s.padding[0] as isize;
                                let x = (j * s.stride[1] + b * s.dilation[1]) as isize - s.padding[1] as isize;
                                if (0..s.height as isize).contains(&y) && (0..s.width as isize).contains(&x) {
                                    let channel = n * s.in_channels + o / outputs * inputs + c;
                                    f(
                                        ((n * s.out_channels + o) * oh + i) * ow + j,
                                        (channel * s.height + y as usize) * s.width + x as usize,
                                        ((o * inputs + c) * s.kernel[0] + a) * s.kernel[1] + b,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Random x, w, g for a shape.
fn operands<T: Real>(s: &Conv2d, seed: u64) -> [Vec<T>; 3] {
    let mut rng = Rng::new(seed);
    let [oh, ow] = s.output();
    let lengths =
        [s.batch * s.in_channels * s.height * s.width, s.out_channels * s.patch(), s.batch * s.out_channels * oh * ow];
    lengths.map(|len| {
        let mut data = vec![T::ZERO; len];
        rng.fill_normal(&mut data);
        data
    })
}

/// Compares with Σ of products, within the rounding of as many additions.
fn close<T: Real>(name: &str, got: &[T], terms: impl FnOnce(&mut dyn FnMut(usize, f64))) -> Result<(), TestCaseError> {
    let mut sums = vec![(0.0, 0.0, 0.0); got.len()];
    terms(&mut |at, v| {
        let (sum, size, count) = &mut sums[at];
        (*sum, *size, *count) = (*sum + v, *size + v.abs(), *count + 1.0);
    });
    for (at, (got, (sum, size, count))) in got.iter().zip(sums).enumerate() {
        let bound = (count + 4.0) * T::EPSILON.to_f64() * size;
        prop_assert!((got.to_f64() - sum).abs() <= bound, "{name}[{at}] is {got} instead of {sum}, bound {bound:e}");
    }
    Ok(())
}

fn check<T: Real>(s: &Conv2d, seed: u64) -> Result<(), TestCaseError> {
    let [x, w, g] = operands::<T>(s, seed);
    let bias: Vec<T> = (0..s.out_channels).map(|o| T::from_f64(o as f64 - 1.5)).collect();
    let product = |a: T, b: T| a.to_f64() * b.to_f64();
    let mut out = vec![T::NAN; g.len()];
    forward(s, &x, &w, Some(&bias), &mut out);
    let pixels = s.output()[0] * s.output()[1];
    close("out", &out, |add| {
        (0..g.len()).for_each(|at| add(at, bias[at / pixels % s.out_channels].to_f64()));
        each_product(s, |o, i, k| add(o, product(x[i], w[k])));
    })?;
    let mut dx = vec![T::NAN; x.len()];
    grad_input(s, &w, &g, &mut dx);
    close("dx", &dx, |add| each_product(s, |o, i, k| add(i, product(g[o], w[k]))))?;
    let mut dw = vec![T::NAN; w.len()];
    grad_weight(s, &x, &g, &mut dw);
    close("dw", &dw, |add| each_product(s, |o, i, k| add(k, product(g[o], x[i]))))
}

fn shapes() -> impl Strategy<Value = Conv2d> {
    let pair = |range: std::ops::Range<usize>| (range.clone(), range).prop_map(|(a, b)| [a, b]);
    // Few and many channels go different ways; 41 are more than are gathered at once.
    let channels = || prop_oneof![0usize..4, Just(5), 9usize..20, Just(41)];
    let groups = prop_oneof![3 => Just(1usize), 1 => 2usize..4];
    (0usize..4, channels(), channels(), groups, pair(1..14), pair(1..5), pair(1..4), pair(0..4), pair(1..3))
        .prop_filter_map(
            "the kernel fits",
            |(batch, inputs, outputs, groups, size, kernel, stride, padding, dilation)| {
                let shape = Conv2d {
                    batch,
                    in_channels: inputs * groups,
                    height: size[0],
                    width: size[1],
                    out_channels: outputs * groups,
                    kernel,
                    stride,
                    padding,
                    dilation,
                    groups,
                };
                shape.validate().is_ok().then_some(shape)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn convolutions_are_the_definition(shape in shapes(), seed: u64) {
        for isa in Isa::available() {
            isa::with(isa, || check::<f32>(&shape, seed))?;
            isa::with(isa, || check::<f64>(&shape, seed))?;
        }
    }
}

/// Shapes of real models, large enough for several tasks: 3 × 3 padded, strided 4 × 4, 5 × 5 on one channel, 1 × 1 with
/// and without a stride, depthwise, a kernel as large as the image, groups, one large image, few channels to heights that
/// no tile has, a line, many channels of a small image.
fn models() -> [Conv2d; 13] {
    let base = Conv2d {
        batch: 9,
        in_channels: 12,
        height: 14,
        width: 14,
        out_channels: 20,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        dilation: [1, 1],
        groups: 1,
    };
    [
        base,
        Conv2d { kernel: [4, 4], stride: [2, 2], ..base },
        Conv2d { in_channels: 1, out_channels: 6, kernel: [5, 5], height: 28, width: 28, padding: [2, 2], ..base },
        Conv2d { kernel: [1, 1], padding: [0, 0], ..base },
        Conv2d { kernel: [1, 1], padding: [0, 0], stride: [2, 2], ..base },
        Conv2d { out_channels: 12, groups: 12, ..base },
        Conv2d { kernel: [14, 14], padding: [0, 0], ..base },
        Conv2d { out_channels: 30, groups: 2, ..base },
        Conv2d { batch: 1, height: 70, width: 90, out_channels: 32, ..base },
        Conv2d { in_channels: 3, out_channels: 14, ..base },
        Conv2d { in_channels: 3, out_channels: 15, ..base },
        Conv2d { batch: 1, in_channels: 16, height: 1, width: 9000, kernel: [1, 3], padding: [0, 1], ..base },
        Conv2d { batch: 1, in_channels: 160, height: 7, width: 7, out_channels: 128, ..base },
    ]
}

#[test]
fn gradients_are_adjoint_and_the_same_on_any_number_of_threads() {
    for s in models() {
        let [x, w, g] = operands::<f64>(&s, 3);
        let run = |threads| {
            par::with_threads(threads, || {
                let mut results = [vec![0.0; g.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
                let [out, dx, dw] = &mut results;
                forward(&s, &x, &w, None, out);
                grad_input(&s, &w, &g, dx);
                grad_weight(&s, &x, &g, dw);
                results
            })
        };
        let one = run(1);
        assert!([2, 3, 8].into_iter().all(|threads| run(threads) == one), "{s:?}");
        // ⟨conv(x, w), g⟩ = ⟨x, grad_input(w, g)⟩ = ⟨w, grad_weight(x, g)⟩
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let [through_out, through_x, through_w] = [dot(&one[0], &g), dot(&x, &one[1]), dot(&w, &one[2])];
        let scale = dot(&one[0], &one[0]).sqrt() * dot(&g, &g).sqrt();
        assert!((through_out - through_x).abs() <= 1e-13 * scale, "{s:?}: {through_out} and {through_x}");
        assert!((through_out - through_w).abs() <= 1e-13 * scale, "{s:?}: {through_out} and {through_w}");
    }
}

#[test]
fn wrong_geometry_is_named() {
    let good = models()[0];
    assert_eq!(good.validate(), Ok(()));
    for (bad, word) in [
        (Conv2d { stride: [0, 1], ..good }, "positive"),
        (Conv2d { groups: 5, ..good }, "5 groups"),
        (Conv2d { kernel: [17, 3], ..good }, "larger than the padded input [16, 16]"),
        (Conv2d { kernel: [2, 3], dilation: [usize::MAX, 1], ..good }, "larger than the padded input [16, 16]"),
        (Conv2d { height: 0, ..good }, "images [0, 14] are empty"),
    ] {
        let error = bad.validate().expect_err("must refuse");
        assert!(error.contains(word), "{error}");
    }
}

/// Small images are convolved several at a time; each has the bits that it has alone.
#[test]
fn a_batch_is_its_images() {
    let mut rng = Rng::new(11);
    for (size, kernel, stride, padding, groups) in
        [(4, 4, 2, 1, 1), (7, 3, 1, 1, 1), (5, 3, 2, 0, 2), (1, 1, 1, 0, 1), (4, 1, 2, 0, 1), (9, 3, 1, 1, 3)]
    {
        let shape = Conv2d {
            batch: 19,
            in_channels: 12,
            height: size,
            width: size + 1,
            out_channels: 24,
            kernel: [kernel, kernel],
            stride: [stride, stride],
            padding: [padding, padding],
            dilation: [1, 1],
            groups,
        };
        let [oh, ow] = shape.output();
        let (input, output) = (12 * size * (size + 1), 24 * oh * ow);
        let mut random = |len: usize| {
            let mut x = vec![0f32; len];
            rng.fill_normal(&mut x);
            x
        };
        let (x, g, w) = (random(19 * input), random(19 * output), random(24 * shape.patch()));
        let (mut out, mut dx) = (vec![0f32; 19 * output], vec![0f32; 19 * input]);
        forward(&shape, &x, &w, None, &mut out);
        grad_input(&shape, &w, &g, &mut dx);
        let one = Conv2d { batch: 1, ..shape };
        for i in 0..19 {
            let (mut single, mut dx_single) = (vec![0f32; output], vec![0f32; input]);
            forward(&one, &x[i * input..][..input], &w, None, &mut single);
            grad_input(&one, &w, &g[i * output..][..output], &mut dx_single);
            assert_eq!(single, out[i * output..][..output], "image {i} of {shape:?}");
            assert_eq!(dx_single, dx[i * input..][..input], "gradient of image {i} of {shape:?}");
        }
    }
}
