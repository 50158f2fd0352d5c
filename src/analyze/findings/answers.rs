//! Answers to the test images at all checkpoints, and the double descent that they measure.

use super::similarities;
use super::source::{ProbeOf, Source};
use crate::analyze::join::signatures::Element;
use crate::analyze::plan::OUTPUT;
use crate::error::Result;
use crate::findings::halves::{DoubleDescent, ProbeAnswers, Wrong, points_of};
use crate::phases::{Phases, Verdict};
use crate::run_dir::{Place, RunDir};
use crate::similarity::AGREEMENT;

/// Which test images the net and a probe answer wrongly at each checkpoint.
pub(super) struct Answers<'a> {
    net: Wrong,
    /// The probe and which images it answers wrongly.
    probe: Option<(&'a ProbeOf<'a>, Wrong)>,
    labels: Vec<u16>,
    /// What is read off the whole curve.
    verdict: Option<Verdict>,
}

/// The answers that a run of so many checkpoints has; none where it stores none.
pub(super) fn read<'a>(
    run: &RunDir,
    source: &'a Source<'_>,
    n_epochs: usize,
    phases: Option<&Phases>,
) -> Result<Option<Answers<'a>>> {
    let Some(answers) = source.answers.as_ref().filter(|own| own.labels.len() > 1) else {
        return Ok(None);
    };
    let wrong = |layer: &str| -> Result<Option<Wrong>> {
        let place = Place { measure: AGREEMENT, group: "test", layer };
        // Where a probe is undefined its classes mean nothing.
        let agreement = similarities::stored(run, place, n_epochs)?;
        if agreement.is_none_or(|values| values.iter().any(|value| value.is_nan())) {
            return Ok(None);
        }
        let Some(rows) = run.read_signatures(place)? else { return Ok(None) };
        if rows.shape != [n_epochs, answers.labels.len()] {
            return Ok(None);
        }
        let Some(classes) = u16::take(rows.values) else { return Ok(None) };
        let of_row = |row: &[u16]| {
            row.iter().zip(&answers.labels).map(|(class, label)| class != label).collect()
        };
        Ok(Some(classes.chunks(answers.labels.len()).map(of_row).collect()))
    };
    let Some(net) = wrong(OUTPUT)? else { return Ok(None) };
    let probe = match &answers.probe {
        Some(probe) => wrong(probe.stored)?.map(|wrong| (probe, wrong)),
        None => None,
    };
    Ok(Some(Answers {
        net,
        probe,
        labels: answers.labels.clone(),
        verdict: phases.and_then(|phases| phases.double_descent.verdict),
    }))
}

impl Answers<'_> {
    /// The double descent, images as the unit; and if there is one, the epochs of its first and
    /// second minimum.
    ///
    /// An instability is no double descent: training itself was disturbed, and all images
    /// with it.
    pub(super) fn double_descent(
        &self,
        epoch: &[f64],
    ) -> (DoubleDescent, Option<[f64; 2]>) {
        let probe = self.probe.as_ref().map(|(probe, wrong)| ProbeAnswers {
            layer: &probe.layer,
            labels: probe.labels,
            wrong,
        });
        let on_curve = self.verdict.map(|verdict| verdict == Verdict::DoubleDescent);
        let mut found =
            DoubleDescent::of(&self.net, &self.labels, epoch, on_curve, probe);
        if self.verdict == Some(Verdict::Instability) {
            (found.measured, found.agrees) = (Some(false), Some(true));
        }
        let [min, _, second] = points_of(&self.net, epoch);
        let is_one = found.measured == Some(true);
        (found, is_one.then(|| [min, second].map(|at| epoch[at])))
    }
}
