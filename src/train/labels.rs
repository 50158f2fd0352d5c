//! `labels.npz`: labels, noise, and which examples are analyzed.

use crate::data::{Data, analysis_examples};
use crate::error::Result;
use crate::experiment::{Experiment, TrainLabels};
use crate::planes::image_planes;
use crate::run_dir::{Labels, RunDir};

/// The labels that are learned.
pub(super) fn training_labels<'a>(experiment: &Experiment, data: &'a Data) -> &'a [u8] {
    match experiment.train.labels {
        TrainLabels::Noisy => &data.noisy,
        TrainLabels::Clean => &data.train.labels,
    }
}

/// Writes `labels.npz` of an experiment: the labels, the analyzed examples of each of its
/// groups, and the triplets of its planes.
///
/// # Errors
/// If the images have too few classes for triplets, or the operating system refuses.
pub fn write_labels(experiment: &Experiment, data: &Data, run: &RunDir) -> Result<()> {
    let bytes = |labels: &[u8]| labels.iter().map(|&label| i64::from(label)).collect();
    let positions = |positions: &[usize]| -> Vec<i64> {
        positions.iter().map(|&position| position as i64).collect()
    };
    let examples = analysis_examples(experiment, data).members;
    let mut triplets = vec![];
    for &source in experiment.analysis.drs.source.list() {
        let planes = image_planes(experiment, data, source)?;
        let triplet = |plane: &crate::planes::ImagePlane| plane.triplet.map(|i| i as i64);
        triplets.push((source.name().to_owned(), planes.iter().map(triplet).collect()));
    }
    run.write_labels(&Labels {
        truth: bytes(&data.train.labels),
        noisy: bytes(&data.noisy),
        corrupted: (0..data.noisy.len()).map(|i| data.is_corrupted(i)).collect(),
        test: bytes(&data.test.labels),
        test_noisy: experiment.noise.test.then(|| bytes(&data.noisy_test)),
        train_index: positions(&data.train_index),
        test_index: positions(&data.test_index),
        examples: examples
            .iter()
            .map(|(group, examples)| (group.name().to_owned(), positions(examples)))
            .collect(),
        triplets,
    })
}
