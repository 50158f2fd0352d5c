//! What an analysis costs, before it is done.

use std::time::{Duration, Instant};

use crate::data::{Data, analysis_examples};
use crate::error::Result;
use crate::experiment::{BatchNormChoice, Experiment};
use crate::net::{Net, initial_weights};
use crate::probe::features::pooled_side;
use crate::represent::{self, Layer, Representer, evaluation_batches};
use crate::similarity::Settings;

use super::checkpoint::{fit_probe, probe_features};

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
    /// Bytes held at once: features of all layers, one group's representations, a design for
    /// each thread, activations of one batch of evaluation.
    pub peak_bytes: u64,
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
        let n_grouped: usize = groups.iter().map(|(_, examples)| examples.len()).sum();
        let n = groups.first().map_or(0, |(_, examples)| examples.len());
        let widths: Vec<usize> =
            layers.iter().map(|layer| feature_count(layer, config.probe.cap)).collect();
        let n_features: usize = widths.iter().sum();
        let settings =
            Settings { estimator: config.cka.estimator, ..Settings::default() };
        let numbers = |layer: &Layer| -> usize {
            let measures = config.measures.iter();
            measures.map(|m| m.signature_len(n, layer.shape.size(), &settings)).sum()
        };
        let grams = groups.len() * layers.iter().map(numbers).sum::<usize>() * 4;
        let probes = n_features * data.n_classes * 4;
        let decided = (layers.len() + 1) * (n_points + 3 * n_planes + n_test);
        let flat: usize = layers.iter().map(|layer| layer.shape.size()).sum();
        // Standardized features, their factors and reflections, in f64.
        let widest = widths.iter().max().copied().unwrap_or(0);
        let designs = rayon::current_num_threads() * 3 * 8 * n_train * widest;
        let nodes: usize = net.nodes.iter().map(|node| node.shape.size()).sum();
        let activations = 4 * nodes * n_train.min(represent::EVALUATION_BATCH);
        Ok(Self {
            n_layers: layers.len(),
            n_groups: groups.len(),
            n_planes,
            points_per_plane,
            // Test images twice: their features, then their classes.
            forward_images: 2 * (n_train + n_test) + n_grouped + n_points + 3 * n_planes,
            stored_bytes: (grams + probes + decided) as u64,
            peak_bytes: (4 * ((n_train + n_test) * n_features + n * flat)
                + grams
                + designs
                + activations) as u64,
            probe_time: probe_time(experiment, data, &net, &layers, n_features)?,
        })
    }
}

/// Features of a layer after pooling to the cap.
fn feature_count(layer: &Layer, cap: usize) -> usize {
    if layer.shape.size() <= cap {
        return layer.shape.size();
    }
    layer.shape.channels * pooled_side(layer.shape, cap).pow(2)
}

/// Fits the probe of one middle layer on the untrained net, and scales its time to the
/// features of all layers.
fn probe_time(
    experiment: &Experiment,
    data: &Data,
    net: &Net,
    layers: &[Layer],
    n_features: usize,
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
        config.cap,
    )?;
    let start = Instant::now();
    fit_probe(layer, &features[0], data, config, None)?;
    let share = n_features as f64 / feature_count(layer, config.cap) as f64;
    // Layers are fitted side by side.
    let threads = rayon::current_num_threads().min(layers.len());
    Ok(start.elapsed().mul_f64(share / threads as f64))
}
