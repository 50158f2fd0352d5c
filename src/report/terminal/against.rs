//! The same layer of two runs, epoch by epoch.

use std::path::Path;

use super::matrices::Question;
use crate::analyze::{Which, compare_representations, compare_runs, has_signatures};
use crate::data::Data;
use crate::error::{Error, Result};
use crate::observer::epoch_label;
use crate::run_dir::{Recording, RunDir};
use crate::similarity::regions::Similarity;
use crate::similarity::{MatrixKind, Measure};

/// How alike a layer is in two runs, on a group: by the measure that was asked for, or by
/// decision regions, and by CKA where both runs hold it. Of two recordings by their signatures
/// alone.
///
/// # Errors
/// If there is no such measure, layer or group in both, they cannot be compared, or a file
/// cannot be read.
pub fn against(roots: [&Path; 2], question: Question) -> Result<String> {
    if Recording::open(roots[0])?.is_some() {
        return recordings(roots, question);
    }
    let runs = [RunDir::open(roots[0])?, RunDir::open(roots[1])?];
    let Question { layer, group, measure } = question;
    if let Some(measure) = measure.filter(|measure| !MatrixKind::DRS.is_named(measure)) {
        return representations(roots, Which { measure: named(measure)?, layer, group });
    }
    let mut text = regions(&runs, question)?;
    let which = Which { measure: Measure::Cka, layer, group };
    if measure.is_none() && runs.iter().all(|run| has_signatures(run, which)) {
        text += "\n";
        text += &representations(roots, which)?;
    }
    Ok(text)
}

fn recordings(roots: [&Path; 2], question: Question) -> Result<String> {
    let Question { layer, group, measure } = question;
    if measure.is_some_and(|measure| MatrixKind::DRS.is_named(measure)) {
        return Err(Error::usage("`--measure`", "is `drs`, of two recordings")
            .expected("cka or another measure of their representations"));
    }
    let measure = named(measure.unwrap_or(Measure::Cka.name()))?;
    representations(roots, Which { measure, layer, group })
}

/// The measure of that name.
pub(in crate::report) fn named(measure: &str) -> Result<Measure> {
    Measure::from_name(measure).ok_or_else(|| {
        let names: Vec<&str> = Measure::ALL.iter().map(|m| m.name()).collect();
        Error::usage("`--measure`", format!("is `{measure}`"))
            .expected(format!("with --against, drs or one of {}", names.join(", ")))
    })
}

/// The similarity of a layer's representations in two runs.
fn representations(runs: [&Path; 2], which: Which<'_>) -> Result<String> {
    let (estimator, rows) = compare_representations(runs, which)?;
    let Which { measure, layer, group } = which;
    let has_estimator = measure.has_estimator();
    let estimator =
        if has_estimator { format!(", {}", estimator.name()) } else { String::new() };
    let mut text = format!(
        "{}{estimator}, of {layer} in {} and {}, {group} examples\n{:>8}{:>14}{:>8}\n",
        measure.name(),
        runs[0].display(),
        runs[1].display(),
        "epoch",
        "value",
        "se",
    );
    for row in rows {
        let number = |x: f64, width: usize| {
            if x.is_nan() {
                format!("{:>width$}", "–")
            } else {
                format!("{x:>width$.4}")
            }
        };
        let se = row.se.unwrap_or(f64::NAN);
        text += &format!(
            "{:>8}{}{}\n",
            epoch_label(row.epoch),
            number(row.value, 14),
            number(se, 8)
        );
    }
    Ok(text)
}

/// The agreement of two runs' decision regions at the epochs that both have.
fn regions([run, other]: &[RunDir; 2], question: Question) -> Result<String> {
    let Question { layer, group, .. } = question;
    let data = Data::load(run.experiment())?;
    let rows = compare_runs(run, other, &data, (layer, group))?;
    let name = |similarity: Similarity| {
        let name = similarity.name();
        format!("{:>8}{:>6}", name.rsplit('-').next().unwrap_or(name), "se")
    };
    let mut text = format!(
        "decision regions of {layer} in {} and {}, {group} triplets\n{:>8}{}\n",
        run.root().display(),
        other.root().display(),
        "epoch",
        Similarity::ALL.map(name).concat(),
    );
    for (epoch, found) in rows {
        let cells = Similarity::ALL.map(|similarity| {
            let (value, se) = found.get(similarity);
            format!("{value:>7.3}{se:>7.3}")
        });
        text += &format!("{:>8}{}\n", epoch_label(epoch), cells.concat());
    }
    Ok(text)
}
