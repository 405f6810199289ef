//! Workloads on text.

use anyhow::Result;
use etude_autograd::Tensor;
use etude_nn::testing::{ids, initialise};
use etude_nn::{Act, Adam, AdamW, Ctx, loss};
use etude_rnn::{CharLm, CharLmConfig};
use etude_transformer::{Gpt, GptConfig};

use super::workload::{Job, Size, descend};

/// Texts and, for each of their places, the id that follows.
fn text(batch: usize, length: usize, vocab: usize) -> (Tensor<i64>, Tensor<i64>) {
    let text = ids("text", [batch, length + 1], vocab);
    (text.narrow(1, 0, length).contiguous(), text.narrow(1, 1, length).contiguous())
}

/// A recurrent language model, Adam.
fn recurrent(size: Size, layers: usize) -> Result<Job> {
    let (batch, length, vocab, embed, hidden) = size.pick((32, 64, 96, 128, 512), (3, 6, 11, 5, 8));
    let config = CharLmConfig { vocab, embed, hidden, layers, dropout: 0.0 };
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
    recurrent(size, 1)
}

/// Two layers of LSTM.
pub fn w5b(size: Size) -> Result<Job> {
    recurrent(size, 2)
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
