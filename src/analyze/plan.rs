//! What is compared in a run: layers, groups of examples, planes. The same for every
//! checkpoint.

use std::ops::Range;

use rayon::prelude::*;

use crate::array_file::read_safetensors;
use crate::data::{Data, analysis_examples};
use crate::error::Result;
use crate::experiment::{
    Experiment, Group, MapFeatures, ProbeConfig, ProbeFeatures, TripletSource,
};
use crate::net::Net;
use crate::observer::Observer;
use crate::planes::{Grid, ImagePlane, image_planes, triplet_source};
use crate::probe::Probe;
use crate::probe::features::{Pooling, adaptive_average_pool};
use crate::represent::{self, EvaluationBatches, Layer, Representer};
use crate::run_dir::{Checkpoint, RunDir};
use crate::similarity::Settings;

/// What is compared.
pub(super) struct Plan<'a> {
    pub(super) observer: &'a dyn Observer,
    pub(super) run: &'a RunDir,
    pub(super) experiment: &'a Experiment,
    pub(super) data: &'a Data,
    pub(super) net: Net,
    pub(super) layers: Vec<Layer>,
    /// How layers become the features of their probes.
    pub(super) pooling: Pooling,
    pub(super) groups: Vec<(Group, Vec<usize>)>,
    pub(super) planes: Vec<ImagePlane>,
    pub(super) grids: Vec<Grid>,
    /// The training images that `BatchNorm` statistics are recomputed over.
    train: EvaluationBatches<'a>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
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
        let planes = image_planes(experiment, data)?;
        let drs = &experiment.analysis.drs;
        let grid = |p: &ImagePlane| p.plane.grid(drs.resolution, drs.margin);
        let grids = planes.iter().map(grid).collect();
        let groups = groups.members;
        let train = represent::evaluation_batches(data, &data.train);
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
            grids,
            train,
        })
    }

    /// The net at a checkpoint.
    pub(super) fn representer(&self, checkpoint: &Checkpoint) -> Result<Representer> {
        let weights = read_safetensors(&checkpoint.path)?;
        let choice = self.experiment.evaluation.batchnorm;
        let net = Representer::new(&self.net, &weights, &self.train, choice)?;
        Ok(net.with_tokens(self.experiment.analysis.tokens))
    }

    /// A layer's output as the features that are compared.
    ///
    /// *Shapes* `output: [n, channels·height·width]`.
    pub(super) fn features_of(&self, layer: &Layer, output: Vec<f32>) -> Vec<f32> {
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
    pub(super) fn settings(&self) -> Settings {
        let estimator = self.experiment.analysis.cka.estimator;
        Settings { estimator, ..Settings::default() }
    }

    /// The stored probe of a layer at a checkpoint.
    pub(super) fn probe(&self, layer: &Layer, checkpoint: &Checkpoint) -> Result<Probe> {
        let path = self.run.probe(&layer.name, checkpoint.step);
        Probe::from_arrays(&read_safetensors(&path)?)
    }

    /// Positions of the layers' nodes.
    pub(super) fn nodes(&self) -> Vec<usize> {
        self.layers.iter().map(|layer| layer.node).collect()
    }

    /// Points on one plane.
    pub(super) fn points_per_plane(&self) -> usize {
        self.experiment.analysis.drs.resolution.pow(2)
    }

    /// The group that decision regions are compared on: the source of the triplets.
    pub(super) fn triplet_group(&self) -> &'static str {
        match self.experiment.analysis.drs.source {
            TripletSource::Test => "test",
            TripletSource::Train => "train",
        }
    }

    /// Labels of the images that the planes go through.
    pub(super) fn triplet_labels(&self) -> &[u8] {
        triplet_source(self.experiment, self.data).1
    }
}

/// How the layers become the features of their probes. The common number of features is
/// that of the smallest layer before the net's output.
pub(super) fn pooling(config: &ProbeConfig, net: &Net, layers: &[Layer]) -> Pooling {
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

/// The points `range` of the grids one after the other, `[n, height, width, channels]`.
pub(super) fn points(grids: &[Grid], range: Range<usize>) -> Vec<f32> {
    let size = grids[0].dimension();
    let per_grid = grids[0].len();
    let mut points = vec![0.0; range.len() * size];
    points.par_chunks_mut(size).zip(range).for_each(|(point, k)| {
        grids[k / per_grid].point(k % per_grid, point);
    });
    points
}
