//! Decisions: the matrices of regions and of agreement, `iou/`, `geometry.csv`, `floor.csv`.

use std::collections::BTreeMap;

use super::known::KnownMatrix;
use super::matrices::Heading;
use super::signatures::{Rows, join_rows};
use super::table::Join;
use crate::analyze::part::Estimate;
use crate::analyze::plan::plane_set::PlaneSet;
use crate::analyze::store;
use crate::error::Result;
use crate::run_dir::tables::{FloorRow, GeometryRow};
use crate::run_dir::{Maybe, Number};
use crate::similarity::geometry::Quantity;
use crate::similarity::regions::Similarity;
use crate::similarity::{AGREEMENT, EpochMatrix, IMAGES, Undefined, drs};

/// The matrices of decisions on planes, at their images and on test images, of each layer and
/// the output; and of those by probes of another λ, of each layer.
pub(super) fn join(join: &mut Join) -> Result<()> {
    let plan = join.plan;
    for set in &plan.planes {
        for layer in plan.classifiers() {
            join_planes(join, set, layer)?;
        }
        for layer in plan.classifiers() {
            let heading = Heading::of_decisions(IMAGES, set.group, layer);
            join_classes(join, heading, 3)?;
        }
    }
    for layer in plan.classifiers() {
        join_classes(join, Heading::of_decisions(AGREEMENT, "test", layer), 1)?;
    }
    for set in &plan.planes {
        for measure in &plan.penalty_measures {
            for layer in plan.layer_names() {
                let heading = Heading::of_decisions(measure, set.group, layer);
                join_classes(join, heading, set.grids[0].len())?;
            }
        }
    }
    Ok(())
}

/// The agreement of one classifier's decisions, in clusters of so many inputs.
fn join_classes(join: &mut Join, heading: Heading<'_>, cluster: usize) -> Result<()> {
    join.progress(heading.place);
    if let Some(known) = whole(join, heading) {
        return add(join, heading, known);
    }
    let Decided { rows, undefined } = decided(join, heading)?;
    let matrix = drs::matrix(&rows.iter().collect::<Vec<_>>(), cluster);
    add(join, heading, defined(matrix, &undefined))
}

/// All similarities of one classifier's regions; that of each class goes to its own file.
fn join_planes(join: &mut Join, set: &PlaneSet, layer: &str) -> Result<()> {
    let heading = |s: Similarity| Heading::of_decisions(s.name(), set.group, layer);
    let headings = Similarity::ALL.map(heading);
    join.progress(headings[0].place);
    let known = headings.iter().map(|heading| whole(join, *heading));
    if let Some(known) = known.collect::<Option<Vec<_>>>() {
        let mut found = headings.into_iter().zip(known);
        return found.try_for_each(|(heading, known)| add(join, heading, known));
    }
    let Decided { rows, undefined } = decided(join, headings[0])?;
    let rows: Vec<&[u8]> = rows.iter().collect();
    // Summed apart from the other similarities, whose agreement has other last digits.
    let agreement = drs::matrix(&rows, set.grids[0].len());
    add(join, headings[0], defined(agreement, &undefined))?;
    let mut found = set.points.matrices(&rows);
    undefine_iou(&mut found.class_iou, &undefined);
    let shape = [join.plan.data.n_classes, rows.len(), rows.len()];
    join.plan.run.write_class_iou((set.group, layer), shape, &found.class_iou)?;
    for (similarity, heading) in Similarity::ALL.into_iter().zip(headings).skip(1) {
        add(join, heading, defined(found.matrix(similarity).clone(), &undefined))?;
    }
    Ok(())
}

/// A matrix without what its undefined rows say.
fn defined(mut matrix: EpochMatrix, undefined: &[Option<Undefined>]) -> KnownMatrix {
    matrix.undefine(undefined);
    KnownMatrix { matrix, undefined: undefined.to_vec() }
}

/// Takes undefined rows and columns out of arrays `[C, E, E]`.
fn undefine_iou(iou: &mut [f64], undefined: &[Option<Undefined>]) {
    let n = undefined.len();
    for (at, value) in iou.iter_mut().enumerate() {
        if undefined[at / n % n].or(undefined[at % n]).is_some() {
            *value = f64::NAN;
        }
    }
}

/// A matrix that is known over all checkpoints, so that nothing is to be compared.
fn whole(join: &Join, heading: Heading<'_>) -> Option<KnownMatrix> {
    let n = join.checkpoints.len();
    let known =
        join.joined.known.get(heading.place).filter(|_| join.joined.decisions == n)?;
    (known.matrix.n_epochs == n).then(|| known.clone())
}

/// The decisions of a classifier at all checkpoints, and why some are undefined.
struct Decided {
    rows: Rows<u8>,
    undefined: Vec<Option<Undefined>>,
}

