//! Pooling against its definition, and what stands at its edges.

use super::*;
use crate::rng::Rng;
use proptest::prelude::*;

fn axis(longest: usize, dilation: usize) -> impl Strategy<Value = Axis> {
    let all = (1..=longest, 1usize..5, 1usize..4, 0usize..4, 1..=dilation);
    all.prop_map(|(length, kernel, stride, padding, dilation)| Axis { length, kernel, stride, padding, dilation })
}

fn shapes(dilation: usize) -> impl Strategy<Value = Pool> {
    let axes = (axis(4, dilation), axis(11, dilation), axis(11, dilation));
    let options = (any::<bool>(), any::<bool>(), prop::option::of(1usize..9));
    (0usize..4, axes, options).prop_filter_map(
        "the geometry is valid",
        |(volumes, (depth, height, width), (ceil, include_pad, divisor))| {
            let shape = Pool { volumes, axes: [depth, height, width], ceil, include_pad, divisor };
            shape.validate().is_ok().then_some(shape)
        },
    )
}

/// The places of a box, the last axis first.
fn places([a, b, c]: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..a * b * c).map(move |at| [at / c / b, at / c % b, at % c])
}

/// The input indices of each window, by the definition; positions in the padding are left out.
fn windows(s: &Pool) -> Vec<Vec<usize>> {
    let [depth, height, width] = s.input();
    let mut windows = Vec::new();
    for (volume, at) in (0..s.volumes).flat_map(|v| places(s.output()).map(move |at| (v, at))) {
        let mut window = Vec::new();
        for tap in places(s.axes.map(|axis| axis.kernel)) {
            let place = |i: usize| {
                let axis = s.axes[i];
                (at[i] * axis.stride + tap[i] * axis.dilation).checked_sub(axis.padding).filter(|&p| p < axis.length)
            };
            if let (Some(z), Some(y), Some(x)) = (place(0), place(1), place(2)) {
                window.push(((volume * depth + z) * height + y) * width + x);
            }
        }
        windows.push(window);
    }
    windows
}

/// How many elements the mean of each window counts: those of the input, or of the padded input.
fn counts(s: &Pool) -> Vec<usize> {
    let count = |axis: &Axis, at: usize| {
        let lies = |place: usize| match s.include_pad {
            true => place < axis.length + 2 * axis.padding,
            false => (axis.padding..axis.padding + axis.length).contains(&place),
        };
        (0..axis.kernel).filter(|&tap| lies(at * axis.stride + tap)).count()
    };
    let of = |at: [usize; 3]| s.divisor.unwrap_or_else(|| (0..3).map(|i| count(&s.axes[i], at[i])).product());
    (0..s.volumes).flat_map(|_| places(s.output()).map(of)).collect()
}

/// Small whole numbers: sums are exact and ties are many.
fn whole_numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..len).map(|_| rng.below(7) as f32 - 3.0).collect()
}

