//! The guard: a step with a NaN changes nothing, and the policies do what they say.

use etude_autograd::{Tensor, scope};
use etude_nn::guard::{Guard, Outcome, Policy};
use etude_nn::{Act, Adam, BatchNorm1d, Ctx, Error, Layer, Mlp, Module, Optimizer, Value, module};

struct Net {
    mlp: Mlp,
    norm: BatchNorm1d,
}
module!(Net { mlp, norm });

struct Run {
    net: Net,
    opt: Adam,
    cx: Ctx,
    guard: Guard,
}

/// Everything that a step may change.
fn everything(run: &Run) -> Vec<(String, Value)> {
    let mut out = run.net.state_dict();
    let state = run.opt.state();
    out.extend(state.tensors);
    out.push(("steps".into(), Value::Int(Tensor::scalar(state.steps as i64))));
    out
}

fn same(a: &[(String, Value)], b: &[(String, Value)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|((m, x), (n, y))| m == n && x.same_bits(y))
}

impl Run {
    fn new(guard: Guard) -> Self {
        let mut cx = Ctx::train(4);
        let net = Net { mlp: Mlp::new(&[3, 8, 4], Act::Relu, &mut cx), norm: BatchNorm1d::new(4) };
        let opt = Adam::new(&net, 0.01);
        Run { net, opt, cx, guard }
    }

