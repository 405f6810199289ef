//! Anomalies are found where they were born, profiles add up, hooks see gradients.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use etude_autograd::{
    Anomaly, Conv1dArgs, Conv2dArgs, Conv3dArgs, CreateGraph, Mask, Pool1dArgs, Pool2dArgs, Pool3dArgs, Stage, Tensor,
    Watch, checkpoint, detect_anomaly, grad, grad_with, no_grad, profile, profile_of_run, scope,
};

use super::engine::message;

fn leaf(values: &[f64]) -> Tensor<f64> {
    Tensor::from_slice(values, [values.len()]).requires_grad()
}

fn found(watch: Watch, f: impl FnOnce() -> Tensor<f64>) -> Anomaly {
    *detect_anomaly(watch, || f().backward().len()).expect_err("an anomaly")
}

#[test]
fn a_nan_is_named_where_it_is_born_in_the_forward_pass() {
    let (w, x) = (leaf(&[1.0, 1.0]), leaf(&[1.0, 2.0]));
    let anomaly = found(Watch::Nan, || {
        let h = scope("encoder", || scope(3, || (&w * &x) - 3.0));
        scope("decoder", || h.ln().exp().sum())
    });
    assert_eq!((anomaly.op, anomaly.stage, anomaly.place), ("ln", Stage::Forward, 0));
    assert_eq!((anomaly.path.as_str(), anomaly.leaf), ("decoder", w.leaf_id()));
    assert!(anomaly.value.is_nan() && anomaly.input.is_none());
    // −∞ comes first: ln 0. The NaN, ∞ − ∞, later.
    let infinite = |watch| {
        found(watch, || {
            let h = scope("head", || (x.affine(1.0, -1.0)).ln());
            (&h - &h).sum()
        })
    };
    let (nan, all) = (infinite(Watch::Nan), infinite(Watch::NonFinite));
    assert_eq!((nan.op, all.op, all.value, all.path.as_str()), ("sub", "ln", f64::NEG_INFINITY, "head"));
}

#[test]
fn a_nan_is_named_where_it_is_born_in_the_backward_pass() {
    // √0 is sound; its derivative is ∞, and times 0 it is NaN one node earlier.
    let x = leaf(&[0.0, 1.0]);
    let anomaly = found(Watch::Nan, || scope("norm", || x.square().sqrt()).sum());
    assert_eq!((anomaly.op, anomaly.stage, anomaly.path.as_str()), ("square", Stage::Backward, "norm"));
    assert_eq!((anomaly.input, anomaly.place, anomaly.leaf), (Some(0), 0, x.leaf_id()));
    let anomaly = found(Watch::NonFinite, || scope("norm", || x.square().sqrt()).sum());
    assert_eq!((anomaly.op, anomaly.stage, anomaly.value), ("sqrt", Stage::Backward, f64::INFINITY));
    assert_eq!(
        anomaly.to_string(),
        "inf was born in sqrt (backward, in the gradient of input 0) of norm: element 0 of [2]; inputs [2]"
    );
    // The same when the gradient is recorded.
    let recorded = detect_anomaly(Watch::Nan, || {
        let [g] = grad(&x.square().sqrt().sum(), [&x], CreateGraph::Yes);
        g.to_vec()
    });
    assert_eq!(recorded.expect_err("an anomaly").op, "square");
}

#[test]
fn a_recomputed_part_keeps_its_path_and_a_broadcast_its_rule() {
    let x = leaf(&[0.0, 4.0]);
    let anomaly = found(Watch::Nan, || scope("encoder", || checkpoint(|x| x[0].square().sqrt(), &[&x])).sum());
    assert_eq!((anomaly.op, anomaly.stage, anomaly.path.as_str()), ("square", Stage::Backward, "encoder"));
    // ∞ − ∞ arises where the gradient of the broadcast operand is summed back to its shape: in the rule of the addition.
    let (a, b, g) = (leaf(&[0.0, 0.0]), leaf(&[0.0]), Tensor::from_slice(&[f64::INFINITY, f64::NEG_INFINITY], [2]));
    let run = || grad_with(&(&a + &b), &[&b], &g, CreateGraph::No);
    let anomaly = detect_anomaly(Watch::Nan, run).expect_err("NaN");
    assert_eq!((anomaly.op, anomaly.stage, anomaly.input), ("add", Stage::Backward, Some(1)));
}

