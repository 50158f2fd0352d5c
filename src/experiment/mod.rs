//! Experiment files: TOML, checked once, trusted after.
//!
//! [`Experiment::read`] checks a file and its `a.b=value` overrides against one table of
//! keys (name, type, range, default) and yields an [`Experiment`] in which every key has its
//! value. [`Experiment::to_toml`] writes it back, complete: the `experiment.toml` of a run
//! directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::net::NetConfig;

mod check;
mod difference;
mod engine;
mod epochs;
mod keys;
mod optimizer;
mod parse;
#[cfg(test)]
mod reference;
mod schedule;
#[cfg(test)]
mod tests;
mod until;
#[cfg(test)]
mod vit_tests;

pub use crate::data::DataKind;
pub use crate::similarity::{Estimator, Measure};
pub use difference::Difference;
pub use engine::{EngineConfig, Precision, TorchConfig};
pub use epochs::steps_per_epoch;
pub use optimizer::OptimizerKind;
pub(crate) use parse::{key_lines, syntax_error};
pub use until::Until;

/// A checked experiment: every key has its value, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Seed of initialization, batch order, augmentation and dropout.
    pub seed: u64,
    /// The images.
    pub data: DataConfig,
    /// The label noise; rate 0 is none.
    pub noise: NoiseConfig,
    /// The net.
    pub net: NetConfig,
    /// Where the first weights come from, if not from the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<InitConfig>,
    /// The optimizer and its schedule.
    pub optimizer: OptimizerConfig,
    /// Length, batches and records.
    pub train: TrainConfig,
    /// How errors and representations are evaluated.
    pub evaluation: EvaluationConfig,
    /// What is compared.
    pub analysis: AnalysisConfig,
    /// What computes the nets.
    #[serde(default, skip_serializing_if = "EngineConfig::is_native")]
    pub engine: EngineConfig,
}

/// `[data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataConfig {
    /// Which data set.
    pub kind: DataKind,
    /// Where the set is: always given for `arrays`, `folder` and `parquet`; a named set
    /// without it is looked for in the data directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Seed of subset, split, analysis examples and triplets, and of made-up data.
    pub seed: u64,
    /// Number of training images; all if absent (digits: always given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_train: Option<usize>,
    /// Number of test images; all if absent (digits: always given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_test: Option<usize>,
    /// Side to which images are area-averaged; as stored if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Normalization of pixels.
    pub normalize: Normalize,
    /// Augmentations of training images.
    pub augment: Vec<Augmentation>,
}

/// `data.normalize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalize {
    /// By the training set's own channel means and standard deviations.
    Channel,
    /// Not at all.
    None,
    /// By these, of pixels from 0 to 1: those that a net was trained with.
    #[serde(untagged)]
    Given {
        /// One of each channel.
        mean: Vec<f64>,
        /// One of each channel, above 0.
        std: Vec<f64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Augmentation {
    Crop,
    Flip,
}

/// What a `noise.path` starts with that is looked for in the data directories.
pub(crate) const IN_DATA_DIRECTORY: &str = "data:";

/// `[noise]`.
///
/// Settings of the other kinds keep a neutral value and are not written to TOML.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseConfig {
    /// Which convention.
    pub kind: NoiseKind,
    /// Fraction of wrong labels; 0 for `labels`.
    #[serde(default)]
    pub rate: f64,
    /// Seed; `data.seed` by default.
    #[serde(default)]
    pub seed: u64,
    /// Whether the test labels that errors are measured against are noisy too.
    #[serde(default)]
    pub test: bool,
    /// File of `labels`; `data:FILE` is looked for in the data directories.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Which array or column of that file; not needed where there is one.
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum NoiseKind {
    Iid,
    Exact,
    ExactPerClass,
    PairFlip,
    Asymmetric,
    Labels,
}

/// `[init]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InitConfig {
    /// A safetensors file with the net's `state_dict`.
    pub weights: PathBuf,
}

