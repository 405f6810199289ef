//! Optimisers: equal to PyTorch's over ten steps, all or nothing, in place.

use std::panic::{AssertUnwindSafe, catch_unwind};

use etude_autograd::{Grads, Tensor, cow_copies};
use etude_nn::{Adam, AdamW, Error, Module, Optimizer, Param, RmsProp, Sgd, module};
use serde_json::Value;

use crate::golden::{Tally, Values};

struct Pair {
    a: Param,
    b: Param,
}
module!(Pair { a, b });

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number") as f32).collect()
}

fn pair(values: &[f32]) -> Pair {
    Pair {
        a: Param::new(Tensor::from_slice(&values[..6], [2, 3])),
        b: Param::new(Tensor::from_slice(&values[6..], [4])),
    }
}

/// Gradients that are exactly `values`: those of Σ θ·g.
fn gradients(model: &Pair, values: &[f32]) -> Grads {
    let a = model.a.get() * Tensor::from_slice(&values[..6], [2, 3]);
    let b = model.b.get() * Tensor::from_slice(&values[6..], [4]);
    (a.sum() + b.sum()).backward()
}

fn all(model: &Pair) -> Vec<f32> {
    [model.a.get().to_vec(), model.b.get().to_vec()].concat()
}

fn optimiser(name: &str, model: &Pair) -> Box<dyn Optimizer> {
    // The matrix learns a tenth as fast; the vector does not decay.
    let is_matrix = |_: &str, shape: &[usize]| shape.len() == 2;
    let is_vector = |name: &str, _: &[usize]| name == "b";
    match name {
        "sgd" => Box::new(Sgd::new(model, 0.1)),
        "sgd_decay" => Box::new(Sgd::new(model, 0.1).weight_decay(0.05)),
        "sgd_momentum" => Box::new(Sgd::new(model, 0.1).momentum(0.9)),
        "sgd_dampening" => Box::new(Sgd::new(model, 0.1).momentum(0.9).dampening(0.3)),
        "sgd_nesterov" => Box::new(Sgd::new(model, 0.1).momentum(0.9).nesterov().weight_decay(0.05)),
        "sgd_maximize" => Box::new(Sgd::new(model, 0.1).maximize()),
        "sgd_all" => Box::new(Sgd::new(model, 0.1).momentum(0.8).dampening(0.3).weight_decay(0.05).maximize()),
        "sgd_clipped" => Box::new(Sgd::new(model, 0.1).momentum(0.9).clip_norm(2.5)),
        "sgd_groups" => {
            let opt = Sgd::new(model, 0.1).momentum(0.9).weight_decay(0.05);
            Box::new(opt.lr_where(0.1, is_matrix).decay_where(is_matrix))
        }
        "sgd_value_clipped" => Box::new(Sgd::new(model, 0.1).momentum(0.9).clip_value(0.4)),
        "adam_value_clipped" => Box::new(Adam::new(model, 0.01).clip_value(0.4)),
        "sgd_value_clipped_norm" => Box::new(Sgd::new(model, 0.1).momentum(0.9).clip_value(0.4).clip_norm(1.0)),
        "sgd_own" => Box::new(
            Sgd::new(model, 0.1)
                .group(is_vector, |group| group.with_lr(0.3).momentum(0.8).dampening(0.1).weight_decay(0.2)),
        ),
        "adam_own" => Box::new(
            Adam::new(model, 0.01)
                .group(is_vector, |group| group.betas(0.5, 0.8).eps(1e-4).weight_decay(0.1).with_lr(0.03)),
        ),
        "adam_own_halved" => {
            Box::new(Adam::new(model, 0.01).group(is_vector, |group| group.with_lr(0.03).betas(0.5, 0.8)))
        }
        "adam_own_amsgrad" => {
            let opt = Adam::new(model, 0.01).betas(0.9, 0.5);
            Box::new(opt.group(is_vector, |group| group.with_lr(0.002).amsgrad().maximize()))
        }
        "adamw_own" => Box::new(
            // Two groups, none of whose parameters are left over.
            AdamW::new(model, 0.01)
                .weight_decay(0.3)
                .group(is_vector, |group| group.betas(0.7, 0.9).weight_decay(0.0))
                .group(is_matrix, |group| group),
        ),
        "rmsprop_own" => Box::new(
            RmsProp::new(model, 0.01)
                .momentum(0.9)
                .group(is_vector, |group| group.with_lr(0.05).alpha(0.8).centered().eps(1e-5)),
        ),
        "adam" | "adam_halved" => Box::new(Adam::new(model, 0.01)),
        "adam_settings" => Box::new(Adam::new(model, 0.01).betas(0.5, 0.9).eps(1e-5).weight_decay(0.05)),
        "adam_amsgrad" => Box::new(Adam::new(model, 0.01).betas(0.9, 0.5).amsgrad()),
        "adam_maximize" => Box::new(Adam::new(model, 0.01).maximize()),
        "adam_all" => {
            Box::new(Adam::new(model, 0.01).betas(0.9, 0.5).eps(1e-5).weight_decay(0.05).amsgrad().maximize())
        }
        "adam_clipped" => Box::new(Adam::new(model, 0.01).clip_norm(2.5)),
        "adamw" => Box::new(AdamW::new(model, 0.01)),
        "adamw_decay" => Box::new(AdamW::new(model, 0.01).weight_decay(0.3)),
        "adamw_settings" => Box::new(AdamW::new(model, 0.01).betas(0.5, 0.9).eps(1e-5)),
        "adamw_amsgrad" => Box::new(AdamW::new(model, 0.01).betas(0.9, 0.5).amsgrad()),
        "adamw_maximize" => Box::new(AdamW::new(model, 0.01).maximize()),
        "adamw_groups" => {
            let opt = AdamW::new(model, 0.01).weight_decay(0.3);
            Box::new(opt.lr_where(0.1, is_matrix).decay_where(is_matrix))
        }
        "rmsprop" => Box::new(RmsProp::new(model, 0.01)),
        "rmsprop_settings" => Box::new(RmsProp::new(model, 0.01).alpha(0.9).eps(1e-6).weight_decay(0.05)),
        "rmsprop_momentum" => Box::new(RmsProp::new(model, 0.01).momentum(0.9)),
        "rmsprop_centered" => Box::new(RmsProp::new(model, 0.01).centered()),
        "rmsprop_both" => Box::new(RmsProp::new(model, 0.01).centered().momentum(0.9)),
        "rmsprop_all" => {
            let opt = RmsProp::new(model, 0.01).alpha(0.9).eps(1e-6).weight_decay(0.05);
            Box::new(opt.centered().momentum(0.9).maximize())
        }
        _ => panic!("no settings for the golden case {name}"),
    }
}

