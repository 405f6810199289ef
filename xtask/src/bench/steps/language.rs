//! Workloads on text.

use anyhow::Result;
use etude_autograd::Tensor;
use etude_nn::testing::{ids, initialise};
use etude_nn::{Act, Adam, AdamW, Ctx, Module, Storage, loss};
use etude_rnn::{Cell, CharLm, CharLmConfig};
use etude_transformer::{Bert, BertConfig, Gpt, GptConfig, KvCache};

use super::workload::{Job, Size, descend, infer};

/// Texts and, for each of their places, the id that follows.
fn text(batch: usize, length: usize, vocab: usize) -> (Tensor<i64>, Tensor<i64>) {
    let text = ids("text", [batch, length + 1], vocab);
    (text.narrow(1, 0, length).contiguous(), text.narrow(1, 1, length).contiguous())
}

/// A recurrent language model, Adam.
fn recurrent(size: Size, cell: Cell, layers: usize) -> Result<Job> {
    let (batch, length, vocab, embed, hidden) = size.pick((32, 64, 96, 128, 512), (3, 6, 11, 5, 8));
    let config = CharLmConfig { vocab, embed, cell, hidden, layers, dropout: 0.0 };
    let model = CharLm::new(config, &mut Ctx::train(0))?;
    initialise(&model);
    let (x, y) = text(batch, length, vocab);
    let opt = Adam::new(&model, 1e-3);
    Ok(descend(model, opt, ("tokens", batch * length), move |m, cx| {
        let (logits, _) = m.forward(&x, &m.zero_state(batch), cx);
        loss::cross_entropy(&logits, &y)
    }))
}

/// One layer of LSTM.
pub fn w5a(size: Size) -> Result<Job> {
    recurrent(size, Cell::Lstm, 1)
}

/// Two layers of LSTM.
pub fn w5b(size: Size) -> Result<Job> {
    recurrent(size, Cell::Lstm, 2)
}

/// One layer of GRU.
pub fn w5c(size: Size) -> Result<Job> {
    recurrent(size, Cell::Gru, 1)
}

/// Two layers of GRU.
pub fn w5d(size: Size) -> Result<Job> {
    recurrent(size, Cell::Gru, 2)
}

/// A GPT of characters, AdamW.
pub fn w6(size: Size) -> Result<Job> {
    let (vocab, context, dim, heads, layers, batch) = size.pick((96, 256, 384, 6, 6, 8), (11, 8, 12, 3, 2, 3));
    let config = GptConfig { vocab, context, dim, heads, layers, bias: false, act: Act::Gelu, dropout: 0.0 };
    let model = Gpt::new(config, &mut Ctx::train(0))?;
    initialise(&model);
    let (x, y) = text(batch, context, vocab);
    let opt = AdamW::new(&model, 1e-3).betas(0.9, 0.95).weight_decay(0.1);
    Ok(descend(model, opt, ("tokens", batch * context), move |m, cx| loss::cross_entropy(&m.forward(&x, cx), &y)))
}

/// A GPT-2 with packed weights and a prompt for it. The twin's are f32: its logits are PyTorch's.
fn prompted(size: Size, storage: Storage) -> Result<(Gpt, Vec<u32>)> {
    let twin = GptConfig { vocab: 31, context: 24, dim: 12, heads: 3, layers: 2, ..GptConfig::default() };
    let (config, tokens) = size.pick((GptConfig::gpt2_small(), 128), (twin, 7));
    let prompt = ids("text", [tokens], config.vocab).to_vec().into_iter().map(|id| id as u32).collect();
    let model = Gpt::new(config, &mut Ctx::train(0))?;
    initialise(&model);
    model.pack(size.pick(storage, Storage::F32));
    Ok((model, prompt))
}

/// The logits of the next token.
fn next(model: &Gpt, tokens: &[u32], cache: &mut KvCache, cx: &mut Ctx) -> Tensor {
    let logits = model.step(tokens, cache, cx).expect("the tokens fit the context");
    let vocab = logits.len();
    Tensor::from_vec(logits, [vocab])
}

/// GPT-2 reads a prompt.
fn prefill(size: Size, storage: Storage) -> Result<Job> {
    let ((model, prompt), mut cx) = (prompted(size, storage)?, Ctx::eval_with_seed(0));
    let (params, mut cache) = (model.count(), model.kv_cache());
    Ok(infer(params, ("tokens", prompt.len()), move || {
        cache.clear();
        next(&model, &prompt, &mut cache, &mut cx)
    }))
}

/// GPT-2 writes a token behind those that its cache remembers; it reads the prompt again when it has written half as much.
fn decode(size: Size, storage: Storage) -> Result<Job> {
    let ((model, prompt), mut cx) = (prompted(size, storage)?, Ctx::eval_with_seed(0));
    let (params, mut cache) = (model.count(), model.kv_cache());
    let most = size.pick(prompt.len() + prompt.len() / 2, model.config().context);
    let mut token = None;
    Ok(infer(params, ("tokens", 1), move || {
        let last = match token {
            Some(token) if cache.len() < most => token,
            _ => {
                cache.clear();
                next(&model, &prompt, &mut cache, &mut cx).argmax(0).item() as u32
            }
        };
        let logits = next(&model, &[last], &mut cache, &mut cx);
        token = Some(logits.argmax(0).item() as u32);
        logits
    }))
}

/// Prefill with weights of f32.
pub fn w7p(size: Size) -> Result<Job> {
    prefill(size, Storage::F32)
}

/// Decoding with weights of f32.
pub fn w7d(size: Size) -> Result<Job> {
    decode(size, Storage::F32)
}

/// Prefill with weights of bf16.
pub fn w7p16(size: Size) -> Result<Job> {
    prefill(size, Storage::Bf16)
}

/// Decoding with weights of bf16.
pub fn w7d16(size: Size) -> Result<Job> {
    decode(size, Storage::Bf16)
}

/// Sentence vectors by MiniLM.
fn sentences(size: Size, batch: usize, length: usize) -> Result<Job> {
    let twin = BertConfig { vocab: 31, context: 12, dim: 12, heads: 3, hidden: 20, layers: 2 };
    let (config, [batch, length]) = size.pick((BertConfig::default(), [batch, length]), (twin, [4, 7]));
    let vocab = config.vocab;
    let (model, mut cx) = (Bert::new(config, &mut Ctx::train(0))?, Ctx::eval_with_seed(0));
    initialise(&model);
    let params = model.count();
    // At full size nothing is hidden, but the mask is applied; the twin's sentences have 1, 2, … tokens.
    let hides = |i: usize| size == Size::Twin && i % length > i / length;
    let hidden = Tensor::from_vec((0..batch * length).map(hides).collect(), [batch, length]);
    let text = ids("text", [batch, length], vocab);
    let mut calls = 0;
    Ok(infer(params, ("tokens", batch * length), move || {
        calls += 1;
        let text = match size {
            Size::Full => text.clone(),
            Size::Twin => ids(&format!("text{}", calls - 1), [batch, length], vocab),
        };
        model.embed(&text, Some(&hidden), &mut cx)
    }))
}

/// 32 sentences of 64 tokens.
pub fn w8a(size: Size) -> Result<Job> {
    sentences(size, 32, 64)
}

/// One sentence of 16 tokens.
pub fn w8b(size: Size) -> Result<Job> {
    sentences(size, 1, 16)
}
