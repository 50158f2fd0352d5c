//! A run through a lens: its layers' similarities at the checkpoints that are compared.

use std::borrow::Cow;

use super::layers::needed_layers;
use super::lens::{Lens, Without};
use super::run::{LeftOut, Run};
use crate::findings::axis::{log_time, used_checkpoints};
use crate::findings::contrast::Distinctness;
use crate::findings::curves::Speedometer;
use crate::findings::defaults::{H, LEAST_FOR_CURVES};
use crate::findings::movement::movement;
use crate::findings::perfect_fit::Drops;
use crate::findings::{
    LayerFindings, LayerInput, Matrix, Replicates, RunContext, WeightsControl,
};

/// A run through a lens, on a group of examples.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) run: &'a Run,
    /// In the order of depth; at least one.
    pub(crate) layers: Vec<LayerView<'a>>,
}

/// A layer's similarities with itself.
#[derive(Debug)]
pub(crate) struct LayerView<'a> {
    pub(crate) name: String,
    pub(crate) epoch: Vec<f64>,
    pub(crate) x: Vec<f64>,
    pub(crate) s: Matrix,
    run: &'a Run,
    lens: Lens,
    group: &'a str,
    /// What the run's own analysis found; none where other checkpoints are compared.
    found: Option<&'a LayerFindings>,
}

