//! A matrix of similarities for people and programs: table, JSON, CSV, npy, SVG, PNG.

use std::path::Path;

use serde_json::{Value, json};

use crate::array_file::{Array, npy_bytes};
use crate::report::LabelledMatrix;
use crate::similarity::{Measure, Settings};

/// A matrix with its names and what it was made with.
pub(super) struct Outcome {
    /// The layer, where several were asked for.
    pub(super) layer: Option<String>,
    pub(super) measure: Measure,
    pub(super) settings: Settings,
    pub(super) n_examples: usize,
    /// What maps and tokens became.
    pub(super) features: String,
    /// What the representations are compared without.
    pub(super) confounder: Option<String>,
    /// Examples of largest norm that were left out.
    pub(super) n_dropped: usize,
    pub(super) rows: Vec<String>,
    /// Names of the columns, where they are not those of the rows.
    pub(super) columns: Option<Vec<String>>,
    /// `[rows, columns]` each.
    pub(super) values: Vec<f64>,
    pub(super) se: Option<Vec<f64>>,
    pub(super) reasons: Vec<Option<String>>,
    /// Spread of a cell under another draw of examples, from two halves of them.
    pub(super) noise_floor: Option<f64>,
}

impl Outcome {
    fn columns(&self) -> &[String] {
        self.columns.as_deref().unwrap_or(&self.rows)
    }

    /// The estimator's name; none where the measure has none.
    fn estimator(&self) -> Option<String> {
        self.measure.has_estimator().then(|| self.settings.estimator.name().to_string())
    }

    pub(super) fn to_json(&self) -> Value {
        let k = self.columns().len();
        let rows = |cell: &dyn Fn(usize) -> Value| -> Value {
            let row = |i| (0..k).map(|j| cell(i * k + j)).collect::<Value>();
            (0..self.rows.len()).map(row).collect()
        };
        let all_defined = self.reasons.iter().all(Option::is_none);
        let mut value = json!({
            "measure": self.measure.name(),
            "estimator": self.estimator(),
            "n_examples": self.n_examples,
            "labels": self.rows,
            // serde_json writes NaN as null.
            "values": rows(&|at| json!(self.values[at])),
            "se": self.se.as_ref().map(|se| rows(&|at| json!(se[at]))),
            "reasons": if all_defined {
                Value::Null
            } else {
                rows(&|at| json!(self.reasons[at]))
            },
            "noise_floor": self.noise_floor,
            "features": self.features,
            "n_dropped": self.n_dropped,
        });
        if let Some(columns) = &self.columns {
            value["columns"] = json!(columns);
        }
        if let Some(confounder) = &self.confounder {
            value["confounder"] = json!(confounder);
        }
        if let Some(layer) = &self.layer {
            value["layer"] = json!(layer);
        }
        value
    }

    /// Rows and columns of labels, and below the table why values are missing.
    pub(super) fn to_table(&self) -> String {
        let columns = self.columns();
        let length = |label: &String| label.chars().count();
        let side = self.rows.iter().map(length).max().unwrap_or(0);
        let widths: Vec<usize> =
            columns.iter().map(|label| length(label).max(7)).collect();
        let line = |label: &str, cells: Vec<String>| {
            let cell = |(cell, width): (&String, &usize)| format!("  {cell:>width$}");
            let cells: String = cells.iter().zip(&widths).map(cell).collect();
            format!("{label:<side$}{cells}\n")
        };
        let value = |value: &f64| {
            if value.is_nan() { "–".to_string() } else { format!("{value:.4}") }
        };
        let mut table = line("", columns.to_vec());
        for (label, row) in self.rows.iter().zip(self.values.chunks(columns.len().max(1)))
        {
            table += &line(label, row.iter().map(value).collect());
        }
        table + &self.notes()
    }

    /// Why values are missing, and how much of the differences is noise.
    fn notes(&self) -> String {
        let mut notes = String::new();
        let k = self.columns().len();
        let mut said: Vec<String> = vec![];
        for (at, reason) in self.reasons.iter().enumerate() {
            let Some(reason) = reason else { continue };
            // Of a square matrix the diagonal says whose reason it is.
            let line = match &self.columns {
                None if at / k != at % k => continue,
                None => format!("{} is undefined: {reason}\n", self.rows[at / k]),
                Some(columns) => format!(
                    "{} against {} is undefined: {reason}\n",
                    self.rows[at / k],
                    columns[at % k]
                ),
            };
            if !said.contains(&line) {
                notes += &line;
                said.push(line);
            }
        }
        if let Some(floor) = self.noise_floor {
            notes +=
                &format!("noise floor {floor:.4}, from two halves of the examples\n");
        }
        notes
    }

    /// One row a cell: `row,column,value,se,reason`, before them the layer if there is one.
    pub(super) fn to_csv(&self, with_header: bool) -> String {
        let mut writer = csv::Writer::from_writer(vec![]);
        let layer = self.layer.as_deref();
        let number = |x: f64| if x.is_nan() { String::new() } else { x.to_string() };
        let mut write = |fields: &[&str]| {
            let fields =
                layer.map(|_| fields[0]).into_iter().chain(fields[1..].iter().copied());
            writer.write_record(fields).expect("memory can be written");
        };
        if with_header {
            write(&["layer", "row", "column", "value", "se", "reason"]);
        }
        for (i, row) in self.rows.iter().enumerate() {
            for (j, column) in self.columns().iter().enumerate() {
                let at = i * self.columns().len() + j;
                let se = self.se.as_ref().map_or_else(String::new, |se| number(se[at]));
                write(&[
                    layer.unwrap_or_default(),
                    row,
                    column,
                    &number(self.values[at]),
                    &se,
                    self.reasons[at].as_deref().unwrap_or_default(),
                ]);
            }
        }
        let bytes = writer.into_inner().expect("memory can be written");
        String::from_utf8(bytes).expect("text stays text")
    }

    /// The values, f64 `[rows, columns]`.
    pub(super) fn to_npy(&self) -> Vec<u8> {
        let shape = [self.rows.len(), self.columns().len()];
        npy_bytes(&Array::f64(&shape, self.values.clone()))
    }

    /// The heatmap's SVG and PNG.
    pub(super) fn figures(&self) -> (String, Vec<u8>) {
        let estimator = self.estimator().map_or_else(String::new, |e| format!(", {e}"));
        let layer = self.layer.as_ref().map_or_else(String::new, |l| format!("{l}: "));
        let name = self.measure.name();
        let name_of = |place: &String| {
            let stem = Path::new(place).file_stem().unwrap_or_default();
            format!(", without {}", stem.to_string_lossy())
        };
        let without = self.confounder.as_ref().map_or_else(String::new, name_of);
        let title =
            format!("{layer}{name}{estimator}{without}, {} examples", self.n_examples);
        let largest = self.values.iter().copied().fold(0.0, f64::max);
        let top = if self.measure.is_distance() && largest > 0.0 { largest } else { 1.0 };
        let figure = LabelledMatrix {
            title: &title,
            rows: &self.rows,
            columns: self.columns(),
            values: &self.values,
            range: (0.0, top),
        };
        (figure.to_svg(), figure.to_png())
    }
}
