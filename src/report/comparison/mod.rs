//! The page of a comparison: verdicts, effects of all seeds, what was left out, which settings
//! differ. One file that needs no network and no script.

mod depth;
mod forest;
mod raster;
mod sections;

use std::path::{Path, PathBuf};

use super::figure::svg::Escaped;
use super::page::{GENERATOR, STYLE, fill, hash};
use crate::compare::Results;
use crate::error::Result;
use crate::run_dir::write_atomic;

const PAGE: &str = include_str!("page.html");
/// More arms are counted in the title and not named.
const MOST_NAMES: usize = 4;
const OWN_STYLE: &str = include_str!("page.css");

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
    let style = format!("{STYLE}{OWN_STYLE}");
    let title = title(results);
    fill(PAGE, |name| match name {
        "hash" => hash(&style),
        "generator" => GENERATOR.to_owned(),
        "title" => Escaped(&title).to_string(),
        "origin" => Escaped(&origin(results)).to_string(),
        "style" => style.clone(),
        "sections" => sections::html(results),
        other => unreachable!("page.html asks for `{other}`"),
    })
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
