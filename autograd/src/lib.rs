//! Tensors and gradients of any order for Étude.
