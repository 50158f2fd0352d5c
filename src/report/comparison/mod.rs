//! The page of a comparison: which settings differ, the errors of all arms, the maps of all layers
//! of all runs side by side, verdicts, effects of all seeds, what was left out. One file that needs
//! no network; its maps need the page's script, all else is there without.

mod align;
mod atlas;
mod curves;
mod depth;
mod forest;
mod looks;
mod raster;
mod sections;
mod settings;
mod table;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::figure::viridis;
use super::page::{COMPARISON, Parts, UNITS, contents, escape, rounded};
use super::panels::Figure;
use crate::compare::{ArmFound, Results};
use crate::error::Result;
use crate::run_dir::write_atomic;
use atlas::Atlas;

/// More arms are counted in the title and not named.
const MOST_NAMES: usize = 4;

/// Writes the page of a comparison into its directory and returns its path. The same results
/// give the same bytes.
///
/// # Errors
/// If the operating system refuses.
pub fn write(results: &Results, out: &Path) -> Result<PathBuf> {
    let path = out.join("index.html");
    write_atomic(&path, page(results).as_bytes())?;
    Ok(path)
}

/// The page of a comparison.
pub fn page(results: &Results) -> String {
    let atlas = Atlas::of(&results.arms);
    let shown = sections::Shown::of(results, &atlas);
    let parts = Parts {
        title: title(results),
        origin: origin(results),
        sections: shown.html(),
        data: data(results, &atlas, &shown.figures()),
        contents: contents(&sections::CONTENTS),
    };
    parts.fill_in(&COMPARISON)
}

/// The numbers that the page's script shows.
fn data(results: &Results, atlas: &Atlas<'_>, figures: &[&Figure]) -> String {
    let mut data = atlas.json();
    let names = results.arms.iter().map(|arm| arm.name.as_str());
    let errors = |arm: &ArmFound| {
        let (epoch, test): (Vec<f64>, Vec<Value>) = curves::test_error(arm)
            .into_iter()
            .map(|(epoch, error)| (epoch, rounded(error, 1e5)))
            .unzip();
        json!({ "name": arm.name, "epoch": epoch, "test": test })
    };
    let table = |figure: &&Figure| {
        let file = figure.drawings.first()?.file.clone();
        Some((file, Value::from(figure.numbers.clone()?)))
    };
    data["units"] = UNITS.into();
    data["colors"] = viridis::digits().into();
    data["last"] = curves::last_epoch(&results.arms).into();
    data["arms"] = names.collect::<Vec<&str>>().into();
    data["errors"] = results.arms.iter().map(errors).collect::<Vec<Value>>().into();
    data["tables"] = Value::Object(figures.iter().filter_map(table).collect());
    escape(&data.to_string())
}

fn title(results: &Results) -> String {
    let names: Vec<&str> = results.arms.iter().map(|arm| arm.name.as_str()).collect();
    match (&results.by, &names[..]) {
        (Some(key), names) => format!("{key}: {}", names.join(", ")),
        (None, [only]) => format!("Comparison of {only}"),
        (None, names) if names.len() <= MOST_NAMES => {
            format!("Comparison of {}", names.join(", "))
        }
        (None, names) => format!("Comparison of {} arms", names.len()),
    }
}

fn origin(results: &Results) -> String {
    let runs: usize = results.arms.iter().map(|arm| arm.runs.len()).sum();
    match &results.comparison {
        Some(declared) => {
            format!(
                "{runs} runs, declared in {} (SHA-256 {})",
                declared.file, declared.sha256
            )
        }
        None => {
            format!("{runs} runs; nothing was declared beforehand, all is exploratory")
        }
    }
}
