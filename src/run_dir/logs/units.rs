//! Errors as fractions of examples, from errors and accuracies, fractions and percentages.

use std::path::Path;

use crate::error::{Error, Result};

/// A column of errors or accuracies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// What it becomes: `train_error`.
    pub(super) becomes: &'static str,
    /// Its name in the log.
    pub(super) name: String,
    pub(super) is_accuracy: bool,
    /// Whether its name or its fields say that it holds percentages.
    pub(super) is_percent: bool,
    pub(super) values: Vec<f64>,
    /// Line of each value in the file.
    pub(super) lines: Vec<u64>,
}

/// Makes errors as fractions of all of them, and notes what was done.
///
/// Percentages are told by values above 1. Where another column holds them, an error that
/// never exceeds 1 may be either, and is refused; an accuracy of at most 1 % at all times is
/// none.
///
/// # Errors
/// Values that are no fraction and no percentage, with their line.
pub(super) fn errors(
    path: &Path,
    columns: &mut [Measured],
    notes: &mut Vec<String>,
) -> Result<()> {
    for column in columns.iter_mut() {
        column.check(path, 100.0)?;
        column.is_percent |= column.largest() > 1.0;
    }
    let percent = columns.iter().find(|column| column.is_percent).map(|c| c.name.clone());
    for column in columns.iter_mut() {
        if let Some(percent) = &percent
            && !column.is_percent
            && !column.is_accuracy
            && column.largest() > 0.0
        {
            return Err(Error::data(
                path,
                format!(
                    "has percentages in `{percent}` and at most {} in `{}`, which may be a \
                     fraction or a percentage",
                    column.largest(),
                    column.name
                ),
            )
            .expected("both in one unit")
            .fix("write all errors of the file as fractions"));
        }
        column.convert(notes);
    }
    Ok(())
}

impl Measured {
    fn largest(&self) -> f64 {
        self.values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
    }

    fn check(&self, path: &Path, most: f64) -> Result<()> {
        let wrong = |value: &f64| value.is_finite() && !(0.0..=most).contains(value);
        let Some(at) = self.values.iter().position(wrong) else { return Ok(()) };
        let found = format!(
            "has {} under `{}` in line {}",
            self.values[at], self.name, self.lines[at]
        );
        Err(Error::data(path, found)
            .expected("a fraction from 0 to 1, or a percentage from 0 to 100")
            .fix("correct the line, or leave its field empty"))
    }

    fn convert(&mut self, notes: &mut Vec<String>) {
        let (name, becomes) = (&self.name, self.becomes);
        let unit = if self.is_percent { 100.0 } else { 1.0 };
        let what = match (self.is_accuracy, self.is_percent) {
            (true, true) => format!("(100 − `{name}`)/100: percentages"),
            (true, false) => format!("1 − `{name}`"),
            (false, true) => format!("`{name}`/100: percentages"),
            (false, false) if name != becomes => format!("`{name}`"),
            (false, false) => return,
        };
        notes.push(format!("{becomes} = {what}"));
        let zero = if self.is_accuracy { unit } else { 0.0 };
        for value in &mut self.values {
            // 1 − 0.999 must be 0.001, not 0.0010000000000000009, which is above a threshold.
            *value = ((zero - *value).abs() / unit * 1e12).round() / 1e12;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, values: &[f64]) -> Measured {
        Measured {
            becomes: "test_error",
            name: name.into(),
            is_accuracy: name.contains("acc"),
            is_percent: false,
            values: values.to_vec(),
            lines: (2..).take(values.len()).collect(),
        }
    }

    fn convert(columns: &mut [Measured]) -> (Result<()>, Vec<String>) {
        let mut notes = vec![];
        (errors("log.csv".as_ref(), columns, &mut notes), notes)
    }

    #[test]
    fn all_units_give_the_same_errors() {
        for (name, values, note) in [
            ("test_error", [0.75, 0.001], ""),
            ("val_err", [0.75, 0.001], "test_error = `val_err`"),
            ("test_error", [75.0, 0.1], "test_error = `test_error`/100: percentages"),
            ("val_acc", [0.25, 0.999], "test_error = 1 − `val_acc`"),
            ("val_acc", [25.0, 99.9], "test_error = (100 − `val_acc`)/100: percentages"),
        ] {
            let mut columns = [measured(name, &values)];
            let (done, notes) = convert(&mut columns);
            done.unwrap();
            assert_eq!(columns[0].values, [0.75, 0.001], "{name}");
            assert_eq!(notes.concat(), note);
        }
    }

    #[test]
    fn what_may_be_either_is_refused() {
        let refused =
            |columns: &mut [Measured]| convert(columns).0.unwrap_err().to_string();
        let low = measured("train_error", &[0.9, 0.1]);
        let high = measured("test_error", &[60.0, 5.0]);
        assert!(
            refused(&mut [low.clone(), high]).contains("at most 0.9 in `train_error`")
        );
        let accuracy = measured("val_acc", &[0.5, 0.9]);
        let percent = measured("train_acc", &[50.0, 99.0]);
        convert(&mut [accuracy, percent]).0.unwrap();
        let wrong = refused(&mut [measured("test_error", &[0.5, 120.0])]);
        assert!(wrong.contains("has 120 under `test_error` in line 3"), "{wrong}");
        assert!(refused(&mut [measured("test_error", &[-0.5])]).contains("has -0.5"));
        // Nothing is nothing in any unit.
        convert(&mut [measured("train_error", &[0.0]), measured("test_error", &[5.0])])
            .0
            .unwrap();
    }
}