    /// A step whose input, or whose gradient alone, is rotten where the flags say so.
    fn step(&mut self, step: u64, rotten: Rotten) -> Result<Outcome, Error> {
        let net = &self.net;
        self.guard.step(step, net, &mut self.opt, &mut self.cx, |cx| {
            let mut x = Tensor::randn([6, 3], cx);
            if rotten == Rotten::Input {
                x = x * f32::NAN;
            }
            let y = net.norm.forward(&net.mlp.forward(&x, cx), cx);
            let loss = (y - 1.0).square().mean();
            // √ has the slope ∞ at 0, and ∞ · 0 is NaN: the loss is sound, its gradient is not.
            if rotten == Rotten::Gradient { &loss + (&loss * 0.0).sqrt() * 0.0 } else { loss }
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rotten {
    No,
    Input,
    Gradient,
}

#[test]
fn a_refused_step_changes_nothing_and_names_itself() {
    for rotten in [Rotten::Input, Rotten::Gradient] {
        let mut run = Run::new(Guard::new(Policy::Stop));
        for step in 0..3 {
            assert!(matches!(run.step(step, Rotten::No), Ok(Outcome::Stepped { loss }) if loss.is_finite()));
        }
        let before = everything(&run);
        let error = run.step(3, rotten).expect_err("NaN");
        assert!(same(&everything(&run), &before), "{rotten:?}: something changed");
        let text = error.to_string();
        assert!(text.starts_with("step 3: ") && text.contains("NaN"), "{text}");
        let Error::NotFinite { step: 3, refused, .. } = error else { panic!("{text}") };
        let as_expected = match rotten {
            Rotten::Gradient => matches!(&*refused, Error::Gradient { name, .. } if name.starts_with("mlp")),
            _ => matches!(*refused, Error::Loss { step: 3, .. }),
        };
        assert!(as_expected, "{rotten:?}: {text}");
    }
}

#[test]
fn skipping_is_as_if_the_batch_had_not_been_there() {
    let mut skipping = Run::new(Guard::new(Policy::Skip { limit: 2 }));
    let mut plain = Run::new(Guard::new(Policy::Stop));
    for step in 0..8 {
        let rotten = [Rotten::No, Rotten::Input, Rotten::Gradient, Rotten::No][step as usize % 4];
        let outcome = skipping.step(step, rotten).expect("never three in a row");
        assert_eq!(matches!(outcome, Outcome::Skipped { .. }), rotten != Rotten::No);
        if rotten == Rotten::No {
            plain.step(step, Rotten::No).expect("sound");
        } else {
            // The random numbers of the step are used up.
            Tensor::<f32>::randn([6, 3], &mut plain.cx);
        }
    }
    assert!(same(&everything(&skipping), &everything(&plain)));
    assert_eq!(skipping.guard.failures(), 4);
    for step in 8..10 {
        skipping.step(step, Rotten::Input).expect("within the limit");
    }
    assert!(matches!(skipping.step(10, Rotten::Input), Err(Error::NotFinite { step: 10, .. })));
}

#[test]
fn rolling_back_restores_the_snapshot_to_the_bit() {
    let mut run = Run::new(Guard::new(Policy::RollBack { every: 4, limit: 1 }));
    let mut snapshots = Vec::new();
    for step in 0..10 {
        if step % 4 == 0 {
            snapshots.push(everything(&run));
        }
        run.step(step, Rotten::No).expect("sound");
    }
    let outcome = run.step(10, Rotten::Gradient).expect("the first failure");
    let Outcome::RolledBack { to: 8, cause } = outcome else { panic!("{outcome:?}") };
    assert!(cause.to_string().starts_with("step 10: "), "{cause}");
    assert!(same(&everything(&run), &snapshots[2]));
    // The snapshot outlives the steps after it: they do not write into it.
    run.step(11, Rotten::No).expect("sound");
    assert!(!same(&everything(&run), &snapshots[2]));
    assert!(matches!(run.step(13, Rotten::Input), Ok(Outcome::RolledBack { to: 8, .. })));
    assert!(same(&everything(&run), &snapshots[2]));
    assert!(matches!(run.step(14, Rotten::Input), Err(Error::NotFinite { .. })), "two in a row");
}

#[test]
fn a_model_that_is_not_finite_replaces_no_snapshot() {
    let mut run = Run::new(Guard::new(Policy::RollBack { every: 4, limit: 1 }));
    let mut good = Vec::new();
    for step in 0..8 {
        if step == 4 {
            good = everything(&run);
        }
        run.step(step, Rotten::No).expect("sound");
    }
    run.net.named_params().swap_remove(1).1.update(|x| x[0] = f32::NAN);
    assert!(matches!(run.step(8, Rotten::No), Ok(Outcome::RolledBack { to: 4, .. })));
    assert!(same(&everything(&run), &good));
    assert!(matches!(run.step(9, Rotten::No), Ok(Outcome::Stepped { .. })));
}

#[test]
fn a_second_run_of_the_same_step_names_operation_and_module() {
    // The second run draws the numbers of the first, and neither moves the model.
    let mut run = Run::new(Guard::new(Policy::Stop));
    let mut drawn = Vec::new();
    let (net, before) = (&run.net, everything(&run));
    let error = run.guard.step(0, net, &mut run.opt, &mut run.cx, |cx| {
        let x = Tensor::randn([6, 3], cx);
        drawn.push(x.to_vec());
        let y = net.norm.forward(&net.mlp.forward(&x, cx), cx);
        scope("decoder", || (y.square() * -1.0 - 1.0).sqrt().sum())
    });
    let text = error.expect_err("NaN").to_string();
    let wanted = "step 0: the loss is NaN: NaN was born in sqrt (forward) of decoder: element 0 of [6, 4]; inputs [6, 4]; \
                  the nearest parameter is norm.";
    assert!(text.starts_with(wanted), "{text}");
    assert_eq!((drawn.len(), &drawn[0]), (2, &drawn[1]));
    assert!(same(&everything(&run), &before));
}

#[test]
fn a_gradient_names_the_operation_whose_rule_made_it() {
    let mut run = Run::new(Guard::new(Policy::Stop));
    let text = run.step(3, Rotten::Gradient).expect_err("∞ · 0").to_string();
    assert!(text.starts_with("step 3: ") && text.contains("(backward"), "{text}");
}

#[test]
fn a_parameter_that_was_rotten_before_is_named() {
    let mut run = Run::new(Guard::new(Policy::Stop));
    let (name, param) = run.net.named_params().swap_remove(1);
    param.update(|x| x[0] = f32::INFINITY);
    let text = run.step(0, Rotten::No).expect_err("∞ − ∞").to_string();
    assert!(text.ends_with(&format!("{name} holds inf already")), "{text}");
}