#[test]
fn what_comes_in_and_what_only_the_sum_makes_are_told_apart() {
    let x = leaf(&[1.0, f64::NAN]);
    let anomaly = found(Watch::Nan, || x.exp().sum());
    assert_eq!((anomaly.op, anomaly.stage, anomaly.input, anomaly.place), ("exp", Stage::Input, Some(0), 1));
    assert_eq!(anomaly.to_string(), "NaN came into exp with input 0: element 1 of [2]; inputs [2]");
    // Gradients of ∞ and −∞ meet at h, or at the leaf.
    let x = leaf(&[0.0]);
    let steep = |h: &Tensor<f64>| {
        let path = |sign: f64| h.affine(sign * 1e300, 0.0).affine(1e300, 0.0);
        (path(1.0) + path(-1.0)).sum()
    };
    let anomaly = found(Watch::Nan, || steep(&x.square()));
    assert_eq!((anomaly.op, anomaly.stage), ("square", Stage::Sum));
    let anomaly = found(Watch::Nan, || steep(&x));
    assert_eq!((anomaly.op, anomaly.stage, anomaly.leaf), ("leaf", Stage::Sum, x.leaf_id()));
}

#[test]
fn sound_programs_pass_and_the_watch_ends() {
    let x = leaf(&[1.0, 2.0]);
    let sum = detect_anomaly(Watch::NonFinite, || x.ln().sum().backward()).expect("sound");
    assert_eq!(sum.get(&x).expect("used").to_vec(), [1.0, 0.5]);
    // Masks of −∞ are no NaN.
    let mask = Tensor::from_slice(&[true, false], [2]);
    let masked = detect_anomaly(Watch::Nan, || x.masked_fill(&mask, f64::NEG_INFINITY).softmax(0).sum().backward());
    assert!(masked.is_ok());
    // Nor is a query that sees no key, in either form of attention.
    let q = Tensor::<f64>::ones([1, 1, 1, 2]).requires_grad();
    let keys = Tensor::ones([1, 1, 3, 2]);
    let none = Tensor::full([1, 1, 1, 3], true);
    let weights = || q.attention_weights(&keys, Mask::pairs(&none), None).sum().backward().len();
    assert_eq!(detect_anomaly(Watch::Nan, weights), Ok(1));
    let fused = || q.scaled_dot_product_attention(&keys, &keys, Mask::pairs(&none), None).sum().backward().len();
    assert_eq!(detect_anomaly(Watch::Nan, fused), Ok(1));
    assert!(no_grad(|| detect_anomaly(Watch::Nan, || leaf(&[-1.0]).sqrt())).is_err(), "inference is watched too");
    let _ = detect_anomaly(Watch::Nan, || leaf(&[-1.0]).sqrt());
    assert!(detect_anomaly(Watch::Nan, || 0).is_ok(), "nothing is left of an earlier watch");
    let outer = detect_anomaly(Watch::Nan, || detect_anomaly(Watch::Nan, || leaf(&[-1.0]).sqrt()).is_err());
    assert_eq!(outer, Ok(true), "the inner watch keeps what it found");
}

