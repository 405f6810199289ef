//! Properties of the GPT and of BERT: causality, cache, positions, learning, PyTorch's losses, bad input.

mod resume;

use etude_autograd::{Tensor, no_grad};
use etude_nn::{Act, AdamW, Ctx, Module, Optimizer, PromptError, Sampler, Storage, loss, testing};
use etude_transformer::{Bert, BertConfig, Error, Gpt, GptConfig};

fn model(seed: u64) -> (Gpt, Ctx) {
    let mut cx = Ctx::train(seed);
    let config = GptConfig { vocab: 7, context: 12, dim: 16, heads: 4, layers: 2, ..GptConfig::default() };
    (Gpt::new(config, &mut cx).expect("valid"), cx)
}

fn ids(values: &[i64]) -> Tensor<i64> {
    Tensor::from_slice(values, [1, values.len()])
}

#[test]
fn later_tokens_do_not_change_earlier_logits() {
    let (gpt, mut cx) = model(0);
    let mut logits = |values: &[i64]| no_grad(|| gpt.forward(&ids(values), &mut cx)).narrow(1, 0, 3).to_vec();
    assert_eq!(logits(&[1, 2, 3, 4, 5]), logits(&[1, 2, 3, 0, 6]));
}

#[test]
fn order_matters() {
    let (gpt, mut cx) = model(0);
    let mut last = |values: &[i64]| no_grad(|| gpt.forward(&ids(values), &mut cx)).select(1, 2).to_vec();
    assert_ne!(last(&[1, 2, 3]), last(&[2, 1, 3]));
}

#[test]
fn the_cache_equals_full_recomputation() {
    let (gpt, mut cx) = model(3);
    let tokens = [3u32, 1, 4, 1, 5, 2, 6, 5, 3, 5];
    let x: Vec<i64> = tokens.iter().map(|&t| i64::from(t)).collect();
    let full = no_grad(|| gpt.forward(&ids(&x), &mut cx));
    // The prompt in pieces of one, three and the rest.
    let mut cache = gpt.kv_cache();
    for (from, to) in [(0, 1), (1, 4), (4, 10)] {
        let step = gpt.step(&tokens[from..to], &mut cache, &mut cx).expect("fits");
        assert_eq!(step, full.select(1, to - 1).to_vec(), "after {to} tokens");
    }
    assert_eq!(cache.len(), 10);
}

/// A GPT that has learnt to count to seven and begin again.
fn counter(seed: u64) -> (Gpt, Ctx) {
    let (gpt, mut cx) = model(seed);
    let mut opt = AdamW::new(&gpt, 1e-2).clip_norm(1.0);
    for step in 0..150 {
        let rows: Vec<i64> = (0..8).flat_map(|b| (0..13).map(move |t| (b + step + t) % 7)).collect();
        let rows = Tensor::from_vec(rows, [8, 13]);
        let logits = gpt.forward(&rows.narrow(1, 0, 12), &mut cx);
        opt.step(&logits.flatten(0..2).cross_entropy(&rows.narrow(1, 1, 12).flatten(0..2)).backward());
    }
    (gpt, cx)
}

#[test]
fn it_learns_to_count_and_goes_on_beyond_its_context() {
    for seed in 0..3 {
        let (gpt, cx) = counter(seed);
        let out = gpt.generate(&[0, 1, 2], 30, Sampler::greedy(), &mut cx.eval()).expect("valid");
        assert_eq!(out, (0..33).map(|i| i % 7).collect::<Vec<u32>>(), "seed {seed}");
    }
}

#[test]
fn the_head_shares_the_embedding_and_names_are_gpt2s() {
    let (gpt, _) = model(0);
    let names: Vec<String> = gpt.named_params().into_iter().map(|(name, _)| name).collect();
    for name in ["wte.weight", "wpe.weight", "h.0.attn.c_attn.weight", "h.1.mlp.c_proj.bias", "ln_f.weight"] {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
    }
    // 7·16 + 12·16 + 2·(12·16² + 13·16) + 2·16: embeddings, blocks, final norm; no separate head.
    assert_eq!(gpt.count(), 112 + 192 + 2 * (12 * 256 + 13 * 16) + 32);
}

