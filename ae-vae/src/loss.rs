//! A loss as the sum of its named parts, and how the parts beside the reconstruction are weighed while training.

use etude_autograd::Tensor;
use etude_nn::ConfigError;
use serde::{Deserialize, Serialize};

/// One term of a [`Loss`].
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// What it is multiplied by.
    pub weight: f64,
    /// Nats: `[batch]` or `[batch, …]`, to be summed for each image, or a scalar that belongs to the batch as a whole.
    pub terms: Tensor,
}

impl Part {
    /// Of each image, `[batch]`; of a scalar, itself.
    fn each(&self) -> Tensor {
        if self.terms.rank() < 2 { self.terms.clone() } else { self.terms.flatten_from(1).sum_dims([1]) }
    }
}

/// A loss in named parts: what the decoder pays first, then the regularisers.
///
/// Sums over pixels and latent variables, means over the batch: nats an image.
#[derive(Clone, Debug)]
pub struct Loss {
    parts: Vec<Part>,
}

impl Loss {
    /// A loss of one part of weight 1.
    pub fn new(name: &'static str, terms: Tensor) -> Self {
        Loss { parts: vec![Part { name, weight: 1.0, terms }] }
    }

    /// One regulariser more.
    pub fn with(mut self, name: &'static str, weight: f64, terms: Tensor) -> Self {
        self.parts.push(Part { name, weight, terms });
        self
    }

    /// All parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The mean over the batch of one part, without its weight; `None` if there is no such part.
    pub fn part(&self, name: &str) -> Option<f64> {
        let part = self.parts.iter().find(|part| part.name == name)?;
        Some(f64::from(part.each().mean().item()))
    }

    /// Σ weight·part of each image, `[batch]`, parts of the whole batch included with each.
    pub fn each(&self) -> Tensor {
        let weighed = |part: &Part| match part.weight {
            1.0 => part.each(),
            weight => part.each().affine(weight, 0.0),
        };
        self.parts.iter().map(weighed).reduce(|a, b| a + b).expect("a loss has a first part")
    }

    /// The mean of [`Loss::each`]: what is minimised.
    pub fn total(&self) -> Tensor {
        self.each().mean()
    }
}

/// How the regularisers of a loss are weighed: β, a warm-up, free bits. It works with every [`Loss`] that has one.
///
/// β multiplies the divergence of a [`crate::Vae`]: with β > 1 that is the β-VAE of Higgins et al. 2017, section 2. The
/// warm-up raises the weight linearly from 0 (Bowman et al. 2016, arXiv:1511.06349, section 3.1; Sønderby et al. 2016,
/// arXiv:1602.02282, section 2). Free bits let every latent variable hold λ nats for nothing, `Σ_j max(λ, E_batch[KL_j])`
/// (Kingma et al. 2016, arXiv:1606.04934, "free bits", a group a variable): the part must be called `kl`. A part that is not
/// divided into variables, `[batch]` as that of a [`crate::Vamp`], is one group: λ is then for the whole divergence.
///
/// ```
/// use etude_ae_vae::{Autoencoder, KlWeight, Vae, VaeConfig};
/// use etude_autograd::Tensor;
/// use etude_nn::Ctx;
///
/// let mut cx = Ctx::train(0);
/// let vae = Vae::new(VaeConfig { input: 4, hidden: vec![8], latent: 2, ..VaeConfig::default() }, &mut cx)?;
/// let weight = KlWeight { warm_up: 100, ..KlWeight::default() };
/// let loss = vae.forward(&Tensor::ones([3, 4]), &mut cx).loss;
/// let first = weight.apply(loss.clone(), 0).total().item();
/// assert_eq!(first, loss.parts()[0].terms.mean().item()); // the divergence does not count yet
/// # Ok::<(), etude_ae_vae::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KlWeight {
    /// The weight after the warm-up.
    pub beta: f64,
    /// Steps until then; 0 for none.
    pub warm_up: u64,
    /// λ, in nats a latent variable, or for the whole divergence if the part is not divided; 0 for none.
    pub free_bits: f64,
}

impl Default for KlWeight {
    /// The evidence lower bound itself: weight 1 from the first step.
    fn default() -> Self {
        KlWeight { beta: 1.0, warm_up: 0, free_bits: 0.0 }
    }
}

