//! The probes of one layer: fits, cross-validation, and what is said of them.

use crate::analyze::part::Probed;
use crate::analyze::plan::other_penalties;
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::{ProbeConfig, ProbeLabels, ProbeSolver};
use crate::probe::{Design, Fit, FitOptions, HeldOut, Probe, Recipe, Solver};
use crate::represent::Layer;

/// Folds of the cross-validation over the training images.
const N_FOLDS: usize = 5;
/// Largest entry of the gradient at which a probe counts as optimal. The error of a
/// coefficient is up to 1/λ times that; at 10⁻⁶ a few of 10,000 points near a boundary still
/// had another class than at the exact optimum, at 10⁻⁷ none.
const TOLERANCE: f64 = 1e-7;
/// The same for folds and the probe of the other labels, whose predictions are only counted.
const COUNTED_TOLERANCE: f64 = 1e-6;

/// The design that a solver fits on.
///
/// # Errors
/// If a feature is NaN or infinite.
pub(super) fn design(solver: Solver, features: &[f32], n: usize) -> Result<Design> {
    let prepare = if solver.takes_batches() { Design::unrotated } else { Design::new };
    prepare(features, n, features.len() / n, true)
}

/// A layer's probe, with its predictions for training images that its folds left out.
pub(crate) struct FittedProbe {
    pub(super) labels: ProbeLabels,
    pub(super) l2: f64,
    pub(super) fit: Fit,
    held_out: Option<HeldOut>,
    n_floored: usize,
}

/// The labels that probes are trained on.
pub(super) fn labels_of(data: &Data, labels: ProbeLabels) -> &[u8] {
    match labels {
        ProbeLabels::Noisy => &data.noisy,
        ProbeLabels::Clean => &data.train.labels,
    }
}

/// The solver of the experiment, with its recipe.
pub(super) fn solver(config: &ProbeConfig) -> Solver {
    let recipe = |lr: f64| {
        let default = Recipe::with_rate(config.lr.unwrap_or(lr));
        Recipe {
            epochs: config.epochs.unwrap_or(default.epochs),
            batch_size: config.batch_size.unwrap_or(default.batch_size),
            ..default
        }
    };
    match config.solver {
        ProbeSolver::Logistic => Solver::Logistic,
        ProbeSolver::Ridge => Solver::Ridge,
        ProbeSolver::Sgd => {
            Solver::Sgd { recipe: recipe(0.01), momentum: config.momentum.unwrap_or(0.9) }
        }
        ProbeSolver::Adam => Solver::Adam(recipe(1e-3)),
    }
}

/// Fits the probes of one layer: the main one, those at the other λ, each with the probes of
/// the folds, and, where they differ, the one of the other labels.
///
/// They share the design; the ones after the main one start at it.
///
/// # Errors
/// If a feature is NaN or infinite.
pub(crate) fn fit_probes(
    layer: &Layer,
    features: &[f32],
    data: &Data,
    config: &ProbeConfig,
    warm: Option<&Probe>,
) -> Result<Vec<FittedProbe>> {
    let n = data.noisy.len();
    let solver = solver(config);
    let design = design(solver, features, n).map_err(|error| {
        Error::new(error.kind(), format!("layer `{}`:", layer.name), error.to_string())
    })?;
    let fit = |kind, l2, tolerance, warm: Option<&Probe>| {
        let options = FitOptions { l2, tolerance, solver, ..FitOptions::default() };
        let labels = labels_of(data, kind);
        let fit = design.fit(labels, data.n_classes, &options, warm);
        let held_out = (kind == config.labels).then(|| {
            let options = FitOptions { tolerance: COUNTED_TOLERANCE, ..options };
            let start = &fit.probe;
            design.cross_validate(labels, data.n_classes, &options, N_FOLDS, start)
        });
        let n_floored = design.n_floored();
        FittedProbe { labels: kind, l2, fit, held_out, n_floored }
    };
    let mut fitted = vec![fit(config.labels, config.l2, TOLERANCE, warm)];
    let main = fitted[0].fit.probe.clone();
    for l2 in other_penalties(config) {
        fitted.push(fit(config.labels, l2, TOLERANCE, Some(&main)));
    }
    if config.labels_also && data.noisy != data.train.labels {
        let other = match config.labels {
            ProbeLabels::Noisy => ProbeLabels::Clean,
            ProbeLabels::Clean => ProbeLabels::Noisy,
        };
        fitted.push(fit(other, config.l2, COUNTED_TOLERANCE, Some(&main)));
    }
    if fitted.iter().any(|fitted| !fitted.fit.probe.is_finite()) {
        let place = format!("the probe of layer `{}`", layer.name);
        return Err(Error::new(
            ErrorKind::NonFinite,
            place,
            "has a weight that overflows",
        )
        .fix("take a smaller `analysis.probe.lr`, or another solver"));
    }
    Ok(fitted)
}

impl FittedProbe {
    pub(super) fn is_optimal(&self) -> bool {
        let folds = self.held_out.as_ref().map_or(0, |held_out| held_out.n_unconverged);
        self.fit.converged && folds == 0
    }

    /// The row of `probes.csv`.
    pub(super) fn row(&self, data: &Data, train: &[f32], test: &[f32]) -> Probed {
        let Self { fit, n_floored, .. } = self;
        let probe = &fit.probe;
        let labels = labels_of(data, self.labels);
        let on_train = probe.predict(train, labels.len());
        let on_test = probe.predict(test, data.test.labels.len());
        let all: Vec<usize> = (0..labels.len()).collect();
        let tested: Vec<usize> = (0..on_test.len()).collect();
        let corrupted: Vec<usize> =
            all.iter().copied().filter(|i| data.is_corrupted(*i)).collect();
        let held_out = |labels: &[u8], examples: &[usize]| {
            let held_out = self.held_out.as_ref();
            held_out.map_or(f64::NAN, |h| accuracy(&h.predictions, labels, examples))
        };
        Probed {
            labels: self.labels,
            l2: self.l2,
            n_features: probe.n_features as f64,
            n_floored: *n_floored as f64,
            iterations: fit.iterations as f64,
            gradient_norm: fit.gradient_norm,
            objective: fit.objective,
            train_accuracy: accuracy(&on_train, labels, &all),
            train_accuracy_true: accuracy(&on_train, &data.train.labels, &all),
            test_accuracy: accuracy(&on_test, &data.test.labels, &tested),
            heldout_accuracy: held_out(labels, &all),
            heldout_accuracy_true: held_out(&data.train.labels, &all),
            heldout_corrupted_noisy: held_out(&data.noisy, &corrupted),
            heldout_corrupted_true: held_out(&data.train.labels, &corrupted),
        }
    }
}

/// The fraction of `examples` whose prediction is their label; NaN if there are none.
fn accuracy(predictions: &[u8], labels: &[u8], examples: &[usize]) -> f64 {
    let right = examples.iter().filter(|i| predictions[**i] == labels[**i]).count();
    right as f64 / examples.len() as f64
}
