//! What is stored, as rows of numbers of fixed width.

use crate::analyze::part::{Collapsed, Estimate, Probed, Represented};
use crate::analyze::reasons::{code, reason};
use crate::experiment::ProbeLabels;
use crate::similarity::Collapse;

/// A row of numbers.
pub(crate) trait Flat: Sized {
    /// How many.
    const WIDTH: usize;

    /// Appends them.
    fn push_to(&self, numbers: &mut Vec<f64>);

    /// The row of `WIDTH` numbers.
    fn from_numbers(numbers: &[f64]) -> Self;
}

impl Flat for usize {
    const WIDTH: usize = 1;

    fn push_to(&self, numbers: &mut Vec<f64>) {
        numbers.push(*self as f64);
    }

    fn from_numbers(numbers: &[f64]) -> Self {
        numbers[0] as Self
    }
}

impl<const N: usize> Flat for [Estimate; N] {
    const WIDTH: usize = 2 * N;

    fn push_to(&self, numbers: &mut Vec<f64>) {
        numbers.extend(self.iter().flat_map(|estimate| [estimate.value, estimate.se]));
    }

    fn from_numbers(numbers: &[f64]) -> Self {
        std::array::from_fn(|k| Estimate {
            value: numbers[2 * k],
            se: numbers[2 * k + 1],
        })
    }
}

impl Flat for Represented {
    const WIDTH: usize = 5;

    fn push_to(&self, numbers: &mut Vec<f64>) {
        numbers.extend([
            self.alignment_true,
            self.alignment_noisy,
            self.effective_rank,
            self.participation_ratio,
            self.stable_rank,
        ]);
    }

    fn from_numbers(numbers: &[f64]) -> Self {
        Self {
            alignment_true: numbers[0],
            alignment_noisy: numbers[1],
            effective_rank: numbers[2],
            participation_ratio: numbers[3],
            stable_rank: numbers[4],
        }
    }
}

impl Flat for Collapsed {
    const WIDTH: usize = 11;

    fn push_to(&self, numbers: &mut Vec<f64>) {
        let Collapse { within, norms, angles, simplex, duality, mismatch, undefined } =
            self.collapse;
        numbers.extend([number_of(self.labels), self.fewest as f64]);
        numbers.extend([within, norms, angles, simplex, duality, mismatch]);
        numbers.extend(undefined.map_or([0; 3], code).map(|own| own as f64));
    }

    fn from_numbers(numbers: &[f64]) -> Self {
        let undefined: Vec<i64> = numbers[8..].iter().map(|own| *own as i64).collect();
        Self {
            labels: labels_of(numbers[0]),
            fewest: numbers[1] as usize,
            collapse: Collapse {
                within: numbers[2],
                norms: numbers[3],
                angles: numbers[4],
                simplex: numbers[5],
                duality: numbers[6],
                mismatch: numbers[7],
                undefined: reason(&undefined),
            },
        }
    }
}

/// Labels as a number: 0 noisy, 1 clean.
fn number_of(labels: ProbeLabels) -> f64 {
    f64::from(u8::from(labels == ProbeLabels::Clean))
}

fn labels_of(number: f64) -> ProbeLabels {
    if number == 0.0 { ProbeLabels::Noisy } else { ProbeLabels::Clean }
}

/// The numbers of `probe/<layer>` in the rows of a recording, too: labels (0 noisy, 1 clean),
/// then the columns of `probes.csv` from `l2` on.
impl Flat for Probed {
    const WIDTH: usize = 14;

    fn push_to(&self, numbers: &mut Vec<f64>) {
        numbers.extend([
            number_of(self.labels),
            self.l2,
            self.n_features,
            self.n_floored,
            self.iterations,
            self.gradient_norm,
            self.objective,
            self.train_accuracy,
            self.train_accuracy_true,
            self.test_accuracy,
            self.heldout_accuracy,
            self.heldout_accuracy_true,
            self.heldout_corrupted_noisy,
            self.heldout_corrupted_true,
        ]);
    }

    fn from_numbers(numbers: &[f64]) -> Self {
        Self {
            labels: labels_of(numbers[0]),
            l2: numbers[1],
            n_features: numbers[2],
            n_floored: numbers[3],
            iterations: numbers[4],
            gradient_norm: numbers[5],
            objective: numbers[6],
            train_accuracy: numbers[7],
            train_accuracy_true: numbers[8],
            test_accuracy: numbers[9],
            heldout_accuracy: numbers[10],
            heldout_accuracy_true: numbers[11],
            heldout_corrupted_noisy: numbers[12],
            heldout_corrupted_true: numbers[13],
        }
    }
}

/// Rows, one after the other.
pub(crate) fn flatten<T: Flat>(rows: &[T]) -> Vec<f64> {
    let mut numbers = Vec::with_capacity(rows.len() * T::WIDTH);
    rows.iter().for_each(|row| row.push_to(&mut numbers));
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::Undefined;

    #[test]
    fn rows_are_their_numbers() {
        let numbers: Vec<f64> = (0..14).map(|k| f64::from(k) / 2.0).collect();
        let row = Probed::from_numbers(&numbers);
        assert_eq!((row.l2, row.heldout_corrupted_true), (0.5, 6.5));
        assert_eq!(flatten(&[row])[1..], numbers[1..]);
        let row = Represented::from_numbers(&numbers);
        assert_eq!(flatten(&[row, row])[5..], numbers[..5]);
        let row = Collapsed::from_numbers(&[&numbers[..8], &[15.0, 7.0, 0.0]].concat());
        assert_eq!((row.labels, row.fewest), (ProbeLabels::Noisy, 0));
        assert_eq!(row.collapse.undefined, Some(Undefined::AbsentClass { class: 7 }));
        assert_eq!(flatten(&[row])[2..8], numbers[2..8]);
        assert_eq!(flatten(&[row])[8..], [15.0, 7.0, 0.0]);
        let row: [Estimate; 2] = Flat::from_numbers(&numbers[..4]);
        assert_eq!(row[1].se, 1.5);
        assert_eq!(flatten(&[row]), numbers[..4]);
    }
}
