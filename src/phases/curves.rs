//! Error curves of one training run: what a log holds, checked once.

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};

/// What the times of a log count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    /// Epochs.
    #[default]
    Epoch,
    /// Optimizer steps, where epochs are not known. All rules are about ratios of times, so that
    /// they hold for steps as well.
    Step,
}

impl Axis {
    /// The word for one of them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Step => "step",
        }
    }
}

/// The curves of one run over its logged epochs; NaN marks a value that a row lacks.
///
/// Errors are fractions of examples. `train_error` is against the labels that the net is
/// trained on (noisy ones included), `test_error` against the true ones.
///
/// # Example
/// ```
/// use stratagram::phases::Curves;
/// let curves = Curves::new(vec![0., 1., 2.], vec![0.9, 0.2, 0.0], vec![0.9, 0.3, 0.2])
///     .unwrap();
/// assert_eq!(curves.len(), 3);
/// assert!(Curves::new(vec![1., 1.], vec![0.5, 0.5], vec![0.5, 0.5]).is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    axis: Axis,
    pub(super) epoch: Vec<f64>,
    pub(super) train_error: Vec<f64>,
    pub(super) test_error: Vec<f64>,
    pub(super) step: Option<Vec<f64>>,
    pub(super) train_loss: Option<Vec<f64>>,
    pub(super) train_error_corrupted: Option<Vec<f64>>,
    pub(super) n_test: Option<Vec<f64>>,
    /// Which of the given rows have an epoch and are kept.
    kept: Vec<bool>,
}

/// The logged rows in which one column has a finite value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) axis: Axis,
    /// Index of each row in the curves.
    pub(super) row: Vec<usize>,
    pub(super) epoch: Vec<f64>,
    pub(super) value: Vec<f64>,
}

impl Curves {
    /// Curves from three columns of equal length; a row without a finite epoch is left out.
    ///
    /// # Errors
    /// Epochs that are negative or not strictly increasing, and errors outside 0..1, each
    /// with its row (counted from 1).
    ///
    /// # Panics
    /// If the columns differ in length.
    pub fn new(
        epoch: Vec<f64>,
        train_error: Vec<f64>,
        test_error: Vec<f64>,
    ) -> Result<Self> {
        let kept: Vec<bool> = epoch.iter().map(|e| e.is_finite()).collect();
        check_epochs(&epoch)?;
        check_fraction("train_error", &train_error)?;
        check_fraction("test_error", &test_error)?;
        Ok(Self {
            axis: Axis::Epoch,
            epoch: keep(&kept, "epoch", epoch),
            train_error: keep(&kept, "train_error", train_error),
            test_error: keep(&kept, "test_error", test_error),
            step: None,
            train_loss: None,
            train_error_corrupted: None,
            n_test: None,
            kept,
        })
    }

    /// The same curves over another axis: what was given as epochs counts something else.
    #[must_use]
    pub fn on(mut self, axis: Axis) -> Self {
        self.axis = axis;
        self
    }

    /// What the times count.
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// Adds the optimizer step of each row.
    ///
    /// # Panics
    /// If the length differs from that of the columns given to [`Curves::new`]; so do the
    /// other `with_` functions.
    #[must_use]
    pub fn with_step(mut self, values: Vec<f64>) -> Self {
        self.step = Some(keep(&self.kept, "step", values));
        self
    }

    /// Adds the training loss.
    #[must_use]
    pub fn with_train_loss(mut self, values: Vec<f64>) -> Self {
        self.train_loss = Some(keep(&self.kept, "train_loss", values));
        self
    }

    /// Adds the training error on the examples with corrupted labels, against those labels.
    ///
    /// # Errors
    /// Values outside 0..1.
    pub fn with_train_error_corrupted(mut self, values: Vec<f64>) -> Result<Self> {
        check_fraction("train_error_corrupted", &values)?;
        self.train_error_corrupted =
            Some(keep(&self.kept, "train_error_corrupted", values));
        Ok(self)
    }

    /// Adds the number of test examples behind each row's test error.
    #[must_use]
    pub fn with_n_test(mut self, values: Vec<f64>) -> Self {
        self.n_test = Some(keep(&self.kept, "n_test", values));
        self
    }

    /// The epoch of each row that has one.
    pub fn epoch(&self) -> &[f64] {
        &self.epoch
    }

