//! The perfect-fitting threshold: the epoch from which a net fits its training labels.
//!
//! The paper names the threshold but not its number; the definition is ours and tolerates
//! the single dips that long runs show (a rule of "exactly zero" may never hold).

use serde::Serialize;

use super::curves::{Curves, Series};
use super::{whole, whole_or_null};
use crate::observer::epoch_label;

/// Default tolerance: "practically perfect".
const EPS: f64 = 0.001;
/// Tolerances that are reported beside the default.
const OTHER_EPS: [f64; 2] = [0.0, 0.01];
/// What rounding may add to an error: 4 of 4,000 as 1 − .999 is a little above .001.
const ROUNDING: f64 = 1e-9;
/// Later logged rows that confirm a threshold.
const WINDOW: usize = 5;
/// Share of those rows that may exceed the tolerance.
const RHO: f64 = 0.2;

/// When the net begins to fit its training labels perfectly, and how that was decided.
///
/// ```text
/// PFT(ε, w, ρ) = first logged epoch t with err(t) ≤ ε
///                and err ≤ ε at ≥ (1 − ρ)·k of the next k logged rows,  k = min(w, rows left)
/// ```
/// where err ≤ ε forgives a rounding of 1e-9.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PerfectFit {
    /// The threshold at the default tolerance; none if never reached.
    #[serde(serialize_with = "whole_or_null")]
    pub epoch: Option<f64>,
    /// Its optimizer step, where the log has steps.
    pub step: Option<u64>,
    /// Training error at that epoch.
    pub train_error: Option<f64>,
    /// Why there is no threshold.
    pub reason: Option<String>,
    /// ε.
    pub eps: f64,
    /// w.
    pub window: usize,
    /// ρ.
    pub rho: f64,
    /// k of the row found: fewer than `window` near the end of the log.
    pub rows_after: Option<usize>,
    /// The same at ε = 0 and 0.01.
    pub other_eps: Vec<Threshold>,
    /// The same on the examples with corrupted labels, where the log has their error:
    /// memorization is complete.
    pub corrupted: Option<Threshold>,
    /// Rows with a training error.
    pub rows: usize,
    /// Rows without one, which are passed over.
    pub skipped: usize,
}

/// A threshold at one tolerance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Threshold {
    /// ε.
    #[serde(serialize_with = "whole")]
    pub eps: f64,
    /// The epoch; none if never reached.
    #[serde(serialize_with = "whole_or_null")]
    pub epoch: Option<f64>,
    /// Its optimizer step, where the log has steps.
    pub step: Option<u64>,
    /// Why there is none.
    pub reason: Option<String>,
}

impl PerfectFit {
    /// Finds the threshold of `curves`. Cost O(rows·w).
    pub(super) fn of(curves: &Curves) -> Self {
        let train = curves.finite(&curves.train_error);
        let found = find(&train, EPS);
        let corrupted = curves.train_error_corrupted.as_ref();
        Self {
            epoch: found.as_ref().ok().map(|&i| train.epoch[i]),
            step: found.as_ref().ok().and_then(|&i| curves.step_of(train.row[i])),
            train_error: found.as_ref().ok().map(|&i| train.value[i]),
            rows_after: found.as_ref().ok().map(|&i| rows_after(&train, i)),
            reason: found.err(),
            eps: EPS,
            window: WINDOW,
            rho: RHO,
            other_eps: OTHER_EPS.iter().map(|&e| threshold(curves, &train, e)).collect(),
            corrupted: corrupted.map(|c| threshold(curves, &curves.finite(c), EPS)),
            rows: train.row.len(),
            skipped: curves.rows_given() - train.row.len(),
        }
    }

    /// The epoch of the threshold, once it has all rows after it that confirm it: rows that are
    /// logged later cannot move it.
    pub fn settled(&self) -> Option<f64> {
        self.epoch.filter(|_| self.rows_after == Some(self.window))
    }

    /// The threshold at one of the other tolerances.
    pub(super) fn epoch_at(&self, eps: f64) -> Option<f64> {
        self.other_eps.iter().find(|t| (t.eps - eps).abs() < f64::EPSILON)?.epoch
    }
}

fn threshold(curves: &Curves, series: &Series, eps: f64) -> Threshold {
    let found = find(series, eps);
    Threshold {
        eps,
        epoch: found.as_ref().ok().map(|&i| series.epoch[i]),
        step: found.as_ref().ok().and_then(|&i| curves.step_of(series.row[i])),
        reason: found.err(),
    }
}

