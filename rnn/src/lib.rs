//! Recurrent networks in Étude.
