//! The numbers that the page's script shows, as JSON inside the page.
//!
//! Similarities and standard errors are whole numbers of ten-thousandths, upper triangles
//! row by row, which keeps the page small; null is undefined.

use std::fmt::Write;

use serde_json::{Value, json};

use super::pictures;
use crate::findings::LayerFindings;
use crate::report::figure::text::shortened;
use crate::report::figure::viridis;
use crate::report::model::{EpochMatrix, HistoryRow, MatrixSet, RunResults, Statistics};
use crate::report::panels::{Block, Figure, Shown, leading_matrices};
use crate::report::words;

/// Units of one in the page's numbers.
pub(crate) const UNITS: f64 = 10_000.0;

/// The JSON text, escaped so that no name in it can end the element that holds it.
pub(super) fn payload(run: &RunResults, shown: &[Shown]) -> String {
    // A run without matrices still has an epoch cursor: that of its history.
    let epochs: Vec<f64> = if run.epochs.is_empty() {
        run.history.iter().map(|row| row.epoch).collect()
    } else {
        run.epochs.clone()
    };
    let column = |value: fn(&HistoryRow) -> f64| -> Vec<Value> {
        run.history.iter().map(|row| rounded(value(row), 1e5)).collect()
    };
    let phases = &run.phases;
    let [cka, drs] = leading_matrices(run);
    let value = json!({
        "units": UNITS,
        "colors": viridis::digits(),
        "epochs": epochs,
        "fit": phases.perfect_fit,
        "turns": [phases.min, phases.peak, phases.second_min],
        "recomputed": run.statistics() == Statistics::Recomputed,
        "history": {
            "epoch": run.history.iter().map(|row| row.epoch).collect::<Vec<f64>>(),
            "test": column(|row| row.test_error),
            "running": column(|row| row.test_error_running),
            "train": column(|row| row.train_error),
            "clean": column(|row| row.train_error_clean),
            "corrupted": column(|row| row.train_error_corrupted),
        },
        "sets": run.matrices.iter().map(|matrices| set(run, matrices)).collect::<Vec<Value>>(),
        "headline": { "cka": position(run, cka), "drs": position(run, drs) },
        "regions": pictures::pictures(run),
        "tables": tables(shown),
    });
    escape(&value.to_string())
}

/// The numbers of figures, by the names of their files.
fn tables(shown: &[Shown]) -> Value {
    let blocks = shown.iter().flat_map(|shown| &shown.blocks);
    let figures = blocks.flat_map(Block::figures);
    let table = |figure: &Figure| {
        let file = figure.drawings.first()?.file.clone();
        Some((file, figure.numbers.clone()?.into()))
    };
    Value::Object(figures.filter_map(table).collect())
}

fn position(run: &RunResults, set: Option<&MatrixSet>) -> Option<usize> {
    let set = set?;
    run.matrices
        .iter()
        .position(|other| (&other.kind, &other.group) == (&set.kind, &set.group))
}

fn set(run: &RunResults, set: &MatrixSet) -> Value {
    let names: Vec<&str> =
        set.layers.iter().map(|matrix| matrix.layer.as_str()).collect();
    let short = shortened(&names);
    let layers = set.layers.iter().zip(short).map(|(matrix, short)| {
        let mut value = layer(matrix);
        value["short"] = short.into();
        let found = found(run, set, &matrix.layer);
        value["phases"] = found.map_or_else(Vec::new, phases).into();
        value["boundaries"] = found.map_or_else(Vec::new, boundaries).into();
        value
    });
    json!({
        "regions": set.kind.is_of_decisions(),
        "measure": words::measure_name(set),
        "group": set.group,
        "layers": layers.collect::<Vec<Value>>(),
    })
}

/// What is found in a layer by a measure on a group.
fn found<'a>(
    run: &'a RunResults,
    set: &MatrixSet,
    layer: &str,
) -> Option<&'a LayerFindings> {
    let measure = set.kind.to_string();
    run.findings.iter().flat_map(|found| &found.layers).find(|found| {
        found.layer == layer && found.measure == measure && found.group == set.group
    })
}

/// First and last epoch of each phase.
fn phases(found: &LayerFindings) -> Vec<Value> {
    found.phases.iter().flatten().map(|phase| json!([phase.from, phase.to])).collect()
}

/// Epochs of the boundaries that separate phases.
fn boundaries(found: &LayerFindings) -> Vec<Value> {
    let all = found.boundaries.iter().flatten().filter(|boundary| !boundary.edge);
    all.map(|boundary| json!(boundary.epoch)).collect()
}

fn layer(matrix: &EpochMatrix) -> Value {
    let n = matrix.n_epochs();
    let upper = |of: &[f64]| -> Vec<Value> {
        let cells = (0..n).flat_map(|i| (i..n).map(move |j| i * n + j));
        cells.map(|cell| in_units(of[cell])).collect()
    };
    let known = matrix.errors.iter().any(|error| error.is_finite());
    let reasons: Vec<Value> =
        matrix.reasons.iter().map(|((i, j), reason)| json!([i, j, reason])).collect();
    json!({
        "name": matrix.layer,
        "values": upper(&matrix.values),
        "errors": if known { upper(&matrix.errors) } else { vec![] },
        "reasons": reasons,
    })
}

/// A number in ten-thousandths; null where undefined.
pub(crate) fn in_units(value: f64) -> Value {
    if value.is_finite() { json!((value * UNITS).round() as i64) } else { Value::Null }
}

/// A number rounded to a fraction of one; null where undefined.
pub(crate) fn rounded(value: f64, units: f64) -> Value {
    if value.is_finite() { json!((value * units).round() / units) } else { Value::Null }
}

/// JSON that is safe inside a `<script>` element of any kind: the characters by which HTML
/// and old JavaScript parsers leave a string are written as `\u` and four digits.
pub(crate) fn escape(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", character as u32);
            }
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_is_the_same_json_without_markup() {
        let hostile = json!({"a": "<!--<script>\u{2028}&\"</script>"});
        let text = escape(&hostile.to_string());
        assert!(!text.contains(['<', '>', '&', '\u{2028}']));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hostile);
    }

    #[test]
    fn matrices_are_upper_triangles_in_ten_thousandths() {
        let matrix = EpochMatrix {
            layer: "fc".into(),
            values: vec![1.0, 0.25, 0.25, f64::NAN],
            errors: vec![f64::NAN; 4],
            reasons: [((1, 1), "dead layer".to_owned())].into(),
        };
        let value = layer(&matrix);
        assert_eq!(value["values"], json!([10_000, 2_500, null]));
        assert_eq!(value["errors"], json!([]));
        assert_eq!(value["reasons"], json!([[1, 1, "dead layer"]]));
    }
}