#[test]
fn bad_input_is_named_and_leaves_the_cache() {
    let (gpt, mut cx) = model(0);
    let mut cache = gpt.kv_cache();
    gpt.step(&[1, 2, 3], &mut cache, &mut cx).expect("fits");
    let error = gpt.step(&[0; 10], &mut cache, &mut cx).expect_err("13 tokens");
    assert!(matches!(error, Error::TooLong { tokens: 13, context: 12, .. }), "{error}");
    assert!(matches!(gpt.step(&[7], &mut cache, &mut cx), Err(Error::Prompt(PromptError::Id { id: 7, .. }))));
    assert!(matches!(gpt.generate(&[], 1, Sampler::greedy(), &mut cx), Err(Error::Prompt(PromptError::Empty { .. }))));
    assert_eq!(cache.len(), 3);
    let error = Gpt::new(GptConfig { heads: 3, ..Default::default() }, &mut cx).expect_err("3 does not divide 128");
    assert!(error.to_string().contains("heads"), "{error}");
}

#[test]
fn ten_losses_are_pytorchs() {
    let cx = &mut Ctx::train(0);
    let config =
        GptConfig { vocab: 11, context: 8, dim: 12, heads: 3, layers: 2, bias: false, act: Act::Gelu, dropout: 0.0 };
    let gpt = Gpt::new(config, cx).expect("valid");
    testing::initialise(&gpt);
    let text = testing::ids("text", [3, 9], 11);
    let (x, y) = (text.narrow(1, 0, 8), text.narrow(1, 1, 8));
    let mut opt = AdamW::new(&gpt, 1e-3).betas(0.9, 0.95).weight_decay(0.1);
    let step = |_| testing::descend(&mut opt, loss::cross_entropy(&gpt.forward(&x, cx), &y));
    testing::compare_twin("w6", step).expect("the losses are PyTorch's");
}

#[test]
fn cached_steps_are_pytorchs_whole_passes() {
    let cx = &mut Ctx::eval_with_seed(0);
    let config = GptConfig { vocab: 31, context: 24, dim: 12, heads: 3, layers: 2, ..GptConfig::default() };
    let gpt = Gpt::new(config, cx).expect("valid");
    testing::initialise(&gpt);
    let prompt: Vec<u32> = testing::ids("text", [7], 31).to_vec().iter().map(|&id| id as u32).collect();
    let mut cache = gpt.kv_cache();
    let mut next = prompt.clone();
    let mut step = |next: &[u32]| gpt.step(next, &mut cache, cx).expect("the tokens fit");
    let best = |logits: &[f32]| {
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        vec![best.expect("a vocabulary is not empty").0 as u32]
    };
    next = best(&step(&next));
    let mut decode = |_| {
        let logits = step(&next);
        next = best(&logits);
        f64::from(logits.iter().sum::<f32>())
    };
    testing::compare_twin("w7d", &mut decode).expect("the sums of the logits are PyTorch's");
}

#[test]
fn sentence_vectors_are_pytorchs() {
    let cx = &mut Ctx::eval_with_seed(0);
    let config = BertConfig { vocab: 31, context: 12, dim: 12, heads: 3, hidden: 20, layers: 2 };
    let bert = Bert::new(config, cx).expect("valid");
    testing::initialise(&bert);
    // Sentences of 1, 2, 3 and 4 tokens: what lies behind must not matter.
    let hidden = Tensor::from_vec((0..28).map(|i| i % 7 > i / 7).collect(), [4, 7]);
    let step = |i| {
        let ids = testing::ids(&format!("text{i}"), [4, 7], 31);
        f64::from(no_grad(|| bert.embed(&ids, Some(&hidden), cx)).sum().item())
    };
    testing::compare_twin("w8a", step).expect("the sums of the vectors are PyTorch's");
}

