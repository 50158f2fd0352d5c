//! One checkpoint's decisions: the class that each layer's probe, and the net itself, gives at
//! every point of every plane, at the planes' images and at the test images; what they say of
//! the regions' shapes, and how layers agree with each other.
//!
//! All classifiers of a checkpoint are together in memory here and nowhere else; what compares
//! them with each other is worked out here, and only one layer's rows are needed later.

use std::fmt::Write as _;
use std::ops::Range;

use rayon::prelude::*;

use crate::array_file::{NamedArrays, Values};
use crate::error::Result;
use crate::probe::Probe;
use crate::represent::Representer;
use crate::run_dir::Checkpoint;
use crate::similarity::drs;
use crate::similarity::geometry::{Map, Quantity, measure, over_planes};
use crate::similarity::regions::Similarity;

use super::checkpoint::{text, vector};
use super::join::number;
use super::plan::{Plan, pooled_nodes};
use super::plane_set::{PlaneSet, points};

/// The measure of plain agreement on the test images.
pub(super) const AGREEMENT: &str = "agreement";
/// The measure of agreement at the images that planes go through.
pub(super) const AT_IMAGES: &str = "drs-images";
/// The header of `geometry.csv`.
pub(super) const GEOMETRY_HEADER: &str = "layer,step,epoch,group,quantity,value,se\n";
/// The header of `layers.csv`.
pub(super) const LAYERS_HEADER: &str = "layer,step,epoch,group,other,measure,value,se\n";

/// Adds to the part the rows `drs/<group>/<layer>`, the same by the probes of another λ as
/// `drs-l2-<λ>/<group>/<layer>`, `drs-images/<group>/<layer>` and `agreement/test/<layer>`, and
/// rows of `geometry.csv`, `layers.csv` and `floor.csv`.
pub(super) fn add(
    plan: &Plan,
    net: &mut Representer,
    (checkpoint, probes, floor): (&Checkpoint, &[Vec<Probe>], &[[Probe; 2]]),
    part: &mut NamedArrays,
) -> Result<()> {
    let own: Vec<Vec<&Probe>> = probes.iter().map(|probes| vec![&probes[0]]).collect();
    // Each layer's own probe, those of the other λ, those of its floor.
    let all: Vec<Vec<&Probe>> = (0..probes.len())
        .map(|i| probes[i].iter().chain(floor.get(i).into_iter().flatten()).collect())
        .collect();
    let data = plan.data;
    let test = |range: Range<usize>| data.batch(&data.test, &range.collect::<Vec<_>>());
    let n_test = data.test.labels.len();
    let on_test = firsts(classify(plan, net, &own, (n_test, &test))?);
    add_rows(plan, (AGREEMENT, "test"), &on_test, part);
    let mut tables = Tables::default();
    for set in &plan.planes {
        let n_points = set.grids.len() * set.grids[0].len();
        let input = |range| points(&set.grids, range);
        let mut on_planes = classify(plan, net, &all, (n_points, &input))?;
        let input = |range| set.image_batch(range);
        let n_images = 3 * set.planes.len();
        let at_images = firsts(classify(plan, net, &own, (n_images, &input))?);
        tables.add_floor(plan, set, checkpoint, &on_planes);
        for (k, measure) in plan.penalty_measures.iter().enumerate() {
            let of_layers = on_planes.iter_mut().take(plan.layers.len());
            let classes: Vec<_> =
                of_layers.map(|of| std::mem::take(&mut of[1 + k])).collect();
            let suffix = format!("-{}", plan.penalties[k]);
            tables.add_geometry(plan, (set, &suffix), checkpoint, &classes);
            add_rows(plan, (measure, set.group), &classes, part);
        }
        let on_planes = firsts(on_planes);
        tables.add_geometry(plan, (set, ""), checkpoint, &on_planes);
        tables.add_layers(plan, set, checkpoint, [&on_planes, &at_images, &on_test]);
        add_rows(plan, ("drs", set.group), &on_planes, part);
        add_rows(plan, (AT_IMAGES, set.group), &at_images, part);
    }
    part.push("rows/geometry", text(&tables.geometry));
    part.push("rows/layers", text(&tables.layers));
    part.push("rows/floor", text(&tables.floor));
    Ok(())
}

/// The classes of `n` inputs by every classifier of every layer, and last by the net.
fn classify(
    plan: &Plan,
    net: &mut Representer,
    classifiers: &[Vec<&Probe>],
    (n, input): (usize, &dyn Fn(Range<usize>) -> Vec<f32>),
) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut wanted = pooled_nodes(&plan.layers, plan.pooling);
    wanted.push((plan.net.nodes.len() - 1, None));
    let counts = classifiers.iter().map(Vec::len).chain([1]);
    let mut classes: Vec<_> =
        counts.map(|count| vec![Vec::with_capacity(n); count]).collect();
    net.stream_pooled(n, &wanted, input, |range, outputs| {
        let (logits, outputs) =
            outputs.split_last().expect("the net's output is asked for");
        classes[classifiers.len()][0].extend(largest(logits, plan.data.n_classes));
        let layers = classifiers.par_iter().zip(&plan.layers).zip(outputs);
        layers.zip(&mut classes).for_each(|(((probes, layer), output), classes)| {
            let features = plan.pooling.of_pooled(output, layer.shape);
            for (probe, classes) in probes.iter().zip(classes) {
                classes.extend(probe.predict(&features, range.len()));
            }
        });
        Ok(())
    })?;
    Ok(classes)
}