#[test]
fn golden_optimisers_equal_pytorchs_for_ten_steps() {
    let golden: Value = serde_json::from_str(include_str!("../golden/optim.json")).expect("the golden file is JSON");
    let grads: Vec<Vec<f32>> = golden["grads"].as_array().expect("a list").iter().map(numbers).collect();
    let cases = golden["cases"].as_object().expect("an object");
    let mut tally = Tally::new("optimisers", 1e-5);
    let wide = |x: Vec<f32>| x.into_iter().map(f64::from).collect::<Vec<_>>();
    for (name, case) in cases {
        tally.case();
        let model = pair(&numbers(&golden["start"]));
        let mut opt = optimiser(name, &model);
        for (step, g) in grads.iter().enumerate() {
            if name.ends_with("_halved") && step == grads.len() / 2 {
                opt.set_lr(opt.lr() / 2.0);
            }
            opt.step(&gradients(&model, g));
            if let Some(norm) = case["norms"].get(step) {
                let norm = norm.as_f64().expect("a number");
                tally.compare_at_scale(&format!("{name}, norm {step}"), &[opt.grad_norm()], &[norm], norm);
            }
            let theirs = Values { shape: vec![10], data: wide(numbers(&case["after"][step])) };
            tally.compare(&format!("{name}, step {step}"), &[10], &wide(all(&model)), &theirs);
        }
        assert_eq!(opt.steps(), grads.len() as u64);
    }
    tally.finish(&cases.keys().cloned().collect());
}