#[test]
fn a_sentence_vector_has_length_one_and_ignores_padding() {
    let cx = &mut Ctx::eval_with_seed(3);
    let config = BertConfig { vocab: 9, context: 8, dim: 8, heads: 2, hidden: 12, layers: 1 };
    let bert = Bert::new(config, cx).expect("valid");
    let short = no_grad(|| bert.embed(&ids(&[1, 2, 3]), None, cx)).to_vec();
    let hidden = Tensor::from_slice(&[false, false, false, true, true], [1, 5]);
    let padded = no_grad(|| bert.embed(&ids(&[1, 2, 3, 7, 8]), Some(&hidden), cx)).to_vec();
    assert!((short.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5, "{short:?}");
    assert!(short.iter().zip(&padded).all(|(a, b)| (a - b).abs() < 1e-5), "{short:?} and {padded:?}");
}

#[test]
fn packed_weights_give_nearly_the_same_logits_and_the_same_tokens() {
    let (gpt, mut cx) = counter(0);
    let x = ids(&[0, 1, 2, 3, 4, 5, 6, 0, 1]);
    let exact = no_grad(|| gpt.forward(&x, &mut cx)).to_vec();
    let size = exact.iter().fold(0f32, |size, x| size.max(x.abs()));
    // f32 sums in the same order; weights err by 2⁻⁸ of themselves, or by half of 1/127 of the largest of their block,
    // and the errors of ten products of a few terms add up.
    for (storage, bound) in [(Storage::F32, 1e-6), (Storage::Bf16, 0.04), (Storage::Int8, 0.04)] {
        let packed = gpt.clone();
        packed.pack(storage);
        assert_eq!(packed.count(), gpt.count(), "{storage}");
        let logits = no_grad(|| packed.forward(&x, &mut cx)).to_vec();
        let error = logits.iter().zip(&exact).fold(0f32, |error, (a, b)| error.max((a - b).abs()));
        assert!(error <= bound * size, "{storage}: {error} of {size}");
        let out = packed.generate(&[0, 1, 2], 30, Sampler::greedy(), &mut cx.eval()).expect("valid");
        assert_eq!(out, (0..33).map(|i| i % 7).collect::<Vec<u32>>(), "{storage}");
    }
}

#[test]
fn a_packed_model_refuses_by_name_what_needs_its_tensors() {
    let (gpt, mut cx) = model(1);
    let folder = std::env::temp_dir().join(format!("etude-packed-{}.safetensors", std::process::id()));
    gpt.pack(Storage::Bf16);
    assert_eq!(gpt.packed(), Some(("wte.weight".to_string(), Storage::Bf16)));
    for error in [gpt.save(&folder).map(drop), gpt.load(&folder).map(drop)] {
        let error = error.expect_err("packed").to_string();
        assert!(error.contains("wte.weight is packed as bf16"), "{error}");
    }
    assert!(!folder.exists());
    let message = |f: &mut dyn FnMut()| {
        let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("must refuse");
        error.downcast_ref::<String>().expect("a message").clone()
    };
    let text = message(&mut || drop(AdamW::new(&gpt, 1e-3)));
    assert!(text.contains("wte.weight is packed as bf16 and cannot be trained"), "{text}");
    let text = message(&mut || drop(gpt.state_dict()));
    assert!(text.contains("wte.weight is packed as bf16"), "{text}");
    let text = message(&mut || gpt.ema_from(&model(2).0, 0.1));
    assert!(text.contains("wte.weight is packed as bf16"), "{text}");
    let text = message(&mut || drop(gpt.forward(&ids(&[1, 2]), &mut cx)));
    assert!(text.contains("no gradient") && text.contains("no_grad"), "{text}");
    // A gradient that was ready before the weights were packed does not reach them.
    let (gpt, mut cx) = model(3);
    let mut opt = AdamW::new(&gpt, 1e-3);
    let grads = loss::cross_entropy(&gpt.forward(&ids(&[1, 2]), &mut cx), &ids(&[2, 3])).backward();
    gpt.pack(Storage::F32);
    let text = message(&mut || opt.step(&grads));
    assert!(text.contains("packed as f32"), "{text}");
}

#[test]
fn sentence_vectors_of_packed_weights_point_the_same_way() {
    let cx = &mut Ctx::eval_with_seed(4);
    let config = BertConfig { vocab: 31, context: 12, dim: 16, heads: 4, hidden: 32, layers: 2 };
    let bert = Bert::new(config, cx).expect("valid");
    let text = testing::ids("text", [3, 7], 31);
    let exact = no_grad(|| bert.embed(&text, None, cx));
    for (storage, least) in [(Storage::F32, 1.0 - 1e-6), (Storage::Bf16, 0.9999), (Storage::Int8, 0.9999)] {
        let packed = bert.clone();
        packed.pack(storage);
        let vectors = no_grad(|| packed.embed(&text, None, cx));
        // Vectors of length 1: the product is the cosine.
        for cosine in (vectors * &exact).sum_dims([1]).to_vec() {
            assert!(cosine >= least, "{storage}: {cosine}");
        }
    }
}