/// `[optimizer]`: semantics of `torch.optim`.
///
/// Settings of the other kinds keep a neutral value and are not written to TOML.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Which optimizer.
    pub kind: OptimizerKind,
    /// Initial rate.
    pub lr: f64,
    /// SGD's momentum; 0 for the Adams.
    #[serde(default)]
    pub momentum: f64,
    /// SGD with Nesterov momentum.
    #[serde(default)]
    pub nesterov: bool,
    /// Adam's betas.
    #[serde(default = "torch_betas")]
    pub betas: [f64; 2],
    /// Adam's epsilon.
    #[serde(default = "torch_eps")]
    pub eps: f64,
    /// L2 (sgd, adam) or decoupled (adamw).
    pub weight_decay: f64,
    /// The largest total norm of the gradients; any if absent.
    #[serde(default)]
    pub clip_norm: Option<f64>,
    /// What the rate of the nodes with these names and globs is multiplied by; all by 1 if
    /// empty.
    #[serde(default)]
    pub lr_scale: BTreeMap<String, f64>,
    /// How the rate changes.
    pub schedule: Schedule,
    /// The first steps, in which the rate rises linearly: times (step + 1)/`warmup_steps`.
    pub warmup_steps: u64,
}

fn torch_betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn torch_eps() -> f64 {
    1e-8
}

/// `optimizer.schedule`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// lr.
    Constant,
    /// lr·(1 + cos(π·epoch/`t_max`))/2, per epoch; `t_max` defaults to the epochs.
    Cosine {
        /// Epochs of half a period.
        t_max: f64,
    },
    /// lr/√(1 + ⌊step/period⌋).
    InverseSqrt {
        /// Steps between changes.
        period: u64,
    },
    /// lr·gamma^(number of milestones reached), per epoch.
    Step {
        /// Epochs at which the rate is multiplied by gamma.
        milestones: Vec<f64>,
        /// The factor.
        gamma: f64,
    },
}

/// `[train]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Length.
    #[serde(flatten)]
    pub length: Length,
    /// When training ends before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// Examples a step.
    pub batch_size: usize,
    /// ε of the training loss's targets, (1 − ε)·onehot + ε/C.
    pub label_smoothing: f64,
    /// Epochs with a history row, besides all checkpoints.
    pub history: EpochList,
    /// Epochs with a checkpoint.
    pub checkpoints: EpochList,
    /// Ratio of log-spaced checkpoints, 1.12 where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_ratio: Option<f64>,
    /// Whether the optimizer's buffers are kept beside each checkpoint, so that forks can
    /// start there.
    pub save_optimizer: bool,
    /// Which labels are learned.
    pub labels: TrainLabels,
    /// Names and globs of nodes that do not move.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Names and globs of nodes that a fork starts anew, from `seed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reinit: Vec<String>,
}

/// `train.labels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainLabels {
    /// Those of `[noise]`.
    Noisy,
    /// The true ones, whatever `[noise]` makes of them; the examples that it corrupts remain
    /// a group of the history and the analysis.
    Clean,
}

/// `train.epochs` or `train.steps`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Length {
    Epochs(u64),
    Steps(u64),
}

/// A named rule for which epochs to record, or the epochs themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EpochList {
    /// A rule.
    Rule(EpochRule),
    /// Epochs, fractions allowed.
    Epochs(Vec<f64>),
}

/// Rules for [`EpochList`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpochRule {
    /// Every epoch to 100, then ⌊100·1.02^i⌋ without repeats, and the last epoch.
    Auto,
    /// Every epoch.
    Every,
    /// 0…10, then ⌊10·r^i⌋ without repeats, and the last epoch; r = 1.12, or
    /// `train.checkpoint_ratio`.
    LogSpaced,
}

/// `[evaluation]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationConfig {
    /// Which `BatchNorm` statistics evaluation uses.
    pub batchnorm: BatchNormChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum BatchNormChoice {
    Recomputed,
    Running,
}

