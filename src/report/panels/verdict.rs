//! What the run shows in words: whether the test error descends twice, and what a reader must
//! know before believing the figures. Nothing is concluded here that `phases.json` does not
//! conclude.

use std::fmt::Write;

use super::panel::{Block, Panel, Section};
use crate::report::figure::axes::epoch_label;
use crate::report::figure::svg::Escaped;
use crate::report::figure::text::{error, join};
use crate::report::model::{HistoryRow, Phases, RunResults, Statistics};
use crate::report::words::seed_words;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "verdict",
    title: "Verdict",
    section: Section::Verdict,
    shows: &[RunFile::History, RunFile::Phases, RunFile::Manifest],
    blocks: |run| {
        let text = [sentences_html(&verdict(run)), warnings_html(&warnings(run))];
        vec![Block::Html(text.join("\n"))]
    },
};

/// Running and recomputed statistics that differ by more than this are warned about.
const BATCHNORM_TOLERANCE: f64 = 0.01;

/// The verdict's first sentence large, the others below it.
fn sentences_html(sentences: &[String]) -> String {
    let Some((lead, more)) = sentences.split_first() else { return String::new() };
    let mut html = format!("<p class=\"lead\">{}</p>\n", Escaped(lead));
    if !more.is_empty() {
        let _ = writeln!(html, "<p class=\"more\">{}</p>", Escaped(&more.join(" ")));
    }
    html
}

fn warnings_html(warnings: &[String]) -> String {
    let mut html = String::new();
    for warning in warnings {
        let _ = writeln!(html, "<p class=\"warning\">{}</p>", Escaped(warning));
    }
    html
}

/// Whether the test error descends twice, in honest words.
fn verdict(run: &RunResults) -> Vec<String> {
    let phases = &run.phases;
    if run.history.is_empty() {
        return vec![
            "No history was recorded, so nothing can be said of the errors.".into(),
        ];
    }
    let Some(name) = phases.verdict.as_deref() else {
        let mut sentences = vec![no_verdict(run)];
        sentences.extend(fit_sentence(run));
        return sentences;
    };
    let meaning = match name {
        "double descent" => "double descent of the test error over the epochs",
        "u-shape" => "a u-shape, not double descent, as the error does not fall again",
        "monotone" => "no double descent, as the error does not rise beyond its noise",
        "instability" => "an instability of the training, not double descent",
        other => other,
    };
    let (course, statistics) = (course(run), statistics(run));
    let mut sentences =
        vec![format!("{course} ({statistics}): {meaning}. {}", seed_words(run))];
    sentences.extend(sizes(phases));
    if name == "instability"
        && let Some(reason) = &phases.reason
    {
        sentences.push(format!("The detector’s reason: {reason}."));
    }
    sentences
        .extend(phases.passed_over.iter().map(|peak| format!("Passed over {peak}.")));
    sentences.extend(fit_sentence(run));
    sentences
}

fn no_verdict(run: &RunResults) -> String {
    let phases = &run.phases;
    let unknown = match (phases.known, run.is_recorded()) {
        (true, _) => "no reason is recorded",
        (false, true) => "no train_error and test_error were recorded",
        (false, false) => "phases.json is absent",
    };
    let reason = phases.reason.as_deref().unwrap_or(unknown);
    format!("No verdict on double descent: {reason}.")
}

/// The statistics of `BatchNorm` that the errors are measured with.
fn statistics(run: &RunResults) -> &'static str {
    match run.statistics() {
        Statistics::Recorded => "as recorded",
        Statistics::Absent => "a net without BatchNorm",
        Statistics::Running => "BatchNorm’s running statistics",
        Statistics::Recomputed => "BatchNorm statistics recomputed",
    }
}

/// How far the error rises and falls, and what a verdict asks for.
fn sizes(phases: &Phases) -> Option<String> {
    let (rise, fall) = (error(phases.rise?), error(phases.fall?));
    let thresholds = match phases.thresholds {
        [Some(rise), Some(fall)] => {
            let [rise, fall] = [rise, fall].map(error);
            format!("; double descent asks for more than {rise} and {fall}")
        }
        _ => String::new(),
    };
    Some(format!("Rise {rise} and fall {fall} of the smoothed curve{thresholds}."))
}

/// "Test error falls to about 0.034 at epoch 4, rises to …".
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
            // The detector's level is a mean around that epoch, not the row's value.
            let about = if phases.errors[index].is_some() { "about " } else { "" };
            Some(format!(
                "{} {about}{} at epoch {}",
                verbs[index],
                error(value),
                epoch_label(epoch)
            ))
        })
        .collect();
    if steps.is_empty() || phases.verdict.as_deref() == Some("monotone") {
        let mut known = run.history.iter().filter(|row| row.test_error.is_finite());
        let ends = [known.next(), known.next_back()];
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
fn warnings(run: &RunResults) -> Vec<String> {
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
