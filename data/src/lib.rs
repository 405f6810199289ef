//! Embedded data sets, readers, loaders and pictures for Étude.
