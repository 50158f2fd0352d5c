//! Representations: the matrices of the measures, and `representations.csv`.

use super::known::KnownMatrix;
use super::matrices::Heading;
use super::signatures::join_rows;
use super::table::Join;
use crate::analyze::part::{Numbers, OfGroup, Represented};
use crate::analyze::store;
use crate::error::Result;
use crate::run_dir::tables::RepresentationRow;
use crate::run_dir::{Checkpoint, Maybe, Number, Place};
use crate::similarity::{EpochMatrix, Measure, Settings, Undefined};

/// The matrices of every measure, group and layer.
pub(super) fn join(join: &mut Join) -> Result<()> {
    let plan = join.plan;
    let config = &plan.experiment.analysis;
    for &measure in &config.measures {
        let estimator =
            if measure.has_estimator() { config.cka.estimator.name() } else { "" };
        for (group, examples) in &plan.groups {
            for layer in plan.layer_names() {
                let (name, group) = (measure.name(), group.name());
                let place = Place { measure: name, group, layer };
                let is_symmetric = measure.is_symmetric();
                let heading = Heading { place, estimator, is_symmetric };
                join_place(join, (measure, examples.len()), heading)?;
            }
        }
    }
    Ok(())
}

/// The matrix of a measure on n examples at one place.
fn join_place(
    join: &mut Join,
    (measure, n): (Measure, usize),
    heading: Heading<'_>,
) -> Result<()> {
    let (plan, place) = (join.plan, heading.place);
    join.progress(place);
    let known =
        join.joined.known.get(place).filter(|_| join.joined.of_measure(measure) > 0);
    let mut undefined = known.map_or_else(Vec::new, |known| known.undefined.clone());
    let at = (place, undefined.len());
    let rows = join_rows(plan.run, join.checkpoints, at, |part| {
        let (values, reason) = store::signature(part, place)?;
        undefined.push(reason);
        Ok(values)
    })?;
    let signatures: Vec<std::result::Result<&[f32], Undefined>> =
        rows.iter().zip(&undefined).map(|(row, u)| u.map_or(Ok(row), Err)).collect();
    let known = known.map(|known| &known.matrix);
    let (matrix, floor) = compare((measure, n), &plan.settings(), &signatures, known);
    let reasons: Vec<_> = undefined.iter().map(|u| u.map(|u| u.to_string())).collect();
    join.matrices.add(heading, &matrix, &reasons)?;
    if let Some(floor) = floor {
        join.matrices.add_floor(heading, floor);
    }
    join.found.insert(place, KnownMatrix { matrix, undefined });
    Ok(())
}

/// A measure's matrix, of which the first epochs may be known, and its noise floor where it
/// has one.
pub(crate) fn compare(
    (measure, n): (Measure, usize),
    settings: &Settings,
    signatures: &[std::result::Result<&[f32], Undefined>],
    known: Option<&EpochMatrix>,
) -> (EpochMatrix, Option<f64>) {
    let floor = measure.noise_floor(signatures, n, settings);
    let matrix = match known {
        Some(known) => measure.grown(known, signatures, n, settings),
        None => measure.matrix(signatures, n, settings),
    };
    (matrix, floor)
}

/// The rows of `representations.csv`.
pub(super) fn table(join: &Join) -> Result<Vec<RepresentationRow>> {
    let layers: Vec<&str> = join.plan.layer_names().collect();
    let of_group =
        |at: &Checkpoint, own: &OfGroup<Represented>| -> Vec<RepresentationRow> {
            own.rows
                .iter()
                .zip(&layers)
                .map(|(row, layer)| RepresentationRow {
                    layer: (*layer).to_owned(),
                    step: at.step,
                    epoch: Number(at.epoch),
                    group: own.group.clone(),
                    alignment_true: Maybe(row.alignment_true),
                    alignment_noisy: Maybe(row.alignment_noisy),
                    effective_rank: Maybe(row.effective_rank),
                    participation_ratio: Maybe(row.participation_ratio),
                    stable_rank: Maybe(row.stable_rank),
                })
                .collect()
        };
    let n_joined = join.joined.representations;
    join.table(
        n_joined,
        |row: &RepresentationRow| row.step,
        |at, numbers: &Numbers| {
            numbers.representations.iter().flat_map(|own| of_group(at, own)).collect()
        },
    )
}
