//! Values of seeds and what they say: mean, exact test, interval.

use serde::Serialize;

use super::runs::LeftOut;
use crate::findings::seeds::{flip_interval, flip_p, split_interval, split_p};

/// How the runs of two arms belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairing {
    /// Runs of one seed share initialization, noise and batches: a difference per seed.
    Seed,
    /// Different nets: two groups of seeds.
    None,
}

/// What the values of a sample are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// A difference per seed.
    Differences,
    /// Two groups.
    Groups,
    /// A value per seed.
    #[default]
    Values,
}

/// What one seed gives; of a sample of one value per seed that is `plus`.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedValues {
    /// The seed; of a recording its name.
    pub seed: String,
    /// The value of the first arm.
    pub plus: Option<f64>,
    /// The value of the second arm.
    pub minus: Option<f64>,
}

impl SeedValues {
    /// The value of the first arm less that of the second.
    pub fn difference(&self) -> Option<f64> {
        Some(self.plus? - self.minus?)
    }
}

/// The values of an endpoint over seeds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sample {
    pub(crate) kind: Kind,
    /// Seeds that have the value.
    pub(crate) rows: Vec<SeedValues>,
    /// Runs that do not have it.
    pub(crate) left_out: Vec<LeftOut>,
    /// Seeds that do not have it; of two groups those of the poorer one.
    pub(crate) missing: usize,
}

impl Sample {
    /// The values of the effect: a difference per seed, a value per seed, or, of two groups, all
    /// differences between them.
    pub(crate) fn values(&self) -> Vec<f64> {
        match self.kind {
            Kind::Differences => {
                self.rows.iter().filter_map(SeedValues::difference).collect()
            }
            Kind::Values => self.rows.iter().filter_map(|row| row.plus).collect(),
            Kind::Groups => {
                let [plus, minus] = self.groups();
                plus.iter().flat_map(|p| minus.iter().map(move |m| p - m)).collect()
            }
        }
    }

    fn groups(&self) -> [Vec<f64>; 2] {
        [
            self.rows.iter().filter_map(|row| row.plus).collect(),
            self.rows.iter().filter_map(|row| row.minus).collect(),
        ]
    }

    /// Number of seeds; of two groups that of the smaller.
    pub(crate) fn n(&self) -> usize {
        match self.kind {
            Kind::Groups => {
                let [plus, minus] = self.groups();
                plus.len().min(minus.len())
            }
            _ => self.values().len(),
        }
    }

    /// Mean effect; none without seeds.
    pub(crate) fn mean(&self) -> Option<f64> {
        let values = self.values();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (!values.is_empty()).then_some(mean)
    }

    /// Least and greatest value of the effect.
    pub(crate) fn extremes(&self) -> Option<[f64; 2]> {
        let values = self.values();
        let least = values.iter().copied().reduce(f64::min)?;
        Some([least, values.iter().copied().reduce(f64::max)?])
    }

    /// How many values lie above zero, and how many there are.
    pub(crate) fn above_zero(&self) -> [usize; 2] {
        let values = self.values();
        [values.iter().filter(|value| **value > 0.0).count(), values.len()]
    }

    /// The 95 % interval of the mean effect; none where there are too few seeds.
    pub(crate) fn interval(&self) -> Option<[f64; 2]> {
        match self.kind {
            Kind::Groups if self.n() == 0 => None,
            Kind::Groups => {
                let [plus, minus] = self.groups();
                split_interval(&plus, &minus)
            }
            _ => flip_interval(&self.values()),
        }
    }

    /// One-sided p-value of mean > `null`; 1 without seeds.
    pub(crate) fn p_above(&self, null: f64) -> f64 {
        match self.kind {
            _ if self.n() == 0 => 1.0,
            Kind::Groups => {
                let [plus, minus] = self.groups();
                split_p(&plus, &minus, null)
            }
            _ => flip_p(&self.values(), null),
        }
    }

    /// One-sided p-value of mean < `null`; 1 without seeds.
    pub(crate) fn p_below(&self, null: f64) -> f64 {
        match self.kind {
            _ if self.n() == 0 => 1.0,
            Kind::Groups => {
                let [plus, minus] = self.groups();
                split_p(&minus, &plus, -null)
            }
            _ => {
                let negative: Vec<f64> = self.values().iter().map(|d| -d).collect();
                flip_p(&negative, -null)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(kind: Kind, values: &[(Option<f64>, Option<f64>)]) -> Sample {
        let row = |(seed, &(plus, minus)): (usize, &(Option<f64>, Option<f64>))| {
            SeedValues { seed: seed.to_string(), plus, minus }
        };
        let rows = values.iter().enumerate().map(row).collect();
        Sample { kind, rows, left_out: vec![], missing: 0 }
    }

    #[test]
    fn pairs_are_flipped_and_groups_are_split() {
        let both = [(Some(3.0), Some(1.0)), (Some(5.0), Some(2.0)), (Some(9.0), None)];
        let pairs = sample(Kind::Differences, &both);
        assert_eq!((pairs.n(), pairs.mean()), (2, Some(2.5)));
        assert_eq!((pairs.p_above(0.0), pairs.p_below(0.0)), (0.25, 1.0));
        assert_eq!((pairs.extremes(), pairs.above_zero()), (Some([2.0, 3.0]), [2, 2]));
        // 3, 5, 9 against 1, 2: the highest of ten splits.
        let groups = sample(Kind::Groups, &both);
        assert_eq!((groups.n(), groups.p_above(0.0)), (2, 0.1));
        assert!((groups.mean().unwrap() - (17.0 / 3.0 - 1.5)).abs() < 1e-12);
        assert_eq!(groups.above_zero(), [6, 6]);
    }

    #[test]
    fn without_seeds_nothing_is_said() {
        let empty = sample(Kind::Groups, &[(Some(1.0), None)]);
        assert_eq!((empty.n(), empty.mean(), empty.interval()), (0, None, None));
        assert_eq!((empty.p_above(0.0), empty.p_below(0.0)), (1.0, 1.0));
    }
}
