//! What every door checks the same way: products of sizes that overflow, views that leave their data, indices that name
//! nothing.
//!
//! A release build wraps where a product overflows, and a wrapped product may be the length of a slice by accident.

/// The number of elements of these sizes.
///
/// # Panics
/// If it overflows.
#[inline]
#[track_caller]
pub(crate) fn product(kernel: &str, sizes: &[usize]) -> usize {
    let whole = sizes.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
    // A size of 0 leaves nothing, whatever stands beside it.
    let empty = sizes.contains(&0).then_some(0);
    whole.or(empty).unwrap_or_else(|| panic!("{kernel}: the product of the sizes {sizes:?} overflows"))
}

/// Checks that a view of `shape` stays within `len` elements.
///
/// # Panics
/// If it does not, or the ranks differ.
#[track_caller]
pub(crate) fn reach(kernel: &str, shape: &[usize], strides: &[usize], offset: usize, len: usize) {
    assert_eq!(shape.len(), strides.len(), "{kernel}: shape {shape:?} and strides {strides:?} differ in rank");
    if shape.contains(&0) {
        return;
    }
    let step = |at: usize, (n, s): (&usize, &usize)| at.checked_add((n - 1).checked_mul(*s)?);
    let last = shape.iter().zip(strides).try_fold(offset, step);
    let inside = last.is_some_and(|last| last < len);
    assert!(
        inside,
        "{kernel}: a view of shape {shape:?} with strides {strides:?} from {offset} reaches beyond its {len} elements"
    );
}

