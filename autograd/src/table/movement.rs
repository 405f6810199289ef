//! Views, joins and indexing: operations that move elements and compute nothing.

use super::naive::indices;
use super::{Array, Case, Draw, Entry, Tolerance};
use crate::entry;
use crate::tensor::Tensor;

/// An entry whose result elements are input elements: exact.
macro_rules! moves {
    ($name:literal, $formula:literal, $sample:expr, |$case:ident, $x:ident| $apply:expr, $reference:expr) => {
        entry!($name, $formula, $sample, |$case, $x| $apply, $reference, tolerance: Tolerance::Each(0.0), propagates_nan: false)
    };
}

fn three_axes(draw: &mut Draw<'_>) -> Case {
    let shape = draw.shape_of_rank(3, 3);
    Case::new(draw).input(&shape)
}

/// Three axes, one of them, and a start and a length within it.
fn with_range(draw: &mut Draw<'_>) -> Case {
    let case = three_axes(draw);
    let axis = draw.int(0, 2);
    let n = case.inputs[0].shape[axis];
    let start = draw.int(0, n);
    let len = draw.int(0, n - start);
    case.int(axis).int(start).int(len)
}

fn with_axis_and_ids(draw: &mut Draw<'_>) -> Case {
    let mut case = three_axes(draw);
    let axis = draw.int(0, 2);
    let n = case.inputs[0].shape[axis].max(1);
    case.inputs[0].shape[axis] = n;
    let count = draw.dim(5);
    let ids = draw.ids(&[count], n);
    case.int(axis).with_ids(ids)
}

/// Three axes and indices that differ from them along one axis.
fn with_gather_ids(draw: &mut Draw<'_>) -> Case {
    let mut case = with_axis_and_ids(draw);
    let axis = case.ints[0];
    let n = case.inputs[0].shape[axis];
    let mut shape = case.inputs[0].shape.clone();
    shape[axis] = draw.dim(4);
    case.ids = vec![draw.ids(&shape, n)];
    case
}

/// The result of shape `shape` whose element at an index is the input's at `from(index)`.
fn moved(x: &Array, shape: &[usize], from: impl Fn(&[usize]) -> Vec<usize>) -> Vec<f64> {
    Array::from_fn(shape, |index| x.at(&from(index))).data
}

fn replaced(index: &[usize], axis: usize, value: usize) -> Vec<usize> {
    let mut out = index.to_vec();
    out[axis] = value;
    out
}

fn at_id(case: &Case, at: usize) -> usize {
    case.ids[0].to_vec()[at] as usize
}

fn narrowed(case: &Case, x: &[Array]) -> Vec<f64> {
    let (axis, start, len) = (case.ints[0], case.ints[1], case.ints[2]);
    moved(&x[0], &replaced(&x[0].shape, axis, len), |i| replaced(i, axis, i[axis] + start))
}

fn gathered(case: &Case, x: &[Array]) -> Vec<f64> {
    let axis = case.ints[0];
    let ids =
        Array { shape: case.ids[0].shape().to_vec(), data: case.ids[0].to_vec().iter().map(|&i| i as f64).collect() };
    moved(&x[0], &ids.shape, |i| replaced(i, axis, ids.at(i) as usize))
}

fn scattered(case: &Case, x: &[Array]) -> Vec<f64> {
    let axis = case.ints[0];
    let ids = case.ids[0].to_vec();
    let mut out = x[0].clone();
    for (at, index) in indices(case.ids[0].shape()).iter().enumerate() {
        let place = replaced(index, axis, ids[at] as usize);
        let flat = out.shape.iter().zip(&place).fold(0, |sum, (n, i)| sum * n + i);
        out.data[flat] += x[1].at(index);
    }
    out.data
}

fn concatenated(case: &Case, x: &[Array]) -> Vec<f64> {
    let axis = case.ints[0];
    let total = x.iter().map(|part| part.shape[axis]).sum();
    Array::from_fn(&replaced(&x[0].shape, axis, total), |index| {
        let mut i = index[axis];
        let mut part = 0;
        while i >= x[part].shape[axis] {
            i -= x[part].shape[axis];
            part += 1;
        }
        x[part].at(&replaced(index, axis, i))
    })
    .data
}

fn padded(case: &Case, x: &[Array]) -> Vec<f64> {
    let [l, r, t, b] = [case.ints[0], case.ints[1], case.ints[2], case.ints[3]];
    let (h, w) = (x[0].shape[1], x[0].shape[2]);
    Array::from_fn(&[x[0].shape[0], t + h + b, l + w + r], |i| {
        let inside = (t..t + h).contains(&i[1]) && (l..l + w).contains(&i[2]);
        if inside { x[0].at(&[i[0], i[1] - t, i[2] - l]) } else { 0.0 }
    })
    .data
}

