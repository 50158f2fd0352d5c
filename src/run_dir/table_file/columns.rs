//! Tables as columns with their types, for exports: of all tables, whatever rows they have.

use std::path::Path;

use super::cell::Kind;
use super::row::{TableAbout, text_of};
use crate::array_file::{Array, NamedArrays};
use crate::error::{Error, Result};

/// A table of a run, by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    /// The file's stem.
    pub name: String,
    /// The file as it is.
    pub text: String,
    /// Each column with its name, in the order of the file.
    pub columns: Vec<(String, Values)>,
    /// Rows of each.
    pub n_rows: usize,
}

/// What a column holds; an empty field is nothing, in text too.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Whole numbers.
    Whole(Vec<Option<i64>>),
    /// Numbers.
    Number(Vec<Option<f64>>),
    /// Text.
    Text(Vec<Option<String>>),
}

impl Columns {
    /// Reads a table of a run; nothing where it is absent. A declared column has its declared
    /// type in all runs; others, which recordings add, are numbers, or text if a field is not
    /// a number.
    ///
    /// # Errors
    /// If the file cannot be read or is not a table.
    pub fn read(root: &Path, table: &TableAbout) -> Result<Option<Self>> {
        let path = table.file.path(root);
        text_of(&path)?.map(|text| Self::parse(&path, table, text)).transpose()
    }

    /// The table in a text; errors name `path`.
    ///
    /// # Errors
    /// If it is not a table.
    pub fn parse(path: &Path, table: &TableAbout, text: String) -> Result<Self> {
        let wrong = |error: csv::Error| {
            Error::data(path, format!("is not a table ({error})"))
                .expected("a table of a run")
        };
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<String> =
            reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
        let rows: std::result::Result<Vec<_>, _> = reader.records().collect();
        let rows = rows.map_err(wrong)?;
        let columns = names.into_iter().enumerate().map(|(at, name)| {
            let fields: Vec<&str> =
                rows.iter().map(|row| row.get(at).unwrap_or_default()).collect();
            let declared = table.columns.iter().find(|column| column.name == name);
            let values = Values::of(declared.map(|column| column.kind), &fields);
            (name, values)
        });
        let columns = columns.collect();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, columns, n_rows: rows.len(), text })
    }

    /// The column of this name, if it is of numbers.
    pub fn numbers(&self, name: &str) -> Option<Vec<Option<f64>>> {
        let (_, column) = self.columns.iter().find(|(own, _)| own == name)?;
        match column {
            Values::Number(values) => Some(values.clone()),
            Values::Whole(values) => {
                Some(values.iter().map(|value| value.map(|i| i as f64)).collect())
            }
            Values::Text(_) => None,
        }
    }

    /// The columns of numbers as arrays; nothing is NaN.
    pub fn arrays(&self) -> NamedArrays {
        let array = |(name, column): &(String, Values)| {
            if let Values::Whole(values) = column
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

impl Values {
    /// Fields of a declared or an unknown kind.
    fn of(kind: Option<Kind>, fields: &[&str]) -> Self {
        let text = || {
            let field = |field: &&str| (!field.is_empty()).then(|| (*field).to_owned());
            Self::Text(fields.iter().map(field).collect())
        };
        match kind {
            Some(Kind::Text) => text(),
            Some(Kind::Whole) if let Some(values) = parsed(fields) => Self::Whole(values),
            _ => parsed(fields).map_or_else(text, Self::Number),
        }
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
    use crate::run_dir::Row as _;
    use crate::run_dir::tables::{CellRow, HistoryRow};

    #[test]
    fn columns_have_their_types_and_empty_fields_are_nothing() {
        let text = "step,epoch,mine,note\n0,0,0.5,\n8,1,,x\n".to_owned();
        let table =
            Columns::parse("a/history.csv".as_ref(), &HistoryRow::TABLE, text).unwrap();
        assert_eq!((&*table.name, table.n_rows), ("history", 2));
        let columns: Vec<Values> = table.columns.iter().map(|c| c.1.clone()).collect();
        assert_eq!(columns[0], Values::Whole(vec![Some(0), Some(8)]));
        assert_eq!(columns[1], Values::Number(vec![Some(0.0), Some(1.0)]));
        assert_eq!(columns[2], Values::Number(vec![Some(0.5), None]));
        assert_eq!(columns[3], Values::Text(vec![None, Some("x".into())]));
        let arrays = table.arrays();
        assert_eq!(arrays.names().collect::<Vec<_>>(), ["step", "epoch", "mine"]);
        assert!(arrays.get("mine").unwrap().to_f64()[1].is_nan());
    }

    /// A layer that is called like a number, reasons that are all empty.
    #[test]
    fn text_is_text_whatever_its_fields_look_like() {
        let text = "layer,measure,reason\n1,cka,\"\"\n2,cka,\"\"\n".to_owned();
        let table =
            Columns::parse("matrices.csv".as_ref(), &CellRow::TABLE, text).unwrap();
        let layers = Values::Text(vec![Some("1".into()), Some("2".into())]);
        assert_eq!(table.columns[0].1, layers);
        assert_eq!(table.columns[2].1, Values::Text(vec![None, None]));
    }
}
