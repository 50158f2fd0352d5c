//! What the findings of a run are made of: the same questions to a run that was trained or
//! imported and to a recording.

use std::borrow::Cow;

use super::weights::{Checkpoints, Rows, Weights};
use crate::analyze::plan::{OUTPUT, Plan};
use crate::error::Result;
use crate::experiment::{ProbeLabels, Schedule};
use crate::findings::Geometry;
use crate::run_dir::{Checkpoint, Place, READOUT, Recorded, Recording};
use crate::similarity::regions::Similarity;
use crate::similarity::{Measure, Settings};

/// The group that comes first, and the source of planes that is read.
const FIRST: &str = "test";

/// A run whose matrices are joined.
pub(crate) struct Source<'a> {
    /// In depth order.
    layers: Vec<&'a str>,
    /// The groups of examples and how many each has.
    groups: Vec<(&'a str, usize)>,
    measures: Vec<Measure>,
    settings: Settings,
    planes: Option<Planes<'a>>,
    /// Labels of the test images, and the layer whose probe answers beside the net.
    pub(super) answers: Option<Answers<'a>>,
    /// Epochs at which the learning rate changes; none where the history has to tell.
    pub(super) milestones: Option<Vec<f64>>,
    /// The weights at all checkpoints.
    pub(super) weights: Weights<'a>,
}

/// Decisions on planes.
struct Planes<'a> {
    group: &'a str,
    points_per_plane: usize,
    /// Whose: layers with a probe, and the output.
    layers: Vec<&'a str>,
}

/// What answers to the test images are compared with.
pub(super) struct Answers<'a> {
    /// The labels behind `test_error`.
    pub(super) labels: Vec<u16>,
    /// The classifier beside the net.
    pub(super) probe: Option<ProbeOf<'a>>,
}

/// A probe that answers beside the net.
pub(super) struct ProbeOf<'a> {
    /// What its answers are called.
    pub(super) stored: &'a str,
    /// What it reads: the last layer before the output.
    pub(super) layer: Cow<'a, str>,
    /// The labels that it is trained on.
    pub(super) labels: &'static str,
}

/// One matrix and what it is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) place: Place<'a>,
    pub(super) depth: usize,
    pub(super) kind: Kind,
}

/// What a matrix compares.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Centered Gram matrices of so many examples.
    Grams { measure: Measure, n: usize, settings: Settings },
    /// Angles, whose cosines are similarities.
    Angles,
    /// Classes at so many points of each plane.
    Decisions { points_per_plane: usize },
    /// The same agreement beyond chance, which is no product of vectors.
    Kappa,
}

impl Kind {
    pub(super) fn geometry(self) -> Geometry {
        match self {
            Self::Grams { .. } => Geometry::Vectors,
            Self::Angles | Self::Kappa => Geometry::Formal,
            Self::Decisions { .. } => Geometry::Decisions,
        }
    }
}

impl<'a> Source<'a> {
    /// Of a run with checkpoints.
    pub(crate) fn of_plan(plan: &'a Plan<'a>, checkpoints: &'a [Checkpoint]) -> Self {
        let planes = plan.planes.iter().find(|set| set.group == FIRST);
        let last = plan.net.nodes.len();
        let hidden = plan.layers.iter().rfind(|layer| layer.node + 1 < last);
        let labels = match plan.experiment.analysis.probe.labels {
            ProbeLabels::Noisy => "noisy",
            ProbeLabels::Clean => "clean",
        };
        let milestones = match &plan.experiment.optimizer.schedule {
            Schedule::Step { milestones, .. } => milestones.clone(),
            _ => vec![],
        };
        Self {
            layers: plan.layer_names().collect(),
            groups: first_first(plan.groups.iter().map(|(g, of)| (g.name(), of.len()))),
            measures: plan.experiment.analysis.measures.clone(),
            settings: plan.settings(),
            planes: planes.or(plan.planes.first()).map(|set| Planes {
                group: set.group,
                points_per_plane: set.grids[0].len(),
                layers: plan.classifiers().collect(),
            }),
            answers: Some(Answers {
                labels: plan.data.noisy_test.iter().map(|own| u16::from(*own)).collect(),
                probe: hidden.map(|layer| ProbeOf {
                    stored: &layer.name,
                    layer: Cow::Borrowed(&layer.name),
                    labels,
                }),
            }),
            milestones: Some(milestones),
            weights: Weights::Checkpoints(Checkpoints { plan, checkpoints }),
        }
    }

