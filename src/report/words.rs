//! What the report says in words: title, verdict, warnings and captions. Every number comes
//! from the run's files; nothing is concluded here that `phases.json` does not conclude.

use super::model::{HistoryRow, MatrixSet, RunResults, Statistics};
use crate::report::figure::axes::epoch_label;
use crate::report::panels::headline::headline_layers;

/// Running and recomputed statistics that differ by more than this are warned about.
const BATCHNORM_TOLERANCE: f64 = 0.01;

/// What was run, in a phrase.
pub(crate) fn title(run: &RunResults) -> String {
    if run.is_recorded() {
        let model = run.manifest["model"].as_str().unwrap_or("A model");
        return format!("{model}, recorded over {}", epochs(run.last_epoch()));
    }
    let net = match text(run, "net", "kind").as_str() {
        "cnn5" => "CNN5".into(),
        "resnet18" => "ResNet18".into(),
        "vit" => "ViT".into(),
        "" => return format!("Training run {}", run.name),
        other => other.to_owned(),
    };
    let width = number(run, "net", "width");
    let width = width.map_or_else(String::new, |k| format!(" of width {k}"));
    let n_train = number(run, "data", "n_train");
    let images = n_train.map_or_else(String::new, |n| format!("{} ", thousands(n)));
    let data = match text(run, "data", "kind").as_str() {
        "digits" => "digits".into(),
        "arrays" | "folder" | "" => "images".to_owned(),
        kind => format!("{} images", dataset_name(kind)),
    };
    format!(
        "{net}{width}, trained for {} on {images}{data} {}",
        epochs(run.last_epoch()),
        noise(run)
    )
}

fn dataset_name(kind: &str) -> String {
    match kind {
        "cifar10" => "CIFAR-10".into(),
        "cifar100" => "CIFAR-100".into(),
        "mnist" => "MNIST".into(),
        "fashion-mnist" => "Fashion-MNIST".into(),
        "mnist1d" => "MNIST-1D".into(),
        other => other.to_owned(),
    }
}

fn noise(run: &RunResults) -> String {
    let rate = run.experiment.get("noise").and_then(|noise| noise.get("rate"));
    let rate = rate.and_then(|rate| {
        rate.as_float().or_else(|| rate.as_integer().map(|whole| whole as f64))
    });
    match rate {
        Some(rate) if rate > 0.0 => {
            format!("with {} % label noise", trimmed(100.0 * rate, 1))
        }
        _ => "without label noise".into(),
    }
}

fn epochs(last: f64) -> String {
    let unit = if (last - 1.0).abs() < 1e-9 { "epoch" } else { "epochs" };
    format!("{} {unit}", epoch_label(last))
}

/// Whether the test error descends twice, in honest words.
pub(crate) fn verdict(run: &RunResults) -> Vec<String> {
    let phases = &run.phases;
    if run.history.is_empty() {
        return vec![
            "No history was recorded, so nothing can be said of the errors.".into(),
        ];
    }
    let mut sentences = vec![];
    let statistics = match run.statistics() {
        Statistics::Recorded => "as recorded",
        Statistics::Absent => "a net without BatchNorm",
        Statistics::Running => "BatchNorm’s running statistics",
        Statistics::Recomputed => "BatchNorm statistics recomputed",
    };
    let Some(name) = phases.verdict.as_deref() else {
        let reason = phases.reason.clone().unwrap_or_else(|| {
            match (phases.known, run.is_recorded()) {
                (true, _) => "no reason is recorded",
                (false, true) => "no train_error and test_error were recorded",
                (false, false) => "phases.json is absent",
            }
            .into()
        });
        sentences.push(format!("No verdict on double descent: {reason}."));
        sentences.extend(fit_sentence(run));
        return sentences;
    };
    let course = course(run);
    let meaning = match name {
        "double descent" => "double descent of the test error over the epochs",
        "u-shape" => "a u-shape, not double descent, as the error does not fall again",
        "monotone" => "no double descent, as the error does not rise beyond its noise",
        "instability" => "an instability of the training, not double descent",
        other => other,
    };
    sentences.push(format!("{course} ({statistics}): {meaning}. {}", seed_words(run)));
    if let (Some(rise), Some(fall)) = (phases.rise, phases.fall) {
        let threshold = phases.threshold.map_or_else(String::new, |threshold| {
            format!("; double descent asks that both exceed {}", error(threshold))
        });
        sentences.push(format!(
            "Rise {} and fall {} of the smoothed curve{threshold}.",
            error(rise),
            error(fall)
        ));
    }
    if name == "instability"
        && let Some(reason) = &phases.reason
    {
        sentences.push(format!("The detector’s reason: {reason}."));
    }
    sentences.extend(fit_sentence(run));
    sentences
}

