//! What several panels say of a run: what it is, what is measured, what the marks mean. Every
//! number comes from the run's files.

use std::path::Path;

use super::figure::axes::epoch_label;
use super::figure::text::{capitalized, thousands, trimmed};
use super::model::{MatrixSet, RunResults};
use super::read::natural;
use crate::similarity::{Estimator, MatrixKind};
use crate::{data, net};

/// What was run, in a phrase.
pub(crate) fn title(run: &RunResults) -> String {
    if run.is_recorded() {
        let model = run.manifest["model"].as_str().unwrap_or("A model");
        return format!("{model}, recorded over {}", epochs(run.last_epoch()));
    }
    let kind = text(run, "net", "kind");
    if kind.is_empty() {
        return format!("Training run {}", run.name);
    }
    let net = net::title(&kind).unwrap_or(&kind);
    let width = number(run, "net", "width");
    let width = width.map_or_else(String::new, |k| format!(" of width {k}"));
    let n_train = number(run, "data", "n_train");
    let images = n_train.map_or_else(String::new, |n| format!("{} ", thousands(n)));
    let data = data::named(&text(run, "data", "kind")).map_or("images", |set| set.images);
    if run.is_imported() {
        let last = epochs(run.last_epoch());
        return format!(
            "{net}{width}, imported over {last}, evaluated on {images}{data}"
        );
    }
    format!(
        "{net}{width}, trained for {} on {images}{data} {}",
        epochs(run.last_epoch()),
        noise(run)
    )
}

fn noise(run: &RunResults) -> String {
    let rate = run.experiment.get("noise").and_then(|noise| noise.get("rate"));
    let rate = rate.and_then(|rate| {
        rate.as_float().or_else(|| rate.as_integer().map(|whole| whole as f64))
    });
    match rate {
        Some(rate) if rate > 0.0 => {
            let noise = format!("with {} % label noise", trimmed(100.0 * rate, 1));
            match run.manifest["fork"]["epoch"].as_f64() {
                // A fork that learns true labels keeps the noise to tell images apart by.
                Some(epoch) if text(run, "train", "labels") == "clean" => {
                    format!("{noise}, on true labels after epoch {}", epoch_label(epoch))
                }
                _ => noise,
            }
        }
        _ => "without label noise".into(),
    }
}

fn epochs(last: f64) -> String {
    let unit = if (last - 1.0).abs() < 1e-9 { "epoch" } else { "epochs" };
    format!("{} {unit}", epoch_label(last))
}

/// One line below the title: run, parent, seed, version.
pub(crate) fn origin(run: &RunResults) -> String {
    let mut parts = vec![run.name.clone()];
    parts.extend(parent(run));
    if let Some(seed) = seed(run) {
        parts.push(format!("seed {seed}"));
    }
    parts.push(format!("stratagram {}", version(run)));
    parts.join(" · ")
}

/// Where a fork began.
fn parent(run: &RunResults) -> Option<String> {
    let fork = &run.manifest["fork"];
    let parent = Path::new(fork["run"].as_str()?);
    let name = parent.file_name()?.to_string_lossy();
    Some(format!("fork of {name} at epoch {}", epoch_label(fork["epoch"].as_f64()?)))
}

/// The program that made the run.
pub(crate) fn version(run: &RunResults) -> &str {
    let recorded =
        ["version", "stratagram"].iter().find_map(|key| run.manifest[key].as_str());
    recorded.unwrap_or(env!("CARGO_PKG_VERSION"))
}

/// The number of seeds behind the figures: always one, as a run has one.
pub(crate) fn seed_words(run: &RunResults) -> String {
    match seed(run) {
        // The space does not break: the number stays with its word.
        Some(seed) => format!("One seed\u{a0}({seed})."),
        None => "One seed.".into(),
    }
}

/// The seed that the net was trained with, if it is known.
fn seed(run: &RunResults) -> Option<i64> {
    let seed = run.experiment.get("seed").filter(|_| !run.is_imported());
    seed.and_then(toml::Value::as_integer)
}

/// A measure's name as a reader knows it.
pub(crate) fn measure_name(set: &MatrixSet) -> String {
    let own = match &set.kind {
        MatrixKind::Representations { estimator, .. } => estimator.map(Estimator::name),
        _ => None,
    };
    let of_table = Some(set.estimator.as_str()).filter(|text| !text.is_empty());
    match of_table.or(own) {
        Some(estimator) if !set.kind.is_of_decisions() => {
            format!("{estimator} {}", set.kind.title())
        }
        _ => set.kind.title(),
    }
}

/// What a net is given: of a recording it may be texts as well as images.
pub(crate) fn inputs(run: &RunResults) -> &'static str {
    if run.is_recorded() { "examples" } else { "images" }
}

/// What matrices of a group were measured on.
pub(crate) fn examples(run: &RunResults, kind: &MatrixKind, group: &str) -> String {
    let inputs = inputs(run);
    match (kind.is_of_decisions(), group) {
        (true, group) if *kind == MatrixKind::Agreement => format!("on {group} {inputs}"),
        (true, group) => format!("on planes through {group} {inputs}"),
        (false, "test") => format!("on test {inputs}"),
        (false, "train-clean") => format!("on training {inputs} with clean labels"),
        (false, "train-corrupted") => {
            format!("on training {inputs} with corrupted labels")
        }
        (false, other) => format!("on {other}"),
    }
}

/// A name as part of a file name or identifier: letters, digits, dots and dashes stay.
pub(crate) fn slug(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let text: String = name.chars().map(|c| if keep(c) { c } else { '_' }).collect();
    text.trim_start_matches('.').to_owned()
}

/// What the dashes and the signs of the turns mean, where there are any.
pub(crate) fn marks(run: &RunResults, signs: &str) -> String {
    let mut names = vec![];
    if run.phases.perfect_fit.is_some() {
        names.push("dashed: perfect fit of the training labels".to_owned());
    }
    match (run.phases.peak, run.phases.second_min) {
        (Some(_), Some(_)) => {
            names.push(format!(
                "{signs}: minimum, peak and second minimum of the test error"
            ));
        }
        (Some(_), None) => {
            names.push(format!("{signs}: minimum and peak of the test error"));
        }
        _ => {}
    }
    if names.is_empty() { String::new() } else { capitalized(&names.join("; ")) + ". " }
}

fn text(run: &RunResults, table: &str, key: &str) -> String {
    let value = run.experiment.get(table).and_then(|table| table.get(key));
    value.and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

fn number(run: &RunResults, table: &str, key: &str) -> Option<i64> {
    run.experiment.get(table)?.get(key)?.as_integer()
}

/// In which order layers are shown: a recorder's list is that of the names it was given, and
/// saved activations may have none but that of their names.
pub(crate) fn order_of_layers(run: &RunResults) -> &'static str {
    if !run.is_recorded() {
        return "in depth order";
    }
    let layers = run.manifest["recording"]["layers"].as_array();
    let names: Vec<&str> =
        layers.into_iter().flatten().filter_map(|l| l.as_str()).collect();
    let is_sorted = names.is_sorted_by_key(|name| natural(name));
    if run.manifest["model"] == "Activations" && names.len() > 2 && is_sorted {
        "in the order of their names, which need not be that of depth"
    } else {
        "in the order of the recording"
    }
}
