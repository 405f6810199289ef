//! A character model in training is stopped, killed and resumed, and ends with the bits of one that was not: the state that is
//! carried from window to window, the place in the text, dropout.

use std::path::Path;

use etude_data::windows::Streams;
use etude_nn::testing::process::{self, RESULT, Training};
use etude_nn::{Adam, Checkpoint, Ctx, Optimizer, resume_tests};
use etude_rnn::{Cell, CharLm, CharLmConfig};

/// Trains in `folder` from its checkpoint to step `until`, and leaves a checkpoint there, too. Gives the step it began at.
fn train_cell(cell: Cell, folder: &Path, until: u64) -> u64 {
    let path = folder.join("run.safetensors");
    let mut cx = Ctx::train(1);
    let text: Vec<u32> = (0..150).map(|i| i * i % 7).collect();
    let config = CharLmConfig { vocab: 7, embed: 4, hidden: 6, layers: 2, dropout: 0.1, cell };
    let model = CharLm::new(config, &mut cx).expect("valid");
    let mut opt = Adam::new(&model, 1e-2).clip_norm(1.0);
    // Ten windows in one pass, the last of them short.
    let (mut streams, mut state) = (Streams::new(&text, 3, 5).expect("long enough"), model.zero_state(3));
    let mut losses = Vec::<f32>::new();
    macro_rules! parts {
        () => {
            Checkpoint::new()
                .model("model", &model)
                .optimizer("opt", &mut opt)
                .rng("rng", &mut cx.rng)
                .cursor("streams", &mut streams, Streams::position, |streams, &at| streams.seek(at))
                .tensors("state", state.tensors_mut())
                .floats("losses", &mut losses)
        };
    }
    let first = parts!().resume(&path).expect("old or new, but whole").map_or(0, |found| found.step);
    let mut step = first;
    while step < until {
        let Some((x, y)) = streams.next() else {
            streams.seek(0).expect("a place");
            state = model.zero_state(3);
            continue;
        };
        let (logits, next) = model.forward(&x, &state, &mut cx);
        let loss = logits.flatten(0..2).cross_entropy(&y.flatten(0..2));
        losses.push(loss.item());
        opt.step(&loss.backward());
        state = next.detach();
        step += 1;
        if step.is_multiple_of(4) || step == until {
            parts!().save(&path, step).expect("writable");
        }
    }
    std::fs::copy(path, folder.join(RESULT)).expect("writable");
    first
}

fn train(folder: &Path, until: u64) -> u64 {
    train_cell(Cell::Lstm, folder, until)
}

resume_tests!("resume", train, 60);

#[test]
fn so_does_another_cell() {
    Training { train: |folder, until| train_cell(Cell::Gru, folder, until), ..TRAINING }.halves();
}

#[test]
#[ignore = "a minute: cargo test -p etude-rnn --test it resume::many_kills -- --ignored --nocapture"]
fn many_kills() {
    println!("{:?}", TRAINING.survives(process::kills(250)));
}

#[test]
#[ignore = "minutes: cargo test -p etude-rnn resume::char_lstm -- --ignored --nocapture"]
fn char_lstm_however_often_it_is_killed() {
    println!("{:?}", process::example_survives_kills("char_lstm", process::kills(100)));
}
