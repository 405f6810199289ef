//! Reinforcement learning in Étude.
