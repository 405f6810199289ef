//! Checkpoints: 2n steps equal n steps, a save, a load into fresh objects and n more, bit for bit; nothing half restored.

use std::path::Path;

use etude_autograd::{Tensor, cow_copies};
use etude_kernels::rng::Rng;
use etude_nn::optim::{GroupLr, OptimState};
use etude_nn::{Adam, Buffer, Checkpoint, Error, Module, Optimizer, Param, RmsProp, Sgd, file, module};

struct Net {
    hidden: Param,
    out: Param,
    seen: Buffer<i64>,
}
module!(Net { hidden, out, seen });

fn net(seed: u64) -> Net {
    let mut rng = Rng::new(seed);
    Net {
        hidden: Param::new(Tensor::randn([3, 8], &mut rng)),
        out: Param::new(Tensor::randn([8, 1], &mut rng)),
        seen: Buffer::new(Tensor::scalar(0)),
    }
}

type MakeOptimizer = fn(&Net) -> Box<dyn Optimizer>;

/// Everything that one run owns.
struct Run {
    net: Net,
    opt: Box<dyn Optimizer>,
    rng: Rng,
    best: f64,
    cursor: u64,
}

impl Run {
    fn new(seed: u64, optimiser: MakeOptimizer) -> Self {
        let net = net(seed);
        let opt = optimiser(&net);
        Run { net, opt, rng: Rng::new(seed + 1), best: f64::NAN, cursor: 0 }
    }

    fn train(&mut self, steps: u64) {
        for _ in 0..steps {
            let x = Tensor::randn([4, 3], &mut self.rng);
            let y = x.matmul(&self.net.hidden.get()).tanh().matmul(&self.net.out.get());
            let loss = (y - 1.0).square().mean();
            self.best = self.best.min(f64::from(loss.item()));
            self.opt.step(&loss.backward());
            self.opt.set_lr(self.opt.lr() * 0.99);
            self.net.seen.set(&Tensor::scalar(self.net.seen.get().item() + 4));
            self.cursor += 4;
        }
    }

    fn parts(&mut self) -> Checkpoint<'_> {
        Checkpoint::new()
            .model("model", &self.net)
            .optimizer("opt", &mut *self.opt)
            .rng("rng", &mut self.rng)
            .scalar("best", &mut self.best)
            .counter("cursor", &mut self.cursor)
    }

    fn same(&self, other: &Run) -> bool {
        let same = |a: Vec<(String, etude_nn::Value)>, b: Vec<(String, etude_nn::Value)>| {
            a.len() == b.len() && a.iter().zip(&b).all(|((m, x), (n, y))| m == n && x.same_bits(y))
        };
        let (a, b) = (self.opt.state(), other.opt.state());
        same(self.net.state_dict(), other.net.state_dict())
            && same(a.tensors, b.tensors)
            && (a.lr.to_bits(), a.steps) == (b.lr.to_bits(), b.steps)
            && self.rng == other.rng
            && self.best.to_bits() == other.best.to_bits()
            && self.cursor == other.cursor
    }
}

fn momentum(net: &Net) -> Box<dyn Optimizer> {
    Box::new(Sgd::new(net, 0.05).momentum(0.9).dampening(0.1).nesterov())
}
fn adam(net: &Net) -> Box<dyn Optimizer> {
    Box::new(Adam::new(net, 0.01).clip_norm(0.5))
}
fn rms(net: &Net) -> Box<dyn Optimizer> {
    Box::new(RmsProp::new(net, 0.01).centered().momentum(0.5))
}
const OPTIMISERS: [MakeOptimizer; 3] = [momentum, adam, rms];

#[test]
fn resuming_gives_the_same_bits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    for optimiser in OPTIMISERS {
        for n in [0, 1, 13] {
            let mut whole = Run::new(1, optimiser);
            whole.train(2 * n);
            let mut first = Run::new(1, optimiser);
            first.train(n);
            first.parts().save(&path, n).expect("writable");
            let mut second = Run::new(99, optimiser);
            second.train(3);
            assert_eq!(second.parts().load(&path).expect("it fits"), n);
            assert!(second.same(&first));
            second.train(n);
            assert!(second.same(&whole), "after {n} and {n} steps");
        }
    }
}

#[test]
fn saving_and_loading_leave_the_optimiser_the_only_owner() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut run = Run::new(1, adam);
    run.train(1);
    let before = cow_copies();
    run.parts().save(&path, 1).expect("writable");
    run.train(1);
    run.parts().load(&path).expect("it fits");
    run.train(1);
    assert_eq!(cow_copies(), before);
}

#[test]
fn equal_runs_give_equal_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = |name: &str| {
        let mut run = Run::new(5, adam);
        run.train(2);
        let path = folder.path().join(name);
        run.parts().save(&path, 2).expect("writable");
        std::fs::read(path).expect("just written")
    };
    assert_eq!(bytes("a"), bytes("b"));
}

/// Loads into a fresh run, which must refuse and stay as it was; gives the error's text.
fn refused(path: &Path, optimiser: MakeOptimizer) -> String {
    let mut run = Run::new(7, optimiser);
    let error = run.parts().load(path).expect_err("it does not fit");
    assert!(run.same(&Run::new(7, optimiser)), "half restored after: {error}");
    error.to_string()
}

