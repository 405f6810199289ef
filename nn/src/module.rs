//! Modules: structs whose parameters have names.
//!
//! A module only has to walk over its fields; names, counts, copies and state dictionaries follow from that walk.
//! [`module!`](crate::module!) writes it with an exhaustive pattern: a forgotten field does not compile.

use std::path::Path;

use etude_autograd::{LeafId, Storage, Tensor};

use crate::error::Error;
use crate::param::{Buffer, Param};
use crate::state::{self, LoadReport};

/// A model or a part of one.
pub trait Module {
    /// Walks over parameters, buffers and submodules in the order of declaration.
    fn visit(&self, visitor: &mut Visitor<'_>);

    /// Every distinct parameter with its name; a tied one under its first name.
    fn named_params(&self) -> Vec<(String, Param)> {
        let mut out: Vec<(String, Param)> = Vec::new();
        self.each(&mut |name, slot| {
            if let Slot::Param(p) = slot
                && out.iter().all(|(_, seen)| seen.id() != p.id())
            {
                out.push((name.to_string(), p.share()));
            }
        });
        out
    }

    /// The identities of every distinct parameter: what [`Tensor::backward_for`] takes.
    fn leaves(&self) -> Vec<LeafId> {
        self.named_params().iter().map(|(_, p)| p.id()).collect()
    }

    /// The name of the parameter with this identity: what [`etude_autograd::Anomaly::leaf`] stands for.
    fn param_name(&self, id: LeafId) -> Option<String> {
        let mut found = None;
        self.each(&mut |name, slot| {
            if let (None, Slot::Param(p)) = (&found, slot) {
                found = (p.id() == id).then(|| name.to_string());
            }
        });
        found
    }

    /// The number of elements of all parameters, packed ones included.
    fn count(&self) -> usize {
        self.named_params().iter().map(|(_, p)| p.shape().iter().product::<usize>()).sum()
    }

    /// Makes the model ready for inference: packs the weights of every [`crate::Linear`] and [`crate::Embedding`], those
    /// tied to them included, one after another, so that no more than one is held twice. Other parameters (biases,
    /// norms, convolutions, recurrent layers) stay as they are, and so does a weight that is packed already.
    ///
    /// bf16 weights halve the time of a decoding step, which reads every weight once, and the memory; int8 weights
    /// quarter both. [`Storage`] says how far a weight is from what it was.
    ///
    /// A packed model runs inside [`etude_autograd::no_grad`]. It cannot be trained, saved, loaded or averaged: an
    /// optimiser, a gradient, a file or a state dictionary is refused with the name of a packed parameter.
    ///
    /// ```
    /// use etude_autograd::{Storage, Tensor, no_grad};
    /// use etude_nn::{Act, Ctx, Layer, Mlp, Module};
    ///
    /// let mut cx = Ctx::train(0);
    /// let model = Mlp::new(&[784, 256, 10], Act::Relu, &mut cx);
    /// model.pack(Storage::Bf16);
    /// let y = no_grad(|| model.forward(&Tensor::ones([1, 784]), &mut cx.eval()));
    /// assert_eq!(y.shape(), [1, 10]);
    /// ```
    fn pack(&self, storage: Storage) {
        let mut pack = |_: &str, slot: Slot<'_>| {
            if let Slot::Param(p) = slot {
                p.pack(storage);
            }
        };
        self.visit(&mut Visitor { path: String::new(), f: &mut pack, only_weights: true });
    }

    /// The name of a packed parameter, and how it is packed.
    fn packed(&self) -> Option<(String, Storage)> {
        let mut found = None;
        self.each(&mut |name, slot| {
            if let (None, Slot::Param(p)) = (&found, slot) {
                found = p.packed().map(|storage| (name.to_string(), storage));
            }
        });
        found
    }

