//! Autoencoders and variational autoencoders in Étude.
