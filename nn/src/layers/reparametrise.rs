//! Layers whose weight is a function of other parameters: weight and spectral normalisation.
//!
//! Both wrap a layer and hand it the normalised weight through the context, so they work with every layer that has one.
//! Names are those of `torch.nn.utils.weight_norm` and `torch.nn.utils.spectral_norm`, which published models use
//! (`weight_g`, `weight_v`; `weight_orig`, `weight_u`, `weight_v`), not those of `torch.nn.utils.parametrizations`.

use etude_autograd::Tensor;

use super::{Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Layer, Linear};
use crate::ctx::Ctx;
use crate::module::{Module, Slot, Visitor};
use crate::param::{Buffer, Param};

/// A layer with one weight that can be normalised.
pub trait Weighted: Layer {
    /// The weight.
    fn weight(&self) -> &Param;

    /// The axis of the weight that counts the outputs.
    fn output_axis(&self) -> usize {
        0
    }
}

macro_rules! weighted {
    ($($layer:ident $axis:literal),*) => {$(
        impl Weighted for $layer {
            fn weight(&self) -> &Param {
                &self.weight
            }
            fn output_axis(&self) -> usize {
                $axis
            }
        }
    )*};
}
weighted!(Linear 0, Conv1d 0, Conv2d 0, Conv3d 0, ConvTranspose1d 1, ConvTranspose2d 1, ConvTranspose3d 1);

/// Runs a layer with `weight` in the place of its own.
#[track_caller]
fn forward_with(layer: &impl Weighted, weight: Tensor, x: &Tensor, cx: &mut Ctx) -> Tensor {
    let mut inner = cx.with_params([(layer.weight().id(), weight)]);
    let y = layer.forward(x, &mut inner);
    cx.rng = inner.rng;
    y
}

/// Walks over a layer, its weight under another name.
fn visit_renamed(layer: &impl Weighted, name: &str, visitor: &mut Visitor<'_>) {
    layer.each(&mut |own, slot| match slot {
        Slot::Param(p) if p.id() == layer.weight().id() => visitor.child(name, p),
        Slot::Param(p) => visitor.child(own, p),
        Slot::Buffer(b) => visitor.child(own, b),
        Slot::Counter(b) => visitor.child(own, b),
    });
}

/// A layer whose weight is divided by its largest singular value: Miyato et al. 2018, arXiv:1802.05957, eq. (8).
///
/// Each training pass improves the singular vectors by [`SpectralNorm::steps`] power iterations first (algorithm 1);
/// evaluation uses what they are. The weight counts as a matrix with a row for each output.
///
/// ```
/// use etude_autograd::Tensor;
/// use etude_nn::{Ctx, Layer, Linear, Module, SpectralNorm};
///
/// let mut cx = Ctx::train(0);
/// let critic = SpectralNorm::new(Linear::new(8, 1, &mut cx), &mut cx);
/// let names: Vec<String> = critic.state_dict().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["weight_orig", "bias", "weight_u", "weight_v"]);
/// assert_eq!(critic.forward(&Tensor::zeros([5, 8]), &mut cx).shape(), [5, 1]);
/// ```
#[derive(Clone, Debug)]
pub struct SpectralNorm<L> {
    /// Its weight is the one that is trained.
    pub layer: L,
    /// The first left singular vector, `[outputs]`.
    pub u: Buffer,
    /// The first right singular vector, `[the other axes]`.
    pub v: Buffer,
    /// Power iterations of each training pass; 1.
    pub steps: usize,
}

impl<L: Weighted> SpectralNorm<L> {
    /// Singular vectors from random ones by 15 power iterations.
    pub fn new(layer: L, cx: &mut Ctx) -> Self {
        let w = by_outputs(&layer, &layer.weight().get());
        let (rows, cols) = (w.dim(0), w.shape()[1..].iter().product::<usize>());
        let (u, v) = w.power_iteration(&Tensor::randn([rows], cx), &Tensor::randn([cols], cx), 15);
        SpectralNorm { layer, u: Buffer::new(u), v: Buffer::new(v), steps: 1 }
    }
}

/// The weight with its outputs first, or such a one back in its own order.
fn by_outputs(layer: &impl Weighted, w: &Tensor) -> Tensor {
    match layer.output_axis() {
        0 => w.clone(),
        axis => w.transpose(0, axis),
    }
}

impl<L: Weighted> Module for SpectralNorm<L> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visit_renamed(&self.layer, "weight_orig", visitor);
        visitor.child("weight_u", &self.u);
        visitor.child("weight_v", &self.v);
    }
}

impl<L: Weighted + Clone + 'static> Layer for SpectralNorm<L> {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let w = by_outputs(&self.layer, &cx.get(self.layer.weight()));
        if cx.is_train() {
            let (u, v) = w.power_iteration(&self.u.get(), &self.v.get(), self.steps);
            self.u.set(&u);
            self.v.set(&v);
        }
        let normalised = w.spectral_norm(&self.u.get(), &self.v.get());
        forward_with(&self.layer, by_outputs(&self.layer, &normalised), x, cx)
    }
}

/// A layer whose weight is g·v/‖v‖ for each index of its first axis: Salimans & Kingma 2016, arXiv:1602.07868, eq. (2).
///
/// The layer's own weight is v, under the name `weight_v`.
#[derive(Clone, Debug)]
pub struct WeightNorm<L> {
    /// Its weight is v, the directions.
    pub layer: L,
    /// The lengths, `[n, 1, …]`.
    pub g: Param,
}

impl<L: Weighted> WeightNorm<L> {
    /// With the lengths that leave the layer's outputs as they are.
    pub fn new(layer: L) -> Self {
        let v = layer.weight().get().detach();
        let mut shape = vec![1; v.rank()];
        shape[0] = v.dim(0);
        let g = v.flatten_from(1).norm_l2(1).reshape(shape);
        WeightNorm { layer, g: Param::new(g) }
    }
}

impl<L: Weighted> Module for WeightNorm<L> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.child("weight_g", &self.g);
        visit_renamed(&self.layer, "weight_v", visitor);
    }
}

impl<L: Weighted + Clone + 'static> Layer for WeightNorm<L> {
    #[track_caller]
    fn forward(&self, x: &Tensor, cx: &mut Ctx) -> Tensor {
        let w = cx.get(self.layer.weight()).weight_norm(&cx.get(&self.g));
        forward_with(&self.layer, w, x, cx)
    }
}
