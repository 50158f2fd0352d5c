//! Pictures of decision regions: classes and confidence on fine grids of a few planes, for
//! every layer and the output at a few epochs, as the paper's second version shows them. They
//! are for looking at; the matrices use the coarser grids of all planes.

use std::ops::Range;

use crate::data::Data;
use crate::engine::Inputs;
use crate::error::{Error, Result};
use crate::experiment::TripletSource;
use crate::observer::{Observer, Progress, epoch_label};
use crate::planes::{Grid, PlanePoints};
use crate::represent::{Layer, glob_matches};
use crate::run_dir::{Checkpoint, RegionPlanes, Regions, RunDir};

use super::part::LayerProbe;
use super::plan::{OUTPUT, Plan, pooled_nodes};
use super::reduce::largest;

/// Points along a side of a run's pictures.
const RESOLUTION: usize = 80;
/// Planes shown of the first source of triplets; of each other source one.
const N_PLANES: usize = 2;
/// Epochs shown.
const N_EPOCHS: usize = 8;
/// Epochs nearer than this are the same: two decimals are what is printed of them.
const SAME_EPOCH: f64 = 0.005;
/// Temperature of the softmax behind the confidence, as in the figures of Somepalli et al.
/// 2022.
const TEMPERATURE: f32 = 5.0;

/// Which decision regions are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// A layer's name or glob, or `output`; absent: all.
    pub layers: Option<String>,
    /// Epochs of checkpoints; none stands for eight, evenly spaced in log-epoch.
    pub epochs: Vec<f64>,
    /// Where the triplet is from; absent: the run's first source.
    pub source: Option<TripletSource>,
    /// The triplet's position in its source's list.
    pub triplet: usize,
    /// Points along a side.
    pub resolution: usize,
}

/// Draws the decision regions of a run that is analyzed, in depth order. Cost: one forward pass
/// of `resolution`² points per epoch.
///
/// # Errors
/// If the run has no such layer, checkpoint, source or triplet, or no probes yet.
pub fn draw_regions(
    run: &RunDir,
    data: &Data,
    view: &View,
    observer: &dyn Observer,
) -> Result<Vec<Regions>> {
    let plan = Plan::new(run, data, observer)?;
    let checkpoints = run.checkpoints()?;
    let shown = chosen_checkpoints(&checkpoints, &view.epochs, observer)?;
    let is_shown = |name: &str| {
        view.layers.as_deref().is_none_or(|pattern| glob_matches(pattern, name))
    };
    let layers: Vec<&Layer> = plan.layers.iter().filter(|l| is_shown(&l.name)).collect();
    if layers.is_empty() && !is_shown(OUTPUT) {
        let found = format!("has no layer `{}`", view.layers.as_deref().unwrap_or("all"));
        let names: Vec<&str> = plan.classifiers().collect();
        return Err(Error::usage(run.root().display().to_string(), found)
            .expected(format!("a name or glob among {}", names.join(" "))));
    }
    let set = match view.source {
        None => 0,
        Some(source) => {
            let group = source.name();
            plan.planes.iter().position(|set| set.group == group).ok_or_else(|| {
                let groups: Vec<_> = plan.planes.iter().map(|set| set.group).collect();
                Error::usage("the source", format!("is `{group}`"))
                    .expected(format!("one that the run has: {}", groups.join(" ")))
            })?
        }
    };
    let n_planes = plan.planes[set].planes.len();
    if view.triplet >= n_planes {
        return Err(Error::usage("the triplet", format!("is {}", view.triplet))
            .expected(format!("below {n_planes}, the number of triplets")));
    }
    let planes = [Place { set, plane: view.triplet }];
    let mut pictures = pictures(&plan, &shown, (&layers, &planes), view.resolution)?;
    pictures.retain(|regions| is_shown(&regions.layer));
    Ok(pictures)
}

/// The checkpoints nearest to these epochs, which is said where they are not at them.
fn chosen_checkpoints<'c>(
    all: &'c [Checkpoint],
    epochs: &[f64],
    observer: &dyn Observer,
) -> Result<Vec<&'c Checkpoint>> {
    if epochs.is_empty() {
        return Ok(evenly_spaced(all, N_EPOCHS));
    }
    let nearest = |epoch: &f64| {
        let distance = |c: &&Checkpoint| (c.epoch - epoch).abs();
        let found = all.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let found = found.filter(|_| epoch.is_finite()).ok_or_else(|| {
            Error::usage("the epoch", format!("is {epoch}"))
                .expected("one of a checkpoint")
        })?;
        if distance(&found) > SAME_EPOCH {
            let (asked, found) = (epoch_label(*epoch), epoch_label(found.epoch));
            observer.note(&format!(
                "no checkpoint at epoch {asked}: the nearest, at epoch {found}, is shown"
            ));
        }
        Ok(found)
    };
    epochs.iter().map(nearest).collect()
}

