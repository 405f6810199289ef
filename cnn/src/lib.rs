//! Convolutional networks and multi-layer perceptrons in Étude.
