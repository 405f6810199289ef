//! Ownership, freeing, depth, order and messages of the reverse pass.

use std::panic::{AssertUnwindSafe, catch_unwind};

use etude_autograd::{
    CreateGraph, Op, Saves, Tensor, Vjp, checkpoint, cow_copies, enable_grad, grad, is_grad_enabled, no_grad,
};
use etude_kernels::isa::Isa;
use etude_kernels::par;
use etude_kernels::precision::{self, Precision};
use etude_kernels::rng::Rng;

fn leaf(values: &[f64]) -> Tensor<f64> {
    Tensor::from_slice(values, [values.len()]).requires_grad()
}

pub fn message(f: impl FnOnce()) -> String {
    let error = catch_unwind(AssertUnwindSafe(f)).expect_err("must panic");
    match error.downcast::<String>() {
        Ok(text) => *text,
        Err(error) => (*error.downcast::<&str>().expect("a message")).to_string(),
    }
}

#[test]
fn gradients_of_a_polynomial_to_third_order() {
    let x = leaf(&[0.5, -2.0, 3.0]);
    let y = (&x * &x * &x * &x).sum();
    let [d1] = grad(&y, [&x], CreateGraph::Yes);
    let [d2] = grad(&d1.sum(), [&x], CreateGraph::Yes);
    let [d3] = grad(&d2.sum(), [&x], CreateGraph::No);
    for (i, v) in x.to_vec().into_iter().enumerate() {
        assert_eq!(d1.to_vec()[i], 4.0 * v.powi(3));
        assert_eq!(d2.to_vec()[i], 12.0 * v * v);
        assert_eq!(d3.to_vec()[i], 24.0 * v);
    }
    assert!(!d3.is_tracked());
}

#[test]
fn a_chain_of_a_million_steps_differentiates_and_drops() {
    let x = leaf(&[1.0]);
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y.affine(1.0, 1e-6);
    }
    let kept = y.clone();
    let grads = y.sum().backward();
    assert_eq!(grads.get(&x).expect("depends on x").to_vec(), [1.0]);
    drop(kept);
    let mut dropped = x.affine(2.0, 0.0);
    for _ in 0..1_000_000 {
        dropped = dropped.square();
    }
    drop(dropped);
}

/// No recursion anywhere: a stack of 256 KiB holds the pass and the drop of a long chain, checkpoints and all.
#[test]
fn a_long_chain_needs_no_stack() {
    let run = || {
        let x = leaf(&[1.0]);
        let mut y = x.clone();
        for _ in 0..300_000 {
            y = y.affine(1.0, 0.0);
        }
        y = checkpoint(|x| (0..100_000).fold(x[0].clone(), |h, _| h.affine(1.0, 0.0)), &[&y]);
        let [g] = grad(&y.sum(), [&x], CreateGraph::Yes);
        assert_eq!(g.to_vec(), [1.0]);
        assert_eq!(y.sum().backward().get(&x).expect("depends on x").to_vec(), [1.0]);
        let mut dropped = x.square();
        for _ in 0..300_000 {
            dropped = dropped.square();
        }
    };
    let small = std::thread::Builder::new().stack_size(256 << 10).spawn(run).expect("a thread");
    small.join().expect("no overflow");
}

#[test]
fn a_leaf_can_be_used_a_hundred_thousand_times() {
    let n = 100_000;
    let x = leaf(&[2.0, 3.0]);
    let uses: Vec<Tensor<f64>> = (0..n).map(|_| x.affine(0.5, 0.0)).collect();
    let sum = uses.iter().skip(1).fold(uses[0].clone(), |sum, use_| sum + use_);
    assert_eq!(sum.sum().backward().get(&x).expect("used").to_vec(), [0.5 * f64::from(n); 2]);
    // And by one operation: every part has its own gradient.
    let parts: Vec<&Tensor<f64>> = std::iter::repeat_n(&x, 10_000).collect();
    let grads = Tensor::concat(&parts, 0).sum().backward();
    assert_eq!(grads.get(&x).expect("used").to_vec(), [10_000.0; 2]);
}

#[test]
fn an_unused_parameter_and_a_detached_branch_get_no_gradient() {
    let (x, unused, cut) = (leaf(&[2.0]), leaf(&[3.0]), leaf(&[4.0]));
    let grads = (x.square() * cut.exp().detach()).sum().backward();
    assert!(grads.get(&unused).is_none() && grads.get(&cut).is_none() && grads.get(&x).is_some());
    assert_eq!(grads.len(), 1);
}

/// The user's own code runs inside the pass; what it breaks is its own.
#[test]
fn a_panic_in_a_rule_or_a_worker_leaves_everything_usable() {
    struct Broken;
    impl Op<f64> for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }
        fn vjp(&self, _: &Vjp<'_, f64>, _: &Tensor<f64>) -> Vec<Option<Tensor<f64>>> {
            par::for_each(8, |i| assert!(i != 5, "expected"));
            unreachable!("a worker panics")
        }
    }
    par::with_threads(3, || {
        let x = leaf(&[1.0, 2.0]);
        for _ in 0..3 {
            let y = Tensor::record(Broken, &[&x], x.detach());
            assert_eq!(message(|| drop(y.sum().backward())), "expected");
            assert!(x.exp().is_tracked(), "recording is on again");
            let large = Tensor::<f64>::ones([300, 300]).requires_grad();
            let g = large.matmul(&large).sum().backward();
            assert_eq!(g.get(&large).expect("used").to_vec()[0], 600.0);
        }
    });
}