/// "Test error falls to 0.034 at epoch 4, rises to …".
fn course(run: &RunResults) -> String {
    let phases = &run.phases;
    let turns = [phases.min, phases.peak, phases.second_min];
    let verbs = ["falls to", "rises to", "falls again to"];
    let steps: Vec<String> = turns
        .into_iter()
        .enumerate()
        .filter_map(|(index, epoch)| {
            let epoch = epoch?;
            let measured = run.row_at(epoch).map(|row| row.test_error);
            let value = phases.errors[index].or(measured).filter(|v| v.is_finite())?;
            Some(format!(
                "{} {} at epoch {}",
                verbs[index],
                error(value),
                epoch_label(epoch)
            ))
        })
        .collect();
    if steps.is_empty() || phases.verdict.as_deref() == Some("monotone") {
        let ends = [run.history.first(), run.history.last()];
        let [Some(first), Some(last)] = ends else { return "The test error".into() };
        return format!(
            "Test error goes from {} at epoch {} to {} at epoch {}",
            error(first.test_error),
            epoch_label(first.epoch),
            error(last.test_error),
            epoch_label(last.epoch)
        );
    }
    format!("Test error {}", join(&steps))
}

fn fit_sentence(run: &RunResults) -> Option<String> {
    let phases = &run.phases;
    if let Some(epoch) = phases.perfect_fit {
        let epoch = epoch_label(epoch);
        return Some(format!(
            "The training labels are fitted perfectly from epoch {epoch} on."
        ));
    }
    let reason = phases.fit_reason.as_ref()?;
    Some(format!("The training labels are never fitted perfectly: {reason}."))
}

/// What a reader must know before believing the figure.
pub(crate) fn warnings(run: &RunResults) -> Vec<String> {
    let mut warnings = vec![];
    match run.statistics() {
        Statistics::Recomputed => warnings.extend(batchnorm_warning(run)),
        Statistics::Recorded if run.manifest["recording"]["batchnorm"] == "running" => {
            warnings.push(
                "Representations are those of BatchNorm’s running statistics, which lag the \
                 weights where an epoch has few steps and make epoch 0 look like a transition. \
                 The recorder’s batchnorm=… recomputes them."
                    .into(),
            );
        }
        Statistics::Running => warnings.push(
            "Errors and representations use BatchNorm’s running statistics, which lag the \
             weights where an epoch has few steps and can show a second descent that is not \
             there. evaluation.batchnorm = \"recomputed\" removes this."
                .into(),
        ),
        Statistics::Recorded | Statistics::Absent => {}
    }
    // The report itself is written while the run is being analyzed, which is no warning.
    match run.manifest["status"].as_str() {
        Some("training") => {
            warnings.push("The training is not finished: this is the run so far.".into());
        }
        Some("failed") => {
            let message = run.manifest["message"].as_str().unwrap_or("no message");
            warnings.push(format!("The run stopped with an error: {message}"));
        }
        _ => {}
    }
    warnings
}

fn batchnorm_warning(run: &RunResults) -> Option<String> {
    let gap = |row: &&HistoryRow| (row.test_error_running - row.test_error).abs();
    // At initialization the running statistics are those of no data: a difference there
    // says nothing.
    let rows = run.history.iter().filter(|row| row.epoch > 0.0 && gap(row).is_finite());
    let largest = rows.max_by(|a, b| gap(a).total_cmp(&gap(b)))?;
    let difference = gap(&largest);
    (difference > BATCHNORM_TOLERANCE).then(|| {
        format!(
            "Running BatchNorm statistics give another curve (dotted): they differ by up to \
             {}, at epoch {} (running {}, recomputed {}). Verdict and matrices use the \
             recomputed ones.",
            error(difference),
            epoch_label(largest.epoch),
            error(largest.test_error_running),
            error(largest.test_error)
        )
    })
}

/// The caption of the headline figure.
pub(crate) fn headline_caption(run: &RunResults) -> String {
    let mut parts = vec![format!("{}.", title(run))];
    let test_error = match run.statistics() {
        Statistics::Recorded | Statistics::Absent => "Test error",
        Statistics::Running => "Test error with running BatchNorm statistics",
        Statistics::Recomputed => {
            "Test error with recomputed BatchNorm statistics (solid) and with running ones (dotted)"
        }
    };
    parts.push(format!(
        "{test_error}, and train error, over epochs on a scale of ln(1 + epoch); the fall from \
         chance at the left may leave the panel."
    ));
    let layers = headline_layers(run);
    let cka = run.leading_set("cka");
    // Of a recording, the output alone may have decision regions.
    let shown = |set: &&MatrixSet| layers.iter().any(|layer| set.layer(layer).is_some());
    let drs = run.leading_set("drs").filter(shown);
    if let (false, Some(which)) = (layers.is_empty(), measures(cka, drs)) {
        let layers: Vec<String> = layers.iter().map(|&layer| layer.to_owned()).collect();
        parts.push(format!(
            "Below, each layer ({}) against itself over the epochs: {which}. Cells reach \
             halfway to the neighbouring checkpoints.",
            join(&layers)
        ));
    }
    let marks = marks(run, "circles and triangles");
    if !marks.is_empty() {
        parts.push(marks.trim_end().to_owned());
    }
    parts.push(seed_words(run));
    parts.join(" ")
}

