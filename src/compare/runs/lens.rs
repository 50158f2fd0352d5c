//! How a run is looked at: by which measure, with all checkpoints and examples or without some.

use crate::findings::Geometry;
use crate::similarity::regions::Similarity;
use crate::similarity::{MatrixKind, Measure};

/// The name of the lens that takes every other checkpoint.
const EVERY_OTHER: &str = "every-other";
/// The name of the lens without the examples of largest norm.
const WITHOUT_DOMINANT: &str = "without-dominant";
/// The group of examples of decision regions, by the group of a representation's.
const DECISIONS: [(&str, &str); 2] =
    [("train-corrupted", "corrupted"), ("train-clean", "train")];

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    /// Nothing.
    Nothing,
    /// Every other checkpoint.
    EveryOther,
    /// The 1 % of examples whose norm is largest at any checkpoint.
    Dominant,
}

/// A measure, and what is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lens {
    /// As the folder in `matrices/` is called.
    pub(crate) measure: String,
    /// What is left out.
    pub(crate) without: Without,
}

impl Lens {
    /// What statements are about: debiased linear CKA at all checkpoints.
    pub(crate) fn primary() -> Self {
        Self { measure: MatrixKind::CKA.to_string(), without: Without::Nothing }
    }

    /// The lens of a variant; none where nothing is called so.
    pub(crate) fn of_variant(name: &str) -> Option<Self> {
        let primary_without = |without| Some(Self { without, ..Self::primary() });
        match name {
            EVERY_OTHER => primary_without(Without::EveryOther),
            WITHOUT_DOMINANT => primary_without(Without::Dominant),
            _ => {
                let is_known = !matches!(MatrixKind::parse(name), MatrixKind::Other(_));
                let without = Without::Nothing;
                is_known.then(|| Self { measure: name.into(), without })
            }
        }
    }

    /// Names that variants may have.
    pub(crate) fn names() -> Vec<String> {
        let measures = Measure::NAMES.iter().map(|name| (*name).to_owned());
        let regions = Similarity::ALL.iter().map(|s| s.name().to_owned());
        let others = ["cka-biased", EVERY_OTHER, WITHOUT_DOMINANT].map(str::to_owned);
        measures.chain(regions).chain(others).collect()
    }

    /// The name in tables: `primary` for what a statement is about.
    pub(crate) fn name(&self) -> &str {
        match self.without {
            Without::EveryOther => EVERY_OTHER,
            Without::Dominant => WITHOUT_DOMINANT,
            Without::Nothing if *self == Self::primary() => "primary",
            Without::Nothing => &self.measure,
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
    fn variants_are_measures_or_leave_something_out() {
        let named = |name: &str| Lens::of_variant(name).unwrap();
        assert_eq!(named("every-other").name(), "every-other");
        assert_eq!(named("without-dominant").name(), "without-dominant");
        assert_eq!(named("without-dominant").measure, "cka");
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
