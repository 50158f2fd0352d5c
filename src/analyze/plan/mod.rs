//! What is compared in a run: layers, groups of examples, planes. The same for every
//! checkpoint.

pub(crate) mod memory;
pub(crate) mod plane_set;

use std::sync::OnceLock;

use super::part::LayerProbe;
use super::probe_file;
use crate::array_file::{Array, NamedArrays, read_safetensors};
use crate::data::{Data, analysis_examples};
use crate::engine::Device;
use crate::error::Result;
use crate::experiment::{
    BatchNormChoice, Experiment, Group, MapFeatures, ProbeConfig, ProbeFeatures,
};
use crate::net::{Net, Op};
use crate::observer::Observer;
use crate::probe::features::{Pooling, adaptive_average_pool};
use crate::represent::{self, Layer, Representer};
use crate::run_dir::{Checkpoint, Place, RunDir, checked};
use crate::similarity::regions::Similarity;
use crate::similarity::{AGREEMENT, IMAGES, MatrixKind, Measure, Settings};

use plane_set::PlaneSet;

/// The layer of decisions that stands for the network's own.
pub const OUTPUT: &str = "output";

/// The node of the pixels: the baseline among the probes.
pub const INPUT: &str = "input";

/// What is compared.
pub(crate) struct Plan<'a> {
    pub(crate) observer: &'a dyn Observer,
    pub(crate) run: &'a RunDir,
    pub(crate) experiment: &'a Experiment,
    pub(crate) data: &'a Data,
    pub(crate) net: Net,
    pub(crate) layers: Vec<Layer>,
    /// How layers become the features of their probes.
    pub(crate) pooling: Pooling,
    pub(crate) groups: Vec<(Group, Vec<usize>)>,
    /// The planes of each source.
    pub(crate) planes: Vec<PlaneSet>,
    /// The other λ of its probes, by name.
    pub(crate) penalties: Vec<String>,
    /// The measures of agreement by their probes.
    pub(crate) penalty_measures: Vec<String>,
    /// Where nets are computed, once one is asked for.
    device: OnceLock<Device>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        run: &'a RunDir,
        data: &'a Data,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let experiment = run.experiment();
        let net = experiment.net.build(data.train.shape, data.n_classes);
        let layers = represent::layers(
            &net,
            &experiment.analysis.layers,
            experiment.analysis.tokens,
        )?;
        let pooling = pooling(&experiment.analysis.probe, &net, &layers);
        let groups = analysis_examples(experiment, data);
        groups.notes.iter().for_each(|note| observer.note(note));
        let sources = experiment.analysis.drs.source.list().iter();
        let planes = sources
            .map(|source| PlaneSet::new(experiment, data, *source))
            .collect::<Result<_>>()?;
        let groups = groups.members;
        let others = || other_penalties(&experiment.analysis.probe);
        let measure = |l2: f64| MatrixKind::Penalty(l2.to_string()).to_string();
        let (penalties, penalty_measures) =
            (others().map(penalty_name).collect(), others().map(measure).collect());
        Ok(Self {
            observer,
            run,
            experiment,
            data,
            net,
            layers,
            pooling,
            groups,
            planes,
            penalties,
            penalty_measures,
            device: OnceLock::new(),
        })
    }

    /// The net at a checkpoint.
    pub(crate) fn representer(&self, checkpoint: &Checkpoint) -> Result<Representer<'a>> {
        let weights = read_safetensors(checked(&checkpoint.path)?)?;
        self.representer_of(&weights, self.experiment.evaluation.batchnorm)
    }

    /// The net with these weights.
    pub(crate) fn representer_of(
        &self,
        weights: &NamedArrays,
        choice: BatchNormChoice,
    ) -> Result<Representer<'a>> {
        let net =
            Representer::new(self.device()?, self.data, &self.net, weights, choice)?;
        Ok(net.with_tokens(self.experiment.analysis.tokens))
    }

    /// Where nets are computed.
    fn device(&self) -> Result<&Device> {
        if let Some(device) = self.device.get() {
            return Ok(device);
        }
        let engine = &self.experiment.engine;
        let device = Device::open(engine, self.data, &self.data.noisy)?;
        if self.run.may_write() {
            let title = device.title()?;
            let title = (!engine.is_native()).then_some(title);
            self.run.record(|manifest| manifest.analyzed_on = title)?;
        }
        Ok(self.device.get_or_init(|| device))
    }

    /// A layer's output as the features that are compared.
    ///
    /// *Shapes* `output: [n, channels·height·width]`.
    pub(crate) fn features_of(&self, layer: &Layer, output: Vec<f32>) -> Vec<f32> {
        let config = &self.experiment.analysis;
        let side = match config.features {
            MapFeatures::Flatten => return output,
            MapFeatures::Average => 1,
            MapFeatures::Grid => config.grid.unwrap_or(1),
        };
        let side = side.min(layer.shape.height).min(layer.shape.width);
        adaptive_average_pool(&output, layer.shape, side)
    }

    /// The settings of the measures.
    pub(crate) fn settings(&self) -> Settings {
        let estimator = self.experiment.analysis.cka.estimator;
        Settings { estimator, ..Settings::default() }
    }

    /// The stored probe of a layer at a checkpoint.
    pub(crate) fn probe(
        &self,
        layer: &Layer,
        checkpoint: &Checkpoint,
    ) -> Result<LayerProbe> {
        let path = self.run.probe(&layer.name, checkpoint.step);
        probe_file::read(&read_safetensors(checked(&path)?)?)
    }

    /// The layer's stored probes: as [`Plan::probe`], then those of the other λ in the order
    /// of [`Plan::penalties`].
    pub(crate) fn probes(
        &self,
        layer: &Layer,
        checkpoint: &Checkpoint,
    ) -> Result<Vec<LayerProbe>> {
        let path = self.run.probe(&layer.name, checkpoint.step);
        let arrays = read_safetensors(checked(&path)?)?;
        let own = probe_file::read(&arrays);
        let others = self.penalties.iter().map(|penalty| {
            let start = format!("{penalty}.");
            let of = |(name, array): &(String, Array)| {
                Some((name.strip_prefix(&start)?.to_owned(), array.clone()))
            };
            probe_file::read(&NamedArrays(arrays.0.iter().filter_map(of).collect()))
        });
        [own].into_iter().chain(others).collect()
    }

    /// The node that the net's last, linear layer reads as it is.
    pub(crate) fn classified(&self) -> Option<usize> {
        let nodes = &self.net.nodes;
        let head = nodes.last().filter(|head| matches!(head.op, Op::Linear { .. }))?;
        let mut at = *head.inputs.first()?;
        while nodes[at].op == Op::Flatten {
            at = *nodes[at].inputs.first()?;
        }
        Some(at)
    }

    /// The names of the layers, in depth order.
    pub(crate) fn layer_names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|layer| layer.name.as_str())
    }

    /// Every group and layer of a measure of representations.
    pub(crate) fn places_of(&self, measure: Measure) -> impl Iterator<Item = Place<'_>> {
        self.groups.iter().flat_map(move |(group, _)| {
            let (measure, group) = (measure.name(), group.name());
            self.layer_names().map(move |layer| Place { measure, group, layer })
        })
    }

    /// Every place whose signatures are classes.
    pub(crate) fn places_of_decisions(&self) -> impl Iterator<Item = Place<'_>> {
        let on_planes = self.planes.iter().flat_map(move |set| {
            let group = set.group;
            let all = [Similarity::Agreement.name(), IMAGES].into_iter();
            let all = all.flat_map(move |measure| {
                self.classifiers().map(move |layer| Place { measure, group, layer })
            });
            let of_penalties = self.penalty_measures.iter().flat_map(move |measure| {
                self.layer_names().map(move |layer| Place { measure, group, layer })
            });
            all.chain(of_penalties)
        });
        let on_test = self.classifiers();
        on_planes.chain(on_test.map(|layer| {
            let (measure, group) = (AGREEMENT, "test");
            Place { measure, group, layer }
        }))
    }

    /// How many arrays of signatures a run has.
    pub(crate) fn n_places(&self) -> u64 {
        let (n_layers, n_sets) = (self.layers.len(), self.planes.len());
        let of_measures = self.experiment.analysis.measures.len() * self.groups.len();
        let of_penalties = self.penalty_measures.len() * n_sets;
        let of_classifiers = 2 * n_sets + 1;
        let n = (of_measures + of_penalties) * n_layers + of_classifiers * (n_layers + 1);
        n as u64
    }

    /// The names of all classifiers whose regions are compared: layers, then the output.
    pub(crate) fn classifiers(&self) -> impl Iterator<Item = &str> {
        self.layer_names().chain([OUTPUT])
    }
}

