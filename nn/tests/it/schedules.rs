//! Schedules against PyTorch's schedulers, and the recursions by which those define themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::PI;

use etude_autograd::Tensor;
use etude_nn::schedule::{Curve, Plateau, PlateauConfig, Schedule, Threshold};
use etude_nn::{Checkpoint, Optimizer, Param, Sgd};

use crate::golden::{Tally, Values};

/// The cases of `tests/golden/schedules.py`.
fn golden_schedules() -> BTreeMap<&'static str, Schedule> {
    let settings = Curve::OneCycle { steps: 25, peak: 0.2, rise: 10.0, fall: 100.0 };
    BTreeMap::from([
        ("constant", Schedule::constant(0.2)),
        ("linear", Schedule::linear(0.3, 0.03, 30)),
        ("cosine", Schedule::cosine(0.3, 0.01, 30)),
        ("step", Schedule::step(0.3, 7, 0.5)),
        ("multi_step", Schedule::multi_step(0.3, [3, 11, 12, 30], 0.5)),
        ("exponential", Schedule::exponential(0.3, 0.9)),
        ("polynomial", Schedule::polynomial(0.3, 30, 1.7)),
        ("warm_restarts", Schedule::warm_restarts(0.3, 0.01, 5, 2)),
        ("warm_restarts_equal", Schedule::warm_restarts(0.3, 0.0, 7, 1)),
        ("one_cycle", Schedule::one_cycle(0.3, 40)),
        ("one_cycle_settings", Schedule { curve: settings, ..Schedule::constant(0.3) }),
        ("warm_up", Schedule::cosine(0.3, 0.0, 30).warm_up(8)),
    ])
}

/// The kinds of curve among them.
pub fn golden_curves() -> BTreeSet<String> {
    let name = |curve: &Curve| format!("{curve:?}").split(' ').next().unwrap_or_default().to_string();
    golden_schedules().values().map(|schedule| name(&schedule.curve)).collect()
}

#[test]
fn golden_schedules_are_pytorchs() {
    let theirs: BTreeMap<String, Vec<f64>> =
        serde_json::from_str(include_str!("../golden/schedules.json")).expect("the golden file is JSON");
    let mut tally = Tally::new("schedules in f64", 1e-10);
    for (name, schedule) in golden_schedules() {
        tally.case();
        let data = theirs[name].clone();
        let ours: Vec<f64> = (0..data.len() as u64).map(|step| schedule.at(step)).collect();
        tally.compare(name, &[ours.len()], &ours, &Values { shape: vec![data.len()], data });
    }
    tally.finish(&theirs.into_keys().collect());
}

#[derive(serde::Deserialize)]
struct GoldenPlateaus {
    /// `None` for NaN.
    metrics: Vec<Option<f64>>,
    cases: BTreeMap<String, GoldenPlateau>,
}

#[derive(serde::Deserialize)]
struct GoldenPlateau {
    config: PlateauConfig,
    lrs: Vec<f64>,
}

fn golden_plateaus() -> GoldenPlateaus {
    serde_json::from_str(include_str!("../golden/plateau.json")).expect("the golden file is JSON of settings")
}

#[test]
fn golden_plateaus_are_pytorchs() {
    let GoldenPlateaus { metrics, cases } = golden_plateaus();
    let mut tally = Tally::new("plateaus in f64", 1e-10);
    for (name, GoldenPlateau { config, lrs }) in &cases {
        tally.case();
        let mut opt = Sgd::new(&Param::new(Tensor::ones([1])), 0.3);
        let mut plateau = Plateau::new(*config).expect("PyTorch takes them");
        let mut ours = Vec::new();
        for metric in &metrics {
            let before = opt.lr();
            assert_eq!(plateau.step(metric.unwrap_or(f64::NAN), &mut opt), opt.lr() < before, "{name}");
            ours.push(opt.lr());
        }
        tally.compare(name, &[lrs.len()], &ours, &Values { shape: vec![lrs.len()], data: lrs.clone() });
    }
    tally.finish(&cases.into_keys().collect());
}

#[test]
fn a_plateau_goes_on_from_a_checkpoint() {
    let GoldenPlateaus { metrics, cases } = golden_plateaus();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let model = Param::new(Tensor::ones([1]));
    let new = || Sgd::new(&model, 0.3);
    for (name, GoldenPlateau { config, lrs }) in cases {
        let plateau = || Plateau::new(config).expect("valid");
        let (mut before, mut opt) = (plateau(), new());
        for metric in &metrics[..33] {
            before.step(metric.unwrap_or(f64::NAN), &mut opt);
        }
        Checkpoint::new().optimizer("opt", &mut opt).data("plateau", &mut before).save(&path, 33).expect("writable");
        let (mut after, mut opt) = (plateau(), new());
        Checkpoint::new().optimizer("opt", &mut opt).data("plateau", &mut after).load(&path).expect("it fits");
        assert_eq!(after, before);
        for metric in &metrics[33..] {
            after.step(metric.unwrap_or(f64::NAN), &mut opt);
        }
        assert!(close(opt.lr(), lrs[59]), "{name}: {} and {}", opt.lr(), lrs[59]);
    }
}