#[test]
fn what_does_not_fit_is_named_and_nothing_is_restored() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut run = Run::new(1, adam);
    run.train(2);
    run.parts().save(&path, 2).expect("writable");

    let text = refused(&path, rms);
    for part in [
        "the kind of optimiser is Adam, expected RMSprop",
        "opt/hidden/square_avg is missing",
        "opt/out/exp_avg is unexpected",
    ] {
        assert!(text.contains(part), "{text}");
    }

    let mut other = net(3);
    other.out = Param::new(Tensor::zeros([8, 2]));
    let mut opt = Adam::new(&other, 0.1);
    let mut missing = 0.0;
    let error = Checkpoint::new()
        .model("model", &other)
        .optimizer("opt", &mut opt)
        .scalar("worst", &mut missing)
        .load(&path)
        .expect_err("it does not fit");
    let Error::Mismatch { mismatches, .. } = &error else { panic!("{error}") };
    let lines: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    for line in [
        "model/out has shape [8, 1], expected [8, 2]",
        "opt/out/exp_avg has shape [8, 1], expected [8, 2]",
        "worst is missing, expected the 16 hexadecimal digits of a number",
        "best is unexpected",
        "cursor is unexpected",
        "rng is unexpected",
    ] {
        assert!(lines.iter().any(|found| found == line), "no line {line:?} in\n{error}");
    }
}

#[test]
fn damaged_strings_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    Run::new(1, adam).parts().save(&path, 2).expect("writable");
    let whole = file::read(&path).expect("just written");
    for (key, bad) in [
        ("etude.step", "-1"),
        ("rng", "1 2"),
        ("rng", "1 2 3 4"),
        ("rng", "1 2 x"),
        ("best", "nan"),
        ("cursor", "1.5"),
        ("opt", ""),
        ("opt", "Adam 0.1 3"),
        ("opt", r#"{"kind":"Adam","lr":NaN,"steps":3,"groups":[]}"#),
        ("opt", r#"{"kind":"Adam","lr":0.1,"steps":3}"#),
        // Whoever counts on from there overflows.
        ("etude.step", "9223372036854775808"),
        ("rng", "1 2 18446744073709551615"),
        ("cursor", "18446744073709551615"),
    ] {
        let mut metadata = whole.metadata.clone();
        metadata.insert(key.into(), bad.into());
        file::write(&path, &whole.tensors, &metadata).expect("writable");
        let text = refused(&path, adam);
        assert!(text.contains(key), "{key} = {bad:?}: {text}");
    }
}

#[test]
fn damaged_settings_of_an_optimiser_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    let mut run = Run::new(1, adam);
    run.train(1);
    run.parts().save(&path, 1).expect("writable");
    let whole = file::read(&path).expect("just written");
    let head: serde_json::Value = serde_json::from_str(&whole.metadata["opt"]).expect("JSON");
    let edits: [(&str, serde_json::Value, &str); 10] = [
        ("/lr", (-1.0).into(), "opt/the learning rate is -1, expected a finite number, at least 0"),
        ("/lr", "fast".into(), "opt is "),
        ("/steps", (-1).into(), "opt is "),
        ("/steps", u64::MAX.into(), "opt/the number of steps is 18446744073709551615"),
        ("/groups", serde_json::json!([]), "opt/betas is missing, expected [0.9,0.999]"),
        (
            "/groups/0/lr",
            serde_json::json!({"Times": -2.0}),
            "opt/the learning rate of hidden, out is -2.0 times the optimiser's, expected a finite number, at least 0",
        ),
        (
            "/groups/0/lr",
            serde_json::json!({"Fixed": -2.0}),
            "of hidden, out is -2.0 whatever the optimiser's, expected",
        ),
        ("/groups/0/params/1", "hidden".into(), "opt/the settings of hidden is there twice, expected there once"),
        ("/groups/0/settings/betas", "[0.9,0.99]".into(), "opt/betas is [0.9,0.99], expected [0.9,0.999]"),
        ("/groups/0/settings/more", "1".into(), "opt/an unknown setting of hidden, out is more, expected none"),
    ];
    for (place, value, wanted) in edits {
        let mut edited = head.clone();
        match edited.pointer_mut(place) {
            Some(slot) => *slot = value,
            None => edited["groups"][0]["settings"]["more"] = value,
        }
        let mut metadata = whole.metadata.clone();
        metadata.insert("opt".into(), edited.to_string());
        file::write(&path, &whole.tensors, &metadata).expect("writable");
        let text = refused(&path, adam);
        assert!(text.contains(wanted), "{place}: {text}");
    }
}

#[test]
fn the_state_of_an_optimiser_with_an_endless_count_is_refused() {
    let mut run = Run::new(1, adam);
    let state = OptimState { steps: u64::MAX, ..run.opt.state() };
    let error = run.opt.set_state(&state).expect_err("no count").to_string();
    assert!(error.contains("the number of steps is 18446744073709551615"), "{error}");
    assert!(run.same(&Run::new(1, adam)));
}

#[test]
fn the_state_of_an_optimiser_with_an_endless_learning_rate_is_refused() {
    let mut run = Run::new(1, adam);
    let mut state = OptimState { lr: 100.0, ..run.opt.state() };
    state.groups[0].lr = GroupLr::Times(1e308);
    let error = run.opt.set_state(&state).expect_err("no rate").to_string();
    assert!(error.contains("the learning rate of hidden, out is 1e308 times the optimiser's"), "{error}");
    assert!(run.same(&Run::new(1, adam)));
}

#[test]
fn truncated_at_every_byte_restores_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("run.safetensors");
    Run::new(1, momentum).parts().save(&path, 2).expect("writable");
    let whole = std::fs::read(&path).expect("just written");
    for end in 0..whole.len() {
        std::fs::write(&path, &whole[..end]).expect("writable");
        refused(&path, momentum);
    }
}
