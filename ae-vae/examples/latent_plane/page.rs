//! The page: a template, and what it is given as JSON with numbers in base64.

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use etude_ae_vae::Vae;
use etude_autograd::Tensor;
use etude_nn::Module;
use half::f16;
use serde_json::{Value, json};

/// What the page shows.
pub struct Contents<'a> {
    /// Its decoder's weights must be numbers of half precision.
    pub decoder: &'a Vae,
    /// Half the side of the plane.
    pub extent: f32,
    /// The points of the plane, `[n, 2]`, and their classes, `[n]`.
    pub codes: &'a Tensor,
    pub labels: &'a Tensor<i64>,
    /// Codes `[k, 2]` and the decoder's pixels for them, `[k, 784]`, which the page compares with its own.
    pub checked: (&'a Tensor, &'a Tensor),
    /// A sentence for the foot of the page.
    pub about: &'a str,
}

/// Whether a parameter of this name is one of the decoder.
pub fn of_decoder(name: &str) -> bool {
    name.starts_with("decoder.") || name.starts_with("pixels.")
}

/// The page as one file.
pub fn page(contents: &Contents) -> Result<String> {
    let labels: Vec<u8> = contents.labels.to_vec().into_iter().map(u8::try_from).collect::<Result<_, _>>()?;
    let data = json!({
        "layers": layers(contents.decoder)?,
        "extent": contents.extent,
        "codes": floats(contents.codes),
        "labels": BASE64_STANDARD.encode(labels),
        "check": { "codes": floats(contents.checked.0), "pixels": floats(contents.checked.1) },
        "about": contents.about,
    });
    // Inside a script `</` would end it.
    let data = serde_json::to_string(&data)?.replace("</", "<\\/");
    Ok(include_str!("page.html").replacen(">DATA<", &format!(">{data}<"), 1))
}

/// The linear maps from the code to the pixels, weights `[outputs, inputs]` row by row.
fn layers(vae: &Vae) -> Result<Vec<Value>> {
    let params: Vec<_> = vae.named_params().into_iter().filter(|(name, _)| of_decoder(name)).collect();
    let pairs = params.chunks_exact(2).map(|pair| {
        let [(name, weight), (_, bias)] = pair else { unreachable!("chunks of two") };
        let (weight, bias) = (weight.get().detach(), bias.get().detach());
        let halves = |x: &Tensor| halves(x).with_context(|| name.clone());
        Ok(json!({
            "inputs": weight.dim(1),
            "outputs": weight.dim(0),
            "weight": halves(&weight)?,
            "bias": halves(&bias)?,
        }))
    });
    pairs.collect()
}

/// Four bytes a number, the lowest first.
fn floats(x: &Tensor) -> String {
    BASE64_STANDARD.encode(x.to_vec().into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
}

/// Two bytes a number, the lower first; an error if rounding would change one.
fn halves(x: &Tensor) -> Result<String> {
    let halves: Vec<f16> = x.to_vec().into_iter().map(f16::from_f32).collect();
    ensure!(halves.iter().zip(x.to_vec()).all(|(h, v)| h.to_f32() == v), "a weight is not of half precision");
    Ok(BASE64_STANDARD.encode(halves.into_iter().flat_map(f16::to_le_bytes).collect::<Vec<u8>>()))
}
