//! The contractive autoencoder: a code that changes little when the image does.
//!
//! Rifai, Vincent, Muller, Glorot & Bengio 2011, *Contractive Auto-Encoders*, ICML: Σ L(x, g(f(x))) + λ‖J_f(x)‖²_F with J the
//! Jacobian of the code by the pixels. It is exact here, for encoders of any depth: one derivative a unit of the code, each of
//! which is differentiated again. The paper's closed form holds for one sigmoid layer.

use etude_autograd::{CreateGraph, Tensor, enable_grad, grad, is_grad_enabled};
use etude_nn::{ConfigError, Ctx, module};
use serde::{Deserialize, Serialize};

use crate::autoencoder::{Autoencoder, Output};
use crate::error::Error;
use crate::likelihood::Likelihood;
use crate::vanilla::{Vanilla, VanillaConfig};

/// The net and the penalty of a [`Contractive`] autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContractiveConfig {
    /// The sizes of the net. A step costs a backward pass a unit of the code.
    pub net: VanillaConfig,
    /// λ, the weight of the squared norm.
    pub weight: f64,
}

impl Default for ContractiveConfig {
    /// 784-256-64-16 with λ = 0.1.
    fn default() -> Self {
        ContractiveConfig { net: VanillaConfig::default(), weight: 0.1 }
    }
}

impl ContractiveConfig {
    /// Sizes must be at least 1, the weight not negative.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.net.validate()?;
        let good = self.weight >= 0.0 && self.weight.is_finite();
        ConfigError::check(good, "ContractiveConfig", "weight", self.weight, "a finite number from 0")
    }
}

/// A [`Vanilla`] autoencoder with a sigmoid code, as in the paper, whose Jacobian is kept small.
#[derive(Clone, Debug)]
pub struct Contractive {
    config: ContractiveConfig,
    net: Vanilla,
}
module!(Contractive { net as ""; config });

impl Contractive {
    /// A model with random weights.
    ///
    /// # Errors
    /// If the configuration makes no sense.
    pub fn new(config: ContractiveConfig, cx: &mut Ctx) -> Result<Self, Error> {
        config.validate()?;
        Ok(Contractive { net: Vanilla::new(config.net.clone(), cx)?, config })
    }

    /// The net and the weight.
    pub fn config(&self) -> &ContractiveConfig {
        &self.config
    }

    /// The autoencoder.
    pub fn net(&self) -> &Vanilla {
        &self.net
    }

    /// ‖J_f(x)‖²_F of each image, `[batch]`, differentiable by the weights unless it is computed inside
    /// [`etude_autograd::no_grad`].
    pub fn jacobian_norm(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.encode_with_norm(x, cx).1
    }

    /// The code and the norm of its Jacobian, which needs a graph, whether or not the caller records one.
    fn encode_with_norm(&self, x: &Tensor, cx: &mut Ctx) -> (Tensor, Tensor) {
        let (code, norm) = enable_grad(|| {
            let seen = x.requires_grad();
            let code = self.encode(&seen, cx);
            let norm = jacobian_norm(&code, &seen);
            (code, norm)
        });
        if is_grad_enabled() { (code, norm) } else { (code.detach(), norm.detach()) }
    }
}

/// Σⱼ ‖∂hⱼ/∂x‖² of each image: images do not influence one another's codes, so the gradient of a sum over the batch has each
/// image's own.
fn jacobian_norm(code: &Tensor, x: &Tensor) -> Tensor {
    let unit = |j| {
        let [row] = grad(&code.select(1, j).sum(), [x], CreateGraph::Yes);
        row.square().sum_dims([1])
    };
    (0..code.dim(1)).map(unit).reduce(|a, b| a + b).expect("validated: the code has a unit")
}

impl Autoencoder for Contractive {
    fn pixels(&self) -> usize {
        self.net.pixels()
    }
    fn likelihood(&self) -> Likelihood {
        self.net.likelihood()
    }
    fn encode(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        self.net.encode(x, cx).sigmoid()
    }
    fn decode(&self, code: &Tensor, cx: &mut Ctx) -> Tensor {
        self.net.decode(code, cx)
    }
    /// The loss has the parts `reconstruction` and `contraction`, the squared norm of the Jacobian.
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Output {
        let (code, norm) = self.encode_with_norm(x, cx);
        let Output { decoded, code, loss } = self.net.output(code, x, cx);
        Output { decoded, code, loss: loss.with("contraction", self.config.weight, norm) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etude_nn::{Module, testing};

    #[test]
    fn one_layer_has_the_closed_form_of_the_paper() {
        let net = VanillaConfig { input: 5, hidden: vec![], code: 3, ..VanillaConfig::default() };
        let cx = &mut Ctx::train(0);
        let model = Contractive::new(ContractiveConfig { net, weight: 1.0 }, cx).expect("valid");
        let x = testing::uniform("x", [4, 5], 0.0, 1.0);
        let found = model.jacobian_norm(&x, cx).to_vec();
        // Σⱼ (hⱼ(1 − hⱼ))² Σᵢ W²ⱼᵢ
        let h = model.encode(&x, cx);
        let w = model.named_params().into_iter().find(|(name, _)| name == "encoder.0.weight").expect("one layer").1;
        let want = ((&h * h.affine(-1.0, 1.0)).square() * w.get().square().sum_dims([1])).sum_dims([1]);
        for (found, want) in found.into_iter().zip(want.to_vec()) {
            assert!((found - want).abs() < 1e-6, "{found} against {want}");
        }
    }
}