impl KlWeight {
    /// β and λ must be finite and not negative.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value) in [("beta", self.beta), ("free_bits", self.free_bits)] {
            let good = value >= 0.0 && value.is_finite();
            ConfigError::check(good, "KlWeight", field, value, "a finite number from 0")?;
        }
        Ok(())
    }

    /// The weight at a step, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        if step >= self.warm_up { self.beta } else { self.beta * step as f64 / self.warm_up as f64 }
    }

    /// The loss with its regularisers weighed as at this step.
    ///
    /// # Panics
    /// If β or λ is not finite or negative, the loss has no regulariser, or free bits are asked for and none of them is called
    /// `kl`.
    #[track_caller]
    pub fn apply(&self, mut loss: Loss, step: u64) -> Loss {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let names: Vec<&str> = loss.parts.iter().map(|part| part.name).collect();
        assert!(names.len() > 1, "KlWeight: there is nothing to weigh in a loss of {names:?} alone");
        assert!(self.free_bits == 0.0 || names.contains(&"kl"), "KlWeight: free bits need a part kl, found {names:?}");
        for part in &mut loss.parts[1..] {
            part.weight *= self.at(step);
            if self.free_bits > 0.0 && part.name == "kl" {
                part.terms = part.terms.mean_dims([0]).clamp(self.free_bits, f64::INFINITY).sum();
            }
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(kl: &[f32]) -> Loss {
        let terms = Tensor::from_slice(kl, [2, kl.len() / 2]);
        Loss::new("reconstruction", Tensor::from_slice(&[1.0, 3.0], [2])).with("kl", 1.0, terms)
    }

    #[test]
    fn parts_add_up() {
        let loss = loss(&[1.0, 2.0, 3.0, 4.0]).with("batch", 0.5, Tensor::scalar(2.0));
        // (1 + 3 + 1), (3 + 7 + 1)
        assert_eq!(loss.each().to_vec(), [5.0, 11.0]);
        assert_eq!(loss.total().item(), 8.0);
        assert_eq!((loss.part("kl"), loss.part("batch"), loss.part("none")), (Some(5.0), Some(2.0), None));
    }

    #[test]
    fn the_weight_rises_linearly_and_stays() {
        let weight = KlWeight { beta: 4.0, warm_up: 10, free_bits: 0.0 };
        assert_eq!([0, 5, 10, 99].map(|step| weight.at(step)), [0.0, 2.0, 4.0, 4.0]);
        assert_eq!(KlWeight::default().at(0), 1.0);
        // The reconstruction is 2, the divergence of both images 2, and β/2 = 2.
        assert_eq!(weight.apply(loss(&[2.0, 2.0]), 5).total().item(), 2.0 + 2.0 * 2.0);
    }

    #[test]
    fn a_free_variable_costs_lambda_and_has_no_gradient() {
        let kl = Tensor::from_slice(&[0.1f32, 2.0, 0.3, 4.0], [2, 2]).requires_grad();
        let loss = Loss::new("reconstruction", Tensor::zeros([2])).with("kl", 1.0, &kl * 1.0);
        let free = KlWeight { free_bits: 0.5, ..KlWeight::default() }.apply(loss, 0);
        // The means are 0.2, which counts as 0.5, and 3.
        assert_eq!(free.part("kl"), Some(3.5));
        let grads = free.total().backward();
        assert_eq!(grads.get(&kl).expect("a leaf").to_vec(), [0.0, 0.5, 0.0, 0.5]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(KlWeight { beta: -1.0, ..KlWeight::default() }.validate().is_err());
        assert!(KlWeight { free_bits: f64::NAN, ..KlWeight::default() }.validate().is_err());
    }

    #[test]
    #[should_panic(expected = "free_bits")]
    fn a_weight_that_makes_no_sense_is_not_applied() {
        KlWeight { free_bits: -1.0, ..KlWeight::default() }.apply(loss(&[1.0, 2.0]), 0);
    }

    #[test]
    #[should_panic(expected = "KlWeight: there is nothing to weigh in a loss of [\"bound\"] alone")]
    fn a_loss_without_a_regulariser_is_refused() {
        KlWeight::default().apply(Loss::new("bound", Tensor::zeros([2])), 0);
    }
}
