//! Borders around sequences, images and volumes.

use etude_autograd::{PadMode, Tensor};

use super::Layer;
use crate::ctx::Ctx;
use crate::module;

/// A layer that is one padding of tensors.
macro_rules! padding {
    ($(#[$doc:meta])* $name:ident, $sides:literal, $(#[$order:meta])* $function:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            $(#[$order])*
            pub border: [usize; $sides],
            /// What stands there.
            pub mode: PadMode,
        }
        module!($name { ; border, mode });

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
                x.$function(self.border, self.mode)
            }
        }
    };
}

padding! {
    /// A border around the last axis: PyTorch's `ReflectionPad1d`, `ReplicationPad1d`, `CircularPad1d`,
    /// `ConstantPad1d` and `ZeroPad1d`.
    Pad1d, 2,
    /// Left, right.
    pad1d_mode
}
padding! {
    /// A border around the last two axes: PyTorch's `ReflectionPad2d`, `ReplicationPad2d`, `CircularPad2d`,
    /// `ConstantPad2d` and `ZeroPad2d`.
    Pad2d, 4,
    /// Left, right, top, bottom.
    pad2d_mode
}
padding! {
    /// A border around the last three axes: PyTorch's `ReflectionPad3d`, `ReplicationPad3d`, `CircularPad3d`,
    /// `ConstantPad3d` and `ZeroPad3d`.
    Pad3d, 6,
    /// Left, right, top, bottom, front, back.
    pad3d_mode
}
