//! Generative adversarial networks in Étude.
