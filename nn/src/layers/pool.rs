//! Pooling: the largest element or the mean of each window, windows that cover any input, and the way back.

use etude_autograd::{Pool1dArgs, Pool2dArgs, Pool3dArgs, Tensor};

use super::Layer;
use crate::ctx::Ctx;
use crate::module;

/// A layer that is nothing but windows.
macro_rules! windows {
    ($(#[$doc:meta])* $name:ident, $args:ident) => {
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
    };
}
pub(super) use windows;

/// A layer that is one pooling of tensors.
macro_rules! pooling {
    ($(#[$doc:meta])* $name:ident, $args:ident, $function:ident) => {
        windows! { $(#[$doc])* $name, $args }

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

/// A max pooling that also says where its elements lie.
macro_rules! indices {
    ($name:ident, $function:ident, $unpool:ident) => {
        impl $name {
            #[doc = concat!("The largest elements, and where each lies, for [`", stringify!($unpool), "`](super::", stringify!($unpool), ")")]
            /// (`return_indices=True`).
            ///
            /// # Panics
            /// If a window does not fit.
            #[track_caller]
            pub fn forward_with_indices(&self, x: &Tensor) -> (Tensor, Tensor<i64>) {
                x.$function(self.args)
            }
        }
    };
}

indices!(MaxPool1d, max_pool1d_with_indices, MaxUnpool1d);
indices!(MaxPool2d, max_pool2d_with_indices, MaxUnpool2d);
indices!(MaxPool3d, max_pool3d_with_indices, MaxUnpool3d);

/// A layer that pools to a given size.
macro_rules! adaptive {
    ($(#[$doc:meta])* $name:ident, $(#[$axes:meta])* $size:ty, $function:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            $(#[$axes])*
            pub size: $size,
        }
        module!($name { ; size });

        impl Layer for $name {
            #[track_caller]
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Tensor {
                x.$function(self.size)
            }
        }
    };
}

adaptive! {
    /// The mean of each of as many windows as the size says; they cover the sequence, whatever its length.
    AdaptiveAvgPool1d,
    /// Length of the result.
    usize, adaptive_avg_pool1d
}
adaptive! {
    /// The mean of each of as many windows as the size says; they cover the image, whatever its size.
    AdaptiveAvgPool2d,
    /// Height and width of the result.
    [usize; 2], adaptive_avg_pool2d
}
adaptive! {
    /// The mean of each of as many windows as the size says; they cover the volume, whatever its size.
    AdaptiveAvgPool3d,
    /// Depth, height and width of the result.
    [usize; 3], adaptive_avg_pool3d
}
adaptive! {
    /// The largest element of each of as many windows as the size says; they cover the sequence, whatever its length.
    AdaptiveMaxPool1d,
    /// Length of the result.
    usize, adaptive_max_pool1d
}
adaptive! {
    /// The largest element of each of as many windows as the size says; they cover the image, whatever its size.
    AdaptiveMaxPool2d,
    /// Height and width of the result.
    [usize; 2], adaptive_max_pool2d
}
adaptive! {
    /// The largest element of each of as many windows as the size says; they cover the volume, whatever its size.
    AdaptiveMaxPool3d,
    /// Depth, height and width of the result.
    [usize; 3], adaptive_max_pool3d
}
