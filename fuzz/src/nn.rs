//! Safetensors files and checkpoints.

use std::collections::HashSet;

use etude_autograd::Tensor;
use etude_kernels::rng::Rng;
use etude_nn::{Adam, Buffer, Checkpoint, Module, Optimizer, Param, file, module};
use safetensors::SafeTensors;

const NAME: &str = "hostile.safetensors";

/// An error that names the file, or what the reference reads as well.
pub fn safetensors(bytes: &[u8]) {
    match file::read_bytes(NAME, bytes) {
        Err(error) => assert!(error.to_string().starts_with(NAME), "{error}"),
        Ok(contents) => {
            let theirs = SafeTensors::deserialize(bytes).expect("the reference accepts what we accept");
            let names: HashSet<&String> = contents.tensors.iter().map(|(name, _)| name).collect();
            assert_eq!((names.len(), contents.tensors.len()), (theirs.len(), theirs.len()));
            for (name, value) in &contents.tensors {
                assert_eq!(value.shape(), theirs.tensor(name).expect("there").shape());
            }
        }
    }
}

struct Net {
    w: Param,
    n: Buffer<i64>,
}
module!(Net { w, n });

/// All kinds of parts but those of [`Carried`].
struct Run {
    net: Net,
    opt: Adam,
    rng: Rng,
    best: f64,
    cursor: u64,
    floats: Vec<f32>,
    ints: Vec<i64>,
    ledger: Vec<(u64, f64)>,
}

impl Run {
    fn new() -> Self {
        let net = Net { w: Param::new(Tensor::zeros([2, 3])), n: Buffer::new(Tensor::scalar(0)) };
        let opt = Adam::new(&net, 0.5);
        let (floats, ints, ledger) = (vec![0.5], vec![3], vec![(1, 0.25)]);
        Run { net, opt, rng: Rng::new(7), best: 1.5, cursor: 2, floats, ints, ledger }
    }

    fn parts(&mut self) -> Checkpoint<'_> {
        Checkpoint::new()
            .config("config", &[3, 4])
            .model("model", &self.net)
            .optimizer("opt", &mut self.opt)
            .rng("rng", &mut self.rng)
            .scalar("best", &mut self.best)
            .counter("cursor", &mut self.cursor)
            .floats("floats", &mut self.floats)
            .ints("ints", &mut self.ints)
            .data("ledger", &mut self.ledger)
    }

    fn text(&self) -> String {
        let Run { net, opt, rng, best, cursor, floats, ints, ledger } = self;
        let (net, opt) = (net.state_dict(), opt.state());
        format!("{net:?}{opt:?}{:?}{best:?}{cursor}{floats:?}{ints:?}{ledger:?}", rng.state())
    }
}

/// A state that goes from batch to batch, and a place among ten.
struct Carried {
    state: [Tensor; 2],
    place: u64,
}

impl Carried {
    fn parts(&mut self) -> Checkpoint<'_> {
        let go = |place: &mut u64, &to: &u64| {
            *place = if to < 10 { to } else { return Err("there is no such place") };
            Ok(())
        };
        Checkpoint::new().tensors("state", &mut self.state).cursor("place", &mut self.place, |&place| place, go)
    }
}

/// Both checkpoints.
pub fn checkpoint(bytes: &[u8]) {
    carried(bytes);
    run(bytes);
}

/// An error that names the file and leaves everything as it was, or a place and a state that fit; says whether they do.
pub fn carried(bytes: &[u8]) -> bool {
    let mut carried = Carried { state: [Tensor::zeros([2]), Tensor::zeros([1, 3])], place: 3 };
    let loaded = carried.parts().load_bytes(NAME, bytes);
    let untouched = carried.place == 3 && carried.state.iter().all(|x| x.to_vec().iter().all(|&x| x == 0.0));
    match &loaded {
        Err(error) => assert!(error.to_string().starts_with(NAME) && untouched, "half restored after: {error}"),
        Ok(_) => {
            assert!(carried.place < 10);
            assert_eq!((carried.state[0].shape(), carried.state[1].shape()), (&[2][..], &[1, 3][..]));
        }
    }
    loaded.is_ok()
}

/// An error that names the file and leaves everything as it was, or a run that can go on; says whether it can.
pub fn run(bytes: &[u8]) -> bool {
    let mut run = Run::new();
    let before = run.text();
    let loaded = run.parts().load_bytes(NAME, bytes);
    match &loaded {
        Err(error) => {
            assert!(error.to_string().starts_with(NAME), "{error}");
            assert_eq!(run.text(), before, "half restored after: {error}");
        }
        Ok(_) => {
            let loss = run.net.w.get().sum();
            run.opt.step(&loss.backward());
            run.rng.next_u64();
        }
    }
    loaded.is_ok()
}