    /// Of a recording.
    ///
    /// # Errors
    /// If its labels are damaged.
    pub(crate) fn of_recording(
        recording: &'a Recording,
        rows: &'a [Checkpoint],
    ) -> Result<Self> {
        let recorded = recording.recorded();
        let layers: Vec<&str> = recorded.layers.iter().map(String::as_str).collect();
        let probed = layers.iter().copied().filter(|_| recorded.probes.is_some());
        let groups = recorded.groups.iter().map(|group| (&*group.name, group.n_examples));
        let labels = recording.test_labels()?;
        Ok(Self {
            planes: recorded.decisions.as_ref().map(|planes| Planes {
                group: &planes.group,
                points_per_plane: planes.points_per_plane,
                layers: probed.chain([OUTPUT]).collect(),
            }),
            layers,
            groups: first_first(groups),
            measures: vec![Measure::Cka],
            settings: Settings { estimator: recorded.estimator, ..Settings::default() },
            answers: labels.map(|labels| Answers { labels, probe: readout_of(recorded) }),
            milestones: None,
            weights: Weights::Rows(Rows { layers: &recorded.layers, rows }),
        })
    }

    /// The matrices that are read, in the order of `findings.json`: CKA on every group, the
    /// test examples first; decision regions, and κ of them; other measures on the first group.
    pub(super) fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = vec![];
        for group in &self.groups {
            entries.extend(self.of_measure(Measure::Cka, *group));
        }
        if let Some(planes) = &self.planes {
            let Planes { group, points_per_plane, layers } = planes;
            let kind = Kind::Decisions { points_per_plane: *points_per_plane };
            entries.extend(of_layers(Similarity::Agreement.name(), group, layers, kind));
            let kappa = Similarity::Kappa.name();
            entries.extend(of_layers(kappa, group, layers, Kind::Kappa));
        }
        for measure in [Measure::CkaRbf, Measure::Shape] {
            entries.extend(
                self.groups.first().into_iter().flat_map(|group| {
                    self.of_measure(measure, *group).collect::<Vec<_>>()
                }),
            );
        }
        entries
    }

    /// The matrices of a measure, if it is one of the run's.
    fn of_measure(
        &self,
        measure: Measure,
        (group, n): (&'a str, usize),
    ) -> impl Iterator<Item = Entry<'_>> {
        let kind = match measure {
            Measure::Shape => Kind::Angles,
            _ => Kind::Grams { measure, n, settings: self.settings },
        };
        let is_there = self.measures.contains(&measure);
        of_layers(measure.name(), group, &self.layers, kind).filter(move |_| is_there)
    }
}

/// The readout that a recorder has fitted again in each row, to the labels that it was given.
fn readout_of(recorded: &Recorded) -> Option<ProbeOf<'_>> {
    let readout = recorded.readout.as_ref()?;
    let layer = Cow::Owned(format!("the input of {}", readout.layer));
    Some(ProbeOf { stored: READOUT, layer, labels: "noisy" })
}

fn of_layers<'a>(
    measure: &'static str,
    group: &'a str,
    layers: &'a [&'a str],
    kind: Kind,
) -> impl Iterator<Item = Entry<'a>> {
    layers.iter().enumerate().map(move |(depth, layer)| Entry {
        place: Place { measure, group, layer },
        depth,
        kind,
    })
}

/// The groups with `test` first, which the findings are primarily of.
fn first_first<'a>(
    groups: impl Iterator<Item = (&'a str, usize)>,
) -> Vec<(&'a str, usize)> {
    let mut groups: Vec<_> = groups.collect();
    groups.sort_by_key(|(group, _)| *group != FIRST);
    groups
}
