//! Modules, layers, losses, optimisers and safetensors for Étude.
