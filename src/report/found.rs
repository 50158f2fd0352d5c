//! The findings of a run as figures take them: by measure and examples, with the curves of
//! their layers.

use super::model::RunResults;
use super::words;
use crate::findings::{LayerFindings, share_of_layers};
use crate::run_dir::tables::CurveRow;
use crate::similarity::MatrixKind;

/// A boundary that at least this share of the layers have is the run's, and not one layer's.
const SHARED: f64 = 0.5;

/// What is found by one measure on one group of examples.
pub(crate) struct FoundKind<'a> {
    run: &'a RunResults,
    pub(crate) measure: &'a str,
    pub(crate) group: &'a str,
    /// Those that are shown, in the order of depth.
    pub(crate) layers: Vec<&'a LayerFindings>,
    /// All of them.
    pub(crate) all: Vec<&'a LayerFindings>,
}

impl RunResults {
    /// What is found, by measure and examples: the leading ones first.
    pub(crate) fn found(&self) -> Vec<FoundKind<'_>> {
        let mut kinds: Vec<FoundKind<'_>> = vec![];
        for layer in self.findings.iter().flat_map(|findings| &findings.layers) {
            let same = |kind: &&mut FoundKind<'_>| {
                kind.measure == layer.measure && kind.group == layer.group
            };
            match kinds.iter_mut().find(same) {
                Some(kind) => kind.all.push(layer),
                None => kinds.push(FoundKind {
                    run: self,
                    measure: &layer.measure,
                    group: &layer.group,
                    layers: vec![],
                    all: vec![layer],
                }),
            }
        }
        for kind in &mut kinds {
            let shown = kind.all.iter().filter(|layer| self.shows(&layer.layer));
            kind.layers = shown.copied().collect();
        }
        kinds.retain(|kind| !kind.layers.is_empty());
        kinds
    }

    /// Rows of `curves.csv` of a layer by a measure on a group, in the order of time.
    fn curve_rows(&self, [layer, measure, group]: [&str; 3]) -> Vec<&CurveRow> {
        let is_of = |row: &&CurveRow| {
            row.layer == layer && row.measure == measure && row.group == group
        };
        self.curves.iter().filter(is_of).collect()
    }
}

impl<'a> FoundKind<'a> {
    /// "debiased CKA on test images".
    pub(crate) fn in_words(&self) -> String {
        let kind = MatrixKind::parse(self.measure);
        let name = match self.run.matrix_set(&kind, self.group) {
            Some(set) => words::measure_name(set),
            None => kind.title(),
        };
        format!("{name} {}", words::examples(self.run, &kind, self.group))
    }

    /// As part of the name of a file.
    pub(crate) fn file(&self, panel: &str) -> String {
        format!("{panel}-{}-{}", words::slug(self.measure), words::slug(self.group))
    }

    /// The curves of a layer.
    pub(crate) fn curves(&self, layer: &str) -> Curves<'a> {
        Curves(self.run.curve_rows([layer, self.measure, self.group]))
    }

    /// The curves of the weights up to a layer; empty of a run without weights.
    pub(crate) fn weights(&self, layer: &str) -> Curves<'a> {
        Curves(self.run.curve_rows([layer, "weights", "all"]))
    }

    /// Whether at least half of the layers have a boundary at the same time.
    pub(crate) fn is_shared(&self, log_time: f64) -> bool {
        share_of_layers(&self.all, log_time) >= SHARED
    }

    /// Names of the layers.
    pub(crate) fn names(&self) -> Vec<&'a str> {
        self.layers.iter().map(|layer| layer.layer.as_str()).collect()
    }
}

/// The curves of a layer.
pub(crate) struct Curves<'a>(Vec<&'a CurveRow>);

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) epoch: f64,
    pub(crate) value: f64,
    /// Standard error; NaN where unknown.
    pub(crate) se: f64,
}

impl Curves<'_> {
    /// Speed at the cuts.
    pub(crate) fn speed(&self) -> Vec<Point> {
        self.points(|row| (row.speed.0, row.speed_se.0))
    }

    /// Roughness at the checkpoints.
    pub(crate) fn roughness(&self) -> Vec<Point> {
        self.points(|row| (row.roughness.0, row.roughness_se.0))
    }

    fn points(&self, of: fn(&CurveRow) -> (f64, f64)) -> Vec<Point> {
        let point = |row: &&CurveRow| {
            let (value, se) = of(row);
            Point { epoch: row.epoch.0, value, se }
        };
        self.0.iter().map(point).filter(|point| point.value.is_finite()).collect()
    }
}

impl Point {
    /// Whether a speed is within two standard errors of none; without errors, whether it is none.
    pub(crate) fn is_still(&self) -> bool {
        let error = if self.se.is_finite() { self.se } else { 0.0 };
        self.value <= 2.0 * error
    }
}
