//! Pooling: the largest element or the mean of each window.

use etude_autograd::{Pool1dArgs, Pool2dArgs, Pool3dArgs, Tensor};

use super::Layer;
use crate::ctx::Ctx;
use crate::module;

/// A layer that is one pooling of tensors.
macro_rules! pooling {
    ($(#[$doc:meta])* $name:ident, $args:ident, $function:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            /// The windows.
            pub args: $args,
        }
        module!($name { ; args });

        impl $name {
            /// Windows of as many elements along each axis, side by side.
            pub fn new(kernel: usize) -> Self {
                $name { args: $args::new(kernel) }
            }
        }

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
                x.$function(self.args)
            }
        }
    };
}

pooling! {
    /// The largest element of each window of `[n, channels, length]`.
    MaxPool1d, Pool1dArgs, max_pool1d
}
pooling! {
    /// The largest element of each window of `[n, channels, height, width]`.
    MaxPool2d, Pool2dArgs, max_pool2d
}
pooling! {
    /// The largest element of each window of `[n, channels, depth, height, width]`.
    MaxPool3d, Pool3dArgs, max_pool3d
}
pooling! {
    /// The mean of each window of `[n, channels, length]`.
    AvgPool1d, Pool1dArgs, avg_pool1d
}
pooling! {
    /// The mean of each window of `[n, channels, height, width]`.
    AvgPool2d, Pool2dArgs, avg_pool2d
}
pooling! {
    /// The mean of each window of `[n, channels, depth, height, width]`.
    AvgPool3d, Pool3dArgs, avg_pool3d
}
