//! A matrix of similarities for people and programs: table, JSON, CSV, npy.

use std::path::Path;

use serde_json::{Value, json};

use crate::array_file::{Array, npy_bytes};
use crate::similarity::{Measure, Settings};

/// A matrix of similarities with its names and what it was made with.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The layer, where several were asked for.
    pub layer: Option<String>,
    /// The measure.
    pub measure: Measure,
    /// Its settings.
    pub settings: Settings,
    /// Examples compared.
    pub n_examples: usize,
    /// What maps and tokens became, such as `average, cls token`.
    pub features: String,
    /// What the representations are compared without.
    pub confounder: Option<String>,
    /// Examples of largest norm that were left out.
    pub n_dropped: usize,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// Names of the columns, where they are not those of the rows.
    pub columns: Option<Vec<String>>,
    /// `[rows, columns]`; NaN where undefined.
    pub values: Vec<f64>,
    /// Their standard errors, where they were computed.
    pub se: Option<Vec<f64>>,
    /// Why a value is undefined.
    pub reasons: Vec<Option<String>>,
    /// Spread of a cell under another draw of examples, from two halves of them.
    pub noise_floor: Option<f64>,
}

impl Comparison {
    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        self.columns.as_deref().unwrap_or(&self.rows)
    }

    /// The estimator's name; none where the measure has none.
    fn estimator(&self) -> Option<String> {
        self.measure.has_estimator().then(|| self.settings.estimator.name().to_string())
    }

    /// All of it as JSON; undefined values are null, with their reasons.
    pub fn to_json(&self) -> Value {
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
    pub fn to_table(&self) -> String {
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

    /// One row per cell: `row,column,value,se,reason`, before them the layer if there is one.
    ///
    /// # Panics
    /// If memory cannot be allocated.
    pub fn to_csv(&self, with_header: bool) -> String {
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
    pub fn to_npy(&self) -> Vec<u8> {
        let shape = [self.rows.len(), self.columns().len()];
        npy_bytes(&Array::f64(&shape, self.values.clone()))
    }

    /// The title of a figure of it.
    pub fn title(&self) -> String {
        let estimator = self.estimator().map_or_else(String::new, |e| format!(", {e}"));
        let layer = self.layer.as_ref().map_or_else(String::new, |l| format!("{l}: "));
        let name = self.measure.name();
        let name_of = |place: &String| {
            let stem = Path::new(place).file_stem().unwrap_or_default();
            format!(", without {}", stem.to_string_lossy())
        };
        let without = self.confounder.as_ref().map_or_else(String::new, name_of);
        format!("{layer}{name}{estimator}{without}, {} examples", self.n_examples)
    }

    /// The value at the upper end of a color scale that begins at 0: 1, or the largest
    /// distance.
    pub fn top(&self) -> f64 {
        let largest = self.values.iter().copied().fold(0.0, f64::max);
        if self.measure.is_distance() && largest > 0.0 { largest } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison() -> Comparison {
        Comparison {
            layer: None,
            measure: Measure::Cka,
            settings: Settings::default(),
            n_examples: 9,
            features: "flatten".into(),
            confounder: Some("saved/pixels.npy".into()),
            n_dropped: 0,
            rows: vec!["a".into(), "b".into()],
            columns: None,
            values: vec![1.0, 0.25, 0.25, f64::NAN],
            se: Some(vec![0.0, 0.5, 0.5, f64::NAN]),
            reasons: vec![None, None, None, Some("it is constant".into())],
            noise_floor: Some(0.125),
        }
    }

    #[test]
    fn undefined_values_have_their_reason_in_every_form() {
        let comparison = comparison();
        let table = "   a        b\na   1.0000   0.2500\nb   0.2500        –\n\
            b is undefined: it is constant\n\
            noise floor 0.1250, from two halves of the examples\n";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&comparison.to_table()), squeezed(table));
        let json = comparison.to_json();
        assert!(json["values"][1][1].is_null());
        assert_eq!(json["reasons"][1][1], "it is constant");
        let csv = comparison.to_csv(true);
        assert_eq!(csv.lines().next(), Some("row,column,value,se,reason"));
        assert_eq!(csv.lines().last(), Some("b,b,,,it is constant"));
    }

    #[test]
    fn the_layer_is_a_column_of_the_table_of_several() {
        let of_layer = Comparison { layer: Some("fc".into()), ..comparison() };
        let csv = of_layer.to_csv(true) + &of_layer.to_csv(false);
        assert_eq!(csv.lines().filter(|line| line.starts_with("layer,")).count(), 1);
        assert_eq!(csv.lines().nth(2), Some("fc,a,b,0.25,0.5,"));
        assert_eq!(of_layer.title(), "fc: cka, debiased, without pixels, 9 examples");
    }

    #[test]
    fn distances_reach_up_to_the_largest() {
        let distance = Comparison {
            measure: Measure::Shape,
            values: vec![0.0, 3.0, 3.0, 0.0],
            ..comparison()
        };
        assert!((comparison().top() - 1.0).abs() < 1e-12);
        assert!((distance.top() - 3.0).abs() < 1e-12);
    }
}
