//! A layer of one run against the same layer of another, all epochs with all, as a file.

use std::fmt::Write as _;
use std::path::Path;

use super::figure::axes::epoch_label;
use super::figure::matrix::LabelledMatrix;
use super::read::directory_name;
use super::terminal::{Question, named};
use crate::analyze::{Between, Which, compare_all_epochs};
use crate::error::{Error, Result};
use crate::run_dir::write_atomic;
use crate::similarity::Measure;

/// Writes the epoch × epoch matrix of a layer between two runs: `.svg` and `.png` are maps, the
/// first run's epochs upwards; `.csv` is a table of all cells.
///
/// # Errors
/// If the runs cannot be compared, or the file has another ending or cannot be written.
pub fn write_between(roots: [&Path; 2], question: Question, out: &Path) -> Result<()> {
    let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !["csv", "png", "svg"].contains(&ending) {
        let found = format!("ends in `.{ending}`");
        return Err(
            Error::usage(out.display().to_string(), found).expected(".svg, .png or .csv")
        );
    }
    let Question { layer, group, measure } = question;
    let measure = named(measure.unwrap_or(Measure::Cka.name()))?;
    let found = compare_all_epochs(roots, Which { measure, layer, group })?;
    if ending == "csv" {
        return write_atomic(out, table(&found).as_bytes());
    }
    // Whole paths would not fit over the map.
    let [up, across] = roots.map(directory_name);
    let title = format!("{layer}: {up} (up) and {across} (across)");
    let [rows, columns] = found.epochs.each_ref().map(|epochs| {
        epochs.iter().map(|epoch| epoch_label(*epoch)).collect::<Vec<String>>()
    });
    let greatest = found.values.iter().copied().fold(1.0, f64::max);
    let figure = LabelledMatrix {
        title: &title,
        rows: &rows,
        columns: &columns,
        values: &found.values,
        range: (0.0, greatest),
    };
    match ending {
        "png" => write_atomic(out, &figure.to_png()?),
        _ => write_atomic(out, figure.to_svg().as_bytes()),
    }
}

/// `epoch,other_epoch,value,se`; empty where undefined.
fn table(found: &Between) -> String {
    let [epochs, others] = &found.epochs;
    let mut table = String::from("epoch,other_epoch,value,se\n");
    let number = |value: f64| {
        if value.is_finite() { value.to_string() } else { String::new() }
    };
    for (at, (value, se)) in found.values.iter().zip(&found.errors).enumerate() {
        let (i, j) = (at / others.len(), at % others.len());
        let (value, se) = (number(*value), number(*se));
        let _ = writeln!(table, "{},{},{value},{se}", epochs[i], others[j]);
    }
    table
}