/// Writes `regions/<layer>.npz` of every layer and the output.
pub(crate) fn write(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let shown = evenly_spaced(checkpoints, N_EPOCHS);
    let mut planes = vec![];
    for (set, of_set) in plan.planes.iter().enumerate() {
        let n = if set == 0 { N_PLANES } else { 1 };
        let n = n.min(of_set.planes.len());
        planes.extend((0..n).map(|plane| Place { set, plane }));
    }
    let layers: Vec<&Layer> = plan.layers.iter().collect();
    // The output's last: it is the sign that all are there.
    for regions in pictures(plan, &shown, (&layers, &planes), RESOLUTION)? {
        regions.write(&plan.run.regions(&regions.layer))?;
    }
    Ok(())
}

/// Whether the pictures of these checkpoints are there.
pub(crate) fn are_drawn(run: &RunDir, checkpoints: &[Checkpoint]) -> bool {
    let path = run.regions(OUTPUT);
    let shown = evenly_spaced(checkpoints, N_EPOCHS);
    let steps: Vec<i64> = shown.iter().map(|checkpoint| checkpoint.step as i64).collect();
    // What is missing or cannot be read is drawn again.
    path.is_file()
        && Regions::read(OUTPUT.into(), &path)
            .is_ok_and(|regions| regions.planes.steps == steps)
}

/// A plane of one of the sources.
#[derive(Clone, Copy)]
struct Place {
    set: usize,
    plane: usize,
}

/// Classes and confidence of one classifier at every point of every shown (epoch, plane).
#[derive(Default, Clone)]
struct Picture {
    classes: Vec<u8>,
    confidence: Vec<f32>,
}

impl Picture {
    fn add(&mut self, logits: &[f32], n_classes: usize) {
        self.classes.extend(largest(logits, n_classes));
        self.confidence.extend(logits.chunks(n_classes).map(confidence));
    }
}

/// The pictures of `layers` and, last, of the output.
fn pictures(
    plan: &Plan,
    shown: &[&Checkpoint],
    (layers, places): (&[&Layer], &[Place]),
    resolution: usize,
) -> Result<Vec<Regions>> {
    let margin = plan.experiment.analysis.drs.margin;
    let plane = |place: &Place| &plan.planes[place.set].planes[place.plane].plane;
    let grids: Vec<Grid> =
        places.iter().map(|place| plane(place).grid(resolution, margin)).collect();
    let drawn: Vec<(&Place, &Grid)> = places.iter().zip(&grids).collect();
    let mut pictures = vec![Picture::default(); layers.len() + 1];
    for (done, checkpoint) in shown.iter().enumerate() {
        plan.observer.progress(&Progress {
            stage: "draw",
            done: done as u64,
            total: shown.len() as u64,
            detail: format!(
                "decision regions at epoch {}",
                epoch_label(checkpoint.epoch)
            ),
        });
        draw(plan, checkpoint, (layers, &drawn), &mut pictures)?;
    }
    let names = layers.iter().map(|layer| layer.name.clone()).chain([OUTPUT.into()]);
    let planes = described(plan, shown, (places, &grids), resolution);
    let of_layer = |(layer, picture): (String, Picture)| Regions {
        layer,
        planes: planes.clone(),
        classes: picture.classes,
        confidence: picture.confidence,
    };
    Ok(names.zip(pictures).map(of_layer).collect())
}