#[test]
fn a_profile_counts_operations_and_rules() {
    let (x, w) = (Tensor::<f32>::ones([32, 64]), Tensor::<f32>::ones([16, 64]).requires_grad());
    let ((), profile) = profile(|| {
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(5));
            let y = x.linear(&w, None).relu();
            drop((&y + &y.t().t()).sum().backward());
        }
    });
    let row = |op: &str, backward| {
        *profile.rows().iter().find(|r| r.op == op && r.backward == backward).unwrap_or_else(|| panic!("no {op}"))
    };
    let flops = 2 * 32 * 64 * 16;
    let linear = row("linear", false);
    assert_eq!((linear.count, linear.flops), (3, 3 * flops));
    assert_eq!(linear.bytes, 3 * 4 * (32 * 64 + 16 * 64 + 32 * 16));
    assert_eq!(row("linear", true).flops, 3 * flops, "x asks for no gradient");
    assert_eq!((row("permute", false).bytes, row("permute", false).time), (0, Duration::ZERO), "a view");
    assert_eq!((row("add", true).count, row("sum of gradients", true).count), (3, 3));
    assert!(linear.gflops().is_some_and(|g| g > 0.0) && row("relu", false).gflops().is_none());
    assert!(profile.total() < Duration::from_millis(15), "sleeping between operations counts nowhere");
    let text = profile.to_string();
    assert!(
        text.contains("GFLOP/s") && text.contains("linear (backward)") && text.contains("all operations"),
        "{text}"
    );
    assert_eq!(profile_of_run(), None, "ETUDE_PROFILE is not set");
}

#[test]
fn poolings_keep_the_name_that_was_called() {
    type Pooling = fn(&Tensor<f64>) -> Tensor<f64>;
    let poolings: [(&str, usize, Pooling); 7] = [
        ("max_pool1d", 1, |x| x.max_pool1d(Pool1dArgs::new(2))),
        ("max_pool2d", 2, |x| x.max_pool2d(Pool2dArgs::new(2))),
        ("max_pool2d_with_indices", 2, |x| x.max_pool2d_with_indices(Pool2dArgs::new(2)).0),
        ("max_pool3d", 3, |x| x.max_pool3d(Pool3dArgs::new(2))),
        ("avg_pool1d", 1, |x| x.avg_pool1d(Pool1dArgs::new(2))),
        ("avg_pool2d", 2, |x| x.avg_pool2d(Pool2dArgs::new(2))),
        ("avg_pool3d", 3, |x| x.avg_pool3d(Pool3dArgs::new(2))),
    ];
    for (name, axes, pool) in poolings {
        let x = Tensor::ones(&[1, 1, 2, 2, 2][..2 + axes]).requires_grad();
        let (_, profile) = profile(|| pool(&x).sum().backward().len());
        let pooled = profile.rows().iter().filter(|row| row.op.contains("pool") && !row.op.ends_with("_grad"));
        let mut found: Vec<(&str, bool, u64)> = pooled.map(|row| (row.op, row.backward, row.count)).collect();
        found.sort_unstable();
        assert_eq!(found, [(name, false, 1), (name, true, 1)]);
        let nan = Tensor::full(x.shape(), f64::NAN);
        let anomaly = detect_anomaly(Watch::Nan, || pool(&nan)).err().map(|anomaly| (anomaly.op, anomaly.stage));
        assert_eq!(anomaly, Some((name, Stage::Input)));
    }
}

#[test]
fn convolutions_and_their_gradients_keep_the_name_that_was_called() {
    type Convolution = fn(&Tensor<f64>, &Tensor<f64>) -> Tensor<f64>;
    let convolutions: [(&str, usize, Convolution); 6] = [
        ("conv1d", 1, |x, w| x.conv1d(w, None, Conv1dArgs::default())),
        ("conv2d", 2, |x, w| x.conv2d(w, None, Conv2dArgs::default())),
        ("conv3d", 3, |x, w| x.conv3d(w, None, Conv3dArgs::default())),
        ("conv_transpose1d", 1, |x, w| x.conv_transpose1d(w, None, Conv1dArgs::default(), 0)),
        ("conv_transpose2d", 2, |x, w| x.conv_transpose2d(w, None, Conv2dArgs::default(), [0; 2])),
        ("conv_transpose3d", 3, |x, w| x.conv_transpose3d(w, None, Conv3dArgs::default(), [0; 3])),
    ];
    for (name, axes, convolve) in convolutions {
        let shape = &[1, 1, 2, 2, 2][..2 + axes];
        let (x, w) = (Tensor::ones(shape).requires_grad(), Tensor::ones(shape).requires_grad());
        let (_, profile) = profile(|| {
            let [dx, dw] = grad(&convolve(&x, &w).sum(), [&x, &w], CreateGraph::Yes);
            (dx.square().sum() + dw.square().sum()).backward().len()
        });
        let mut found: Vec<&str> = profile.rows().iter().map(|row| row.op).filter(|op| op.contains("conv")).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, [name, &format!("{name}_grad_input"), &format!("{name}_grad_weight")]);
    }
}