    /// Calls `f` with the full name and the slot of every parameter and buffer, tied ones each time.
    fn each(&self, f: &mut dyn FnMut(&str, Slot<'_>)) {
        self.visit(&mut Visitor { path: String::new(), f, only_weights: false });
    }

    /// The values by name, in the order of declaration; a tied parameter once, under its first name.
    ///
    /// # Panics
    /// If a parameter is packed.
    #[track_caller]
    fn state_dict(&self) -> Vec<(String, Value)>
    where
        Self: Sized,
    {
        state::state_dict(self).unwrap_or_else(|error| panic!("state_dict: {error}"))
    }

    /// Saves the values as a safetensors file, all or nothing: `path` holds the old contents or the new ones.
    ///
    /// # Errors
    /// If the file cannot be written, or a parameter is packed.
    fn save(&self, path: impl AsRef<Path>) -> Result<(), Error>
    where
        Self: Sized,
    {
        state::save(self, path.as_ref())
    }

    /// Loads a safetensors file whose names, shapes and kinds of number are exactly those of this module. Other widths
    /// are converted, and the report says which.
    ///
    /// # Errors
    /// If the file is damaged, a parameter is packed, or with every mismatch at once. Nothing is changed then.
    fn load(&self, path: impl AsRef<Path>) -> Result<LoadReport, Error>
    where
        Self: Sized,
    {
        state::load(self, path.as_ref())
    }

    /// Takes over the values of a module of the same structure.
    ///
    /// # Panics
    /// If names or shapes differ.
    #[track_caller]
    fn copy_from(&self, other: &dyn Module) {
        self.ema_from(other, 1.0);
    }

    /// θ ← (1 − τ)·θ + τ·θ′ for parameters (Polyak averaging); buffers are copied.
    ///
    /// # Panics
    /// If names or shapes differ, or a parameter is packed.
    #[track_caller]
    fn ema_from(&self, other: &dyn Module, tau: f64) {
        if let Some((name, storage)) = other.packed().or_else(|| self.packed()) {
            panic!("ema_from: {name} is packed as {storage}");
        }
        let mut theirs: Vec<(String, Value)> = Vec::new();
        other.each(&mut |name, slot| theirs.push((name.to_string(), slot.value())));
        let mut theirs = theirs.into_iter();
        self.each(&mut |name, slot| {
            let Some((their_name, value)) = theirs.next() else { panic!("ema_from: the other module has no {name}") };
            assert!(their_name == name, "ema_from: {name} here, {their_name} there");
            match (slot, value) {
                (Slot::Param(p), Value::Float(v)) if tau == 1.0 => p.copy_from(&v),
                (Slot::Param(p), Value::Float(v)) => p.set(&(p.get().detach() * (1.0 - tau as f32) + v * tau as f32)),
                (Slot::Buffer(b), Value::Float(v)) => b.set(&v),
                (Slot::Counter(b), Value::Int(v)) => b.set(&v),
                _ => panic!("ema_from: {name} is of another kind in the other module"),
            }
        });
        assert!(theirs.next().is_none(), "ema_from: the other module has more parameters");
    }
}

/// A value of a state dictionary.
#[derive(Clone, Debug)]
pub enum Value {
    /// A parameter or a buffer.
    Float(Tensor),
    /// A counter.
    Int(Tensor<i64>),
}

impl Value {
    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Value::Float(x) => x.shape(),
            Value::Int(x) => x.shape(),
        }
    }

    /// Whether shape and elements are the same, bit by bit: a NaN equals itself, 0 differs from −0.
    pub fn same_bits(&self, other: &Value) -> bool {
        let bits = |x: &Tensor| x.to_vec().into_iter().map(f32::to_bits).collect::<Vec<u32>>();
        self.shape() == other.shape()
            && match (self, other) {
                (Value::Float(x), Value::Float(y)) => bits(x) == bits(y),
                (Value::Int(x), Value::Int(y)) => x.to_vec() == y.to_vec(),
                _ => false,
            }
    }
}