fn decided(join: &Join, heading: Heading<'_>) -> Result<Decided> {
    let (place, n) = (heading.place, join.joined.decisions);
    let known = join.joined.known.get(place).into_iter();
    let known = known.flat_map(|known| known.undefined.iter().copied());
    let mut undefined: Vec<_> = known.take(n).collect();
    let rows = join_rows(join.plan.run, join.checkpoints, (place, n), |part| {
        let decisions = store::decisions(part, place)?;
        undefined.push(decisions.undefined);
        Ok(decisions.classes)
    })?;
    Ok(Decided { rows, undefined })
}

fn add(join: &mut Join, heading: Heading<'_>, known: KnownMatrix) -> Result<()> {
    let reasons: Vec<_> =
        known.undefined.iter().map(|own| own.map(|own| own.to_string())).collect();
    join.matrices.add(heading, &known.matrix, &reasons)?;
    join.found.insert(heading.place, known);
    Ok(())
}

/// The rows of `geometry.csv`: of each source the layers' by each other λ, then all by their
/// own.
pub(super) fn geometry(join: &Join) -> Result<Vec<GeometryRow>> {
    let plan = join.plan;
    let of_penalty = |penalty: &String| {
        let suffix = format!("-{penalty}");
        plan.layer_names().map(move |layer| (layer, suffix.clone()))
    };
    let others = plan.penalties.iter().flat_map(of_penalty);
    let own = plan.classifiers().map(|name| (name, String::new()));
    let names: Vec<(&str, String)> = others.chain(own).collect();
    join.table(
        join.joined.decisions,
        |row: &GeometryRow| row.step,
        |at, numbers| {
            let mut rows = vec![];
            for own in &numbers.shapes {
                for (shape, (layer, suffix)) in own.rows.iter().zip(&names) {
                    for (quantity, Estimate { value, se }) in
                        Quantity::ALL.iter().zip(shape)
                    {
                        // A source without wrong labels has no islands, an undefined
                        // classifier no regions.
                        if !value.is_nan() {
                            rows.push(GeometryRow {
                                layer: (*layer).to_owned(),
                                step: at.step,
                                epoch: Number(at.epoch),
                                group: own.group.clone(),
                                quantity: format!("{}{suffix}", quantity.name()),
                                value: Number(*value),
                                se: Maybe(*se),
                            });
                        }
                    }
                }
            }
            rows
        },
    )
}

/// The rows of `floor.csv`.
pub(super) fn floor(join: &Join) -> Result<Vec<FloorRow>> {
    let layers: Vec<&str> = join.plan.layer_names().collect();
    join.table(
        join.joined.decisions,
        |row: &FloorRow| row.step,
        |at, numbers| {
            let mut rows = vec![];
            for own in &numbers.floors {
                for (floor, layer) in own.rows.iter().zip(&layers) {
                    for (similarity, Estimate { value, se }) in
                        Similarity::ALL.iter().zip(floor)
                    {
                        rows.push(FloorRow {
                            layer: (*layer).to_owned(),
                            step: at.step,
                            epoch: Number(at.epoch),
                            group: own.group.clone(),
                            measure: similarity.name().to_owned(),
                            value: Maybe(*value),
                            se: Maybe(*se),
                        });
                    }
                }
            }
            rows
        },
    )
}

/// Adds the noise floor of agreement on planes, where one was computed.
pub(super) fn add_noise(join: &mut Join, table: &[FloorRow]) {
    let means = means(table);
    for set in &join.plan.planes {
        for layer in join.plan.classifiers() {
            if let Some(mean) = means.get(&(set.group, layer)) {
                let name = Similarity::Agreement.name();
                let heading = Heading::of_decisions(name, set.group, layer);
                join.matrices.add_floor(heading, *mean);
            }
        }
    }
}

/// The mean disagreement of the two probes over the table's checkpoints, by group and layer.
fn means(table: &[FloorRow]) -> BTreeMap<(&str, &str), f64> {
    let mut sums: BTreeMap<_, (f64, f64)> = BTreeMap::new();
    for row in table {
        if row.measure == Similarity::Agreement.name() && !row.value.0.is_nan() {
            let sum = sums.entry((&row.group[..], &row.layer[..])).or_default();
            *sum = (sum.0 + 1.0 - row.value.0, sum.1 + 1.0);
        }
    }
    sums.into_iter().map(|(key, (sum, n))| (key, sum / n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_the_rows_of_drs() {
        let row = |measure: &str, value: f64| FloorRow {
            layer: "fc".into(),
            group: "test".into(),
            measure: measure.into(),
            value: Maybe(value),
            ..FloorRow::default()
        };
        let table = [row("drs", 0.5), row("drs-kappa", 0.1), row("drs", 0.75)];
        assert_eq!(means(&table), [(("test", "fc"), 0.375)].into());
    }
}
