//! The way back from max pooling.

use etude_autograd::{Pool1dArgs, Pool2dArgs, Pool3dArgs, Tensor};

use super::pool::windows;
use crate::module;

/// The extent that windows come from: (n − 1)·stride − 2·padding + (kernel − 1)·dilation + 1 along each axis, or `size`, which
/// differs by less than a step.
#[track_caller]
fn extent<const N: usize>(
    layer: &str,
    x: &Tensor,
    [kernel, stride, padding, dilation]: [[usize; N]; 4],
    size: Option<[usize; N]>,
) -> [usize; N] {
    assert!(x.rank() == 2 + N, "{layer}: x {:?} has not {} axes", x.shape(), 2 + N);
    let usual: [usize; N] = std::array::from_fn(|i| {
        let steps = |count: usize, step: usize| count.saturating_sub(1).saturating_mul(step);
        let whole = steps(x.dim(2 + i), stride[i]).saturating_add(steps(kernel[i], dilation[i])).saturating_add(1);
        whole.saturating_sub(padding[i].saturating_mul(2))
    });
    let Some(size) = size else { return usual };
    let near = (0..N).all(|i| size[i].abs_diff(usual[i]) < stride[i]);
    assert!(near, "{layer}: the size {size:?} is a step {stride:?} or more from {usual:?}");
    size
}

/// The inverse of one max pooling.
macro_rules! unpooling {
    (
        $(#[$doc:meta])* $name:ident, $pool:literal, $args:ident, $size:ty, $function:ident,
        |$one:ident| $axes:expr, |$all:ident| $inner:expr
    ) => {
        windows! { $(#[$doc])* $name, $args }

        impl $name {
            /// Each element of `x` where `index` says that it was, zeros elsewhere. The result has the extent
            /// (n − 1)·stride − 2·padding + (kernel − 1)·dilation + 1, or `size`, which differs from that by less than a step.
            ///
            #[doc = concat!("`index` is from [`", $pool, "::forward_with_indices`](super::", $pool, "::forward_with_indices).")]
            ///
            /// # Panics
            /// If shapes differ, the size is another, or an index names no place.
            #[track_caller]
            pub fn forward(&self, x: &Tensor, index: &Tensor<i64>, size: Option<$size>) -> Tensor {
                let $args { kernel, stride, padding, dilation, .. } = self.args;
                let windows = [kernel, stride, padding, dilation].map(|$one| $axes);
                let $all = extent(stringify!($name), x, windows, size.map(|$one| $axes));
                x.$function(index, $inner)
            }
        }
    };
}

unpooling! {
    /// The inverse of [`MaxPool1d`](super::MaxPool1d) but for what it lost. Of several elements for one place the last
    /// stays, and it alone has a gradient; PyTorch leaves open which stays, and gives all of them the gradient.
    MaxUnpool1d, "MaxPool1d", Pool1dArgs, usize, max_unpool1d, |n| [n], |size| size[0]
}
unpooling! {
    /// The inverse of [`MaxPool2d`](super::MaxPool2d) but for what it lost. Of several elements for one place the last
    /// stays, and it alone has a gradient; PyTorch leaves open which stays, and gives all of them the gradient.
    MaxUnpool2d, "MaxPool2d", Pool2dArgs, [usize; 2], max_unpool2d, |n| n, |size| size
}
unpooling! {
    /// The inverse of [`MaxPool3d`](super::MaxPool3d) but for what it lost. Of several elements for one place the last
    /// stays, and it alone has a gradient; PyTorch leaves open which stays, and gives all of them the gradient.
    MaxUnpool3d, "MaxPool3d", Pool3dArgs, [usize; 3], max_unpool3d, |n| n, |size| size
}
