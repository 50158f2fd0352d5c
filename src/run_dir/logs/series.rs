//! Files with one curve each: what `TensorBoard`'s page saves of one tag.

use std::path::Path;

use super::numbers::number;
use super::table::{Row, Table};
use crate::error::{Error, Result};

/// The header of such a file.
const HEADER: [&str; 3] = ["wall time", "step", "value"];

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OneCurve {
    pub(super) step: Vec<f64>,
    pub(super) value: Vec<f64>,
    /// Line of each value in the file.
    pub(super) line: Vec<u64>,
}

/// Whether a table is one tag of `TensorBoard`, whose name it does not say.
pub(super) fn is_one_curve(table: &Table) -> bool {
    let names: Vec<String> =
        table.header.iter().map(|name| name.to_lowercase()).collect();
    names == HEADER || names == HEADER[1..]
}

/// What to say of one that nobody has named.
pub(super) fn unnamed(path: &Path) -> Error {
    let file = path.display();
    Error::data(path, "holds one tag of TensorBoard, and does not say which")
        .expected("a log with errors of training and test")
        .fix(format!(
            "say what it is: --test-error {file} (or --test-accuracy, --train-error, …)"
        ))
}

impl OneCurve {
    /// The curve in a file of `TensorBoard`.
    ///
    /// # Errors
    /// If it is another table, or a field is no number.
    pub(super) fn of(path: &Path, table: &Table) -> Result<Self> {
        if !is_one_curve(table) {
            return Err(Error::data(
                path,
                format!("has the columns {}", table.header.join(", ")),
            )
            .expected("Wall time, Step, Value, as TensorBoard saves one tag")
            .fix("give the log itself, and name its columns: --test-error COLUMN"));
        }
        let column = |from_end: usize| -> Result<Vec<f64>> {
            let at = table.header.len() - from_end;
            let field = |row: &Row| {
                let number = number(&row.fields[at], table.has_decimal_commas());
                number.map(|number| number.value).ok_or_else(|| {
                    let found = format!(
                        "has `{}` under `{}` in line {}",
                        &row.fields[at], table.header[at], row.line
                    );
                    Error::data(path, found).expected("a number")
                })
            };
            table.rows.iter().map(field).collect()
        };
        let line = table.rows.iter().map(|row| row.line).collect();
        Ok(Self { step: column(2)?, value: column(1)?, line })
    }
}