#[test]
fn a_missing_gradient_is_named_and_nothing_moves() {
    let model = pair(&[1.0; 10]);
    let mut opt = Adam::new(&model, 0.1);
    let only_a = || model.a.get().square().sum().backward();
    let error = opt.try_step(&only_a()).expect_err("b has no gradient");
    assert!(matches!(&error, Error::NoGradient { step: 1, names } if names == &["b"]), "{error}");
    let message = catch_unwind(AssertUnwindSafe(|| opt.step(&only_a()))).expect_err("step panics");
    let message = message.downcast_ref::<String>().expect("a message");
    assert!(message.contains("no gradient for b;"), "{message}");
    assert_eq!((all(&model), opt.steps()), (vec![1.0; 10], 0));

    let mut opt = Adam::new(&model, 0.1).allow_missing();
    opt.step(&only_a());
    assert_ne!(model.a.get().to_vec(), [1.0; 6]);
    assert_eq!(model.b.get().to_vec(), [1.0; 4]);
}

#[test]
fn a_gradient_that_is_no_number_is_named_and_nothing_moves() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let model = pair(&[1.0; 10]);
        let mut opt = Sgd::new(&model, 0.1).momentum(0.9).clip_norm(1.0);
        let mut values = [1.0; 10];
        values[8] = bad;
        let error = opt.try_step(&gradients(&model, &values)).expect_err("b is bad");
        assert!(matches!(&error, Error::Gradient { step: 1, name, .. } if name == "b"), "{error}");
        assert!(error.to_string().contains(&bad.to_string()), "{error}");
        assert_eq!(all(&model), [1.0; 10]);
        // The state did not move either: the next step equals a first one.
        opt.step(&gradients(&model, &[0.1; 10]));
        assert_eq!(all(&model), [1.0 - 0.1 * 0.1; 10]);
    }
}

#[test]
fn a_loss_that_is_no_number_names_the_step() {
    assert_eq!(etude_nn::check_finite(1.5, 7).expect("a number"), 1.5);
    let error = etude_nn::check_finite(f32::NAN, 7).expect_err("not a number");
    assert_eq!(error.to_string(), "step 7: the loss is NaN");
}

#[test]
fn decay_can_spare_vectors() {
    let model = pair(&[1.0; 10]);
    let mut opt = AdamW::new(&model, 0.1).weight_decay(0.5).decay_where(|_, shape| shape.len() > 1);
    opt.step(&gradients(&model, &[0.0; 10]));
    // No gradient, no movement but the decay: 1 − lr·λ.
    assert_eq!(model.a.get().to_vec(), [0.95; 6]);
    assert_eq!(model.b.get().to_vec(), [1.0; 4]);
}

/// The vector in a group of its own.
fn grouped(model: &Pair) -> Adam {
    Adam::new(model, 0.01)
        .weight_decay(0.1)
        .group(|name, _| name == "b", |group| group.with_lr(0.02).betas(0.5, 0.9).amsgrad())
}

#[test]
fn groups_have_learning_rates_of_their_own() {
    let model = pair(&[1.0; 10]);
    let mut opt = grouped(&model);
    assert_eq!(opt.lrs(), [0.01, 0.02]);
    opt.set_lr(0.1);
    assert_eq!(opt.lrs(), [0.1, 0.2]);
    opt.set_lr_of(1, 0.05);
    assert_eq!((opt.lrs(), opt.lr()), (vec![0.1, 0.05], 0.1));
    opt.set_lr_of(0, 0.2);
    assert_eq!((opt.lrs(), opt.lr()), (vec![0.2, 0.05], 0.2));
    let frozen = Adam::new(&model, 0.1).group(|name, _| name == "a", |group| group.with_lr(0.0));
    assert_eq!(frozen.lrs(), [0.1, 0.0]);
    // A third group takes what the others left; settings that follow reach all.
    let mut opt = Sgd::new(&model, 1.0).group(|_, _| true, |group| group.with_lr(0.5)).momentum(0.5);
    opt.step(&gradients(&model, &[1.0; 10]));
    opt.step(&gradients(&model, &[1.0; 10]));
    assert_eq!(all(&model), [1.0 - 0.5 * (1.0 + 1.5); 10]);
}

/// The words of a panic.
fn refusal(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("refused");
    panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| s.to_string())).expect("a message")
}

