//! Transformers in Étude.
