//! Dropout as an operation; the layer that is off in evaluation is nn's.

use etude_kernels::rng::Rng;

use crate::dtype::Float;
use crate::observe;
use crate::tensor::Tensor;

impl<T: Float> Tensor<T> {
    /// 0 with probability `p`, else x/(1 − p), element by element, so that the expectation stays. The gradient goes where
    /// the value went. Srivastava et al. 2014, section 10, in the inverted form.
    ///
    /// # Panics
    /// If `p` is not in [0, 1].
    #[track_caller]
    pub fn dropout(&self, p: f64, rng: &mut impl AsMut<Rng>) -> Self {
        assert!((0.0..=1.0).contains(&p), "dropout: the probability is {p}, expected 0 to 1");
        observe::begins();
        // In f32 whatever T is: both precisions drop the same elements.
        let mut uniforms = vec![0f32; self.len()];
        rng.as_mut().fill_uniform(&mut uniforms);
        let (p, kept) = (p as f32, T::from_f64(1.0 / (1.0 - p)));
        // Uniforms lie in [0, 1): nothing is dropped at p = 0 and everything at p = 1.
        let mask = uniforms.into_iter().map(|u| if u < p { T::ZERO } else { kept }).collect();
        let mask = Tensor::from_vec(mask, self.shape());
        observe::computed("dropout mask", self.len() * (size_of::<f32>() + size_of::<T>()));
        self * mask
    }
}
