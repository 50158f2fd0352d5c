//! First minimum, peak and second minimum of a run's test error.

use crate::findings::halves::peak_of;
use crate::findings::series::median;
use crate::phases::Curves;

/// Half-width of the smoothing window as a share of the epoch.
const WINDOW: f64 = 0.12;

/// Epochs of the turns of the test error at the checkpoints, smoothed by a running median: the
/// window within which layers' movement is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Turns {
    /// First minimum.
    pub(crate) min: f64,
    /// Second minimum.
    pub(crate) second_min: f64,
    /// The last checkpoint.
    pub(crate) last: f64,
}

impl Turns {
    /// Of the errors logged at these checkpoints; none without a test error there.
    pub(crate) fn of(curves: &Curves, checkpoints: &[f64]) -> Option<Self> {
        let rows = curves.epoch().iter().zip(curves.test_error());
        let (epoch, error): (Vec<f64>, Vec<f64>) = rows
            .filter(|(epoch, error)| error.is_finite() && checkpoints.contains(epoch))
            .unzip();
        let last = *epoch.last()?;
        let smooth = |&at: &f64| {
            let near = |e: f64| (e - at).abs() <= WINDOW * at + 1e-12;
            let rows = epoch.iter().zip(&error).filter(|(e, _)| near(**e));
            median(&rows.map(|(_, error)| *error).collect::<Vec<_>>())
        };
        let smoothed: Vec<f64> = epoch.iter().map(smooth).collect();
        let [m, _, q] = peak_of(&smoothed);
        Some(Self { min: epoch[m], second_min: epoch[q], last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turns_are_those_of_the_most_prominent_peak() {
        let epoch: Vec<f64> = (0..60).map(f64::from).collect();
        let bell = |t: f64, at: f64| (-((t - at) / 6.0).powi(2)).exp();
        let test: Vec<f64> = epoch
            .iter()
            .map(|t| 0.5 - 0.2 * bell(*t, 10.0) - 0.3 * bell(*t, 45.0))
            .collect();
        let curves = Curves::new(epoch.clone(), vec![0.1; 60], test).unwrap();
        let checkpoints = &epoch[..60];
        let turns = Turns::of(&curves, checkpoints).unwrap();
        // Around 45 the running median has a plateau, of which this is the first checkpoint.
        assert_eq!((turns.min, turns.second_min, turns.last), (10.0, 42.0, 59.0));
        let none = Curves::new(vec![0.0, 1.0], vec![0.1; 2], vec![f64::NAN; 2]).unwrap();
        assert_eq!(Turns::of(&none, &[0.0, 1.0]), None);
        let coarse: Vec<f64> = epoch.iter().copied().step_by(7).collect();
        let turns = Turns::of(&curves, &coarse).unwrap();
        assert_eq!((turns.min, turns.second_min, turns.last), (7.0, 42.0, 56.0));
    }
}