/// Position of the threshold in `series`, or the reason why there is none.
fn find(series: &Series, eps: f64) -> Result<usize, String> {
    let fits = |i: usize| series.value[i] <= eps + ROUNDING;
    let holds = |i: usize| {
        let after = rows_after(series, i);
        let fitting = (i + 1..=i + after).filter(|&j| fits(j)).count();
        fits(i) && fitting as f64 >= (1.0 - RHO) * after as f64
    };
    if let Some(i) = (0..series.value.len()).find(|&i| holds(i)) {
        return Ok(i);
    }
    let axis = series.axis.name();
    let lowest = (0..series.value.len())
        .min_by(|&a, &b| series.value[a].total_cmp(&series.value[b]));
    Err(match lowest {
        None => "no row has this error".into(),
        Some(i) if fits(i) => format!(
            "the error is at most {eps} at {axis} {} but not at {:.0} % of the next rows",
            epoch_label(series.epoch[i]),
            100.0 * (1.0 - RHO)
        ),
        Some(i) => format!(
            "the error never falls to {eps}; its lowest is {} at {axis} {}",
            (1e4 * series.value[i]).round() / 1e4,
            epoch_label(series.epoch[i])
        ),
    })
}

fn rows_after(series: &Series, i: usize) -> usize {
    WINDOW.min(series.value.len() - 1 - i)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(train_error: &[f64]) -> PerfectFit {
        let epoch = (0..train_error.len()).map(|e| e as f64).collect();
        let test_error = vec![0.5; train_error.len()];
        PerfectFit::of(&Curves::new(epoch, train_error.to_vec(), test_error).unwrap())
    }

    #[test]
    fn one_dip_in_five_is_tolerated_and_two_are_not() {
        let one = fit(&[0.5, 0.0, 0.01, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!((one.epoch, one.rows_after), (Some(1.0), Some(5)));
        // Epochs 2 and 4 are above: from 1, three of the next five fit; from 3, the next
        // five have one above.
        let two = fit(&[0.5, 0.0, 0.01, 0.0, 0.01, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(two.epoch, Some(3.0));
    }

    #[test]
    fn near_the_end_the_rows_that_are_left_decide() {
        assert_eq!(fit(&[0.5, 0.2, 0.0]).epoch, Some(2.0));
        assert_eq!(fit(&[0.5, 0.2, 0.0]).rows_after, Some(0));
        // Of two rows left, (1 − .2)·2 = 1.6: both must fit.
        assert_eq!(fit(&[0.5, 0.0, 0.2, 0.0]).epoch, Some(3.0));
    }

    #[test]
    fn the_tolerance_itself_counts_as_fitting() {
        assert_eq!(fit(&[0.5, 0.001, 0.001]).epoch, Some(1.0));
        assert_eq!(fit(&[0.5, 1.0 - 0.999, 1.0 - 0.999]).epoch, Some(1.0));
        let at = |fit: &PerfectFit| {
            fit.other_eps.iter().map(|t| (t.eps, t.epoch)).collect::<Vec<_>>()
        };
        assert_eq!(at(&fit(&[0.01, 0.001, 0.0])), [(0.0, Some(2.0)), (0.01, Some(0.0))]);
    }

    #[test]
    fn no_threshold_has_a_reason() {
        let never = fit(&[0.5, 0.25, 0.5]);
        assert_eq!(never.epoch, None);
        assert_eq!(
            never.reason.unwrap(),
            "the error never falls to 0.001; its lowest is 0.25 at epoch 1"
        );
        let once = fit(&[0.5, 0.0, 0.2, 0.2]);
        assert!(once.reason.unwrap().contains("at epoch 1 but not at 80 %"));
        assert_eq!(fit(&[f64::NAN]).reason.unwrap(), "no row has this error");
    }

    #[test]
    fn rows_without_a_value_are_passed_over_and_counted() {
        let fit = fit(&[0.5, 0.0, f64::NAN, f64::NAN, f64::NAN, 0.0, 0.0]);
        assert_eq!((fit.epoch, fit.rows, fit.skipped), (Some(1.0), 4, 3));
    }

    #[test]
    fn the_corrupted_subset_has_its_own_threshold() {
        let curves = Curves::new(vec![0., 1., 2.], vec![0.0; 3], vec![0.5; 3])
            .unwrap()
            .with_train_error_corrupted(vec![0.9, 0.1, 0.0])
            .unwrap()
            .with_step(vec![0., 7., 14.]);
        let fit = PerfectFit::of(&curves);
        assert_eq!((fit.epoch, fit.step), (Some(0.0), Some(0)));
        let corrupted = fit.corrupted.unwrap();
        assert_eq!((corrupted.epoch, corrupted.step), (Some(2.0), Some(14)));
    }
}
