//! Watching, and changing, the gradient of a value inside the graph.

use crate::dtype::Float;
use crate::node::{Op, Saves, Vjp};
use crate::tensor::Tensor;

/// What a hook does with a gradient.
type Hook<T> = dyn Fn(&Tensor<T>) -> Option<Tensor<T>> + Send + Sync;

/// The identity, whose rule calls somebody.
struct OnGrad<T: Float>(Box<Hook<T>>);

impl<T: Float> Op<T> for OnGrad<T> {
    fn name(&self) -> &'static str {
        "on_grad"
    }
    fn saves(&self) -> Saves {
        Saves::NOTHING
    }
    fn vjp(&self, _: &Vjp<'_, T>, g: &Tensor<T>) -> Vec<Option<Tensor<T>>> {
        vec![Some((self.0)(g).unwrap_or_else(|| g.clone()))]
    }
}

impl<T: Float> Tensor<T> {
    /// The same value; a reverse pass that comes through it calls `hook` once with its whole gradient, and goes on with
    /// what the hook returns instead, if it returns something.
    ///
    /// The program must go on with the result, not with this tensor. A recorded gradient can be differentiated through
    /// what the hook returns.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use etude_autograd::Tensor;
    ///
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let x = Tensor::from_slice(&[1.0f32, 2.0], [2]).requires_grad();
    /// let h = (&x * 3.0).on_grad({
    ///     let seen = seen.clone();
    ///     move |g| { seen.lock().expect("no panic").extend(g.to_vec()); None }
    /// });
    /// let grads = (&h * &h).sum().backward();
    /// assert_eq!(*seen.lock().expect("no panic"), [6.0, 12.0]);
    /// assert_eq!(grads.get(&x).expect("used").to_vec(), [18.0, 36.0]);
    /// ```
    ///
    /// # Panics
    /// In the reverse pass, if the hook returns another shape.
    pub fn on_grad(&self, hook: impl Fn(&Tensor<T>) -> Option<Tensor<T>> + Send + Sync + 'static) -> Self {
        Tensor::record(OnGrad(Box::new(hook)), &[self], self.clone())
    }
}