    /// The training error of each row.
    pub fn train_error(&self) -> &[f64] {
        &self.train_error
    }

    /// The test error of each row.
    pub fn test_error(&self) -> &[f64] {
        &self.test_error
    }

    /// Number of rows with an epoch.
    pub fn len(&self) -> usize {
        self.epoch.len()
    }

    /// Whether no row has an epoch.
    pub fn is_empty(&self) -> bool {
        self.epoch.is_empty()
    }

    /// Number of rows given, those without an epoch included.
    pub fn rows_given(&self) -> usize {
        self.kept.len()
    }

    /// The rows in which `values`, one of this run's columns, is finite.
    pub(super) fn finite(&self, values: &[f64]) -> Series {
        let row: Vec<usize> =
            (0..self.len()).filter(|&i| values[i].is_finite()).collect();
        Series {
            axis: self.axis,
            epoch: row.iter().map(|&i| self.epoch[i]).collect(),
            value: row.iter().map(|&i| values[i]).collect(),
            row,
        }
    }

    /// The optimizer step of a row, where it is known.
    pub(super) fn step_of(&self, row: usize) -> Option<u64> {
        let step = self.step.as_ref()?[row];
        (step.is_finite() && step >= 0.0).then_some(step as u64)
    }
}

fn keep(kept: &[bool], name: &str, values: Vec<f64>) -> Vec<f64> {
    assert_eq!(values.len(), kept.len(), "rows of `{name}` and rows of `epoch`");
    values.into_iter().zip(kept).filter_map(|(v, &kept)| kept.then_some(v)).collect()
}

fn check_epochs(epoch: &[f64]) -> Result<()> {
    let mut last: Option<(usize, f64)> = None;
    for (row, &e) in epoch.iter().enumerate().filter(|(_, e)| e.is_finite()) {
        let wrong = |found: String| {
            Err(Error::new(ErrorKind::Data, "`epoch`", found)
                .expected("epochs ≥ 0 that increase strictly from row to row")
                .fix("one file holds one run: sort it and drop what was logged twice"))
        };
        if e < 0.0 {
            return wrong(format!("is {e} in row {}", row + 1));
        }
        if let Some((row_before, before)) = last
            && e <= before
        {
            return wrong(format!(
                "is {e} in row {} after {before} in row {}",
                row + 1,
                row_before + 1
            ));
        }
        last = Some((row, e));
    }
    Ok(())
}

fn check_fraction(name: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| v.is_finite() && !(0.0..=1.0).contains(v)) {
        None => Ok(()),
        Some(row) => Err(Error::new(
            ErrorKind::Data,
            format!("`{name}`"),
            format!("is {} in row {}", values[row], row + 1),
        )
        .expected("a fraction between 0 and 1")
        .fix("divide percentages by 100")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_an_epoch_are_left_out_of_every_column() {
        let nan = f64::NAN;
        let curves =
            Curves::new(vec![0., nan, 2.], vec![0.1, 0.2, 0.3], vec![0.4, 0.5, nan])
                .unwrap()
                .with_step(vec![0., 8., 16.]);
        assert_eq!((curves.len(), curves.rows_given()), (2, 3));
        assert_eq!(curves.train_error, [0.1, 0.3]);
        assert_eq!(curves.step_of(1), Some(16));
        assert_eq!(curves.finite(&curves.test_error).row, [0]);
    }

    #[test]
    fn errors_name_row_and_value() {
        let two = || vec![0.5, 0.5];
        let message =
            |epoch, train, test| Curves::new(epoch, train, test).unwrap_err().to_string();
        assert_eq!(
            message(vec![3., 2.], two(), two()),
            "`epoch` is 2 in row 2 after 3 in row 1; \
             expected epochs ≥ 0 that increase strictly from row to row"
        );
        assert!(message(vec![-1., 2.], two(), two()).contains("is -1 in row 1"));
        assert_eq!(
            message(vec![1., 2.], two(), vec![0.5, 34.5]),
            "`test_error` is 34.5 in row 2; expected a fraction between 0 and 1"
        );
    }

    #[test]
    #[should_panic(expected = "rows of `step`")]
    fn a_column_of_another_length_is_a_programming_error() {
        let curves = Curves::new(vec![1.], vec![0.], vec![0.]).unwrap();
        let _ = curves.with_step(vec![1., 2.]);
    }
}