#[test]
fn copies_and_masks_are_profiled() {
    use etude_kernels::rng::Rng;
    let (x, ids) = (Tensor::<f32>::ones([32, 64]), Tensor::<i64>::arange(6).reshape([2, 3]));
    let ((), profile) = profile(|| {
        drop(x.reshape([64, 32]));
        drop(x.t().reshape([64 * 32]));
        drop(x.t().contiguous());
        drop(ids.t().reshape([6]));
        drop(x.dropout(0.5, &mut Rng::new(0)));
    });
    let row = |op: &str| *profile.rows().iter().find(|r| r.op == op).unwrap_or_else(|| panic!("no {op}"));
    let copied = 2 * 4 * 32 * 64;
    let reshape = row("reshape");
    // A view, and the copies of floats and of integers.
    assert_eq!((reshape.count, reshape.bytes), (3, copied + 2 * 8 * 6));
    assert!(!reshape.time.is_zero());
    assert_eq!((row("contiguous").count, row("contiguous").bytes), (1, copied));
    assert_eq!(row("dropout mask").bytes, 2 * 4 * 32 * 64);
    assert_eq!(row("mul").count, 1);
}

/// Run by the next test, in a process that has the variable; without it there is nothing to see.
#[test]
fn in_a_profiled_run() {
    if std::env::var("ETUDE_PROFILE").is_err() {
        return;
    }
    let work = || drop(leaf(&[1.0]).exp().sum().backward());
    work();
    std::thread::spawn(work).join().expect("no panic");
    let ((), own) = profile(work);
    let count = |profile: &etude_autograd::Profile| {
        let exp = profile.rows().iter().find(|row| row.op == "exp" && row.backward);
        exp.map(|row| row.count)
    };
    assert_eq!(count(&own), Some(1));
    assert_eq!(profile_of_run().as_ref().and_then(count), Some(3), "both threads, and what a profile of its own saw");
}

#[test]
fn the_environment_profiles_a_whole_run() {
    let child = |value: &str| {
        let mut tests = std::process::Command::new(std::env::current_exe().expect("this program"));
        tests.args(["--exact", "observe::in_a_profiled_run"]).env("ETUDE_PROFILE", value);
        tests.output().expect("started").status.success()
    };
    assert!(child("1") && !child("yes"), "anything but 1 and 0 is refused");
}

#[test]
fn an_inner_profile_counts_for_the_outer_one() {
    let x = leaf(&[1.0]);
    let ((), outer) = profile(|| {
        let ((), inner) = profile(|| drop(x.exp()));
        assert_eq!(inner.rows().len(), 1);
        drop(x.exp());
    });
    assert_eq!((outer.rows().len(), outer.rows()[0].count), (1, 2));
}

#[test]
fn a_hook_sees_the_whole_gradient_once_and_can_change_it() {
    let x = leaf(&[1.0, -2.0]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let h = {
        let seen = seen.clone();
        x.square().on_grad(move |g| {
            seen.lock().expect("no panic").push(g.to_vec());
            Some(g.clamp(-1.0, 1.0))
        })
    };
    // 3·h from two uses.
    let y = (&h + &h * 2.0).sum();
    let [g] = grad(&y, [&x], CreateGraph::Yes);
    assert_eq!(*seen.lock().expect("no panic"), [[3.0, 3.0]]);
    assert_eq!(g.to_vec(), [2.0, -4.0], "limited to 1 on its way");
    let [second] = grad(&g.sum(), [&x], CreateGraph::No);
    assert_eq!(second.to_vec(), [2.0, 2.0]);
    let wrong = x.square().on_grad(|g| Some(g.sum()));
    let text = message(|| drop(wrong.sum().backward()));
    assert_eq!(text, "on_grad: its rule gave input 0 of shape [2] a gradient of shape []");
}
