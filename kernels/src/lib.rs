//! SIMD kernels of Étude, chosen at run time: slices in, slices out.
