//! The fields of a log as entries: times and values.

use std::path::{Path, PathBuf};

use super::columns::{Choice, Columns, Source};
use super::merge::{Entry, N_VALUES, VALUES};
use super::names::meaning;
use super::numbers::number;
use super::options::{Curve, LogOptions};
use super::series::{OneCurve, is_one_curve, unnamed};
use super::table::{Row, Table};
use super::units::{Measured, errors};
use crate::error::{Error, Result};

/// All rows of a log, before any are merged.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<Entry>,
    pub(super) has_epochs: bool,
    pub(super) has_steps: bool,
}

impl Fields {
    /// Of a table with a header.
    pub(super) fn of_log(
        path: &Path,
        table: &Table,
        options: &LogOptions,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let choice = Choice::new(path, table);
        if is_one_curve(table) && options.named.is_empty() {
            return Err(unnamed(path));
        }
        let columns = chosen(&choice, options)?;
        if columns.test.is_none() {
            return Err(choice.no_test_error());
        }
        if columns.epoch.is_none() && columns.step.is_none() {
            let names = table.header.join(", ");
            return Err(Error::data(
                path,
                format!("has no column `epoch`; it has {names}"),
            )
            .expected("epoch or step")
            .fix("add one, or name the column: --time NAME"));
        }
        if columns.train.is_none() {
            notes.push(
                "no column is a training error, so a perfect fit is not known".into(),
            );
        }
        let reading = Reading { path, table };
        let time = |at: Option<usize>| at.map(|at| reading.numbers(at, true)).transpose();
        let (epoch, step) = (time(columns.epoch)?, time(columns.step)?);
        let values = reading.values(&columns, notes)?;
        Ok(Self::new(path, table, [epoch, step], &values, notes))
    }

    fn new(
        path: &Path,
        table: &Table,
        [epoch, step]: [Option<Vec<f64>>; 2],
        values: &[Option<Vec<f64>>; N_VALUES],
        notes: &mut Vec<String>,
    ) -> Self {
        let at = |column: &Option<Vec<f64>>, row: usize| {
            column.as_ref().map_or(f64::NAN, |column| column[row])
        };
        let entry = |row: usize| Entry {
            line: table.rows[row].line,
            time: at(&epoch, row),
            step: at(&step, row),
            values: std::array::from_fn(|column| at(&values[column], row)),
        };
        let mut entries: Vec<Entry> = (0..table.rows.len()).map(entry).collect();
        let n = entries.len();
        let has_epochs = entries.iter().any(|entry| entry.time.is_finite());
        let time = |entry: &Entry| if has_epochs { entry.time } else { entry.step };
        entries.retain(|entry| time(entry).is_finite());
        if entries.len() < n {
            notes.push(format!(
                "{} rows without a time are passed over",
                n - entries.len()
            ));
        }
        let has_steps = entries.iter().all(|entry| entry.step.is_finite());
        Self { path: path.to_owned(), entries, has_epochs, has_steps }
    }

    /// Of files with one curve each.
    pub(super) fn of_files(
        options: &LogOptions,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let mut entries = vec![];
        let mut first = None;
        for (curve, place) in &options.named {
            let path = PathBuf::from(place);
            if !path.is_file() {
                return Err(Error::usage(format!("`{place}`"), "is no file")
                    .expected("a log, or a file of one curve for each option"));
            }
            let table = Table::read(&path, notes)?;
            let read = OneCurve::of(&path, &table)?;
            let Some(target) = target(*curve) else {
                return Err(Error::usage("--time", "needs a log")
                    .fix("TensorBoard's files have their steps"));
            };
            entries.extend(entries_of(&path, read, target, notes)?);
            first.get_or_insert(path);
        }
        let is_known = |column: usize| {
            entries.iter().any(|entry: &Entry| !entry.values[column].is_nan())
        };
        let Some(path) = first.filter(|_| is_known(1)) else {
            return Err(Error::usage("a log", "is not given, and no test error is")
                .fix("give one, or a file of TensorBoard: --test-error FILE"));
        };
        if !is_known(0) {
            notes.push(
                "no file is a training error, so a perfect fit is not known".into(),
            );
        }
        Ok(Self { path, entries, has_epochs: false, has_steps: true })
    }
}

/// Where a named curve goes, and whether it is an accuracy.
#[derive(Debug, Clone, Copy)]
struct Target {
    column: usize,
    is_accuracy: bool,
}

fn target(curve: Curve) -> Option<Target> {
    let (column, is_accuracy) = match curve {
        Curve::TrainError => (0, false),
        Curve::TrainAccuracy => (0, true),
        Curve::TestError => (1, false),
        Curve::TestAccuracy => (1, true),
        Curve::TrainLoss => (4, false),
        Curve::Time => return None,
    };
    Some(Target { column, is_accuracy })
}

