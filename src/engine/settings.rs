//! What a pass and a step are told besides images and labels.

/// Mean and (biased) variance of every BatchNorm node, in node order, as used in evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormStatistics(pub Vec<ChannelStatistics>);

/// Statistics of one BatchNorm's channels.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelStatistics {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel, with the bias that PyTorch's running variance has.
    pub var: Vec<f32>,
}

/// One optimizer update, with the rate of the current step.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)]
pub enum Update {
    /// `torch.optim.SGD`.
    Sgd { lr: f64, momentum: f64, weight_decay: f64, nesterov: bool },
    /// `torch.optim.Adam` (decoupled = false) or `AdamW` (decoupled = true).
    Adam { lr: f64, betas: [f64; 2], eps: f64, weight_decay: f64, decoupled: bool },
}

/// What training adds to the plain loss; the default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Regularization {
    /// ε of PyTorch's label smoothing: targets (1 − ε)·onehot + ε/C.
    pub label_smoothing: f64,
    /// Decides what this step's dropout drops; nets without dropout ignore it.
    pub dropout_key: u64,
}
