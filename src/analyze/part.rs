//! What one checkpoint is reduced to, and what of it is wanted. Numbers and classes; the only
//! text are names of layers and groups. A new kind of result is a field here, its place in
//! [`store`](super::store) and a file of [`join`](super::join).

use crate::experiment::ProbeLabels;
use crate::probe::Probe;
use crate::run_dir::Place;
use crate::similarity::geometry::Quantity;
use crate::similarity::regions::Similarity;
use crate::similarity::{Collapse, Measure, Undefined};

/// What a checkpoint has to be reduced to: all of it the first time, and later what a change
/// of the analysis adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The signatures of these measures.
    pub(crate) measures: Vec<Measure>,
    /// Alignment and dimensions of the representations.
    pub(crate) representations: bool,
    /// Probes and prediction depth; without, the stored probes are there to be read.
    pub(crate) probes: bool,
    /// Decisions and what they say of regions.
    pub(crate) decisions: bool,
}

impl Wanted {
    pub(crate) fn is_nothing(&self) -> bool {
        let any = self.representations || self.probes || self.decisions;
        self.measures.is_empty() && !any
    }
}

/// What one checkpoint is reduced to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Part<'a> {
    /// Of every measure, group and layer.
    pub(crate) signatures: Vec<Signature<'a>>,
    /// Of every group and layer, where CKA is measured.
    pub(crate) norms: Vec<Norms<'a>>,
    /// Of every classifier, on each kind of inputs.
    pub(crate) classes: Vec<Classes<'a>>,
    /// What stands in tables.
    pub(crate) numbers: Numbers,
}

/// What the representation of one layer is reduced to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Signature<'a> {
    pub(crate) place: Place<'a>,
    /// NaN where it is undefined.
    pub(crate) values: Vec<f32>,
    pub(crate) undefined: Option<Undefined>,
}

/// What the signature of CKA leaves out of its Gram matrix; NaN where it is undefined.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Norms<'a> {
    pub(crate) group: &'a str,
    pub(crate) layer: &'a str,
    /// As [`GramScale::to_numbers`](crate::similarity::GramScale::to_numbers).
    pub(crate) numbers: Vec<f64>,
}

/// What one classifier decides for all inputs of a kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Classes<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) decisions: Decisions,
}

/// The class that a classifier gives to each input; all 0 where it is undefined.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Decisions {
    pub(crate) classes: Vec<u8>,
    pub(crate) undefined: Option<Undefined>,
}

/// A layer's probe, or why it has none.
pub(crate) type LayerProbe = std::result::Result<Probe, Undefined>;

/// What a checkpoint says by itself, in the order of the [`Plan`](super::plan::Plan).
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Numbers {
    /// Of each layer.
    pub(crate) representations: Vec<OfGroup<Represented>>,
    /// Of each layer, by each kind of labels that the group has.
    pub(crate) collapses: Vec<OfGroup<Collapsed>>,
    /// Of each layer, the pixels' last.
    pub(crate) probes: Vec<ProbesOfLayer>,
    /// The prediction depth of each image; of none where a layer has no features.
    pub(crate) depths: Vec<OfGroup<usize>>,
    /// By the probes of each other λ, of each layer; then of each classifier.
    pub(crate) shapes: Vec<OfGroup<Shape>>,
    /// Of each classifier with every deeper one.
    pub(crate) pairs: Vec<OfGroup<Agreement>>,
    /// Of each layer, where the checkpoint has a floor.
    pub(crate) floors: Vec<OfGroup<Floor>>,
}

/// What is said on a group of examples or the planes of a source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OfGroup<T> {
    pub(crate) group: String,
    pub(crate) rows: Vec<T>,
}

/// A value and its standard error; NaN where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) se: f64,
}

impl Estimate {
    /// Of what is undefined.
    pub(crate) const UNDEFINED: Self = Self { value: f64::NAN, se: f64::NAN };
}

/// The quantities of a classifier's regions, [`Quantity::ALL`].
pub(crate) type Shape = [Estimate; Quantity::ALL.len()];
/// The similarities of two classifiers' regions, [`Similarity::ALL`].
pub(crate) type Floor = [Estimate; Similarity::ALL.len()];
/// The same, then the agreement at the planes' images and on the test images.
pub(crate) type Agreement = [Estimate; Similarity::ALL.len() + 2];

/// What a representation says by itself; NaN where it is undefined or not asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Represented {
    pub(crate) alignment_true: f64,
    pub(crate) alignment_noisy: f64,
    pub(crate) effective_rank: f64,
    pub(crate) participation_ratio: f64,
    pub(crate) stable_rank: f64,
}

/// Neural collapse of a representation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Collapsed {
    /// The labels that make the classes.
    pub(crate) labels: ProbeLabels,
    /// Examples of the smallest class.
    pub(crate) fewest: usize,
    pub(crate) collapse: Collapse,
}

/// The probes of a layer: the one that is stored, those at the other λ, that of the other
/// labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ProbesOfLayer {
    pub(crate) layer: String,
    pub(crate) rows: Vec<Probed>,
}

/// What is said of a probe; docs/FORMAT.md, "probes.csv". NaN where it is undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Probed {
    pub(crate) labels: ProbeLabels,
    pub(crate) l2: f64,
    pub(crate) n_features: f64,
    pub(crate) n_floored: f64,
    pub(crate) iterations: f64,
    pub(crate) gradient_norm: f64,
    pub(crate) objective: f64,
    pub(crate) train_accuracy: f64,
    pub(crate) train_accuracy_true: f64,
    pub(crate) test_accuracy: f64,
    pub(crate) heldout_accuracy: f64,
    pub(crate) heldout_accuracy_true: f64,
    pub(crate) heldout_corrupted_noisy: f64,
    pub(crate) heldout_corrupted_true: f64,
}

impl Probed {
    /// What is said of a probe that there is not.
    pub(crate) fn undefined(labels: ProbeLabels, l2: f64, n_features: usize) -> Self {
        Self {
            labels,
            l2,
            n_features: n_features as f64,
            n_floored: f64::NAN,
            iterations: f64::NAN,
            gradient_norm: f64::NAN,
            objective: f64::NAN,
            train_accuracy: f64::NAN,
            train_accuracy_true: f64::NAN,
            test_accuracy: f64::NAN,
            heldout_accuracy: f64::NAN,
            heldout_accuracy_true: f64::NAN,
            heldout_corrupted_noisy: f64::NAN,
            heldout_corrupted_true: f64::NAN,
        }
    }
}

/// What of a checkpoint is kept layer by layer, until its part is written: the rows of a
/// layer's probes, and what the neighbors of each query say (empty where depths are not asked
/// for, or a feature is not finite).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LayerPart {
    pub(crate) probes: ProbesOfLayer,
    pub(crate) votes: Vec<u8>,
}