#[test]
fn groups_that_make_no_sense_are_refused() {
    let model = pair(&[1.0; 10]);
    let text = refusal(|| drop(grouped(&model).group(|name, _| name == "b", |group| group)));
    assert_eq!(text, "group: no parameter is left that fits");
    let text = refusal(|| drop(Sgd::new(&model, 0.1).group(|_, _| true, |group| group.clip_norm(1.0))));
    assert_eq!(text, "group: clipping and what is allowed belong to the whole optimiser");
    assert_eq!(refusal(|| grouped(&model).set_lr_of(2, 0.1)), "set_lr_of: group 2 of 2");
    assert_eq!(refusal(|| grouped(&model).set_lr_of(1, -1.0)), "set_lr_of: the learning rate is -1");
    assert_eq!(refusal(|| drop(Sgd::new(&model, 0.1).clip_value(0.0))), "clip_value: 0 is not positive");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let model = pair(&[1.0; 10]);
    let sgd = |change: fn(Sgd) -> Sgd| refusal(|| drop(change(Sgd::new(&model, 0.1))));
    let rms = |change: fn(RmsProp) -> RmsProp| refusal(|| drop(change(RmsProp::new(&model, 0.1))));
    let adam = |change: fn(AdamW) -> AdamW| refusal(|| drop(change(AdamW::new(&model, 0.1))));
    assert_eq!(sgd(|opt| opt.momentum(-0.5)), "momentum: -0.5 is negative or not finite");
    assert_eq!(sgd(|opt| opt.weight_decay(f64::NAN)), "weight_decay: NaN is negative or not finite");
    assert_eq!(sgd(|opt| opt.dampening(f64::INFINITY)), "dampening: inf is not finite");
    assert_eq!(sgd(|opt| opt.nesterov()), "nesterov: there is no momentum");
    assert_eq!(rms(|opt| opt.alpha(1.5)), "alpha: 1.5 is not in [0, 1]");
    assert_eq!(rms(|opt| opt.eps(-1.0)), "eps: -1 is negative or not finite");
    assert_eq!(rms(|opt| opt.momentum(-0.5)), "momentum: -0.5 is negative or not finite");
    assert_eq!(rms(|opt| opt.weight_decay(-1.0)), "weight_decay: -1 is negative or not finite");
    assert_eq!(adam(|opt| opt.eps(f64::NAN)), "eps: NaN is negative or not finite");
    assert_eq!(adam(|opt| opt.weight_decay(f64::INFINITY)), "weight_decay: inf is negative or not finite");
}

#[test]
fn a_learning_rate_of_0_is_one_as_any_other() {
    let model = pair(&[1.0; 10]);
    let new = || Sgd::new(&model, 0.5).group(|name, _| name == "b", |group| group.with_lr(1.0));
    // A schedule that ends at 0 and starts again.
    let mut opt = new();
    opt.set_lr(0.0);
    assert_eq!(opt.lrs(), [0.0, 0.0]);
    opt.set_lr(0.25);
    assert_eq!(opt.lrs(), [0.25, 0.5]);
    // The same with a save in between.
    opt.set_lr(0.0);
    let mut resumed = new();
    resumed.set_state(&opt.state()).expect("it fits");
    resumed.set_lr(0.25);
    assert_eq!(resumed.lrs(), [0.25, 0.5]);

    // A rate chosen beside 0 stays: nothing is in proportion to 0. That of a resumed run, too.
    opt.set_lr_of(1, 0.125);
    assert_eq!(opt.lrs(), [0.0, 0.125]);
    opt.step(&gradients(&model, &[1.0; 10]));
    assert_eq!((model.a.get().to_vec(), model.b.get().to_vec()), (vec![1.0; 6], vec![0.875; 4]));
    let mut resumed = new();
    resumed.set_state(&opt.state()).expect("it fits");
    for opt in [&mut opt, &mut resumed] {
        opt.set_lr(0.25);
        assert_eq!(opt.lrs(), [0.25, 0.125]);
        opt.set_lr_of(1, 0.125);
        opt.set_lr(0.5);
        assert_eq!(opt.lrs(), [0.5, 0.25], "in proportion again");
    }

    // The first group rests while the other goes on.
    let mut opt = new();
    opt.set_lr_of(0, 0.0);
    assert_eq!((opt.lrs(), opt.lr()), (vec![0.0, 1.0], 0.0));
    opt.set_lr_of(0, 0.25);
    assert_eq!(opt.lrs(), [0.25, 1.0]);
    opt.set_lr(0.5);
    assert_eq!(opt.lrs(), [0.5, 2.0]);

    let warm = |lr| Sgd::new(&model, 0.0).group(|name, _| name == "b", |group| group.with_lr(lr));
    assert_eq!(warm(1.0).lrs(), [0.0, 1.0]);
    let mut same = warm(0.0);
    same.set_lr(0.5);
    assert_eq!(same.lrs(), [0.5, 0.5]);
}

