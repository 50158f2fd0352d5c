//! Pictures of decision regions: classes and confidence on fine grids of a few planes, for the
//! output and one deep layer at a few epochs, as the paper's second version shows them. They
//! are for looking at; the matrices use the coarser grids of all planes.

use crate::array_file::{Array, NamedArrays, Values, npz_bytes, read_npz};
use crate::error::Result;
use crate::observer::Progress;
use crate::planes::{Grid, ImagePlane};
use crate::represent::Layer;
use crate::run_dir::{Checkpoint, RunDir, write_atomic};

use super::OUTPUT;
use super::checkpoint::largest;
use super::plan::{Plan, points};

/// Points along a side of a picture.
const RESOLUTION: usize = 100;
/// Planes shown.
const N_PLANES: usize = 3;
/// Epochs shown.
const N_EPOCHS: usize = 6;
/// Temperature of the softmax behind the confidence, as in the figures of Somepalli et al.
/// 2022.
const TEMPERATURE: f32 = 5.0;

/// Writes `regions/output.npz` and the same for the deepest layer before the last.
pub(super) fn write(plan: &Plan, checkpoints: &[Checkpoint]) -> Result<()> {
    let shown = evenly_spaced(checkpoints, N_EPOCHS);
    let planes = &plan.planes[..plan.planes.len().min(N_PLANES)];
    let grids: Vec<Grid> = planes
        .iter()
        .map(|p| p.plane.grid(RESOLUTION, plan.experiment.analysis.drs.margin))
        .collect();
    let deep = &plan.layers[plan.layers.len().saturating_sub(2)];
    let mut output = Picture::default();
    let mut probe = Picture::default();
    for (done, checkpoint) in shown.iter().enumerate() {
        plan.observer.progress(&Progress {
            stage: "draw",
            done: done as u64,
            total: shown.len() as u64,
            detail: format!("decision regions at epoch {}", checkpoint.epoch),
        });
        draw(plan, checkpoint, deep, &grids, [&mut output, &mut probe])?;
    }
    // The output's last: it is the sign that both are there.
    for (name, picture) in [(deep.name.as_str(), probe), (OUTPUT, output)] {
        let arrays = picture.to_arrays(plan, &shown, planes, &grids);
        write_atomic(&plan.run.regions(name), &npz_bytes(&arrays))?;
    }
    Ok(())
}

/// Whether the pictures of these checkpoints are there.
pub(super) fn are_drawn(run: &RunDir, checkpoints: &[Checkpoint]) -> bool {
    let path = run.regions(OUTPUT);
    let shown = evenly_spaced(checkpoints, N_EPOCHS);
    let steps = shown.iter().map(|checkpoint| checkpoint.step as i64).collect();
    // What is missing or cannot be read is drawn again.
    path.is_file()
        && read_npz(&path).is_ok_and(|arrays| {
            arrays.get("steps").is_some_and(|array| array.values == Values::I64(steps))
        })
}

/// Classes and confidence of one layer at every point of every shown (epoch, plane).
#[derive(Default)]
struct Picture {
    classes: Vec<u8>,
    confidence: Vec<f32>,
}

impl Picture {
    fn add(&mut self, logits: &[f32], n_classes: usize) {
        self.classes.extend(largest(logits, n_classes));
        self.confidence.extend(logits.chunks(n_classes).map(confidence));
    }

    fn to_arrays(
        &self,
        plan: &Plan,
        shown: &[&Checkpoint],
        planes: &[ImagePlane],
        grids: &[Grid],
    ) -> NamedArrays {
        let labels = plan.triplet_labels();
        let mut arrays = NamedArrays::default();
        let mut add = |name: &str, shape: &[usize], values| {
            arrays.push(name, Array::new(shape, values));
        };
        let (k, p, g) = (shown.len(), planes.len(), RESOLUTION);
        let steps = shown.iter().map(|c| c.step as i64).collect();
        add("steps", &[k], Values::I64(steps));
        add("epochs", &[k], Values::F64(shown.iter().map(|c| c.epoch).collect()));
        let triplets = || planes.iter().flat_map(|plane| plane.triplet);
        add("triplets", &[p, 3], Values::I64(triplets().map(|i| i as i64).collect()));
        let labels = triplets().map(|i| i64::from(labels[i])).collect();
        add("labels", &[p, 3], Values::I64(labels));
        add("classes", &[k, p, g, g], Values::U8(self.classes.clone()));
        add("confidence", &[k, p, g, g], Values::F32(self.confidence.clone()));
        let corners = grids.iter().flat_map(Grid::corners).collect();
        add("corners", &[p, 4], Values::F64(corners));
        let images = planes.iter().flat_map(|p| p.plane.coordinates.concat()).collect();
        add("images", &[p, 3, 2], Values::F64(images));
        arrays
    }
}

/// Adds one checkpoint to both pictures.
fn draw(
    plan: &Plan,
    checkpoint: &Checkpoint,
    deep: &Layer,
    grids: &[Grid],
    [output, probe]: [&mut Picture; 2],
) -> Result<()> {
    let mut net = plan.representer(checkpoint)?;
    let linear = plan.probe(deep, checkpoint)?;
    let nodes = [deep.node, plan.net.nodes.len() - 1];
    let n_classes = plan.data.n_classes;
    let n = grids.len() * RESOLUTION * RESOLUTION;
    net.stream(
        n,
        &nodes,
        |range| points(grids, range),
        |range, outputs| {
            let [layer, logits] = <[Vec<f32>; 2]>::try_from(outputs).expect("two nodes");
            output.add(&logits, n_classes);
            let features = plan.pooling.apply(layer, deep.shape);
            probe.add(&linear.logits(&features, range.len()), n_classes);
            Ok(())
        },
    )
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
