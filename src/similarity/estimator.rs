//! How HSIC, and with it CKA, is estimated from examples.

use serde::{Deserialize, Serialize};

/// The estimator of HSIC behind a kernel measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Estimator {
    /// The unbiased HSIC of Song et al. (2012), by U-centring: independent
    /// representations have similarity 0 in expectation, and values may be negative.
    #[default]
    Debiased,
    /// HSIC with doubly centred Grams (Gretton et al. 2005): between 0 and 1, and the
    /// closer to 1 the more features there are for an example.
    Biased,
    /// The unbiased HSIC of consecutive batches, averaged (Nguyen et al. 2020, eq. 2): for
    /// more examples than a Gram matrix can hold. It depends on the order of the examples.
    Minibatch {
        /// Examples of a batch; a remainder joins the last one.
        size: usize,
    },
}

impl Estimator {
    /// The size of batches where none is given.
    pub const BATCH: usize = 256;

    /// Every estimator once, minibatches with the default size.
    pub const ALL: [Self; 3] =
        [Self::Debiased, Self::Biased, Self::Minibatch { size: Self::BATCH }];

    /// Their names, in the same order.
    pub const NAMES: &[&str] =
        &[Self::ALL[0].name(), Self::ALL[1].name(), Self::ALL[2].name()];

    /// The name in experiment files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debiased => "debiased",
            Self::Biased => "biased",
            Self::Minibatch { .. } => "minibatch",
        }
    }

    /// The estimator of that name, minibatches with the default size.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|estimator| estimator.name() == name)
    }
}

impl TryFrom<String> for Estimator {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_name(&name).ok_or_else(|| format!("no estimator is called `{name}`"))
    }
}

impl From<Estimator> for String {
    fn from(estimator: Estimator) -> Self {
        estimator.name().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimators_are_named_in_lower_case_and_debiased_is_the_default() {
        assert_eq!(Estimator::default(), Estimator::Debiased);
        for estimator in Estimator::ALL {
            let json = serde_json::to_string(&estimator).unwrap();
            assert_eq!(json, format!("\"{}\"", estimator.name()));
            assert_eq!(serde_json::from_str::<Estimator>(&json).unwrap(), estimator);
        }
        assert!(serde_json::from_str::<Estimator>("\"unbiased\"").is_err());
    }
}
