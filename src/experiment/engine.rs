//! `[engine]`: what computes the nets, and where.

use serde::{Deserialize, Serialize};

/// `[engine]`. It is no part of what a run is of: another engine gives the same numbers but for
/// rounding, and a run may continue on another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum EngineConfig {
    /// The program's own kernels, on the processor.
    #[default]
    Native,
    /// PyTorch, in a process of its own.
    Torch(TorchConfig),
}

/// The settings of `engine.kind = "torch"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TorchConfig {
    /// PyTorch's name of a device: `cuda`, `cuda:1`, `cpu`, `mps`.
    pub device: String,
    /// How exactly products are computed.
    pub precision: Precision,
    /// Whether training steps are compiled by `torch.compile`.
    pub compile: bool,
    /// Whether the same steps on the same device give the same bytes.
    pub deterministic: bool,
    /// PyTorch's threads on the processor; its own choice if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// What may be taken of the device's memory, in MiB; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<usize>,
}

/// `engine.precision`. Classifiers and Gram matrices are computed in f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f32.
    F32,
    /// f32 whose products have 10 bits of mantissa, on CUDA devices.
    Tf32,
    /// bf16 where PyTorch's autocast holds it to be safe.
    Bf16,
}

impl EngineConfig {
    /// Whether it is the program's own.
    pub fn is_native(&self) -> bool {
        *self == Self::Native
    }
}
