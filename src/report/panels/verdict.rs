//! What the run shows in words: whether the test error descends twice, and what a reader must
//! know before believing the figures. Nothing is concluded here that `phases.json` and
//! `findings.json` do not conclude.

use std::fmt::Write;

use super::panel::{Block, Panel, Section};
use crate::phases::Verdict;
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
    shows: &[RunFile::History, RunFile::Phases, RunFile::Findings, RunFile::Manifest],
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
    let mut sentences = lead(run, name);
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

/// The verdict that stands: of halves of the test images where they are measured, else of the
/// curve; where the two disagree, what the curve alone says after it.
fn lead(run: &RunResults, on_curve: &str) -> Vec<String> {
    let of_curve =
        format!("{} ({}): {}.", course(run), statistics(run), meaning(on_curve));
    let seeds = seed_words(run);
    let halves = run.phases.halves.as_ref();
    let Some((halves, sizes)) = halves.and_then(|found| Some((found, found.sizes()?)))
    else {
        return vec![format!("{of_curve} {seeds}")];
    };
    let sizes = format!("Measured {sizes}; images are the unit.");
    if halves.agrees != Some(false) {
        return vec![format!("{of_curve} {seeds}"), sizes];
    }
    let word = Verdict::of_name(on_curve).map(|verdict| halves.last_word(verdict).name());
    let word = meaning(word.unwrap_or(on_curve));
    let measured = sizes.replace("; images are", &format!(": {word}. Images are"));
    vec![
        format!("{measured} {seeds}"),
        format!("The curve alone says otherwise: {of_curve}"),
    ]
}

/// A verdict in honest words.
fn meaning(verdict: &str) -> &str {
    match verdict {
        "double descent" => "double descent of the test error over the epochs",
        "u-shape" => "a u-shape, not double descent, as the error does not fall again",
        "monotone" => "no double descent, as the error does not rise beyond its noise",
        "instability" => "an instability of the training, not double descent",
        other => other,
    }
}

fn no_verdict(run: &RunResults) -> String {
    let phases = &run.phases;
    let unknown = match (phases.known, run.is_recorded()) {
        (true, _) => "no reason is recorded",
        (false, true) => "no train_error and test_error were recorded",
        (false, false) => "history.csv has no train_error and test_error",
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
             {}, at epoch {} (running {}, recomputed {}). Everything else here uses the \
             recomputed ones.",
            error(difference),
            epoch_label(largest.epoch),
            error(largest.test_error_running),
            error(largest.test_error)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::halves::{DoubleDescent, Method};

    fn run(on_curve: &str, measured: Option<bool>) -> RunResults {
        let row = |epoch: f64| HistoryRow {
            epoch,
            train_error: 0.1,
            train_error_clean: 0.1,
            train_error_corrupted: f64::NAN,
            test_error: 0.2,
            test_error_running: 0.2,
        };
        let agrees = measured.map(|measured| measured == (on_curve == "double descent"));
        let halves = DoubleDescent {
            method: Method::SplitHalves,
            n: Some(800),
            rise: Some(0.1),
            fall: Some(0.05),
            interval_rise: Some([0.08, 0.12]),
            interval_fall: Some([0.03, 0.07]),
            measured,
            agrees,
            ..DoubleDescent::unpaired()
        };
        let mut run =
            RunResults { history: vec![row(0.0), row(1.0)], ..RunResults::default() };
        run.phases.known = true;
        run.phases.verdict = Some(on_curve.into());
        run.phases.halves = measured.map(|_| halves);
        run
    }

    #[test]
    fn there_is_one_verdict_and_halves_of_the_test_images_have_the_last_word() {
        let lead = |on_curve, measured| verdict(&run(on_curve, measured)).join(" ");
        let agreed = lead("double descent", Some(true));
        assert!(agreed.contains("double descent of the test error"), "{agreed}");
        assert!(agreed.contains("rises by 0.100 (0.080 to 0.120)"), "{agreed}");
        assert!(!agreed.contains("otherwise"), "{agreed}");
        let found = lead("monotone", Some(true));
        let words = "falls by 0.050 (0.030 to 0.070): double descent of the test error";
        assert!(found.starts_with("Measured on halves of 800 test images"), "{found}");
        assert!(found.contains(words), "{found}");
        assert!(
            found.contains("The curve alone says otherwise: Test error goes from"),
            "{found}"
        );
        // The rise is measured and the fall is not.
        let refuted = lead("double descent", Some(false));
        assert!(refuted.contains("0.070): a u-shape, not double descent"), "{refuted}");
        let alone = lead("monotone", None);
        assert!(alone.starts_with("Test error goes from 0.200"), "{alone}");
    }
}