/// Checks that every index is below `n`.
///
/// # Panics
/// If one is not.
#[track_caller]
pub(crate) fn indices(kernel: &str, ids: &[i64], n: usize) {
    if let Some(at) = ids.iter().position(|&id| usize::try_from(id).map_or(true, |id| id >= n)) {
        panic!("{kernel}: index {} at position {at} is not below {n}", ids[at]);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use crate::attention::{Attention, Heads, attention};
    use crate::conv::{self, Conv2d};
    use crate::ew::{self, Binary, Cmp, Unary};
    use crate::gemm::{self, Accumulate, Mat};
    use crate::isa::{self, Isa};
    use crate::optim::{self, Adam, RmsProp, Sgd};
    use crate::pool::{self, Axis, Pool};
    use crate::recurrent::{self, Scan};
    use crate::reduce::{self, Reduce};
    use crate::strided::{self, Strided};
    use crate::{Packed, Storage, index, norm, softmax};

    const HUGE: usize = 1 << 33;
    const SGD: Sgd = Sgd { lr: 0.1, momentum: 0.9, dampening: 0.0, weight_decay: 0.0, nesterov: false };
    const ADAM: Adam =
        Adam { lr: 0.1, beta1: 0.9, beta2: 0.9, eps: 1e-8, weight_decay: 0.0, decoupled: false, step: 1 };
    const RMS: RmsProp = RmsProp { lr: 0.1, alpha: 0.9, eps: 1e-8, weight_decay: 0.0, momentum: 0.9, centered: true };

    fn view<'a, T>(data: &'a [T], strides: &'a [usize]) -> Strided<'a, T> {
        Strided { data, offset: 0, strides }
    }

    const LINE: Axis = Axis { length: 4, kernel: 2, stride: 2, padding: 0, dilation: 1 };
    const POOL: Pool =
        Pool { volumes: 1, axes: [Axis::NONE, LINE, LINE], ceil: false, include_pad: true, divisor: None };
    const CONV: Conv2d = Conv2d {
        batch: 1,
        in_channels: 2,
        height: 4,
        width: 4,
        out_channels: 2,
        kernel: [3, 3],
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
        groups: 1,
    };
    const SCAN: Scan = Scan { seq: 2, batch: 2, hidden: 3 };

    fn mat(rows: usize, cols: usize) -> Mat<'static, f32> {
        Mat::row_major(&[0.0; 6][..rows * cols], rows, cols)
    }

    fn matmul(c: &mut [f32], a: Mat<'_, f32>, b: Mat<'_, f32>) {
        gemm::matmul(c, a, b, Accumulate::No);
    }

    fn packed() -> Packed {
        Packed::new(Storage::F32, &[0.0; 6], 2, 3)
    }

    fn batch_norm(x: &[f32], w: &[f32]) {
        norm::batch_norm(x, Some(w), None, 0.1, 2, 3, 2, &mut [0.0; 12], &mut [0.0; 3], &mut [0.0; 3]);
    }

    /// Two tokens of two numbers, whose queries lie with these strides in this data.
    fn attend(strides: [usize; 3], q: &[f32]) {
        let s = Attention { batch: 1, heads: 1, queries: 2, keys: 2, size: 2, causal: false, scale: 1.0 };
        let k = Heads { data: &[0.0; 4], strides: [4, 4, 2] };
        attention(&s, Heads { data: q, strides }, k, k, None, None, &mut [0.0; 4], &mut [0.0; 4]);
    }

    /// Of images without elements, many of them.
    fn mean_of_rows(rows: Axis) {
        pool::avg::<f32>(&Pool { volumes: HUGE, axes: [Axis::NONE, rows, LINE], ..POOL }, &[], &mut []);
    }

    /// A call that must be refused, and what its message must say.
    type Refused = (fn(), &'static [&'static str]);

    const REFUSED: &[Refused] = &[
        (|| ew::unary(Unary::Exp, &[0f32; 3], &mut [0.0; 4]), &["unary", "3", "4"]),
        (|| ew::unary_grad(Unary::Ln, &[0f32; 3], &[0.0; 4], &mut [0.0; 4]), &["unary_grad", "3", "4"]),
        (|| ew::unary_grad(Unary::Ln, &[0f32; 4], &[0.0; 3], &mut [0.0; 4]), &["unary_grad", "3", "4"]),
        (|| ew::add_assign(&mut [0f32; 3], &[0.0; 4]), &["add_assign", "3", "4"]),
        (|| ew::axpy(1.0, &[0f32; 3], &mut [0.0; 4]), &["axpy", "3", "4"]),
        (
            || ew::binary(Binary::Add, view(&[0f32; 3], &[1]), view(&[0.0; 4], &[1]), &[4], &mut [0.0; 4]),
            &["binary", "[4]", "3"],
        ),
        (
            || ew::binary(Binary::Add, view(&[0f32; 4], &[1]), view(&[0.0; 4], &[1]), &[HUGE, HUGE], &mut []),
            &["binary", "overflows"],
        ),
        (
            || ew::compare(Cmp::Lt, view(&[0i64; 4], &[2]), view(&[0; 4], &[1]), &[4], &mut [false; 4]),
            &["compare", "[2]", "4"],
        ),
        (
            || ew::select(view(&[true], &[1]), view(&[0f32; 4], &[1]), view(&[0.0; 4], &[1]), &[4], &mut [0.0; 4]),
            &["select", "[4]", "1"],
        ),
        (|| strided::copy(view(&[0f32; 4], &[HUGE]), &[HUGE], &mut []), &["strided::copy"]),
        (|| strided::copy(view(&[0f32; 4], &[usize::MAX]), &[3], &mut [0.0; 3]), &["strided::copy", "4"]),
        (|| strided::scatter_add(&[0f32; 3], &[3], &mut [0.0; 3], 1, &[1]), &["strided::scatter_add", "3"]),
        (|| softmax::softmax(&[0f32; 3], 2, 2, &mut [0.0; 4]), &["softmax", "3", "2"]),
        (|| softmax::softmax::<f32>(&[], HUGE, HUGE, &mut []), &["softmax", "overflows"]),
        (|| softmax::softmax_grad(&[0f32; 4], &[0.0; 3], 2, 2, &mut [0.0; 4]), &["softmax_grad", "3"]),
        (|| softmax::log_softmax(&[0f32; 4], 2, 2, &mut [0.0; 3]), &["log_softmax", "3"]),
        (|| softmax::log_softmax_grad(&[0f32; 3], &[0.0; 4], 2, 2, &mut [0.0; 4]), &["log_softmax_grad", "3"]),
        (|| softmax::logsumexp(&[0f32; 4], 2, 2, &mut [0.0; 3]), &["logsumexp", "3"]),
        (|| softmax::cross_entropy(&[0f32; 4], &[0, 2], 2, 2, &mut [0.0; 2]), &["cross_entropy", "2", "1"]),
        (
            || softmax::cross_entropy_grad(&[0f32; 4], &[-1, 0], &[0.0; 2], 2, 2, &mut [0.0; 4]),
            &["cross_entropy_grad", "-1", "2"],
        ),
        (
            || {
                norm::layer_norm(
                    &[0f32; 4],
                    Some(&[0.0; 3]),
                    None,
                    0.1,
                    2,
                    2,
                    &mut [0.0; 4],
                    &mut [0.0; 2],
                    &mut [0.0; 2],
                )
            },
            &["layer_norm", "3", "2"],
        ),
        (
            || norm::layer_norm::<f32>(&[], None, None, 0.1, HUGE, HUGE, &mut [], &mut [], &mut []),
            &["layer_norm", "overflows"],
        ),
        (
            || {
                norm::layer_norm_grad(
                    &[0f32; 4],
                    None,
                    &[0.0; 2],
                    &[0.0; 1],
                    &[0.0; 4],
                    2,
                    2,
                    &mut [0.0; 4],
                    None,
                    None,
                )
            },
            &["layer_norm_grad", "1", "2"],
        ),
        (|| reduce::reduce(Reduce::Sum, &[0f32; 5], 1, 2, 2, &mut [0.0; 2]), &["reduce", "5", "[1, 2, 2]"]),
        (|| reduce::reduce::<f32>(Reduce::Sum, &[], HUGE, 0, HUGE, &mut []), &["reduce", "overflows"]),
        (|| reduce::argmax::<f32>(&[], 1, 0, 1, &mut [0]), &["argmax"]),
        (|| reduce::argmin(&[0f32; 3], 1, 2, 2, &mut [0; 2]), &["argmin", "3", "[1, 2, 2]"]),
        (|| reduce::cumsum(&[0f32; 4], 1, 2, 2, &mut [0.0; 3]), &["cumsum", "3"]),
        (|| index::gather_rows(&[0f32; 4], 2, &[2], &mut [0.0; 2]), &["gather_rows", "2"]),
        // Twice 2⁶³ is 0 where products wrap.
        (|| index::gather_rows(&[0f32; 4], 2, &[i64::MIN], &mut [0.0; 2]), &["gather_rows", "-9223372036854775808"]),
        (|| index::scatter_add_rows(&[0f32; 2], 2, &[-1], &mut [0.0; 4]), &["scatter_add_rows", "-1"]),
        (|| index::gather(&[0f32; 4], 1, 2, 2, &[0, 2], 1, &mut [0.0; 2]), &["gather", "2"]),
        (|| index::scatter_add(&[0f32; 2], 1, 1, 2, &[0, 2], 2, &mut [0.0; 4]), &["scatter_add", "2"]),
        (|| optim::sgd(&mut [0f32; 3], &[0.0; 3], &mut [0.0; 2], &SGD), &["sgd", "3", "2"]),
        (|| optim::adam(&mut [0f32; 3], &[0.0; 2], &mut [0.0; 3], &mut [0.0; 3], &ADAM), &["adam", "3", "2"]),
        (
            || optim::amsgrad(&mut [0f32; 3], &[0.0; 3], &mut [0.0; 3], &mut [0.0; 3], &mut [0.0; 2], &ADAM),
            &["amsgrad", "3", "2"],
        ),
        (
            || optim::rmsprop(&mut [0f32; 3], &[0.0; 3], &mut [0.0; 3], &mut [0.0; 3], &mut [], &RMS),
            &["rmsprop", "3", "0"],
        ),
        (|| _ = Mat::row_major(&[0f32; 5], 2, 3), &["gemm", "2 × 3", "5"]),
        (|| _ = Mat::<f32>::row_major(&[], HUGE, HUGE), &["gemm", "overflows"]),
        (|| _ = Mat::new(&[0f32; 5], 2, 3, 3, 1), &["gemm", "2 × 3", "(3, 1)", "5"]),
        // Twice 2⁶³ is 0 where products wrap.
        (|| _ = Mat::new(&[0f32; 5], 3, 1, 1 << 63, 1), &["gemm", "3 × 1", "5"]),
        (|| matmul(&mut [0.0; 4], mat(2, 3), mat(2, 2)), &["gemm", "[2, 3]", "[2, 2]"]),
        (|| matmul(&mut [0.0; 3], mat(2, 2), mat(2, 2)), &["gemm", "3", "[2, 2]"]),
        (
            || gemm::batched(&mut [0f32; 9], 2, &|_| mat(2, 2), &|_| mat(2, 2), Accumulate::No),
            &["gemm::batched", "9", "2"],
        ),
        (|| drop(Packed::new(Storage::Bf16, &[0.0; 5], 2, 3)), &["gemm", "2 × 3", "5"]),
        (|| packed().linear(&mut [0.0; 4], &[0.0; 5], None), &["packed", "5", "4", "[2, 3]"]),
        (|| packed().linear(&mut [0.0; 4], &[0.0; 6], Some(&[0.0; 3])), &["packed", "3 biases", "[2, 3]"]),
        (|| packed().gather_rows(&[2], &mut [0.0; 3]), &["packed", "row 2", "[2, 3]"]),
        (|| conv::forward(&CONV, &[0f32; 32], &[0.0; 36], None, &mut [0.0; 7]), &["conv::forward", "7", "8"]),
        (|| conv::forward(&CONV, &[0f32; 32], &[0.0; 36], Some(&[0.0]), &mut [0.0; 8]), &["conv::forward", "bias"]),
        (|| conv::grad_input(&CONV, &[0f32; 35], &[0.0; 8], &mut [0.0; 32]), &["conv::grad_input", "35"]),
        (|| conv::grad_weight(&CONV, &[0f32; 32], &[0.0; 8], &mut [0.0; 37]), &["conv::grad_weight", "37"]),
        (
            || conv::grad_weight(&Conv2d { groups: 3, ..CONV }, &[0f32; 32], &[0.0; 8], &mut [0.0; 36]),
            &["conv::grad_weight", "3 groups"],
        ),
        (
            || conv::forward::<f32>(&Conv2d { batch: HUGE, height: HUGE, ..CONV }, &[], &[], None, &mut []),
            &["conv::forward", "overflows"],
        ),
        (
            || conv::forward::<f32>(&Conv2d { stride: [0, 1], ..CONV }, &[], &[], None, &mut []),
            &["conv::forward", "[0, 1]", "positive"],
        ),
        (|| pool::max(&POOL, &[0f32; 15], &mut [0.0; 4], &mut [0; 4]), &["pool::max", "15"]),
        (|| pool::max(&POOL, &[0f32; 16], &mut [0.0; 4], &mut [0; 3]), &["pool::max", "index"]),
        (|| pool::max_grad(&POOL, &[0; 3], &[0f32; 4], &mut [0.0; 16]), &["pool::max_grad", "index"]),
        (|| pool::avg(&POOL, &[0f32; 16], &mut [0.0; 5]), &["pool::avg", "5"]),
        (|| pool::avg_grad(&POOL, &[0f32; 4], &mut [0.0; 17]), &["pool::avg_grad", "17"]),
        (|| mean_of_rows(Axis { stride: 0, ..LINE }), &["pool::avg", "rows", "stride 0"]),
        (|| mean_of_rows(Axis { padding: 2, ..LINE }), &["pool::avg", "padding 2", "half"]),
        (|| mean_of_rows(Axis { length: 1, ..LINE }), &["pool::avg", "larger", "1"]),
        (|| mean_of_rows(Axis { length: HUGE, ..LINE }), &["pool::avg", "overflows"]),
        (|| pool::avg::<f32>(&Pool { divisor: Some(0), ..POOL }, &[], &mut []), &["pool::avg", "the divisor is 0"]),
        (
            || {
                let dilated = Pool { axes: [Axis::NONE, Axis { dilation: 2, ..LINE }, LINE], ..POOL };
                pool::avg(&dilated, &[0f32; 16], &mut [0.0; 2]);
            },
            &["pool::avg", "dilation", "[1, 2, 1]"],
        ),
        (|| pool::upsample_nearest(1, 2, 2, 2, &[0f32; 3], &mut [0.0; 16]), &["upsample_nearest", "[1, 2, 2]"]),
        (|| pool::upsample_nearest::<f32>(1, HUGE, HUGE, 2, &[], &mut []), &["upsample_nearest", "overflows"]),
        (|| pool::upsample_nearest_grad(1, 1, 2, 2, &[0f32; 9], &mut [0.0; 2]), &["upsample_nearest_grad", "2²"]),
        (
            || {
                recurrent::lstm_forward(
                    &SCAN,
                    &mut [0f32; 47],
                    &[0.0; 36],
                    &[0.0; 6],
                    &[0.0; 6],
                    &mut [0.0; 12],
                    &mut [0.0; 12],
                )
            },
            &["lstm_forward", "gates", "47", "48"],
        ),
        (
            || {
                recurrent::lstm_forward(
                    &SCAN,
                    &mut [0f32; 48],
                    &[0.0; 36],
                    &[0.0; 6],
                    &[0.0; 5],
                    &mut [0.0; 12],
                    &mut [0.0; 12],
                )
            },
            &["lstm_forward", "c0", "5", "6"],
        ),
        (
            || {
                let shape = Scan { seq: HUGE, batch: HUGE, hidden: 1 };
                recurrent::lstm_forward::<f32>(&shape, &mut [], &[], &[], &[], &mut [], &mut []);
            },
            &["lstm_forward", "overflows"],
        ),
        (
            || {
                recurrent::gru_forward(
                    &SCAN,
                    &mut [0f32; 36],
                    &[0.0; 27],
                    Some(&[0.0; 8]),
                    &[0.0; 6],
                    &mut [0.0; 12],
                    &mut [0.0; 12],
                )
            },
            &["gru_forward", "b_hh", "8", "9"],
        ),
        (
            || {
                let (gates, states) = ([0f32; 36], [0f32; 12]);
                let (dgates, dw, db, dh0) = (&mut [0.0; 36], &mut [0.0; 27], &mut [0.0; 9], &mut [0.0; 7]);
                recurrent::gru_backward(
                    &SCAN, &gates, &[0.0; 27], &[0.0; 6], &states, &states, &states, dgates, dw, db, dh0,
                );
            },
            &["gru_backward", "dh0", "7", "6"],
        ),
        (|| batch_norm(&[0.0; 11], &[0.0; 3]), &["batch_norm", "x", "11", "12"]),
        (|| batch_norm(&[0.0; 12], &[0.0; 2]), &["batch_norm", "w", "2", "3"]),
        (
            || {
                let (mut dx, mut dw) = ([0f32; 12], [0f32; 4]);
                norm::batch_norm_grad(
                    &[0.0; 12],
                    None,
                    &[0.0; 3],
                    &[0.0; 3],
                    0.1,
                    &[0.0; 12],
                    2,
                    3,
                    2,
                    &mut dx,
                    Some(&mut dw),
                    None,
                );
            },
            &["batch_norm_grad", "4", "3"],
        ),
        (|| attend([HUGE, HUGE, 1], &[0.0; 2]), &["attention", "q", "2 elements"]),
        (|| attend([2, 2, 2], &[0.0; 3]), &["attention", "q", "3 elements"]),
    ];

    #[test]
    fn wrong_sizes_are_refused_by_name_and_number() {
        for (call, wanted) in REFUSED {
            let panic = catch_unwind(call).expect_err(&format!("not refused: {wanted:?}"));
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
            assert!(wanted.iter().all(|part| said.contains(part)), "{said:?} does not say all of {wanted:?}");
        }
    }

    #[test]
    fn nothing_is_done_with_nothing() {
        ew::unary::<f32>(Unary::Exp, &[], &mut []);
        ew::binary::<f32>(Binary::Add, view(&[], &[1, 1]), view(&[], &[1, 1]), &[0, HUGE], &mut []);
        softmax::softmax::<f32>(&[], 0, HUGE, &mut []);
        norm::layer_norm::<f32>(&[], None, None, 0.1, 0, 1, &mut [], &mut [], &mut []);
        reduce::reduce::<f32>(Reduce::Sum, &[], 0, HUGE, HUGE, &mut []);
        strided::copy::<f32>(view(&[], &[HUGE, 1]), &[HUGE, 0], &mut []);
        index::gather_rows::<f32>(&[], 0, &[], &mut []);
        optim::sgd::<f32>(&mut [], &[], &mut [], &SGD);
        assert_eq!(reduce::sum::<f32>(&[]), 0.0);
    }

    #[test]
    fn an_absent_instruction_set_is_refused_by_name() {
        for absent in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
            let panic = catch_unwind(|| isa::with(absent, || ())).expect_err("an absent set was forced");
            let said = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            assert!(said.contains(absent.name()), "{said}");
        }
    }
}