/// `[analysis]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisConfig {
    /// "all", or names and globs of nodes.
    pub layers: Layers,
    /// Groups of examples, each with its own matrices.
    pub groups: Vec<Group>,
    /// Examples in each group.
    pub n_examples: usize,
    /// Which features a layer of tokens has; only for the ViT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenPolicy>,
    /// What the maps of a convolution become.
    pub features: MapFeatures,
    /// Side of the grid of [`MapFeatures::Grid`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<usize>,
    /// Measures of representations, besides the decision regions.
    pub measures: Vec<Measure>,
    /// Whether the dimensions of every representation are worked out.
    pub dimensions: bool,
    /// CKA.
    pub cka: CkaConfig,
    /// Linear probes.
    pub probe: ProbeConfig,
    /// Whether the prediction depth of training images is worked out.
    pub prediction_depth: bool,
    /// What the features of layers that are held at once may take, in MiB.
    pub memory: usize,
    /// Decision regions.
    pub drs: DrsConfig,
}

/// How a layer's tokens become a feature vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenPolicy {
    /// The class token.
    Cls,
    /// The mean of the patches' tokens, without the class token.
    Mean,
    /// All tokens, one after the other.
    All,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum Layers {
    /// "all", or one name or glob.
    One(String),
    Many(Vec<String>),
}

/// What maps `[channels, height, width]` become before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapFeatures {
    /// Every number is a feature.
    Flatten,
    /// The mean of each channel.
    Average,
    /// The means of a grid of windows of each channel, or the map where it is smaller.
    Grid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Group {
    Test,
    TrainClean,
    TrainCorrupted,
}

/// `analysis.cka`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CkaConfig {
    /// The estimator of HSIC.
    pub estimator: Estimator,
}

/// `analysis.probe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeConfig {
    /// Strength of the L2 penalty, in standardized units.
    pub l2: f64,
    /// Other strengths, at which all that is said of the probes is said, too.
    pub l2_also: Vec<f64>,
    /// Labels the probes are trained on.
    pub labels: ProbeLabels,
    /// Whether the table also has the probes trained on the other labels.
    pub labels_also: bool,
    /// How a layer's output becomes a feature vector.
    pub features: ProbeFeatures,
    /// Above this many features the output is pooled ([`ProbeFeatures::Flatten`]).
    pub cap: usize,
    /// Side of the grid of [`ProbeFeatures::Grid`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<usize>,
    /// What is minimized, and how.
    pub solver: ProbeSolver,
    /// Epochs of SGD and Adam.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Examples a step of SGD and Adam.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Rate of SGD (0.01) and Adam (0.001).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Momentum of SGD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ProbeSolver {
    Logistic,
    Ridge,
    Sgd,
    Adam,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ProbeLabels {
    Noisy,
    Clean,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ProbeFeatures {
    /// Every number is a feature, up to the cap.
    Flatten,
    /// The mean of each channel.
    Average,
    /// The means of a grid of windows of each channel.
    Grid,
    /// As many features in every layer.
    Common,
}

/// `analysis.drs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrsConfig {
    /// Number of planes.
    pub triplets: usize,
    /// Points along a side of a plane's grid.
    pub resolution: usize,
    /// Enlargement of the box on each side.
    pub margin: f64,
    /// Which images the triplets are drawn from; each source has its own planes.
    pub source: TripletSources,
    /// How triplets are drawn.
    pub sampling: TripletSampling,
    /// Whether the three images are of three classes.
    pub distinct: bool,
    /// At which checkpoints the noise floor of the probes' regions is worked out.
    pub floor: FloorEpochs,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum TripletSources {
    One(TripletSource),
    Many(Vec<TripletSource>),
}

impl TripletSources {
    /// The sources, at least one.
    pub fn list(&self) -> &[TripletSource] {
        match self {
            Self::One(source) => std::slice::from_ref(source),
            Self::Many(sources) => sources,
        }
    }
}

/// Images that triplets are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TripletSource {
    /// Test images.
    Test,
    /// Training images; their classes are the noisy labels.
    Train,
    /// Training images of which the first has a wrong label.
    Corrupted,
}

impl TripletSource {
    /// The name of the group of matrices.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Train => "train",
            Self::Corrupted => "corrupted",
        }
    }
}

/// The checkpoints whose noise floor is worked out, which takes two probes more of each layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloorEpochs {
    /// The first at or after each of the epochs 0, 1, 3, 10, 30, 100 ….
    Some,
    /// Every one.
    All,
    /// None.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum TripletSampling {
    Dbviz,
}
