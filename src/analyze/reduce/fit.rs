//! The probes of one layer: fits, cross-validation, and what is said of them.

use super::features::are_finite;
use crate::analyze::part::{LayerProbe, Probed};
use crate::analyze::plan::other_penalties;
use crate::data::Data;
use crate::experiment::{ProbeConfig, ProbeLabels, ProbeSolver};
use crate::probe::{Design, Fit, FitOptions, HeldOut, Probe, Recipe, Solver};
use crate::similarity::Undefined;

/// Folds of the cross-validation over the training images.
const N_FOLDS: usize = 5;
/// Largest entry of the gradient at which a probe counts as optimal. The error of a
/// coefficient is up to 1/λ times that; at 10⁻⁶ a few of 10,000 points near a boundary still
/// had another class than at the exact optimum, at 10⁻⁷ none.
const TOLERANCE: f64 = 1e-7;
/// The same for folds and the probe of the other labels, whose predictions are only counted.
const COUNTED_TOLERANCE: f64 = 1e-6;

/// The design that a solver fits on; none of features that are not finite.
pub(super) fn design(
    solver: Solver,
    features: &[f32],
    n: usize,
) -> std::result::Result<Design, Undefined> {
    let prepare = if solver.takes_batches() { Design::unrotated } else { Design::new };
    prepare(features, n, features.len() / n, true).map_err(|_| Undefined::NonFinite)
}

/// A fit, unless it has diverged.
pub(super) fn if_finite(fit: Fit) -> std::result::Result<Fit, Undefined> {
    if fit.probe.is_finite() { Ok(fit) } else { Err(Undefined::DivergedProbe) }
}

/// A layer's probe, with its predictions for training images that its folds left out.
pub(crate) struct FittedProbe {
    pub(super) labels: ProbeLabels,
    pub(super) l2: f64,
    pub(super) fit: std::result::Result<Fit, Undefined>,
    held_out: Option<HeldOut>,
    n_features: usize,
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
/// the folds, and, where they differ, the one of the other labels. Of features that are not
/// finite all are undefined.
///
/// They share the design; the ones after the main one start at it.
pub(crate) fn fit_probes(
    features: &[f32],
    data: &Data,
    config: &ProbeConfig,
    warm: Option<&Probe>,
) -> Vec<FittedProbe> {
    let of = OfLayer { data, solver: solver(config), config };
    let n = data.noisy.len();
    let design = design(of.solver, features, n);
    let fit = |labels, l2, tolerance, warm: Option<&Probe>| {
        let mut fitted = FittedProbe {
            labels,
            l2,
            fit: Err(Undefined::NonFinite),
            held_out: None,
            n_features: features.len() / n,
            n_floored: 0,
        };
        if let Ok(design) = &design {
            of.fit(design, tolerance, warm, &mut fitted);
        }
        fitted
    };
    let mut fitted = vec![fit(config.labels, config.l2, TOLERANCE, warm)];
    let main = fitted[0].fit.as_ref().ok().map(|fit| fit.probe.clone());
    for l2 in other_penalties(config) {
        fitted.push(fit(config.labels, l2, TOLERANCE, main.as_ref()));
    }
    if config.labels_also && data.noisy != data.train.labels {
        let other = match config.labels {
            ProbeLabels::Noisy => ProbeLabels::Clean,
            ProbeLabels::Clean => ProbeLabels::Noisy,
        };
        fitted.push(fit(other, config.l2, COUNTED_TOLERANCE, main.as_ref()));
    }
    fitted
}

/// What the fits of a layer share.
struct OfLayer<'a> {
    data: &'a Data,
    config: &'a ProbeConfig,
    solver: Solver,
}

impl OfLayer<'_> {
    /// Fits a probe and, if it is of the experiment's labels, those of its folds.
    fn fit(
        &self,
        design: &Design,
        tolerance: f64,
        warm: Option<&Probe>,
        fitted: &mut FittedProbe,
    ) {
        let (l2, solver) = (fitted.l2, self.solver);
        let options = FitOptions { l2, tolerance, solver, ..FitOptions::default() };
        let labels = labels_of(self.data, fitted.labels);
        let n_classes = self.data.n_classes;
        fitted.fit = if_finite(design.fit(labels, n_classes, &options, warm));
        fitted.n_floored = design.n_floored();
        if let (Ok(fit), true) = (&fitted.fit, fitted.labels == self.config.labels) {
            let options = FitOptions { tolerance: COUNTED_TOLERANCE, ..options };
            let start = &fit.probe;
            let held_out =
                design.cross_validate(labels, n_classes, &options, N_FOLDS, start);
            fitted.held_out = Some(held_out);
        }
    }
}

impl FittedProbe {
    /// The probe, or why there is none.
    pub(super) fn probe(&self) -> LayerProbe {
        self.fit.as_ref().map(|fit| fit.probe.clone()).map_err(|undefined| *undefined)
    }

    /// What is to be said of how the fit ended, if anything.
    pub(super) fn note(&self) -> Option<String> {
        let fit = match &self.fit {
            Ok(fit) => fit,
            Err(undefined) => return Some(format!("is undefined: {undefined}")),
        };
        let folds = self.held_out.as_ref().map_or(0, |held_out| held_out.n_unconverged);
        (!fit.converged || folds > 0).then(|| {
            format!(
                "or one of its folds ended before its optimum (largest gradient {:.1e})",
                fit.gradient_norm
            )
        })
    }

    /// The row of `probes.csv`.
    pub(super) fn row(&self, data: &Data, train: &[f32], test: &[f32]) -> Probed {
        let undefined = Probed::undefined(self.labels, self.l2, self.n_features);
        let Ok(fit) = &self.fit else { return undefined };
        let probe = &fit.probe;
        let labels = labels_of(data, self.labels);
        let on_train = probe.predict(train, labels.len());
        let n_test = data.test.labels.len();
        let on_test = are_finite(test).then(|| probe.predict(test, n_test));
        let all: Vec<usize> = (0..labels.len()).collect();
        let tested: Vec<usize> = (0..n_test).collect();
        let corrupted: Vec<usize> =
            all.iter().copied().filter(|i| data.is_corrupted(*i)).collect();
        let held_out = self.held_out.as_ref().filter(|own| own.n_diverged == 0);
        let held_out = |labels: &[u8], examples: &[usize]| {
            held_out.map_or(f64::NAN, |h| accuracy(&h.predictions, labels, examples))
        };
        Probed {
            n_floored: self.n_floored as f64,
            iterations: fit.iterations as f64,
            gradient_norm: fit.gradient_norm,
            objective: fit.objective,
            train_accuracy: accuracy(&on_train, labels, &all),
            train_accuracy_true: accuracy(&on_train, &data.train.labels, &all),
            test_accuracy: on_test.map_or(f64::NAN, |on_test| {
                accuracy(&on_test, &data.test.labels, &tested)
            }),
            heldout_accuracy: held_out(labels, &all),
            heldout_accuracy_true: held_out(&data.train.labels, &all),
            heldout_corrupted_noisy: held_out(&data.noisy, &corrupted),
            heldout_corrupted_true: held_out(&data.train.labels, &corrupted),
            ..undefined
        }
    }
}

/// The fraction of `examples` whose prediction is their label; NaN if there are none.
fn accuracy(predictions: &[u8], labels: &[u8], examples: &[usize]) -> f64 {
    let right = examples.iter().filter(|i| predictions[**i] == labels[**i]).count();
    right as f64 / examples.len() as f64
}
