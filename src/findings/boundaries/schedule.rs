//! The learning-rate schedule across a boundary (section 1.5).

use crate::findings::defaults::H;
use crate::findings::series::median;

/// The learning rate over the epochs of a run's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    x: Vec<f64>,
    rate: Vec<f64>,
}

impl Schedule {
    /// From the epochs and rates of a history.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn new(epoch: &[f64], rate: &[f64]) -> Self {
        assert_eq!(epoch.len(), rate.len(), "epochs and learning rates");
        let known = |at: &usize| epoch[*at].is_finite() && rate[*at].is_finite();
        let rows: Vec<usize> = (0..rate.len()).filter(known).collect();
        Self {
            x: rows.iter().map(|&at| epoch[at].ln_1p()).collect(),
            rate: rows.iter().map(|&at| rate[at]).collect(),
        }
    }

    /// ln of the median rate in (at, at + h] over the median in [at − h, at]: what the
    /// schedule does across log time `at`. None where a side has no row.
    pub fn step_at(&self, at: f64) -> Option<f64> {
        let median_where = |inside: &dyn Fn(f64) -> bool| {
            let rows = self.x.iter().zip(&self.rate);
            median(
                &rows.filter(|(x, _)| inside(**x)).map(|row| *row.1).collect::<Vec<_>>(),
            )
        };
        let after = median_where(&|x| x > at && x <= at + H);
        let before = median_where(&|x| x >= at - H && x <= at);
        Some((after / before).ln()).filter(|step| !step.is_nan())
    }

    /// Whether the rate changes at all.
    pub fn is_constant(&self) -> bool {
        self.rate.iter().all(|rate| Some(rate) == self.rate.first())
    }
}
