//! How a run is looked at: by which measure, with all checkpoints or every other.

use crate::findings::Geometry;
use crate::similarity::regions::Similarity;
use crate::similarity::{MatrixKind, Measure};

/// The name of the lens that takes every other checkpoint.
const EVERY_OTHER: &str = "every-other";
/// The group of examples of decision regions, by the group of a representation's.
const DECISIONS: [(&str, &str); 2] =
    [("train-corrupted", "corrupted"), ("train-clean", "train")];

/// A measure, and which checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lens {
    /// As the folder in `matrices/` is called.
    pub(crate) measure: String,
    /// Whether every other checkpoint is left out.
    pub(crate) every_other: bool,
}

impl Lens {
    /// What statements are about: debiased linear CKA at all checkpoints.
    pub(crate) fn primary() -> Self {
        Self { measure: MatrixKind::CKA.to_string(), every_other: false }
    }

    /// The lens of a variant; none where nothing is called so.
    pub(crate) fn of_variant(name: &str) -> Option<Self> {
        if name == EVERY_OTHER {
            return Some(Self { every_other: true, ..Self::primary() });
        }
        let is_known = !matches!(MatrixKind::parse(name), MatrixKind::Other(_));
        is_known.then(|| Self { measure: name.into(), every_other: false })
    }

    /// Names that variants may have.
    pub(crate) fn names() -> Vec<String> {
        let measures = Measure::NAMES.iter().map(|name| (*name).to_owned());
        let regions = Similarity::ALL.iter().map(|s| s.name().to_owned());
        let biased = "cka-biased".to_owned();
        measures.chain(regions).chain([biased, EVERY_OTHER.to_owned()]).collect()
    }

    /// The name in tables: `primary` for what a statement is about.
    pub(crate) fn name(&self) -> &str {
        match (self.every_other, *self == Self::primary()) {
            (true, _) => EVERY_OTHER,
            (_, true) => "primary",
            _ => &self.measure,
        }
    }

    /// The group of examples as this measure calls it.
    pub(crate) fn group<'a>(&self, group: &'a str) -> &'a str {
        if !self.kind().is_of_decisions() || self.kind() == MatrixKind::Agreement {
            return group;
        }
        let renamed = DECISIONS.iter().find(|(of, _)| *of == group);
        renamed.map_or(group, |(_, decisions)| decisions)
    }

    /// What 2(1 − S) is.
    pub(crate) fn geometry(&self) -> Geometry {
        match self.kind() {
            MatrixKind::Representations {
                measure: Measure::Cka | Measure::CkaRbf,
                ..
            } => Geometry::Vectors,
            MatrixKind::Regions(Similarity::Agreement)
            | MatrixKind::Images
            | MatrixKind::Penalty(_)
            | MatrixKind::Agreement => Geometry::Decisions,
            _ => Geometry::Formal,
        }
    }

    /// The similarity of a cell: the cosine of the angular shape distance, else the cell.
    pub(crate) fn similarity(&self, cell: f64) -> f64 {
        let measure = match self.kind() {
            MatrixKind::Representations { measure, .. } => Some(measure),
            _ => None,
        };
        if measure == Some(Measure::Shape) { cell.cos() } else { cell }
    }

    fn kind(&self) -> MatrixKind {
        MatrixKind::parse(&self.measure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_measures_or_every_other_checkpoint() {
        let named = |name: &str| Lens::of_variant(name).unwrap();
        assert_eq!(named("every-other").name(), "every-other");
        assert_eq!(named("drs").group("train-corrupted"), "corrupted");
        assert_eq!(named("cka-biased").group("train-corrupted"), "train-corrupted");
        assert_eq!(named("drs-l2-0.0001").geometry(), Geometry::Decisions);
        assert_eq!(named("drs-kappa").geometry(), Geometry::Formal);
        assert_eq!(named("shape").similarity(0.0), 1.0);
        assert_eq!(Lens::of_variant("shapes"), None);
        assert_eq!(Lens::primary().name(), "primary");
        assert!(Lens::names().iter().all(|name| Lens::of_variant(name).is_some()));
    }
}