#[test]
fn a_diamond_adds_up_and_shared_gradients_are_not_overwritten() {
    let x = leaf(&[2.0]);
    let a = x.affine(3.0, 0.0);
    let y = (&a + &a + &a * &x).sum(); // 6x + 3x²
    assert_eq!(y.backward().get(&x).expect("depends on x").to_vec(), [18.0]);
}

#[test]
fn backward_frees_the_graph_for_every_holder() {
    let x = leaf(&[1.0, 2.0]);
    let h = x.square();
    let (a, b) = (h.sum(), (&h * 2.0).sum());
    a.backward();
    let text = message(|| drop(b.backward()));
    assert!(text.contains("square") && text.contains("graph already freed"), "{text}");
}

#[test]
fn grad_keeps_the_graph() {
    let x = leaf(&[3.0]);
    let y = x.square().sum();
    for _ in 0..3 {
        let [g] = grad(&y, [&x], CreateGraph::No);
        assert_eq!(g.to_vec(), [6.0]);
    }
}

#[test]
fn inputs_of_grad_may_be_inside_the_graph_and_depend_on_each_other() {
    let x = leaf(&[2.0]);
    let h = x.square();
    let y = (&h * &x).sum(); // x³; ∂y/∂h = x, dy/dx = 3x²
    let [dh, dx] = grad(&y, [&h, &x], CreateGraph::No);
    assert_eq!((dh.item(), dx.item()), (2.0, 12.0));
}

#[test]
fn backward_for_prunes_and_leaves_the_rest_without_gradient() {
    let (x, w) = (leaf(&[2.0]), leaf(&[5.0]));
    let y = (&x * &w).sum();
    let grads = y.backward_for(&[w.leaf_id().expect("a leaf")]);
    assert_eq!(grads.get(&w).expect("asked for").to_vec(), [2.0]);
    assert!(grads.get(&x).is_none());
}

#[test]
fn nothing_is_recorded_in_no_grad_nor_through_detach() {
    let x = leaf(&[1.0]);
    assert!(!no_grad(|| x.exp()).is_tracked());
    let (inner, after) = no_grad(|| (enable_grad(|| x.exp()).is_tracked(), is_grad_enabled()));
    assert!(inner && !after, "recording inside lasts as long as its function");
    assert!(!x.detach().exp().is_tracked());
    assert!(x.exp().is_tracked());
    let text = message(|| drop(x.detach().sum().backward()));
    assert!(text.contains("not tracked"), "{text}");
}

#[test]
fn an_update_after_backward_is_in_place() {
    let mut w = Tensor::<f32>::ones([64, 64]).requires_grad();
    let before = cow_copies();
    for _ in 0..3 {
        let g = w.square().sum().backward();
        let g = g.get(&w).expect("depends on w").to_vec();
        w.make_mut().iter_mut().zip(g).for_each(|(v, g)| *v -= 0.1 * g);
    }
    assert_eq!(cow_copies(), before, "the graph had released the parameter");
    assert!((w.to_vec()[0] - 0.8f32.powi(3)).abs() < 1e-6);
}

#[test]
fn a_value_that_a_graph_needs_is_copied_on_write() {
    let p = leaf(&[3.0]);
    let y = p.square().sum();
    let mut value = p.detach();
    value.make_mut()[0] = 100.0;
    assert_eq!(y.backward().get(&p).expect("depends on p").to_vec(), [6.0], "the graph keeps the old value");
}

/// A user's own operation: x³ with a rule that is wrong in shape.
struct WrongShape;
impl Op<f64> for WrongShape {
    fn name(&self) -> &'static str {
        "wrong_shape"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, _: &Vjp<'_, f64>, g: &Tensor<f64>) -> Vec<Option<Tensor<f64>>> {
        vec![Some(g.sum())]
    }
}

#[test]
fn a_rule_of_the_wrong_shape_is_refused() {
    let x = leaf(&[1.0, 2.0]);
    let y = Tensor::record(WrongShape, &[&x], x.detach());
    let text = message(|| drop(y.sum().backward()));
    assert!(text.contains("wrong_shape") && text.contains("[2]"), "{text}");
}

#[test]
fn a_graph_can_be_walked_on_another_thread() {
    let x = leaf(&[2.0]);
    let y = x.square().sum();
    let grads = std::thread::spawn(move || y.backward()).join().expect("no panic");
    assert_eq!(grads.get(&x).expect("depends on x").to_vec(), [4.0]);
}

/// A rule computes with the precision of its forward pass, wherever the gradient is asked for.
#[test]
fn a_node_remembers_its_precision() {
    let mut rng = Rng::new(3);
    let (x, w) = (Tensor::<f32>::randn([256, 256], &mut rng), Tensor::<f32>::randn([256, 256], &mut rng));
    let gradient = |forward, backward| {
        let w = w.requires_grad();
        let y = precision::with(forward, || x.matmul(&w).sum());
        precision::with(backward, || y.backward()).get(&w).expect("w is a leaf").to_vec()
    };
    let exact = gradient(Precision::F32, Precision::F32);
    assert_eq!(gradient(Precision::F32, Precision::Bf16), exact);
    let coarse = gradient(Precision::Bf16, Precision::F32);
    assert_eq!(coarse, gradient(Precision::Bf16, Precision::Bf16));
    if Isa::available().contains(&Isa::Amx) {
        assert_ne!(coarse, exact, "the tile unit rounds operands");
    } else {
        println!("no tile unit: every precision is f32 here");
    }
}
