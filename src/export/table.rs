//! A CSV table of a run with the types of its columns.

use std::path::Path;

use crate::array_file::{Array, NamedArrays};
use crate::error::{Error, Result};

/// Columns that are whole numbers; every other column is a number, or text if one of its fields
/// is none. Named, not inferred, so that a column has one type in all runs.
const WHOLE: [&str; 3] = ["step", "step_i", "step_j"];
const TEXT: [&str; 6] = ["layer", "measure", "estimator", "group", "reason", "labels"];

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// The file's stem.
    pub(super) name: String,
    /// The file as it is.
    pub(super) text: String,
    pub(super) columns: Vec<(String, Column)>,
    pub(super) n_rows: usize,
}

/// A column; an empty field is nothing, in text too.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    Whole(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
}

impl Table {
    pub(super) fn parse(path: &Path, text: String) -> Result<Self> {
        let wrong = |error: csv::Error| {
            Error::data(path, format!("is no table ({error})"))
                .expected("a table of a run")
        };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<String> =
            reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
        let rows: std::result::Result<Vec<_>, _> = reader.records().collect();
        let rows = rows.map_err(wrong)?;
        let columns = names.into_iter().enumerate().map(|(at, name)| {
            let fields = rows.iter().map(|row| row.get(at).unwrap_or_default());
            let column = Column::of(&name, &fields.collect::<Vec<_>>());
            (name, column)
        });
        let columns = columns.collect();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, columns, n_rows: rows.len(), text })
    }

    /// The column of this name, if it is of numbers.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<Option<f64>>> {
        let (_, column) = self.columns.iter().find(|(own, _)| own == name)?;
        match column {
            Column::Number(values) => Some(values.clone()),
            Column::Whole(values) => {
                Some(values.iter().map(|value| value.map(|i| i as f64)).collect())
            }
            Column::Text(_) => None,
        }
    }

    /// The columns of numbers as arrays; nothing is NaN.
    pub(super) fn arrays(&self) -> NamedArrays {
        let array = |(name, column): &(String, Column)| {
            if let Column::Whole(values) = column
                && let Some(values) = values.iter().copied().collect::<Option<Vec<i64>>>()
            {
                return Some((name.clone(), Array::i64(&[values.len()], values)));
            }
            let values = self.numbers(name)?;
            let values =
                values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
            Some((name.clone(), Array::f64(&[self.n_rows], values)))
        };
        NamedArrays(self.columns.iter().filter_map(array).collect())
    }
}

impl Column {
    fn of(name: &str, fields: &[&str]) -> Self {
        let text = || {
            let field = |field: &&str| (!field.is_empty()).then(|| (*field).to_owned());
            Column::Text(fields.iter().map(field).collect())
        };
        if TEXT.contains(&name) {
            return text();
        }
        if WHOLE.contains(&name)
            && let Some(values) = parsed(fields)
        {
            return Column::Whole(values);
        }
        parsed(fields).map_or_else(text, Column::Number)
    }
}

/// The fields as values, if each is one or empty.
fn parsed<T: std::str::FromStr>(fields: &[&str]) -> Option<Vec<Option<T>>> {
    let value = |field: &&str| {
        if field.is_empty() { Some(None) } else { field.parse().ok().map(Some) }
    };
    fields.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_their_types_and_empty_fields_are_nothing() {
        let text = "step,epoch,layer,value,se\n0,0,fc,0.5,\n8,1,conv1,,2\n".to_owned();
        let table = Table::parse("a/history.csv".as_ref(), text).unwrap();
        assert_eq!((&*table.name, table.n_rows), ("history", 2));
        let columns: Vec<Column> = table.columns.iter().map(|c| c.1.clone()).collect();
        assert_eq!(columns[0], Column::Whole(vec![Some(0), Some(8)]));
        assert_eq!(columns[1], Column::Number(vec![Some(0.0), Some(1.0)]));
        assert_eq!(
            columns[2],
            Column::Text(vec![Some("fc".into()), Some("conv1".into())])
        );
        assert_eq!(columns[3], Column::Number(vec![Some(0.5), None]));
        let arrays = table.arrays();
        assert_eq!(arrays.names().collect::<Vec<_>>(), ["step", "epoch", "value", "se"]);
        assert!(arrays.get("value").unwrap().to_f64()[1].is_nan());
    }
}
