//! What an analysis costs, before it is done.

use std::time::{Duration, Instant};

use crate::data::{Data, analysis_examples};
use crate::error::Result;
use crate::experiment::{BatchNormChoice, Experiment};
use crate::net::{Net, initial_weights};
use crate::probe::features::Pooling;
use crate::represent::{
    self, Layer, Representer, evaluation_batches, recomputes_statistics,
};
use crate::similarity::Settings;

use super::memory;
use super::plan::pooling;
use super::probes::{design_bytes, fit_probes, other_penalties, probe_features, sizes};

/// Outputs of the size of a net's largest that are needed at once: a residual block's input, its
/// sum's other term, and what is read and written.
const LIVE_MAPS: usize = 4;

/// Counts of one analysis.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Layers compared.
    pub n_layers: usize,
    /// Groups of examples.
    pub n_groups: usize,
    /// Planes through triplets.
    pub n_planes: usize,
    /// Points of the grid on one plane.
    pub points_per_plane: usize,
    /// Images and points in the forward passes of one checkpoint.
    pub forward_images: usize,
    /// Bytes of signatures and probes of one checkpoint.
    pub stored_bytes: u64,
    /// Bytes held at once: features of the layers whose probes are fitted together, a design
    /// for each thread, one group's representations, signatures and decisions, activations of
    /// one batch of evaluation, features of one block of points, images.
    pub peak_bytes: u64,
    /// Bytes of the longest signature: those of all checkpoints are compared at once, one
    /// layer and measure after the other.
    pub row_bytes: u64,
    /// Forward passes over all images that feed the probes of one checkpoint: 1 where their
    /// features fit `analysis.memory`.
    pub probe_passes: usize,
    /// Time for the probes of one checkpoint, measured on features of the untrained net.
    pub probe_time: Duration,
}

impl Work {
    /// Counts the work of analysing one checkpoint and times its probes.
    ///
    /// # Errors
    /// If a layer or the planes cannot be chosen.
    pub fn of(experiment: &Experiment, data: &Data) -> Result<Self> {
        let net = experiment.net.build(data.train.shape, data.n_classes);
        let layers = represent::layers(
            &net,
            &experiment.analysis.layers,
            experiment.analysis.tokens,
        )?;
        let groups = analysis_examples(experiment, data).members;
        let config = &experiment.analysis;
        let points_per_plane = config.drs.resolution.pow(2);
        let n_planes = config.drs.triplets * config.drs.source.list().len();
        let n_points = n_planes * points_per_plane;
        let (n_train, n_test) = (data.noisy.len(), data.test.labels.len());
        let recomputed = recomputes_statistics(&net, experiment.evaluation.batchnorm);
        let n_for_statistics = if recomputed { n_train } else { 0 };
        let n_grouped: usize = groups.iter().map(|(_, examples)| examples.len()).sum();
        let n = groups.first().map_or(0, |(_, examples)| examples.len());
        let pooling = pooling(&config.probe, &net, &layers);
        let widths: Vec<usize> =
            layers.iter().map(|layer| pooling.width(layer.shape)).collect();
        let n_features: usize = widths.iter().sum();
        let settings =
            Settings { estimator: config.cka.estimator, ..Settings::default() };
        let numbers = |layer: &Layer| -> usize {
            let measures = config.measures.iter();
            measures.map(|m| m.signature_len(n, layer.shape.size(), &settings)).sum()
        };
        let longest = config.measures.iter().filter_map(|measure| {
            let length = |layer: &Layer| {
                4 * measure.signature_len(n, layer.shape.size(), &settings)
            };
            layers.iter().map(length).max()
        });
        let row_bytes = longest.max().unwrap_or(0).max(n_points) as u64;
        let grams = groups.len() * layers.iter().map(numbers).sum::<usize>() * 4;
        let n_penalties = other_penalties(&config.probe).count();
        let probes = (1 + n_penalties) * n_features * data.n_classes * 4;
        let n_classifiers = (1 + n_penalties) * layers.len() + 1;
        let decided =
            n_classifiers * n_points + (layers.len() + 1) * (3 * n_planes + n_test);
        let place = (experiment, data, layers.as_slice(), pooling);
        let (fitting, probe_passes) = at_work(place, n);
        let largest = net.nodes.iter().map(|node| node.shape.size()).max().unwrap_or(0);
        let activations =
            4 * LIVE_MAPS * largest * n_train.min(represent::EVALUATION_BATCH);
        let images = (n_train + n_test) * data.train.shape.size();
        let block = 4 * represent::BLOCK * n_features;
        // The order of the points; the classes by every classifier, in the checkpoint's part
        // and in its file, and by those of the floor.
        let at_points = n_points * (8 + 3 * n_classifiers + 2 * layers.len());
        Ok(Self {
            n_layers: layers.len(),
            n_groups: groups.len(),
            n_planes,
            points_per_plane,
            // Test images once more, for their classes.
            forward_images: n_for_statistics
                + probe_passes * (n_train + n_test)
                + n_test
                + n_grouped
                + n_points
                + 3 * n_planes,
            stored_bytes: (grams + probes + decided) as u64,
            peak_bytes: fitting
                + (2 * grams + at_points + activations + block + images) as u64,
            row_bytes,
            probe_passes,
            probe_time: probe_time(experiment, data, &net, &layers, pooling)?,
        })
    }
}

/// Bytes of the features that are held at once and of the work on them, at most; and the passes
/// that feed the probes.
fn at_work(
    (experiment, data, layers, pooling): (&Experiment, &Data, &[Layer], Pooling),
    n_examples: usize,
) -> (u64, usize) {
    let limit = memory::bytes(&experiment.analysis);
    let most = |sizes: &[u64], work| {
        let batches = memory::batches(sizes, work, limit);
        let held = batches.iter().map(|batch| memory::held(sizes, batch.clone(), work));
        (held.max().unwrap_or(0), batches.len())
    };
    let represented: Vec<u64> =
        layers.iter().map(|layer| 4 * (n_examples * layer.shape.size()) as u64).collect();
    let (probing, n_passes) =
        most(&sizes(data, layers, pooling), design_bytes(data, layers, pooling));
    (probing.max(most(&represented, 0).0), n_passes)
}

/// Fits the probe of one middle layer on the untrained net, and scales its time to the
/// features of all layers.
fn probe_time(
    experiment: &Experiment,
    data: &Data,
    net: &Net,
    layers: &[Layer],
    pooling: Pooling,
) -> Result<Duration> {
    let layer = &layers[layers.len() / 2];
    let config = &experiment.analysis.probe;
    let weights = initial_weights(net, experiment.seed);
    let train = evaluation_batches(data, &data.train);
    let mut net = Representer::new(net, &weights, &train, BatchNormChoice::Running)?
        .with_tokens(experiment.analysis.tokens);
    let features = probe_features(
        &mut net,
        data,
        &data.train,
        std::slice::from_ref(layer),
        pooling,
    )?;
    let start = Instant::now();
    fit_probes(layer, &features[0], data, config, None)?;
    let width = |layer: &Layer| pooling.width(layer.shape);
    let n_features: usize = layers.iter().map(width).sum();
    let share = n_features as f64 / width(layer) as f64;
    // Layers are fitted side by side.
    let threads = rayon::current_num_threads().min(layers.len());
    Ok(start.elapsed().mul_f64(share / threads as f64))
}
