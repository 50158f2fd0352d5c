//! What the matrices of a directory compare: the name of a folder in `matrices/`, read once.

use std::fmt;

use super::regions::Similarity;
use super::{Estimator, Measure};

/// The kind of a matrix, as `matrices/`, `matrices.csv` and exports name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatrixKind {
    /// Representations by a measure.
    Representations {
        /// The measure.
        measure: Measure,
        /// An estimator other than the run's own, which the name adds.
        estimator: Option<Estimator>,
    },
    /// Decisions at all points of planes.
    Regions(Similarity),
    /// Decisions at the images of planes.
    Images,
    /// Decisions at all points of planes, by probes of another λ, which is kept as written.
    Penalty(String),
    /// Decisions on test images.
    Agreement,
    /// A kind that this version does not know; it is shown under its own name.
    Other(String),
}

/// The name of [`MatrixKind::Images`].
pub(crate) const IMAGES: &str = "drs-images";
/// The name of [`MatrixKind::Agreement`].
pub(crate) const AGREEMENT: &str = "agreement";
/// Between [`Similarity::Agreement`] and the λ of other probes.
const PENALTY: &str = "-l2-";

impl MatrixKind {
    /// Linear CKA with the run's own estimator.
    pub const CKA: Self =
        Self::Representations { measure: Measure::Cka, estimator: None };
    /// The paper's similarity of decision regions.
    pub const DRS: Self = Self::Regions(Similarity::Agreement);

    /// The kind of that name.
    ///
    /// # Example
    /// ```
    /// use stratagram::similarity::{Estimator, MatrixKind, Measure};
    /// let kind = MatrixKind::parse("cka-biased");
    /// let estimator = Some(Estimator::Biased);
    /// assert_eq!(kind, MatrixKind::Representations { measure: Measure::Cka, estimator });
    /// assert_eq!(MatrixKind::parse("drs-l2-0.0001").to_string(), "drs-l2-0.0001");
    /// ```
    pub fn parse(name: &str) -> Self {
        let region = |similarity: &Similarity| similarity.name() == name;
        let drs = Similarity::Agreement.name();
        let penalty = name.strip_prefix(drs).and_then(|rest| rest.strip_prefix(PENALTY));
        if let Some(similarity) = Similarity::ALL.into_iter().find(region) {
            Self::Regions(similarity)
        } else if let Some(l2) = penalty {
            Self::Penalty(l2.to_owned())
        } else if let Some(fixed) =
            [Self::Images, Self::Agreement].into_iter().find(|kind| kind.is_named(name))
        {
            fixed
        } else {
            Self::of_representations(name).unwrap_or_else(|| Self::Other(name.to_owned()))
        }
    }

    /// A measure, or a measure with an estimator behind it.
    fn of_representations(name: &str) -> Option<Self> {
        if let Some(measure) = Measure::from_name(name) {
            return Some(Self::Representations { measure, estimator: None });
        }
        let (measure, estimator) = name.rsplit_once('-')?;
        let measure = Measure::from_name(measure).filter(|m| m.has_estimator())?;
        let estimator = Some(Estimator::from_name(estimator)?);
        Some(Self::Representations { measure, estimator })
    }

    /// Whether this is the kind of that name.
    pub fn is_named(&self, name: &str) -> bool {
        self.to_string() == name
    }

    /// Whether decisions are compared, not representations.
    pub fn is_of_decisions(&self) -> bool {
        !matches!(self, Self::Representations { .. } | Self::Other(_))
    }

    /// Whether it is one of the matrices that are drawn without being asked for: of
    /// decisions, the paper's alone.
    pub fn is_leading(&self) -> bool {
        !self.is_of_decisions() || *self == Self::DRS
    }

    /// The name in captions; the estimator is not in it.
    pub fn title(&self) -> String {
        match self {
            Self::Representations { measure, .. } => measure.properties().title.into(),
            Self::Regions(similarity) => similarity.title().into(),
            Self::Images => "DRS at the images".into(),
            Self::Penalty(l2) => format!("DRS, λ = {l2}"),
            Self::Agreement => "agreement".into(),
            Self::Other(name) => name.clone(),
        }
    }
}

impl fmt::Display for MatrixKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Representations { measure, estimator: None } => {
                f.write_str(measure.name())
            }
            Self::Representations { measure, estimator: Some(estimator) } => {
                write!(f, "{}-{}", measure.name(), estimator.name())
            }
            Self::Regions(similarity) => f.write_str(similarity.name()),
            Self::Images => f.write_str(IMAGES),
            Self::Penalty(l2) => {
                write!(f, "{}{PENALTY}{l2}", Similarity::Agreement.name())
            }
            Self::Agreement => f.write_str(AGREEMENT),
            Self::Other(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_printed_as_it_was_read() {
        let fixed = ["drs-images", "agreement", "drs-l2-0.0001", "drs-l2-1e-5", "x-y-z"];
        let regions = Similarity::ALL.map(Similarity::name);
        let measures = Measure::NAMES.iter().flat_map(|name| {
            let with = |estimator: &&str| format!("{name}-{estimator}");
            let estimators = Estimator::NAMES.iter().map(with);
            std::iter::once((*name).to_owned()).chain(estimators).collect::<Vec<_>>()
        });
        let names = fixed.into_iter().chain(regions).map(str::to_owned).chain(measures);
        for name in names {
            assert_eq!(MatrixKind::parse(&name).to_string(), name);
        }
    }

    #[test]
    fn names_have_their_kinds() {
        let of = |measure, estimator| MatrixKind::Representations { measure, estimator };
        for (name, kind) in [
            ("cka", MatrixKind::CKA),
            ("cka-rbf", of(Measure::CkaRbf, None)),
            ("cka-rbf-biased", of(Measure::CkaRbf, Some(Estimator::Biased))),
            ("drs", MatrixKind::DRS),
            ("drs-kappa", MatrixKind::Regions(Similarity::Kappa)),
            ("drs-images", MatrixKind::Images),
            ("drs-l2-1e-5", MatrixKind::Penalty("1e-5".into())),
            ("agreement", MatrixKind::Agreement),
            // Nothing but CKA has an estimator.
            ("shape-biased", MatrixKind::Other("shape-biased".into())),
            ("drs-novel", MatrixKind::Other("drs-novel".into())),
        ] {
            assert_eq!(MatrixKind::parse(name), kind);
        }
    }
}