proptest! {
    #[test]
    fn the_maximum_is_its_definition(s in shapes(3), seed: u64) {
        let (windows, volume) = (windows(&s), s.input_volume());
        let x = whole_numbers(seed, s.volumes * volume);
        let g = whole_numbers(seed ^ 1, windows.len());
        let (mut out, mut index) = (vec![f32::NAN; g.len()], vec![-1; g.len()]);
        max(&s, &x, &mut out, &mut index);
        let (mut dx, mut expected) = (vec![f32::NAN; x.len()], vec![0f32; x.len()]);
        max_grad(&s, &index, &g, &mut dx);
        for (at, window) in windows.iter().enumerate() {
            // `max_by` gives the last of equals, so the order is turned round.
            let first = *window.iter().rev().max_by(|&&a, &&b| x[a].total_cmp(&x[b])).expect("not empty");
            prop_assert_eq!(out[at], x[first]);
            prop_assert_eq!(index[at] as usize, first % volume);
            expected[first] += g[at];
        }
        prop_assert_eq!(dx, expected);
    }

    #[test]
    fn the_mean_is_its_definition(s in shapes(1), seed: u64) {
        let windows = windows(&s);
        let x = whole_numbers(seed, s.volumes * s.input_volume());
        let g = whole_numbers(seed ^ 1, windows.len());
        let (mut mean, mut dx) = (vec![f32::NAN; g.len()], vec![f32::NAN; x.len()]);
        avg(&s, &x, &mut mean);
        avg_grad(&s, &g, &mut dx);
        let mut expected = vec![0f32; x.len()];
        for ((window, count), (mean, g)) in windows.iter().zip(counts(&s)).zip(mean.iter().zip(&g)) {
            prop_assert!((mean - window.iter().map(|&i| x[i]).sum::<f32>() / count as f32).abs() <= 1e-5);
            window.iter().for_each(|&i| expected[i] += g / count as f32);
        }
        prop_assert!(dx.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-4));
    }

    #[test]
    fn upsampling_repeats_and_its_gradient_adds(
        planes in 0usize..4, height in 0usize..6, width in 0usize..6, scale in 1usize..4, seed: u64,
    ) {
        let x = whole_numbers(seed, planes * height * width);
        let g = whole_numbers(seed ^ 1, x.len() * scale * scale);
        let (mut out, mut dx) = (vec![f32::NAN; g.len()], vec![f32::NAN; x.len()]);
        upsample_nearest(planes, height, width, scale, &x, &mut out);
        upsample_nearest_grad(planes, height, width, scale, &g, &mut dx);
        let mut expected = vec![0f32; x.len()];
        for at in 0..g.len() {
            let (row, col) = (at / (width * scale), at % (width * scale));
            let source = row / scale * width + col / scale;
            prop_assert_eq!(out[at], x[source]);
            expected[source] += g[at];
        }
        prop_assert_eq!(dx, expected);
    }

    /// Whatever the numbers: either windows that all hold an element, or an error.
    #[test]
    fn every_window_holds_an_element(axis in axis(11, 9), ceil: bool) {
        let count = axis.windows(ceil);
        prop_assume!(count.is_ok());
        for at in 0..count.unwrap_or(0) {
            let Axis { kernel, stride, dilation, padding, length } = axis;
            let place = |tap: usize| (at * stride + tap * dilation).checked_sub(padding).filter(|&p| p < length);
            let inside: Vec<usize> = (0..kernel).filter_map(place).collect();
            prop_assert!(!inside.is_empty());
            prop_assert_eq!(inside, axis.reach(at).step_by(dilation).collect::<Vec<_>>());
        }
    }
}

fn line(length: usize, [kernel, stride, padding, dilation]: [usize; 4]) -> Axis {
    Axis { length, kernel, stride, padding, dilation }
}

/// As PyTorch's documentation of `ceil_mode` has it: rounded up, less a window that begins in the padding on the right.
#[test]
fn a_last_window_may_reach_beyond_the_padded_input_but_not_begin_there() {
    let count = |length, kernel, stride, padding, ceil| {
        line(length, [kernel, stride, padding, 1]).windows(ceil).unwrap_or_default()
    };
    assert_eq!([count(6, 3, 2, 0, false), count(6, 3, 2, 0, true)], [2, 3]);
    assert_eq!([count(7, 3, 2, 0, false), count(7, 3, 2, 0, true)], [3, 3]);
    // A first window that reaches beyond the padded input, by less than a step.
    assert_eq!([count(1, 2, 2, 0, false), count(1, 2, 2, 0, true), count(2, 3, 1, 0, true)], [0, 1, 0]);
    // The third window would begin at place 6 of 5 + 1: behind the input.
    assert_eq!([count(5, 2, 3, 1, false), count(5, 2, 3, 1, true)], [2, 2]);
    assert_eq!([count(1, 1, 3, 0, false), count(1, 1, 3, 0, true)], [1, 1]);
}

/// Of three elements, a step of 4 from the padding before them reaches the padding behind them.
#[test]
fn a_window_that_steps_over_the_input_is_refused() {
    let said = line(3, [2, 1, 1, 4]).windows(false);
    assert_eq!(said, Err("window 0 of kernel 2 with dilation 4 holds nothing but padding".to_string()));
    assert_eq!(line(4, [2, 1, 1, 4]).windows(false), Ok(2));
    let said = line(9, [3, 1, 2, 2]).windows(false);
    assert_eq!(said, Err("padding 2 is more than half of kernel 3".to_string()));
    assert_eq!(
        line(2, [3, 1, 0, usize::MAX]).windows(true),
        Err(format!("kernel 3 with dilation {} overflows", usize::MAX))
    );
    assert_eq!(line(2, [1, 1, 0, 0]).windows(true), Err("the dilation must be positive".to_string()));
}

#[test]
fn nan_wins_and_infinite_padding_loses() {
    let axis = line(2, [2, 2, 1, 1]);
    let s = Pool { volumes: 1, axes: [Axis::NONE, axis, axis], ceil: false, include_pad: true, divisor: None };
    let (mut out, mut index) = ([0f32; 4], [0; 4]);
    max(&s, &[f32::NEG_INFINITY, f32::NAN, -5.0, 1.0], &mut out, &mut index);
    assert_eq!((out[0], out[2], out[3]), (f32::NEG_INFINITY, -5.0, 1.0));
    assert!(out[1].is_nan());
    assert_eq!(index, [0, 1, 2, 3]);
}
