//! What an analysis costs, before it is done.

use std::time::{Duration, Instant};

use crate::data::{Data, Split, analysis_examples};
use crate::engine::Device;
use crate::error::Result;
use crate::experiment::{BatchNormChoice, Experiment};
use crate::net::{Net, initial_weights};
use crate::probe::features::Pooling;
use crate::represent::{self, Layer, Representer, recomputes_statistics};
use crate::similarity::Settings;

use super::plan::{memory, other_penalties, pooling};
use super::reduce::{design_bytes, fit_probes, probe_features, sizes};

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
    /// Counts the work of analyzing one checkpoint and times its probes.
    ///
    /// # Errors
    /// If a layer or the planes cannot be chosen.
    pub fn of(experiment: &Experiment, data: &Data) -> Result<Self> {
        let of = Counted::new(experiment, data)?;
        let config = &experiment.analysis;
        let (n_train, n_test) = (data.noisy.len(), data.test.labels.len());
        let recomputed = recomputes_statistics(&of.net, experiment.evaluation.batchnorm);
        let n_for_statistics = if recomputed { n_train } else { 0 };
        let grams = of.gram_bytes();
        let (fitting, probe_passes) = of.at_work();
        Ok(Self {
            n_layers: of.layers.len(),
            n_groups: of.n_groups,
            n_planes: of.n_planes,
            points_per_plane: config.drs.resolution.pow(2),
            // Test images once more, for their classes.
            forward_images: n_for_statistics
                + probe_passes * (n_train + n_test)
                + n_test
                + of.n_grouped
                + of.n_points
                + 3 * of.n_planes,
            stored_bytes: (grams + of.probe_bytes() + of.decided_bytes()) as u64,
            peak_bytes: fitting + (2 * grams + of.held_bytes()) as u64,
            row_bytes: of.row_bytes(),
            probe_passes,
            probe_time: of.probe_time()?,
        })
    }
}

/// What is counted.
struct Counted<'a> {
    experiment: &'a Experiment,
    data: &'a Data,
    net: Net,
    layers: Vec<Layer>,
    pooling: Pooling,
    settings: Settings,
    n_groups: usize,
    /// Examples of all groups, and of each.
    n_grouped: usize,
    n_examples: usize,
    n_planes: usize,
    /// Points on all planes.
    n_points: usize,
    /// Features of all layers' probes.
    n_features: usize,
    /// Other λ.
    n_penalties: usize,
}

impl<'a> Counted<'a> {
    fn new(experiment: &'a Experiment, data: &'a Data) -> Result<Self> {
        let config = &experiment.analysis;
        let net = experiment.net.build(data.train.shape, data.n_classes);
        let layers = represent::layers(&net, &config.layers, config.tokens)?;
        let groups = analysis_examples(experiment, data).members;
        let pooling = pooling(&config.probe, &net, &layers);
        let n_planes = config.drs.triplets * config.drs.source.list().len();
        Ok(Self {
            n_groups: groups.len(),
            n_grouped: groups.iter().map(|(_, examples)| examples.len()).sum(),
            n_examples: groups.first().map_or(0, |(_, examples)| examples.len()),
            n_planes,
            n_points: n_planes * config.drs.resolution.pow(2),
            n_features: layers.iter().map(|layer| pooling.width(layer.shape)).sum(),
            n_penalties: other_penalties(&config.probe).count(),
            settings: Settings { estimator: config.cka.estimator, ..Settings::default() },
            experiment,
            data,
            net,
            layers,
            pooling,
        })
    }

    /// Bytes of the signatures of one layer by each measure.
    fn signature_bytes(&self, layer: &Layer) -> impl Iterator<Item = usize> {
        let size = layer.shape.size();
        let measures = self.experiment.analysis.measures.iter();
        measures.map(move |m| 4 * m.signature_len(self.n_examples, size, &self.settings))
    }

    /// Bytes of the signatures of all representations.
    fn gram_bytes(&self) -> usize {
        let of_layer = |layer: &Layer| self.signature_bytes(layer).sum::<usize>();
        self.n_groups * self.layers.iter().map(of_layer).sum::<usize>()
    }

    /// Bytes of the longest signature.
    fn row_bytes(&self) -> u64 {
        let all = self.layers.iter().flat_map(|layer| self.signature_bytes(layer));
        all.max().unwrap_or(0).max(self.n_points) as u64
    }

    fn probe_bytes(&self) -> usize {
        (1 + self.n_penalties) * self.n_features * self.data.n_classes * 4
    }

    /// Bytes of all classes.
    fn decided_bytes(&self) -> usize {
        let n_test = self.data.test.labels.len();
        self.n_classifiers() * self.n_points
            + (self.layers.len() + 1) * (3 * self.n_planes + n_test)
    }

    fn n_classifiers(&self) -> usize {
        (1 + self.n_penalties) * self.layers.len() + 1
    }

    /// Bytes held beside the signatures while planes pass through the net.
    fn held_bytes(&self) -> usize {
        let (n_train, n_test) = (self.data.noisy.len(), self.data.test.labels.len());
        let sizes = self.net.nodes.iter().map(|node| node.shape.size());
        let batch = n_train.min(represent::EVALUATION_BATCH);
        let activations = 4 * LIVE_MAPS * sizes.max().unwrap_or(0) * batch;
        let images = (n_train + n_test) * self.data.train.shape.size();
        let block = 4 * represent::BLOCK * self.n_features;
        // The order of the points; the classes by every classifier, in the checkpoint's part
        // and in its file, and by those of the floor.
        let per_point = 8 + 3 * self.n_classifiers() + 2 * self.layers.len();
        self.n_points * per_point + activations + block + images
    }

    /// Bytes of the features that are held at once and of the work on them, at most; and the
    /// passes that feed the probes.
    fn at_work(&self) -> (u64, usize) {
        let limit = memory::bytes(&self.experiment.analysis);
        let most = |sizes: &[u64], work| {
            let batches = memory::batches(sizes, work, limit);
            let held =
                batches.iter().map(|batch| memory::held(sizes, batch.clone(), work));
            (held.max().unwrap_or(0), batches.len())
        };
        let size = |layer: &Layer| 4 * (self.n_examples * layer.shape.size()) as u64;
        let represented: Vec<u64> = self.layers.iter().map(size).collect();
        let work = design_bytes(self.data, &self.layers, self.pooling);
        let sizes = sizes(self.data, &self.layers, self.pooling);
        let (probing, n_passes) = most(&sizes, work);
        (probing.max(most(&represented, 0).0), n_passes)
    }

    /// Fits the probe of one middle layer on the untrained net, and scales its time to the
    /// features of all layers.
    fn probe_time(&self) -> Result<Duration> {
        let Self { experiment, data, layers, pooling, .. } = self;
        let layer = &layers[layers.len() / 2];
        let weights = initial_weights(&self.net, experiment.seed);
        let device = Device::open(&experiment.engine, data, &data.noisy)?;
        let choice = BatchNormChoice::Running;
        let mut net = Representer::new(&device, data, &self.net, &weights, choice)?
            .with_tokens(experiment.analysis.tokens);
        let only = std::slice::from_ref(layer);
        let features = probe_features(&mut net, Split::Train, only, *pooling)?;
        let start = Instant::now();
        fit_probes(&features[0], data, &experiment.analysis.probe, None);
        let share = self.n_features as f64 / pooling.width(layer.shape) as f64;
        // Layers are fitted side by side.
        let threads = rayon::current_num_threads().min(layers.len());
        Ok(start.elapsed().mul_f64(share / threads as f64))
    }
}