/// Adds one checkpoint to the pictures.
fn draw(
    plan: &Plan,
    checkpoint: &Checkpoint,
    (layers, drawn): (&[&Layer], &[(&Place, &Grid)]),
    pictures: &mut [Picture],
) -> Result<()> {
    let mut net = plan.representer(checkpoint)?;
    let probes = layers.iter().map(|layer| plan.probe(layer, checkpoint));
    let probes = probes.collect::<Result<Vec<_>>>()?;
    let mut wanted = pooled_nodes(layers.iter().copied(), plan.pooling);
    wanted.push((plan.net.nodes.len() - 1, None));
    let n_classes = plan.data.n_classes;
    let mut add = |range: Range<usize>, outputs: &[Vec<f32>]| {
        let (logits, outputs) =
            outputs.split_last().expect("the net's output is asked for");
        pictures[layers.len()].add(logits, n_classes);
        for (i, output) in outputs.iter().enumerate() {
            let features = plan.pooling.of_pooled(output, layers[i].shape);
            let own =
                logits_of(&probes[i], features.into_owned(), (range.len(), n_classes));
            pictures[i].add(&own, n_classes);
        }
        Ok(())
    };
    for (place, grid) in drawn {
        let set = &plan.planes[place.set];
        let triplets = std::slice::from_ref(&set.triplets[place.plane]);
        let points = PlanePoints { triplets, grids: std::slice::from_ref(*grid) };
        net.stream(&Inputs::Points(set.split, &points), &wanted, &mut add)?;
    }
    Ok(())
}

/// The logits of n inputs: NaN, and with them the confidence, where there is no probe or a
/// feature is not finite.
fn logits_of(
    probe: &LayerProbe,
    mut features: Vec<f32>,
    (n, n_classes): (usize, usize),
) -> Vec<f32> {
    let Ok(probe) = probe else { return vec![f32::NAN; n * n_classes] };
    let is_wrong = |row: &[f32]| row.iter().any(|value| !value.is_finite());
    let width = probe.n_features;
    let wrong: Vec<bool> = features.chunks(width).map(is_wrong).collect();
    for (row, _) in features.chunks_mut(width).zip(&wrong).filter(|(_, wrong)| **wrong) {
        row.fill(0.0);
    }
    let mut logits = probe.logits(&features, n);
    for (row, _) in logits.chunks_mut(n_classes).zip(&wrong).filter(|(_, w)| **w) {
        row.fill(f32::NAN);
    }
    logits
}

/// What all pictures share: when, and on which planes.
fn described(
    plan: &Plan,
    shown: &[&Checkpoint],
    (places, grids): (&[Place], &[Grid]),
    side: usize,
) -> RegionPlanes {
    let set = |place: &Place| &plan.planes[place.set];
    let planes = || places.iter().map(|place| &set(place).planes[place.plane]);
    let images = || places.iter().map(|place| &set(place).images[place.plane]);
    RegionPlanes {
        steps: shown.iter().map(|c| c.step as i64).collect(),
        epochs: shown.iter().map(|c| c.epoch).collect(),
        side,
        sources: places.iter().map(|place| place.set as i64).collect(),
        positions: places.iter().map(|place| place.plane as i64).collect(),
        triplets: planes().map(|plane| plane.triplet.map(|i| i as i64)).collect(),
        labels: images().map(|images| images.labels.map(i64::from)).collect(),
        corrupted: images().map(|images| images.corrupted).collect(),
        corners: grids.iter().map(Grid::corners).collect(),
        images: planes().map(|p| p.plane.coordinates).collect(),
    }
}

/// The largest softmax probability of one row of logits at [`TEMPERATURE`].
fn confidence(logits: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    1.0 / logits.iter().map(|x| ((x - largest) / TEMPERATURE).exp()).sum::<f32>()
}

/// `n` of `items`, first and last among them, evenly spaced by position: checkpoints are
/// log-spaced, so positions are even in log-epoch.
fn evenly_spaced<T>(items: &[T], n: usize) -> Vec<&T> {
    if items.len() <= n {
        return items.iter().collect();
    }
    let last = items.len() - 1;
    (0..n).map(|i| &items[(i * last + (n - 1) / 2) / (n - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_epochs_include_first_and_last() {
        let items: Vec<usize> = (0..44).collect();
        assert_eq!(evenly_spaced(&items, 6), [&0, &9, &17, &26, &34, &43]);
        assert_eq!(evenly_spaced(&items[..2], 6), [&0, &1]);
    }

    #[test]
    fn confidence_is_the_largest_softmax_probability() {
        let p = confidence(&[5.0, 0.0]);
        assert!((p - 1.0 / (1.0 + (-1.0f32).exp())).abs() < 1e-6, "{p}");
        assert!((confidence(&[1e30, 1e30, 1e30, 1e30]) - 0.25).abs() < 1e-6);
    }
}