#[test]
fn a_group_does_not_go_on_with_several_learning_rates() {
    let model = pair(&[1.0; 10]);
    let fresh = || AdamW::new(&model, 1e-3);
    let matrix = |name: &str, _: &[usize]| name == "a";
    let vector = |name: &str, _: &[usize]| name == "b";
    let mut ran = fresh().group(vector, |group| group.with_lr(1e-2));
    ran.step(&gradients(&model, &[0.5; 10]));
    let refused = |mut opt: AdamW, state| {
        let before = opt.lrs();
        let error = opt.set_state(state).expect_err("two rates").to_string();
        assert_eq!((opt.lrs(), opt.steps()), (before, 0));
        error
    };
    let line = "the learning rate of a group is 1.0 times the optimiser's for a, 10.0 times the optimiser's for b, \
                expected one for all its parameters";
    let state = ran.state();
    let error = refused(fresh(), &state);
    assert!(error.ends_with(line), "{error}");
    // Any group, and where the rates are equal only because both are 0.
    ran.set_lr(0.0);
    let error = refused(fresh().group(|_, _| true, |group| group), &ran.state());
    assert!(error.ends_with(line), "{error}");
    let mut allowed = fresh().allow_other_settings();
    allowed.set_state(&state).expect("on purpose");
    assert_eq!((allowed.lrs(), allowed.steps()), (vec![1e-3], 1));

    // Groups that were cut in another way, but with one rate each: the first one's is the optimiser's again.
    for lr in [1e-3, 0.0] {
        ran.set_lr(lr);
        let mut turned = fresh().group(matrix, |group| group);
        turned.set_state(&ran.state()).expect("one rate each");
        assert_eq!(turned.lr(), turned.lrs()[0]);
        assert_eq!(turned.lrs(), [ran.lrs()[1], ran.lrs()[0]]);
        turned.set_lr_of(0, 0.5);
        assert_eq!((turned.lr(), turned.lrs()[0]), (0.5, 0.5));
    }
    let mut turned = fresh().group(matrix, |group| group);
    turned.set_state(&ran.state()).expect("one rate each");
    turned.set_lr(1.0);
    assert_eq!(turned.lrs(), [1.0, 0.1], "from 0, in the old proportion");
}

#[test]
fn groups_go_on_from_their_state() {
    let grads: Vec<Vec<f32>> = (0..6).map(|i| (0..10).map(|j| ((i * 10 + j) as f32).sin()).collect()).collect();
    let whole = pair(&[1.0; 10]);
    let mut opt = grouped(&whole);
    grads.iter().for_each(|g| opt.step(&gradients(&whole, g)));

    let first = pair(&[1.0; 10]);
    let mut opt = grouped(&first);
    grads[..3].iter().for_each(|g| opt.step(&gradients(&first, g)));
    opt.set_lr_of(1, 0.03);
    let second = pair(&all(&first));
    let mut resumed = grouped(&second);
    resumed.set_state(&opt.state()).expect("it fits");
    assert_eq!(resumed.lrs(), opt.lrs());
    resumed.set_lr_of(1, 0.02);
    grads[3..].iter().for_each(|g| resumed.step(&gradients(&second, g)));
    assert_eq!(all(&second), all(&whole), "every bit");
}