#[test]
fn settings_of_a_plateau_that_make_no_sense_are_named() {
    let config = PlateauConfig { factor: 1.0, ..Default::default() };
    let error = Plateau::new(config).expect_err("it would rise or stay").to_string();
    assert_eq!(error, "PlateauConfig.factor is 1: expected 0 ≤ factor < 1");
    let config = PlateauConfig { threshold: Threshold::Absolute(f64::NAN), ..Default::default() };
    assert!(Plateau::new(config).expect_err("no number").to_string().contains("PlateauConfig.threshold is NaN"));
    let good = serde_json::to_string(&Plateau::new(PlateauConfig::default()).expect("valid")).expect("serialisable");
    let read = |text: &str| serde_json::from_str::<Plateau>(text);
    assert!(read(&good).is_ok());
    let error = read(&good.replace(r#""min_lr":0.0"#, r#""min_lr":-1.0"#)).expect_err("from a file, too");
    assert!(error.to_string().contains("PlateauConfig.min_lr is -1"), "{error}");
}

#[test]
fn a_cycle_stays_at_its_end() {
    let cycle = Schedule::one_cycle(0.3, 40);
    assert_eq!((cycle.at(39), cycle.at(40)), (cycle.at(u64::MAX), cycle.at(39)));
    assert_eq!(Schedule::polynomial(0.3, 30, 1.7).at(u64::MAX), 0.0);
    assert!(Schedule::warm_restarts(0.3, 0.0, 1, 2).at(u64::MAX) <= 0.3);
    assert_eq!(Schedule::one_cycle(0.3, 0).at(0), 0.3 / 25.0 / 1e4);
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1e-3)
}

/// `CosineAnnealingLR`'s chainable form: η ← η_min + (η − η_min)·(1 + cos(π·t/T)) / (1 + cos(π·(t − 1)/T)).
#[test]
fn cosine() {
    let (lr, last, steps) = (0.3, 0.01, 50);
    let schedule = Schedule::cosine(lr, last, steps);
    let mut rate = lr;
    for t in 0..steps {
        if t > 0 {
            let cos = |t: u64| 1.0 + (PI * t as f64 / steps as f64).cos();
            rate = last + (rate - last) * cos(t) / cos(t - 1);
        }
        assert!(close(schedule.at(t), rate), "{t}: {} and {rate}", schedule.at(t));
    }
    assert!(close(schedule.at(steps / 2), (lr + last) / 2.0));
    assert_eq!((schedule.at(steps), schedule.at(u64::MAX)), (last, last));
}

/// `LinearLR` adds the same amount each step; here from lr to last.
#[test]
fn linear() {
    let (lr, last, steps) = (0.3, 0.03, 30);
    let schedule = Schedule::linear(lr, last, steps);
    let mut rate = lr;
    for t in 0..steps {
        assert!(close(schedule.at(t), rate));
        rate += (last - lr) / steps as f64;
    }
    assert!(close(schedule.at(steps), last) && close(schedule.at(10 * steps), last));
}

/// `StepLR` and `ExponentialLR` multiply by γ every so many steps, or every step.
#[test]
fn step_and_exponential() {
    let (step, exponential) = (Schedule::step(0.3, 7, 0.5), Schedule::exponential(0.3, 0.9));
    let (mut s, mut e) = (0.3, 0.3);
    for t in 0..60 {
        if t > 0 && t % 7 == 0 {
            s *= 0.5;
        }
        assert!(close(step.at(t), s) && close(exponential.at(t), e), "{t}");
        e *= 0.9;
    }
}

#[test]
fn warm_up_rises_to_the_rate_and_shifts_the_curve() {
    for curve in [Schedule::constant(0.2), Schedule::cosine(0.2, 0.0, 20), Schedule::step(0.2, 3, 0.1)] {
        let warm = curve.clone().warm_up(8);
        for t in 0..8 {
            assert!(close(warm.at(t), 0.2 * (t + 1) as f64 / 8.0));
        }
        for t in 0..40 {
            assert_eq!(warm.at(8 + t), curve.at(t));
        }
    }
}

#[test]
fn curves_of_no_steps_are_at_their_end() {
    assert_eq!(Schedule::linear(0.2, 0.1, 0).at(0), 0.1);
    assert_eq!(Schedule::cosine(0.2, 0.1, 0).at(0), 0.1);
}

#[test]
fn schedules_are_data() {
    let schedule = Schedule::cosine(3e-4, 3e-5, 1000).warm_up(10);
    let text = serde_json::to_string(&schedule).expect("serialisable");
    assert_eq!(serde_json::from_str::<Schedule>(&text).expect("just written"), schedule);
}