/// A leaf of the walk.
pub enum Slot<'a> {
    /// Trained.
    Param(&'a Param),
    /// Saved, not trained.
    Buffer(&'a Buffer),
    /// An integer that is saved, not trained.
    Counter(&'a Buffer<i64>),
}

impl Slot<'_> {
    pub(crate) fn value(&self) -> Value {
        match self {
            Slot::Param(p) => Value::Float(p.get().detach()),
            Slot::Buffer(b) => Value::Float(b.get()),
            Slot::Counter(b) => Value::Int(b.get()),
        }
    }
}

/// The walk over a module; knows the path so far.
pub struct Visitor<'a> {
    path: String,
    f: &'a mut dyn FnMut(&str, Slot<'_>),
    /// Whether the walk is for weights of products alone.
    only_weights: bool,
}

impl Visitor<'_> {
    /// Walks into a field. Names are joined by dots; an empty name adds nothing to the path.
    pub fn child(&mut self, name: &str, module: &dyn Module) {
        self.within(name, |visitor| module.visit(visitor));
    }

    /// A field that holds the weights of a product, read through [`crate::Ctx::linear`] or [`crate::Ctx::embedding`]
    /// alone: these can be packed.
    pub fn weight(&mut self, name: &str, param: &Param) {
        self.within(name, |visitor| (visitor.f)(&visitor.path, Slot::Param(param)));
    }

    fn within(&mut self, name: &str, visit: impl FnOnce(&mut Self)) {
        let len = self.path.len();
        if !name.is_empty() {
            if len > 0 {
                self.path.push('.');
            }
            self.path.push_str(name);
        }
        visit(self);
        self.path.truncate(len);
    }

    fn leaf(&mut self, slot: Slot<'_>) {
        if !self.only_weights {
            (self.f)(&self.path, slot);
        }
    }
}

impl Module for Param {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.leaf(Slot::Param(self));
    }
}
impl Module for Buffer {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.leaf(Slot::Buffer(self));
    }
}
impl Module for Buffer<i64> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.leaf(Slot::Counter(self));
    }
}
impl<M: Module> Module for Option<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        if let Some(module) = self {
            module.visit(visitor);
        }
    }
}
impl<M: Module> Module for Vec<M> {
    /// Named 0, 1, 2, …
    fn visit(&self, visitor: &mut Visitor<'_>) {
        for (i, module) in self.iter().enumerate() {
            visitor.child(&i.to_string(), module);
        }
    }
}
impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        (**self).visit(visitor);
    }
}
impl<A: Module, B: Module> Module for (A, B) {
    /// Two models that one optimiser trains.
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.child("0", &self.0);
        visitor.child("1", &self.1);
    }
}

/// Implements [`Module`](crate::Module) for a struct: fields with parameters first, after `;` those without.
///
/// ```
/// use etude_nn::{module, Module, Param};
/// use etude_autograd::Tensor;
///
/// struct Affine { scale: Param, shift: Param, name: String }
/// module!(Affine { scale as "weight", shift; name });
///
/// let affine = Affine { scale: Param::new(Tensor::ones([3])), shift: Param::new(Tensor::zeros([3])), name: "a".into() };
/// let names: Vec<String> = affine.named_params().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["weight", "shift"]);
/// assert_eq!(affine.count(), 6);
/// # assert_eq!(affine.name, "a");
/// ```
///
/// expands to a `visit` that destructures every field and calls `visitor.child("weight", scale)` and so on; a field that
/// is not listed is a compile error.
#[macro_export]
macro_rules! module {
    ($type:ident { $($field:ident $(as $name:literal)?),* $(,)? $(; $($plain:ident),* $(,)?)? }) => {
        impl $crate::Module for $type {
            fn visit(&self, visitor: &mut $crate::Visitor<'_>) {
                let $type { $($field,)* $($($plain: _,)*)? } = self;
                $(visitor.child($crate::module!(@name $field $($name)?), $field);)*
                let _ = visitor;
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}