/// The other λ that are asked for.
pub(crate) fn other_penalties(config: &ProbeConfig) -> impl Iterator<Item = f64> {
    let own = config.l2.to_bits();
    config.l2_also.iter().copied().filter(move |l2| l2.to_bits() != own)
}

/// What stands for another λ in the names of its results.
pub(crate) fn penalty_name(l2: f64) -> String {
    format!("l2-{l2}")
}

/// The nodes of layers with the side that their probes' features are pooled to.
pub(crate) fn pooled_nodes<'a>(
    layers: impl IntoIterator<Item = &'a Layer>,
    pooling: Pooling,
) -> Vec<(usize, Option<usize>)> {
    let pooled = |layer: &Layer| (layer.node, pooling.side(layer.shape));
    layers.into_iter().map(pooled).collect()
}

/// How the layers become the features of their probes. The common number of features is
/// that of the smallest layer before the net's output.
pub(crate) fn pooling(config: &ProbeConfig, net: &Net, layers: &[Layer]) -> Pooling {
    let hidden = layers.iter().filter(|layer| layer.node + 1 < net.nodes.len());
    match config.features {
        ProbeFeatures::Flatten => Pooling::Cap(config.cap),
        ProbeFeatures::Average => Pooling::Side(1),
        ProbeFeatures::Grid => Pooling::Side(config.grid.unwrap_or(2)),
        ProbeFeatures::Common => {
            let sizes = hidden.map(|layer| layer.shape.size());
            Pooling::Common(sizes.min().unwrap_or(usize::MAX))
        }
    }
}