#[test]
fn other_settings_are_refused_by_name_unless_they_are_allowed() {
    let model = pair(&[1.0; 10]);
    let fresh = || Adam::new(&model, 0.01).weight_decay(0.1);
    let mut ran = fresh();
    ran.step(&gradients(&model, &[0.5; 10]));
    let state = ran.state();
    let differences = |mut opt: Adam| {
        let before = opt.state();
        let error = opt.set_state(&state).expect_err("other settings");
        let Error::OptimState { mismatches } = error else { panic!("{error}") };
        assert_eq!((opt.state().steps, opt.state().groups), (before.steps, before.groups));
        mismatches.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(fresh().set_state(&state).is_ok());
    assert_eq!(differences(fresh().betas(0.5, 0.999)), ["betas is [0.9,0.999], expected [0.5,0.999]"]);
    assert_eq!(differences(fresh().eps(1e-5)), ["eps is 1e-8, expected 0.00001"]);
    let both = differences(fresh().weight_decay(0.2).clip_norm(1.0));
    assert_eq!(both, ["clip_norm is none, expected 1.0", "weight_decay is 0.1, expected 0.2"]);
    assert_eq!(differences(fresh().clip_value(0.5)), ["clip_value is none, expected 0.5"]);
    assert_eq!(differences(fresh().maximize()), ["maximize is false, expected true"]);
    let vectors = |_: &str, shape: &[usize]| shape.len() == 1;
    assert_eq!(differences(fresh().lr_where(0.1, vectors)), ["lr_where of b is 1.0, expected 0.1"]);
    assert_eq!(differences(fresh().decay_where(vectors)), ["decay_where of a is true, expected false"]);
    let own = fresh().group(vectors, |group| group.weight_decay(0.0).with_lr(0.1));
    assert_eq!(differences(own), ["weight_decay of b is 0.1, expected 0.0"]);

    let mut changed = fresh().betas(0.5, 0.999).clip_norm(1.0).allow_other_settings();
    changed.set_state(&state).expect("on purpose");
    assert_eq!(changed.steps(), 1);
    let again = changed.state();
    assert_eq!(again.groups[0].settings["betas"], "[0.5,0.999]", "those of the program hold");
    // Moments that the settings need must be there all the same.
    let error = fresh().amsgrad().allow_other_settings().set_state(&state).expect_err("no maximum").to_string();
    assert!(error.contains("a/max_exp_avg_sq is missing"), "{error}");
}

#[test]
fn gradients_of_other_models_are_ignored() {
    let (ours, theirs) = (pair(&[1.0; 10]), pair(&[2.0; 10]));
    let mut opt = Sgd::new(&ours, 0.5);
    let both = (ours.a.get() * theirs.a.get()).sum() + (ours.b.get() * theirs.b.get()).sum();
    opt.step(&both.backward());
    assert_eq!(all(&ours), [0.0; 10]);
    assert_eq!(all(&theirs), [2.0; 10]);
}

#[test]
fn one_optimiser_takes_two_models() {
    let models = (pair(&[1.0; 10]), pair(&[1.0; 10]));
    let mut opt = Sgd::new(&models, 0.5);
    let loss = (models.0.a.get() * models.1.a.get()).sum() + (models.0.b.get() * models.1.b.get()).sum();
    opt.step(&loss.backward());
    assert_eq!((all(&models.0), all(&models.1)), (vec![0.5; 10], vec![0.5; 10]));
}

#[test]
fn training_updates_in_place() {
    let model = pair(&[1.0; 10]);
    let mut optimisers: [Box<dyn Optimizer>; 3] = [
        Box::new(Sgd::new(&model, 1e-3).momentum(0.9)),
        Box::new(Adam::new(&model, 1e-3).clip_norm(0.1)),
        Box::new(RmsProp::new(&model, 1e-3)),
    ];
    let x = Tensor::from_slice(&[1.0, -2.0], [1, 2]);
    let before = cow_copies();
    for _ in 0..5 {
        for opt in &mut optimisers {
            let hidden = x.matmul(&model.a.get()).tanh();
            let loss = hidden.square().sum() + model.b.get().square().sum() * hidden.sum();
            opt.step(&loss.backward());
        }
    }
    assert_eq!(cow_copies(), before, "a step copied a parameter or a state");
}

#[test]
fn a_target_network_costs_no_copies_either() {
    let (online, target) = (pair(&[1.0; 10]), pair(&[0.0; 10]));
    let mut opt = Sgd::new(&online, 0.5);
    let before = cow_copies();
    for _ in 0..3 {
        target.copy_from(&online);
        assert_eq!(all(&target), all(&online));
        opt.step(&gradients(&online, &[1.0; 10]));
        assert_ne!(all(&target), all(&online));
    }
    assert_eq!(cow_copies(), before);
}