impl<'a> View<'a> {
    /// The layers that `patterns` mean, up to epoch `end`.
    ///
    /// # Errors
    /// Why the run is left out: no such layer or matrices, or too few checkpoints.
    pub(crate) fn of(
        run: &'a Run,
        (lens, group): (&Lens, &'a str),
        patterns: &[String],
        end: Option<f64>,
    ) -> Result<Self, LeftOut> {
        let group = lens.group(group);
        if !run.has_matrices(&lens.measure, group) {
            let why = format!("no matrices by {} on {group}", lens.measure);
            return Err(LeftOut::new(&run.name, why));
        }
        let layer = |name: String| {
            LayerView::of(run, (lens, group), name, end)
                .map_err(|why| LeftOut::new(&run.name, why))
        };
        let layers = needed_layers(run, patterns)?
            .into_iter()
            .map(layer)
            .collect::<Result<_, _>>()?;
        Ok(Self { run, layers })
    }

    /// The mean over layers.
    ///
    /// # Errors
    /// Why a layer has no value, with its name.
    pub(crate) fn mean(
        &self,
        value: impl Fn(&LayerView<'a>) -> Result<f64, String>,
    ) -> Result<f64, String> {
        let values = self.each(value)?;
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The value of each layer.
    ///
    /// # Errors
    /// Why a layer has no finite value, with its name.
    pub(crate) fn each(
        &self,
        value: impl Fn(&LayerView<'a>) -> Result<f64, String>,
    ) -> Result<Vec<f64>, String> {
        let of = |layer: &LayerView<'a>| {
            let value = value(layer).map_err(|why| format!("{}: {why}", layer.name))?;
            let undefined = || format!("{}: undefined", layer.name);
            Some(value).filter(|value| value.is_finite()).ok_or_else(undefined)
        };
        self.layers.iter().map(of).collect()
    }

    /// How much each layer moves between the checkpoints nearest to two epochs.
    ///
    /// # Errors
    /// If a layer has fewer than two checkpoints there.
    pub(crate) fn movement(&self, window: [f64; 2]) -> Result<Vec<f64>, String> {
        self.each(|layer| Ok(layer.movement(window)))
    }

    /// The mean angle of each layer to the same layer of other seeds, at the last checkpoint.
    ///
    /// # Errors
    /// Without other seeds of the same examples, or without signatures.
    pub(crate) fn angles_to_seeds(&self, others: &[&Run]) -> Result<Vec<f64>, String> {
        if others.is_empty() {
            return Err("no other seed in its arm".into());
        }
        self.each(|layer| {
            let angle = |other: &&Run| self.run.angle_to(other, &layer.name);
            let angles =
                others.iter().map(angle).collect::<Result<Vec<f64>, String>>()?;
            Ok(angles.iter().sum::<f64>() / angles.len() as f64)
        })
    }

    /// [`View::movement`] as a share of each layer's angle to other seeds.
    ///
    /// # Errors
    /// As both.
    pub(crate) fn movement_of_seeds(
        &self,
        window: [f64; 2],
        others: &[&Run],
    ) -> Result<Vec<f64>, String> {
        let angles = self.angles_to_seeds(others)?;
        let moved = self.movement(window)?;
        Ok(moved.iter().zip(angles).map(|(moved, angle)| moved / angle).collect())
    }

    /// The layers as left out, with a reason.
    pub(crate) fn left_out(&self, why: impl Into<String>) -> LeftOut {
        LeftOut::new(&self.run.name, why)
    }
}

impl<'a> LayerView<'a> {
    fn of(
        run: &'a Run,
        (lens, group): (&Lens, &'a str),
        name: String,
        end: Option<f64>,
    ) -> Result<Self, String> {
        let matrix = matrix_of(run, (lens, group), &name)
            .map_err(|why| format!("{name}: {why}"))?;
        let defined: Vec<bool> =
            (0..matrix.n()).map(|i| matrix.at(i, i).is_finite()).collect();
        let whole = used_checkpoints(&run.epochs, &defined);
        let until = end.unwrap_or(f64::INFINITY);
        let mut kept: Vec<usize> =
            whole.iter().copied().filter(|&i| run.epochs[i] <= until).collect();
        if lens.without == Without::EveryOther {
            kept = kept.into_iter().rev().step_by(2).rev().collect();
        }
        if kept.len() < LEAST_FOR_CURVES {
            return Err(format!("{name}: fewer than {LEAST_FOR_CURVES} checkpoints"));
        }
        let s = matrix.keep(&kept);
        let s = Matrix::from_fn(s.n(), |i, j| lens.similarity(s.at(i, j)));
        if !s.is_finite() {
            return Err(format!("{name}: a similarity is undefined"));
        }
        let epoch: Vec<f64> = kept.iter().map(|&i| run.epochs[i]).collect();
        let is_own = |found: &&LayerFindings| {
            found.layer == name && found.measure == lens.measure && found.group == group
        };
        let is_whole = kept == whole && lens.without == Without::Nothing;
        let found = run.findings.layers.iter().find(is_own).filter(|_| is_whole);
        Ok(Self {
            x: log_time(&epoch),
            epoch,
            s,
            run,
            lens: lens.clone(),
            group,
            found,
            name,
        })
    }

    /// Λ: that of the run's own findings, or of the checkpoints that are compared.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn distinctness(&self) -> Result<Distinctness, String> {
        let (distinctness, reason) = if let Some(found) = self.found {
            (found.distinctness, found.reason.clone())
        } else {
            let found = self.find();
            (found.distinctness, found.reason)
        };
        distinctness.ok_or_else(|| reason.unwrap_or_else(|| "no distinctness".into()))
    }

    /// The findings at the checkpoints that are compared.
    fn find(&self) -> LayerFindings {
        let input = LayerInput {
            layer: &self.name,
            depth: 0,
            measure: &self.lens.measure,
            group: self.group,
            geometry: self.lens.geometry(),
            epoch: &self.epoch,
            similarity: &self.s,
            replicates: Replicates::Missing("not computed in a comparison"),
            weights: None,
        };
        LayerFindings::of(&input, &RunContext::default())
    }

    /// What the run's own analysis found.
    ///
    /// # Errors
    /// Where other checkpoints are compared.
    pub(crate) fn found(&self) -> Result<&'a LayerFindings, String> {
        self.found.ok_or_else(|| "not in the run's findings at these checkpoints".into())
    }

    /// The weights up to the layer, as the run's own findings have them.
    ///
    /// # Errors
    /// Where they are not known, or other checkpoints are compared.
    pub(crate) fn weights(&self) -> Result<&'a WeightsControl, String> {
        let of = self.found()?.weights.as_ref();
        of.ok_or_else(|| "no weights to compare with".into())
    }

    /// The fall of ln ρ at an epoch less that of the weights; negative: the representation
    /// settles more.
    ///
    /// # Errors
    /// Where the weights are not known at that epoch.
    pub(crate) fn excess_settling(&self, epoch: f64) -> Result<f64, String> {
        let own = self.epoch.len() - 1;
        let weights = self.run.weights_drops(&self.name);
        let (_, weights) = weights
            .filter(|(epochs, _)| *epochs == self.epoch[1..own])
            .ok_or("the weights are not known at these checkpoints")?;
        let excess = self.drops().at(epoch.ln_1p()) - weights.at(epoch.ln_1p());
        Some(excess).filter(|excess| excess.is_finite()).ok_or_else(|| "undefined".into())
    }

    /// Whether it moves beyond its errors, as far as that is known.
    pub(crate) fn moves(&self) -> bool {
        self.found.is_none_or(|found| found.at_floor != Some(true))
    }

    /// v² at the cuts, and the cuts' times.
    pub(crate) fn speed2(&self) -> (Vec<f64>, Vec<f64>) {
        let speedometer = Speedometer::new(&self.x, H, 1.0);
        (speedometer.speed2(&self.s.distances()), speedometer.cut_times().to_vec())
    }

    /// The steps of ln ρ.
    pub(crate) fn drops(&self) -> Drops {
        Drops::of(&self.s.distances(), &self.x)
    }

    /// Mean angle between the checkpoints from the one nearest to the first epoch to the one
    /// nearest to the last.
    pub(crate) fn movement(&self, window: [f64; 2]) -> f64 {
        let [lo, hi] = window.map(|epoch| self.nearest(epoch.ln_1p()));
        movement(&self.s, &self.x, lo, hi)
    }

    fn nearest(&self, at: f64) -> f64 {
        let distance = |x: &f64| (x - at).abs();
        let nearest = self.x.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        *nearest.expect("checkpoints")
    }
}

/// The similarities of a layer over all checkpoints.
fn matrix_of<'a>(
    run: &'a Run,
    (lens, group): (&Lens, &str),
    layer: &str,
) -> Result<Cow<'a, Matrix>, String> {
    match lens.without {
        Without::Dominant => run.without_dominant(group, layer).map(Cow::Owned),
        Without::Nothing | Without::EveryOther => {
            let stored = run.matrix(&lens.measure, group, layer);
            stored.map(Cow::Borrowed).ok_or_else(|| "no matrix".into())
        }
    }
}