/// The classes by each layer's own probe, and by the net.
fn firsts(classes: Vec<Vec<Vec<u8>>>) -> Vec<Vec<u8>> {
    classes.into_iter().map(|mut of_layer| of_layer.swap_remove(0)).collect()
}

fn add_rows(
    plan: &Plan,
    (measure, group): (&str, &str),
    classes: &[Vec<u8>],
    part: &mut NamedArrays,
) {
    for (name, classes) in plan.classifiers().zip(classes) {
        let name = format!("{measure}/{group}/{name}");
        part.push(name, vector(Values::U8(classes.clone())));
    }
}

/// Rows of the tables that a checkpoint adds to.
#[derive(Default)]
struct Tables {
    geometry: String,
    layers: String,
    floor: String,
}

impl Tables {
    fn add_geometry(
        &mut self,
        plan: &Plan,
        (set, suffix): (&PlaneSet, &str),
        checkpoint: &Checkpoint,
        classes: &[Vec<u8>],
    ) {
        let side = plan.experiment.analysis.drs.resolution;
        for (name, classes) in plan.classifiers().zip(classes) {
            let planes: Vec<[f64; 8]> = classes
                .par_chunks(side * side)
                .zip(&set.images)
                .map(|(classes, images)| measure(Map { classes, side }, images))
                .collect();
            for (k, quantity) in Quantity::ALL.into_iter().enumerate() {
                let (value, se) = over_planes(planes.iter().map(|plane| plane[k]));
                // A source without wrong labels has no islands.
                if !value.is_nan() {
                    let start = start_of_row(name, checkpoint, set);
                    let name = format!("{}{suffix}", quantity.name());
                    add_row(&mut self.geometry, &start, (&name, value, se));
                }
            }
        }
    }

    /// Each layer against every deeper one and the output, on the planes, at their images and
    /// on the test images.
    fn add_layers(
        &mut self,
        plan: &Plan,
        set: &PlaneSet,
        checkpoint: &Checkpoint,
        [on_planes, at_images, on_test]: [&[Vec<u8>]; 3],
    ) {
        let [on_planes, at_images, on_test] = [on_planes, at_images, on_test]
            .map(|rows| rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let regions = set.points.matrices(&on_planes);
        let mut matrices: Vec<_> =
            Similarity::ALL.map(|s| (s.name(), regions.matrix(s).clone())).into();
        matrices.push((AT_IMAGES, drs::matrix(&at_images, 3)));
        matrices.push((AGREEMENT, drs::matrix(&on_test, 1)));
        for (i, name) in plan.classifiers().enumerate() {
            for (j, other) in plan.classifiers().enumerate().skip(i + 1) {
                let start = format!("{},{other}", start_of_row(name, checkpoint, set));
                for (measure, matrix) in &matrices {
                    let se = matrix.error(i, j).unwrap_or(f64::NAN);
                    let end = (*measure, matrix.value(i, j), se);
                    add_row(&mut self.layers, &start, end);
                }
            }
        }
    }

    /// The two probes of each layer's floor against each other.
    fn add_floor(
        &mut self,
        plan: &Plan,
        set: &PlaneSet,
        checkpoint: &Checkpoint,
        classes: &[Vec<Vec<u8>>],
    ) {
        for (name, classes) in plan.classifiers().zip(classes) {
            // The net itself has one classifier.
            let floor = classes.get(1 + plan.penalties.len()..);
            let Some([one, other]) = floor else { continue };
            let compared = &set.points.pairs(&[one], &[other])[0];
            for similarity in Similarity::ALL {
                let (value, se) = compared.get(similarity);
                let start = start_of_row(name, checkpoint, set);
                add_row(&mut self.floor, &start, (similarity.name(), value, se));
            }
        }
    }
}

fn start_of_row(name: &str, checkpoint: &Checkpoint, set: &PlaneSet) -> String {
    format!("{name},{},{},{}", checkpoint.step, checkpoint.epoch, set.group)
}

fn add_row(table: &mut String, start: &str, (what, value, se): (&str, f64, f64)) {
    let _ = writeln!(table, "{start},{what},{},{}", number(value), number(se));
}

/// The class with the largest logit of each row; of equal ones the lowest.
pub(super) fn largest(logits: &[f32], n_classes: usize) -> impl Iterator<Item = u8> + '_ {
    logits.chunks(n_classes).map(|row| {
        let mut best = 0;
        for (class, logit) in row.iter().enumerate() {
            if *logit > row[best] {
                best = class;
            }
        }
        best as u8
    })
}
