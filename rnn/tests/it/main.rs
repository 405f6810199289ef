//! Properties of the character model: state, causality, learning, PyTorch's losses, bad input.

mod resume;

use etude_autograd::{Tensor, no_grad};
use etude_nn::{Adam, Ctx, Module, Optimizer, PromptError, Sampler, loss, testing};
use etude_rnn::{Cell, CharLm, CharLmConfig, Error};

fn model(seed: u64) -> (CharLm, Ctx) {
    let mut cx = Ctx::train(seed);
    let config = CharLmConfig { vocab: 5, embed: 8, hidden: 24, layers: 2, ..CharLmConfig::default() };
    (CharLm::new(config, &mut cx).expect("valid"), cx)
}

#[test]
fn a_carried_state_equals_one_long_pass() {
    let (lm, mut cx) = model(0);
    let ids = Tensor::from_vec((0..20).map(|i| (i * 7 + i / 3) % 5).collect(), [2, 10]);
    let (all, _) = no_grad(|| lm.forward(&ids, &lm.zero_state(2), &mut cx));
    let (first, state) = no_grad(|| lm.forward(&ids.narrow(1, 0, 4), &lm.zero_state(2), &mut cx));
    let (second, _) = no_grad(|| lm.forward(&ids.narrow(1, 4, 6), &state, &mut cx));
    let joined = Tensor::concat(&[&first, &second], 1);
    let largest = (all - joined).abs().flatten_from(0).max(0).item();
    assert!(largest < 1e-6, "{largest}");
}

#[test]
fn later_characters_do_not_change_earlier_predictions() {
    let (lm, mut cx) = model(1);
    let mut ids = vec![1i64, 2, 3, 4, 0, 1];
    let mut logits = |ids: &[i64]| {
        let x = Tensor::from_slice(ids, [1, ids.len()]);
        no_grad(|| lm.forward(&x, &lm.zero_state(1), &mut cx).0).narrow(1, 0, 4).to_vec()
    };
    let before = logits(&ids);
    ids[4] = 3;
    ids[5] = 2;
    assert_eq!(before, logits(&ids));
}

#[test]
fn it_learns_to_count_over_three_seeds() {
    // 0 1 2 3 4 0 1 …: every next character is certain.
    for seed in 0..3 {
        let (lm, mut cx) = model(seed);
        let mut opt = Adam::new(&lm, 1e-2).clip_norm(1.0);
        for step in 0..120 {
            let ids: Vec<i64> = (0..4).flat_map(|b| (0..13).map(move |t| (b + step + t) % 5)).collect();
            let ids = Tensor::from_vec(ids, [4, 13]);
            let (logits, _) = lm.forward(&ids.narrow(1, 0, 12), &lm.zero_state(4), &mut cx);
            let loss = logits.flatten(0..2).cross_entropy(&ids.narrow(1, 1, 12).flatten(0..2));
            opt.step(&loss.backward());
        }
        let ids = lm.sample(&[0, 1, 2], 12, Sampler::greedy(), &mut cx.eval()).expect("valid");
        assert_eq!(ids, (0..15).map(|i| i % 5).collect::<Vec<u32>>(), "seed {seed}");
    }
}

#[test]
fn names_are_pytorchs() {
    let (lm, _) = model(0);
    let names: Vec<String> = lm.named_params().into_iter().map(|(name, _)| name).collect();
    for name in ["embed.weight", "lstm.weight_ih_l0", "lstm.bias_hh_l1", "head.weight"] {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
    }
}

#[test]
fn bad_input_is_named() {
    let (lm, mut cx) = model(0);
    assert!(matches!(lm.sample(&[], 3, Sampler::greedy(), &mut cx), Err(Error::Prompt(PromptError::Empty { .. }))));
    let error = lm.sample(&[0, 9], 3, Sampler::greedy(), &mut cx).expect_err("9 is outside");
    assert!(matches!(error, Error::Prompt(PromptError::Id { id: 9, position: 1, vocab: 5, .. })), "{error}");
    let error = CharLm::new(CharLmConfig { hidden: 0, ..Default::default() }, &mut cx).expect_err("no state");
    assert!(error.to_string().contains("hidden"), "{error}");
}

#[test]
fn ten_losses_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    for (workload, cell, layers) in
        [("w5a", Cell::Lstm, 1), ("w5b", Cell::Lstm, 2), ("w5c", Cell::Gru, 1), ("w5d", Cell::Gru, 2)]
    {
        let config = CharLmConfig { vocab: 11, embed: 5, cell, hidden: 8, layers, dropout: 0.0 };
        let lm = CharLm::new(config, cx).expect("valid");
        testing::initialise(&lm);
        let text = testing::ids("text", [3, 7], 11);
        let (x, y) = (text.narrow(1, 0, 6), text.narrow(1, 1, 6));
        let mut opt = Adam::new(&lm, 1e-3);
        let step = |_| {
            let (logits, _) = lm.forward(&x, &lm.zero_state(3), cx);
            testing::descend(&mut opt, loss::cross_entropy(&logits, &y))
        };
        testing::compare_twin(workload, step).expect("the losses are PyTorch's");
    }
}