/// The rows of one curve.
fn entries_of(
    path: &Path,
    curve: OneCurve,
    target: Target,
    notes: &mut Vec<String>,
) -> Result<Vec<Entry>> {
    let mut values = curve.value;
    if target.column < 2 {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut measured = [Measured {
            becomes: VALUES[target.column],
            name,
            is_accuracy: target.is_accuracy,
            is_percent: false,
            values,
            lines: curve.line.clone(),
        }];
        errors(path, &mut measured, notes)?;
        let [only] = measured;
        values = only.values;
    }
    let entry = |((&step, value), &line): ((&f64, f64), &u64)| {
        let mut entry =
            Entry { line, time: f64::NAN, step, values: [f64::NAN; N_VALUES] };
        entry.values[target.column] = value;
        entry
    };
    Ok(curve.step.iter().zip(values).zip(&curve.line).map(entry).collect())
}

/// The columns that names say and, before them, the person.
fn chosen(choice: &Choice<'_>, options: &LogOptions) -> Result<Columns> {
    let mut named = vec![];
    for (curve, name) in &options.named {
        let Some(column) = choice.named(name) else {
            return Err(choice.unknown(name));
        };
        named.push((*curve, column));
    }
    let curves: Vec<Curve> = named.iter().map(|(curve, _)| *curve).collect();
    let mut columns = choice.columns(&curves)?;
    for (curve, column) in named {
        match (curve, target(curve)) {
            (Curve::Time, _) | (_, None) => {
                let is_step = choice.is_step(column);
                columns.step = is_step.then_some(column);
                columns.epoch = (!is_step).then_some(column);
            }
            (Curve::TrainLoss, _) => columns.loss = Some(column),
            (_, Some(Target { column: 0, is_accuracy })) => {
                columns.train = Some(Source { column, is_accuracy });
            }
            (_, Some(Target { is_accuracy, .. })) => {
                columns.test = Some(Source { column, is_accuracy });
            }
        }
    }
    Ok(columns)
}

/// A table whose fields are read as numbers.
#[derive(Clone, Copy)]
struct Reading<'a> {
    path: &'a Path,
    table: &'a Table,
}

impl Reading<'_> {
    /// The values of all columns but times, errors as fractions.
    fn values(
        self,
        columns: &Columns,
        notes: &mut Vec<String>,
    ) -> Result<[Option<Vec<f64>>; N_VALUES]> {
        let corrupted =
            columns.corrupted.map(|column| Source { column, is_accuracy: false });
        let sources = [(0, columns.train), (1, columns.test), (2, corrupted)];
        let known = sources.iter().filter_map(|(at, source)| Some((*at, (*source)?)));
        let (places, sources): (Vec<usize>, Vec<Source>) = known.unzip();
        let measured = places
            .iter()
            .zip(&sources)
            .map(|(&at, &source)| self.measured(VALUES[at], source));
        let mut measured: Vec<Measured> = measured.collect::<Result<_>>()?;
        errors(self.path, &mut measured, notes)?;
        let mut values: [Option<Vec<f64>>; N_VALUES] = Default::default();
        for (at, column) in places.into_iter().zip(measured) {
            values[at] = Some(column.values);
        }
        for (at, column) in [(3, columns.n_test), (4, columns.loss)] {
            values[at] = column.map(|column| self.numbers(column, false)).transpose()?;
        }
        Ok(values)
    }

    fn measured(self, becomes: &'static str, source: Source) -> Result<Measured> {
        let name = self.table.header[source.column].clone();
        let says_percent = meaning(&name).is_some_and(|m| m.is_percent);
        let has_sign =
            self.table.rows.iter().any(|row| row.fields[source.column].ends_with('%'));
        Ok(Measured {
            becomes,
            name,
            is_accuracy: source.is_accuracy,
            is_percent: says_percent || has_sign,
            values: self.numbers(source.column, false)?,
            lines: self.table.rows.iter().map(|row| row.line).collect(),
        })
    }

    /// A column; in times a comma in a quoted field may part thousands.
    fn numbers(self, column: usize, is_time: bool) -> Result<Vec<f64>> {
        let commas = self.table.has_decimal_commas() || !is_time;
        let name = &self.table.header[column];
        let field = |row: &Row| {
            let field = &row.fields[column];
            number(field, commas).map(|number| number.value).ok_or_else(|| {
                let found = format!("has `{field}` under `{name}` in line {}", row.line);
                Error::data(self.path, found).expected("a number or an empty field")
            })
        };
        self.table.rows.iter().map(field).collect()
    }
}
