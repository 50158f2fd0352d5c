//! `labels.npz`: labels, noise, and which examples are analysed.

use crate::array_file::{Array, NamedArrays, npz_bytes};
use crate::data::{Data, analysis_examples};
use crate::error::Result;
use crate::experiment::{Experiment, TrainLabels};
use crate::planes::image_planes;
use crate::run_dir::{RunDir, write_atomic};

/// The labels that are learned.
pub(super) fn training_labels<'a>(experiment: &Experiment, data: &'a Data) -> &'a [u8] {
    match experiment.train.labels {
        TrainLabels::Noisy => &data.noisy,
        TrainLabels::Clean => &data.train.labels,
    }
}

/// Writes `labels.npz`: `true`, `noisy`, `corrupted`, `test`, (`test_noisy` where the
/// experiment asks for noisy test labels,) `train_index`, `test_index`, an
/// `examples_GROUP` for each of the experiment's groups, and the `triplets` of
/// its planes (`triplets_SOURCE` of a second source).
///
/// # Errors
/// If the images have too few classes for triplets, or the operating system refuses.
pub fn write_labels(experiment: &Experiment, data: &Data, run: &RunDir) -> Result<()> {
    let bytes = |labels: &[u8]| vector(labels.iter().map(|&label| i64::from(label)));
    let indices = |indices: &[usize]| vector(indices.iter().map(|&i| i as i64));
    let corrupted: Vec<bool> =
        (0..data.noisy.len()).map(|i| data.is_corrupted(i)).collect();
    let mut arrays = NamedArrays::default();
    arrays.push("true", bytes(&data.train.labels));
    arrays.push("noisy", bytes(&data.noisy));
    arrays.push("corrupted", Array::bool(&[corrupted.len()], corrupted));
    arrays.push("test", bytes(&data.test.labels));
    if experiment.noise.test {
        arrays.push("test_noisy", bytes(&data.noisy_test));
    }
    arrays.push("train_index", indices(&data.train_index));
    arrays.push("test_index", indices(&data.test_index));
    for (group, examples) in &analysis_examples(experiment, data).members {
        let name = group.name().replace('-', "_");
        arrays.push(format!("examples_{name}"), indices(examples));
    }
    for (k, &source) in experiment.analysis.drs.source.list().iter().enumerate() {
        let planes = image_planes(experiment, data, source)?;
        let triplets: Vec<i64> =
            planes.iter().flat_map(|plane| plane.triplet.map(|i| i as i64)).collect();
        let name = match k {
            0 => "triplets".into(),
            _ => format!("triplets_{}", source.name()),
        };
        arrays.push(name, Array::i64(&[triplets.len() / 3, 3], triplets));
    }
    write_atomic(&run.labels(), &npz_bytes(&arrays))
}

fn vector(values: impl Iterator<Item = i64>) -> Array {
    let values: Vec<i64> = values.collect();
    Array::i64(&[values.len()], values)
}
