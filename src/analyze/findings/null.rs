//! The real null: representations along the straight line in weight space from the first
//! checkpoint to the last, on which no detector should find a boundary.

use std::ops::Range;

use super::similarities;
use super::source::Kind;
use crate::analyze::plan::{Plan, memory};
use crate::array_file::{Array, NamedArrays, read_safetensors};
use crate::data::Data;
use crate::engine::Inputs;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::BatchNormChoice;
use crate::findings::axis::log_time;
use crate::findings::halves::DoubleDescent;
use crate::findings::{LayerFindings, LayerInput, Replicates, RunContext, RunFindings};
use crate::observer::{Observer, Progress};
use crate::run_dir::{Checkpoint, RunDir, checked};
use crate::similarity::{Measure, Undefined};

/// The findings of a run whose weights had gone straight from its first checkpoint to its last:
/// at log time x they are `w₀ + (w − w₀)·(x − x₀)/(x_T − x₀)`, `BatchNorm` statistics recomputed.
/// CKA on the first group of examples; nothing is written.
///
/// Cost: a forward pass over the training images (for the statistics) and the examples for each
/// checkpoint.
///
/// # Errors
/// If the run has fewer than two checkpoints, one cannot be read, or the observer asks to stop.
pub fn straight_line(
    run: &RunDir,
    data: &Data,
    observer: &dyn Observer,
) -> Result<RunFindings> {
    let plan = Plan::new(run, data, observer)?;
    let checkpoints = run.checkpoints()?;
    let [first, .., last] = &checkpoints[..] else {
        return Err(Error::data(run.root(), "has fewer than two checkpoints")
            .expected("a first and a last one, and some between"));
    };
    let line = Line::new(&plan, first, last)?;
    let epoch: Vec<f64> = checkpoints.iter().map(|checkpoint| checkpoint.epoch).collect();
    let context = RunContext::default();
    let n = plan.groups[0].1.len();
    let row = 4 * Measure::Cka.signature_len(n, 1, &plan.settings());
    let sizes = vec![(row * epoch.len()) as u64; plan.layers.len()];
    let mut layers = vec![];
    for range in memory::batches(&sizes, 0, memory::bytes(&plan.experiment.analysis)) {
        let signatures = line.signatures(&epoch, range.clone())?;
        for (depth, rows) in range.zip(signatures) {
            layers.push(line.find(depth, &epoch, &rows, &context));
        }
    }
    Ok(RunFindings::of(&epoch, layers, DoubleDescent::unpaired(), &context))
}

/// The signature of a layer at one point, or why there is none.
type Signature = std::result::Result<Vec<f32>, Undefined>;

/// The straight line between two checkpoints.
struct Line<'a> {
    plan: &'a Plan<'a>,
    first: NamedArrays,
    last: NamedArrays,
    /// The names of what is trained; the rest stays as at the first.
    trained: Vec<String>,
}

impl<'a> Line<'a> {
    fn new(plan: &'a Plan<'a>, first: &Checkpoint, last: &Checkpoint) -> Result<Self> {
        let parameters = plan.net.parameters().into_iter();
        Ok(Self {
            plan,
            first: read_safetensors(checked(&first.path)?)?,
            last: read_safetensors(checked(&last.path)?)?,
            trained: parameters
                .filter(|parameter| parameter.role.is_trained())
                .map(|parameter| parameter.name)
                .collect(),
        })
    }

    /// The weights at a share of the way.
    fn at(&self, share: f64) -> NamedArrays {
        let between = |name: &String, first: &Array| {
            let last = self.last.get(name).filter(|_| self.trained.contains(name));
            let Some(last) = last else { return first.clone() };
            let pairs = first.to_f64().into_iter().zip(last.to_f64());
            let values = pairs.map(|(a, b)| (a + share * (b - a)) as f32).collect();
            Array::f32(&first.shape, values)
        };
        let arrays = self.first.0.iter();
        NamedArrays(
            arrays.map(|(name, own)| (name.clone(), between(name, own))).collect(),
        )
    }

    /// The signatures of some layers at every point.
    fn signatures(
        &self,
        epoch: &[f64],
        layers: Range<usize>,
    ) -> Result<Vec<Vec<Signature>>> {
        let plan = self.plan;
        let (group, examples) = &plan.groups[0];
        let images = Inputs::Indices(group.split(), examples);
        let nodes: Vec<usize> =
            plan.layers[layers.clone()].iter().map(|layer| layer.node).collect();
        let x = log_time(epoch);
        let length = x[x.len() - 1] - x[0];
        let mut all: Vec<Vec<Signature>> = layers.clone().map(|_| vec![]).collect();
        for (done, at) in x.iter().enumerate() {
            self.report(done, x.len())?;
            let weights = self.at((at - x[0]) / length);
            let mut net = plan.representer_of(&weights, BatchNormChoice::Recomputed)?;
            let outputs = net.represent(&images, &nodes)?;
            for ((layer, output), rows) in
                plan.layers[layers.clone()].iter().zip(outputs).zip(&mut all)
            {
                let features = plan.features_of(layer, output);
                let (n, settings) = (examples.len(), plan.settings());
                let p = features.len() / n;
                rows.push(Measure::Cka.signature(&features, n, p, &settings));
            }
        }
        Ok(all)
    }

    fn report(&self, done: usize, total: usize) -> Result<()> {
        let observer = self.plan.observer;
        if observer.should_stop() {
            return Err(Error::new(ErrorKind::Interrupted, "findings", "stopped"));
        }
        observer.progress(&Progress {
            stage: "null",
            done: done as u64,
            total: total as u64,
            detail: "the straight line in weight space".into(),
        });
        Ok(())
    }

    /// What the matrix of one layer says.
    fn find(
        &self,
        depth: usize,
        epoch: &[f64],
        signatures: &[Signature],
        context: &RunContext<'_>,
    ) -> LayerFindings {
        let plan = self.plan;
        let (group, examples) = &plan.groups[0];
        let rows: Vec<_> =
            signatures.iter().map(|row| row.as_deref().map_err(|&own| own)).collect();
        let n = examples.len();
        let found = similarities::of_grams(&rows, n, plan.settings().estimator);
        let kind = Kind::Grams { measure: Measure::Cka, n, settings: plan.settings() };
        let input = LayerInput {
            layer: &plan.layers[depth].name,
            depth,
            measure: Measure::Cka.name(),
            group: group.name(),
            geometry: kind.geometry(),
            epoch,
            similarity: &found.values,
            replicates: match &found.without {
                Ok(without) => Replicates::Of(without),
                Err(reason) => Replicates::Missing(reason),
            },
            weights: None,
        };
        LayerFindings::of(&input, context)
    }
}