fn expanded(draw: &mut Draw<'_>) -> Case {
    let case = three_axes(draw);
    let full = case.inputs[0].shape.clone();
    let mut from = full.clone();
    from[draw.int(0, 2)] = 1;
    let from = &from[draw.int(0, 1)..];
    let mut out = Case::new(draw).input(from);
    out.ints = full;
    if out.inputs[0].shape.len() == 2 && out.ints[1..] != *from {
        // An axis in front is new; the others must be 1 or equal already.
        out.ints[1..].iter_mut().zip(from).for_each(|(n, &m)| {
            if m != 1 {
                *n = m
            }
        });
    }
    out
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        moves!(
            "reshape",
            "the same elements under another shape",
            three_axes,
            |case, x| {
                let s = x[0].shape();
                x[0].reshape([s[0] * s[1], s[2]])
            },
            |_, x| x[0].data.clone()
        ),
        moves!("flatten", "a range of axes joined", three_axes, |case, x| x[0].flatten(1..3), |_, x| x[0].data.clone()),
        moves!("flatten_from", "the last axes joined", three_axes, |case, x| x[0].flatten_from(1), |_, x| x[0]
            .data
            .clone()),
        moves!("t", "the last two axes exchanged", three_axes, |case, x| x[0].t(), |_, x| {
            let s = &x[0].shape;
            moved(&x[0], &[s[0], s[2], s[1]], |i| vec![i[0], i[2], i[1]])
        }),
        moves!("unsqueeze", "a new axis of length 1", three_axes, |case, x| x[0].unsqueeze(1), |_, x| x[0]
            .data
            .clone()),
        moves!(
            "squeeze",
            "without an axis of length 1",
            |draw| {
                let n = draw.dim(5);
                Case::new(draw).input(&[n, 1])
            },
            |case, x| x[0].squeeze(1),
            |_, x| x[0].data.clone()
        ),
        moves!("permute", "axes in another order", three_axes, |case, x| x[0].permute([2, 0, 1]), |_, x| {
            let s = &x[0].shape;
            moved(&x[0], &[s[2], s[0], s[1]], |i| vec![i[1], i[2], i[0]])
        }),
        moves!("transpose", "two axes exchanged", three_axes, |case, x| x[0].transpose(0, 2), |_, x| {
            let s = &x[0].shape;
            moved(&x[0], &[s[2], s[1], s[0]], |i| vec![i[2], i[1], i[0]])
        }),
        moves!(
            "narrow",
            "positions start..start+len of an axis",
            with_range,
            |case, x| x[0].narrow(case.ints[0], case.ints[1], case.ints[2]),
            narrowed
        ),
        moves!(
            "select",
            "one position of an axis",
            |draw| {
                let n = draw.positive(5);
                let at = draw.int(0, n - 1);
                let inner = draw.dim(4);
                Case::new(draw).input(&[n, inner]).int(at)
            },
            |case, x| x[0].select(0, case.ints[0]),
            |case, x| moved(&x[0], &x[0].shape[1..], |i| vec![case.ints[0], i[0]])
        ),
        moves!(
            "split",
            "consecutive pieces, here exchanged",
            |draw| {
                let (n, inner) = (draw.dim(5), draw.dim(4));
                let cut = draw.int(0, n);
                Case::new(draw).input(&[inner, n]).int(cut)
            },
            |case, x| {
                let parts = x[0].split(1, &[case.ints[0], x[0].dim(1) - case.ints[0]]);
                Tensor::concat(&[&parts[1], &parts[0]], 1)
            },
            |case, x| {
                let n = x[0].shape[1];
                moved(&x[0], &x[0].shape, |i| vec![i[0], (i[1] + case.ints[0]) % n])
            }
        ),
        moves!(
            "chunk",
            "equal pieces, here the second",
            |draw| {
                let n = draw.dim(5);
                Case::new(draw).input(&[3 * n, 2])
            },
            |case, x| x[0].chunk(0, 3)[1].clone(),
            |_, x| {
                let n = x[0].shape[0] / 3;
                moved(&x[0], &[n, 2], |i| vec![i[0] + n, i[1]])
            }
        ),
        moves!("expand", "axes of length 1 repeated", expanded, |case, x| x[0].expand(&case.ints), |case, x| {
            Array::from_fn(&case.ints, |i| super::naive::broadcast_at(&x[0], i)).data
        }),
        moves!(
            "pad_axis",
            "zeros before and after along an axis",
            |draw| {
                let case = three_axes(draw);
                let (axis, before, after) = (draw.int(0, 2), draw.int(0, 2), draw.int(0, 2));
                case.int(axis).int(before).int(after)
            },
            |case, x| x[0].pad_axis(case.ints[0], case.ints[1], x[0].dim(case.ints[0]) + case.ints[1] + case.ints[2]),
            |case, x| {
                let (axis, before, after) = (case.ints[0], case.ints[1], case.ints[2]);
                let n = x[0].shape[axis];
                Array::from_fn(&replaced(&x[0].shape, axis, before + n + after), |i| {
                    if (before..before + n).contains(&i[axis]) {
                        x[0].at(&replaced(i, axis, i[axis] - before))
                    } else {
                        0.0
                    }
                })
                .data
            }
        ),
        moves!(
            "pad2d",
            "zeros around the last two axes",
            |draw| {
                let case = three_axes(draw);
                (0..4).fold(case, |case, _| {
                    let n = draw.int(0, 2);
                    case.int(n)
                })
            },
            |case, x| x[0].pad2d([case.ints[0], case.ints[1], case.ints[2], case.ints[3]]),
            padded
        ),
        entry!("sum_to", "sums over broadcast axes: the adjoint of expand", three_axes, |case, x| x[0].sum_to([x[0].dim(1), 1]), |_, x| {
            let s = &x[0].shape;
            Array::from_fn(&[s[1], 1], |i| (0..s[0]).flat_map(|a| (0..s[2]).map(move |c| (a, c))).map(|(a, c)| x[0].at(&[a, i[0], c])).sum()).data
        }, tolerance: Tolerance::Largest(64.0)),
        moves!("flip", "an axis in reverse order", three_axes, |case, x| x[0].flip(1), |_, x| {
            let s = &x[0].shape;
            moved(&x[0], s, |i| replaced(i, 1, s[1] - 1 - i[1]))
        }),
        moves!(
            "roll",
            "an axis moved on in a circle",
            |draw| {
                let case = three_axes(draw);
                let shift = draw.int(0, 9);
                case.int(shift)
            },
            |case, x| x[0].roll(1, case.ints[0] as isize - 4 * x[0].dim(1) as isize),
            |case, x| {
                let n = x[0].shape[1];
                moved(&x[0], &x[0].shape, |i| replaced(i, 1, (i[1] + 8 * n - case.ints[0] % n) % n))
            }
        ),
        moves!(
            "one_hot",
            "rows of zeros with a 1 at the index",
            |draw| {
                let n = draw.positive(5);
                let shape = draw.shape_of_rank(0, 2);
                let ids = draw.ids(&shape, n);
                Case::new(draw).int(n).with_ids(ids)
            },
            |case, x| case.ids[0].one_hot::<T>(case.ints[0]),
            |case, _| {
                let row = |id: i64| (0..case.ints[0] as i64).map(move |i| f64::from(u8::from(i == id)));
                case.ids[0].to_vec().into_iter().flat_map(row).collect()
            }
        ),
        moves!(
            "concat",
            "one after another along an axis",
            |draw| {
                let case = three_axes(draw);
                let axis = draw.int(0, 2);
                let mut other = case.inputs[0].shape.clone();
                other[axis] = draw.dim(4);
                let first = case.inputs[0].shape.clone();
                case.input(&other).input(&first).int(axis)
            },
            |case, x| Tensor::concat(&[&x[0], &x[1], &x[2]], case.ints[0]),
            concatenated
        ),
        moves!(
            "stack",
            "side by side along a new axis",
            |draw| {
                let case = three_axes(draw);
                let shape = case.inputs[0].shape.clone();
                case.input(&shape)
            },
            |case, x| Tensor::stack(&[&x[0], &x[1]], 1),
            |_, x| {
                let s = &x[0].shape;
                Array::from_fn(&[s[0], 2, s[1], s[2]], |i| x[i[1]].at(&[i[0], i[2], i[3]])).data
            }
        ),
        moves!(
            "embedding",
            "rows of a table",
            |draw| {
                let (n, dim) = (draw.positive(5), draw.dim(4));
                let shape = draw.shape_of_rank(1, 2);
                let ids = draw.ids(&shape, n);
                Case::new(draw).input(&[n, dim]).with_ids(ids)
            },
            |case, x| x[0].embedding(&case.ids[0]),
            |case, x| {
                let rows = case.ids[0].len();
                moved(&x[0], &[rows, x[0].shape[1]], |i| vec![at_id(case, i[0]), i[1]])
            }
        ),
        moves!(
            "index_select",
            "positions of an axis",
            with_axis_and_ids,
            |case, x| x[0].index_select(case.ints[0], &case.ids[0]),
            |case, x| {
                let axis = case.ints[0];
                moved(&x[0], &replaced(&x[0].shape, axis, case.ids[0].len()), |i| {
                    replaced(i, axis, at_id(case, i[axis]))
                })
            }
        ),
        moves!(
            "gather",
            "x[.., ids[.., j, ..], ..]",
            with_gather_ids,
            |case, x| x[0].gather(case.ints[0], &case.ids[0]),
            gathered
        ),
        entry!("scatter_add", "x plus the source at the indices", |draw| {
            let case = with_gather_ids(draw);
            let shape = case.ids[0].shape().to_vec();
            case.input(&shape)
        }, |case, x| x[0].scatter_add(case.ints[0], &case.ids[0], &x[1]), scattered, tolerance: Tolerance::Largest(16.0), propagates_nan: false),
    ]
}
