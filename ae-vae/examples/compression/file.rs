//! The file: a header of twelve bytes, and the words of all pictures by a range coder under the probabilities of a prior.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `EVQ1` |
//! | 4 | number of pictures |
//! | 2 | words in a picture |
//! | 2 | words in the codebook |
//! | the rest | what the range coder wrote, 4 bytes at a time |
//!
//! All numbers are little-endian. The coder is that of `constriction`: Martin 1979, *Range encoding*. The two networks are not in
//! the file: who reads it must have them, and the instruction set that it was written on, since a bit's difference in a
//! probability would end in other words.

use anyhow::{Context, Result, anyhow, ensure};
use constriction::stream::model::DefaultContiguousCategoricalEntropyModel as Categorical;
use constriction::stream::queue::{DefaultRangeDecoder, DefaultRangeEncoder};
use constriction::stream::{Decode, Encode};
use etude_ae_vae::{CodePrior, Vq};
use etude_autograd::Tensor;
use etude_nn::Ctx;

const MAGIC: [u8; 4] = *b"EVQ1";
const HEADER: usize = 12;

/// What the coder needs to know of the next word of every picture, of logits `[pictures, words]`.
fn models(logits: &Tensor) -> Result<Vec<Categorical>> {
    let probabilities = logits.softmax(1).to_vec();
    let model = |row: &[f32]| Categorical::from_floating_point_probabilities_fast(row, None);
    let models: Result<_, ()> = probabilities.chunks_exact(logits.dim(1)).map(model).collect();
    models.map_err(|()| anyhow!("the prior gave probabilities that no coder can use"))
}

/// The file of pictures of words, `[pictures, positions]`.
pub fn write(vq: &Vq, prior: &CodePrior, words: &Tensor<i64>, cx: &mut Ctx) -> Result<Vec<u8>> {
    let (pictures, positions) = (words.dim(0), words.dim(1));
    let mut coder = DefaultRangeEncoder::new();
    let mut position = 0;
    prior.follow(pictures, cx, |logits, _| -> Result<_> {
        let here = words.narrow(1, position, 1).flatten(..).to_vec();
        for (&word, model) in here.iter().zip(models(logits)?) {
            coder.encode_symbol(word as usize, model).map_err(|e| anyhow!("a word that has no probability: {e:?}"))?;
        }
        position += 1;
        Ok(here)
    })?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(pictures)?.to_le_bytes());
    bytes.extend(u16::try_from(positions)?.to_le_bytes());
    bytes.extend(u16::try_from(vq.codes())?.to_le_bytes());
    let coded = coder.into_compressed().map_err(|e| anyhow!("{e:?}"))?;
    bytes.extend(coded.into_iter().flat_map(u32::to_le_bytes));
    Ok(bytes)
}

/// The words of a file of at most so many pictures that was written with the same two networks. The count in a damaged header
/// could ask for any amount of memory.
pub fn read(vq: &Vq, prior: &CodePrior, bytes: &[u8], most: usize, cx: &mut Ctx) -> Result<Tensor<i64>> {
    let (header, coded) = bytes.split_at_checked(HEADER).context("the file ends in its header")?;
    ensure!(header[..4] == MAGIC, "the file begins with {:?}, expected {MAGIC:?}", &header[..4]);
    let pictures = u32::from_le_bytes(header[4..8].try_into()?) as usize;
    ensure!(pictures <= most, "the file says that it has {pictures} pictures, expected {most} at most");
    let sizes = [8, 10].map(|at| usize::from(u16::from_le_bytes([header[at], header[at + 1]])));
    let expected = [vq.positions(), vq.codes()];
    ensure!(sizes == expected, "pictures of {sizes:?} positions and words, expected {expected:?}");
    let (coded, rest) = coded.as_chunks::<4>();
    ensure!(rest.is_empty(), "the file ends in the middle of a number");
    let coded: Vec<u32> = coded.iter().map(|&four| u32::from_le_bytes(four)).collect();
    let mut coder = DefaultRangeDecoder::from_compressed(coded).map_err(|e| anyhow!("{e:?}"))?;
    let words = prior.follow(pictures, cx, |logits, _| -> Result<_> {
        let word = |model| Ok(coder.decode_symbol(model).map_err(|e| anyhow!("{e:?}"))? as i64);
        models(logits)?.into_iter().map(word).collect()
    })?;
    ensure!(coder.maybe_exhausted(), "the file goes on behind its last word");
    Ok(words)
}
