//! The noise floor of the probes' decision regions: two probes of one representation, each
//! trained on a bootstrap sample of the training images, agree no better than their training
//! set's chance lets them. A change over the epochs below that is none of the representation.

use rand::RngExt as _;
use rayon::prelude::*;

use super::features::{design_bytes, probe_features, sizes};
use super::fit::{design, if_finite, labels_of, solver};
use crate::analyze::part::LayerProbe;
use crate::analyze::plan::{Plan, memory};
use crate::data::Split;
use crate::error::Result;
use crate::experiment::FloorEpochs;
use crate::probe::FitOptions;
use crate::represent::Representer;
use crate::run_dir::Checkpoint;
use crate::seed;

/// Two probes of each layer, on the bootstrap samples 0 and 1, which are the same for all
/// layers and checkpoints; none where the checkpoint's floor is not asked for.
pub(super) fn probes(
    plan: &Plan,
    net: &mut Representer<'_>,
    (checkpoint, previous): (&Checkpoint, Option<&Checkpoint>),
    fitted: &[Vec<LayerProbe>],
) -> Result<Vec<[LayerProbe; 2]>> {
    if !is_wanted(plan.experiment.analysis.drs.floor, checkpoint, previous) {
        return Ok(vec![]);
    }
    let config = &plan.experiment.analysis.probe;
    let labels = labels_of(plan.data, config.labels);
    let samples = [0, 1].map(|k| sample(plan.experiment.data.seed, k, labels.len()));
    let solver = solver(config);
    let fit = |(features, fitted): (&Vec<f32>, &Vec<LayerProbe>)| {
        let fit = |sample: &Vec<usize>| -> LayerProbe {
            let fitted = fitted[0].as_ref().map_err(|undefined| *undefined)?;
            let d = fitted.n_features;
            let rows = sample.iter().flat_map(|i| &features[i * d..(i + 1) * d]);
            let rows: Vec<f32> = rows.copied().collect();
            let labels: Vec<u8> = sample.iter().map(|i| labels[*i]).collect();
            let design = design(solver, &rows, sample.len())?;
            let options = FitOptions { l2: config.l2, solver, ..FitOptions::default() };
            let n_classes = plan.data.n_classes;
            let fit = design.fit(&labels, n_classes, &options, Some(fitted));
            if_finite(fit).map(|fit| fit.probe)
        };
        [fit(&samples[0]), fit(&samples[1])]
    };
    let sizes = sizes(plan.data, &plan.layers, plan.pooling);
    let work = design_bytes(plan.data, &plan.layers, plan.pooling);
    let limit = memory::bytes(&plan.experiment.analysis);
    let mut probes = vec![];
    for batch in memory::batches(&sizes, work, limit) {
        let layers = &plan.layers[batch.clone()];
        let features = probe_features(net, Split::Train, layers, plan.pooling)?;
        probes.par_extend(features.par_iter().zip(&fitted[batch]).map(fit));
    }
    Ok(probes)
}

/// Whether the checkpoint's floor is asked for.
fn is_wanted(
    floor: FloorEpochs,
    checkpoint: &Checkpoint,
    previous: Option<&Checkpoint>,
) -> bool {
    match floor {
        FloorEpochs::All => true,
        FloorEpochs::None => false,
        FloorEpochs::Some => {
            let previous = previous.map(|previous| previous.epoch);
            is_first_of_its_span(previous, checkpoint.epoch)
        }
    }
}

/// Whether an epoch is the first at or after one of 0, 1, 3, 10, 30, 100 …. It depends on no
/// later checkpoint, so that a growing run keeps its rows.
fn is_first_of_its_span(previous: Option<f64>, epoch: f64) -> bool {
    let Some(previous) = previous else { return true };
    let mut marks =
        (0..).flat_map(|power| [1, 3].map(|k| f64::from(k) * 10f64.powi(power)));
    marks.find(|mark| *mark > previous).is_some_and(|mark| mark <= epoch)
}

/// Positions drawn with replacement.
fn sample(seed: u64, index: u64, n: usize) -> Vec<usize> {
    let mut rng = seed::stream(seed, "analysis/bootstrap", index);
    (0..n).map(|_| rng.random_range(0..n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_begin_at_half_decades() {
        let epochs = [0.0, 1.0, 2.0, 3.0, 5.0, 11.0, 14.0, 40.0, 99.0, 150.0, 310.0];
        let firsts: Vec<f64> = (0..epochs.len())
            .filter(|&k| {
                is_first_of_its_span(k.checked_sub(1).map(|k| epochs[k]), epochs[k])
            })
            .map(|k| epochs[k])
            .collect();
        assert_eq!(firsts, [0.0, 1.0, 3.0, 11.0, 40.0, 150.0, 310.0]);
    }

    #[test]
    fn samples_are_drawn_with_replacement_and_differ() {
        let [a, b] = [0, 1].map(|k| sample(7, k, 1000));
        assert_ne!(a, b);
        let mut distinct = a.clone();
        distinct.sort_unstable();
        distinct.dedup();
        // 1 − 1/e of them, give or take.
        assert!((600..665).contains(&distinct.len()), "{}", distinct.len());
    }
}