fn measures(cka: Option<&MatrixSet>, drs: Option<&MatrixSet>) -> Option<String> {
    let cka = cka.map(|set| format!("{} ({} images)", measure_name(set), set.group));
    let drs = drs.map(|set| {
        format!(
            "similarity of the decision regions of linear probes, DRS (planes through \
                 {} images)",
            set.group
        )
    });
    match (cka, drs) {
        (Some(cka), Some(drs)) => Some(format!("{cka} above the diagonal, {drs} below")),
        (one, other) => one.or(other),
    }
}

/// The number of seeds behind the figures: always one, as a run has one.
pub(crate) fn seed_words(run: &RunResults) -> String {
    match run.experiment.get("seed").and_then(toml::Value::as_integer) {
        // The space does not break: the number stays with its word.
        Some(seed) => format!("One seed\u{a0}({seed})."),
        None => "One seed.".into(),
    }
}

/// A measure's name as a reader knows it.
pub(crate) fn measure_name(set: &MatrixSet) -> String {
    let (plain, variant) = match set.measure.split_once('-') {
        Some((plain, variant)) => (plain, Some(variant)),
        None => (set.measure.as_str(), None),
    };
    let name = match plain {
        "cka" => "linear CKA",
        "drs" => "DRS",
        other => other,
    };
    if let Some(l2) = set.measure.strip_prefix("drs-l2-") {
        return format!("DRS, λ = {l2}");
    }
    let of_regions = match set.measure.as_str() {
        "agreement" => Some("agreement"),
        "drs-kappa" => Some("DRS, Cohen’s κ"),
        "drs-iou" => Some("DRS, intersection over union"),
        "drs-inside" => Some("DRS inside the triangle"),
        "drs-outside" => Some("DRS outside the triangle"),
        "drs-images" => Some("DRS at the images"),
        _ => None,
    };
    if let Some(name) = of_regions {
        return name.to_owned();
    }
    let estimator = Some(set.estimator.as_str()).filter(|text| !text.is_empty());
    match estimator.or(variant) {
        Some(estimator) if plain != "drs" => format!("{estimator} {name}"),
        _ => name.to_owned(),
    }
}

/// Title and caption of the figure of all layers.
pub(crate) fn layers_caption(run: &RunResults, set: &MatrixSet) -> (String, String) {
    let name = measure_name(set);
    let examples = examples(set);
    let title = format!("{name} of every layer with itself over the epochs, {examples}");
    let n = set.layers.first().map_or(0, super::model::EpochMatrix::n_epochs);
    let outside: usize = set.layers.iter().map(super::model::EpochMatrix::outside).sum();
    let mut caption = format!(
        "{}, in depth order; {n} checkpoint{} on ln(1 + epoch), colours from 0 to 1.",
        capitalized(&title),
        if n == 1 { "" } else { "s" }
    );
    if outside > 0 {
        caption += &format!(
            " {outside} cells lie outside 0–1 and have the colour of that end; their numbers \
             are not changed."
        );
    }
    if set.layers.iter().any(|m| m.values.iter().any(|v| v.is_nan())) {
        caption += " Hatched cells are undefined.";
    }
    caption += &format!(" {}{}", marks(run, "triangles"), seed_words(run));
    (title, caption)
}

/// What a set was measured on.
fn examples(set: &MatrixSet) -> String {
    match (set.is_regions(), set.group.as_str()) {
        (true, group) if set.measure == "agreement" => format!("on {group} images"),
        (true, group) => format!("on planes through {group} images"),
        (false, "test") => "on test images".into(),
        (false, "train-clean") => "on training images with clean labels".into(),
        (false, "train-corrupted") => "on training images with corrupted labels".into(),
        (false, other) => format!("on {other}"),
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// What the dashes and the signs of the turns mean, where there are any.
fn marks(run: &RunResults, signs: &str) -> String {
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

/// An error or similarity with three decimals; "undefined" for NaN.
pub(crate) fn error(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "undefined".into() }
}

/// A number with at most so many decimals.
pub(crate) fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// 1234567 as 1,234,567.
pub(crate) fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

/// "a, b and c".
pub(crate) fn join(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A name that fits beside a key or a tick.
pub(crate) fn short(name: &str) -> String {
    const MOST: usize = 16;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST - 1).chain(['…']).collect()
}

/// About how wide a text is in Helvetica, in the unit of `size`: layouts that follow a name
/// with another need no more than that.
pub(crate) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | '!' => 0.25,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '-' | '1' => 0.34,
        'm' | 'w' | 'M' | 'W' => 0.82,
        'A'..='Z' => 0.68,
        _ => 0.55,
    };
    let factor = if bold { 1.06 } else { 1.0 };
    text.chars().map(of).sum::<f64>() * size * factor
}

fn text(run: &RunResults, table: &str, key: &str) -> String {
    let value = run.experiment.get(table).and_then(|table| table.get(key));
    value.and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

fn number(run: &RunResults, table: &str, key: &str) -> Option<i64> {
    run.experiment.get(table)?.get(key)?.as_integer()
}
