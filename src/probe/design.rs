//! A layer's features made ready for many fits: standardized, and rotated into the span of
//! the examples where there are more features than examples.

use crate::error::{Error, ErrorKind, Result};

use super::features::Standardization;
use super::fit::{Fit, FitOptions, HeldOut, Probe, Solver, first_largest};
use super::metric::Metric;
use super::product::{Columns, LANES, Matrix, Scalar, n_blocks};
use super::recipe::{self, Rule};
use super::ridge;
use super::rotation::Rotation;
use super::softmax::Targets;
use super::solver::{Problem, Solution, dot};

/// An end whose gradient is so many times the tolerance or less is one that rounding allows.
const NEAR: f64 = 100.0;
/// Damping of the metric where rounding spoils it.
const DAMPING: f64 = 1e-4;

/// The features `[n, d]` of the training examples, ready for fits with any labels and λ.
///
/// Features are centred, which changes only the bias, and divided by their standard
/// deviations if asked. Where d ≥ n, Xᵀ = Q·R turns them into the n columns of Rᵀ: the
/// optimum lies in the span of the examples and the penalty is the same in every
/// orthonormal basis, so this is exact.
///
/// Cost: n·d values in T; where d ≥ n also n·d in f64 and 2·n²·(d − n/3) operations.
#[derive(Debug)]
pub struct Design<T: Scalar = f32> {
    standardization: Standardization,
    /// A first column of ones, then the features.
    matrix: Matrix<'static, T>,
    rotation: Option<Rotation>,
    n_features: usize,
    largest_deviation: f64,
}

impl<T: Scalar> Design<T> {
    /// Prepares features `[n, d]`.
    ///
    /// # Errors
    /// If a feature is NaN or infinite.
    ///
    /// # Panics
    /// If `features` is not `[n, d]` with n and d at least 1.
    pub fn new(features: &[T], n: usize, d: usize, standardize: bool) -> Result<Self> {
        Self::prepare(features, [n, d], scaling(standardize), d >= n)
    }

    /// As [`Design::new`], but with every feature an axis of the fit, as the solvers need it
    /// that take batches.
    ///
    /// # Errors
    /// As [`Design::new`].
    ///
    /// # Panics
    /// As [`Design::new`].
    pub fn unrotated(
        features: &[T],
        n: usize,
        d: usize,
        standardize: bool,
    ) -> Result<Self> {
        Self::prepare(features, [n, d], scaling(standardize), false)
    }

    /// As [`Design::new`], or for solvers that take batches as [`Design::unrotated`], with every
    /// feature that varies divided by its own standard deviation, however small.
    pub(super) fn to_rounding(
        features: &[T],
        [n, d]: [usize; 2],
        takes_batches: bool,
    ) -> Result<Self> {
        let rotate = d >= n && !takes_batches;
        Self::prepare(features, [n, d], Standardization::to_rounding, rotate)
    }

    fn prepare(
        features: &[T],
        [n, d]: [usize; 2],
        standardization: impl Fn(&[T], usize, usize) -> Standardization,
        rotate: bool,
    ) -> Result<Self> {
        assert_eq!(features.len(), n * d, "features [{n}, {d}]");
        if let Some(at) = features.iter().position(|value| !value.to_f64().is_finite()) {
            let place = format!("feature {} of example {}", at % d, at / d);
            let found = format!("is {}", features[at].to_f64());
            return Err(Error::new(ErrorKind::NonFinite, place, found));
        }
        let standardization = standardization(features, n, d);
        let standardized = features.iter().enumerate().map(|(at, value)| {
            let j = at % d;
            (value.to_f64() - standardization.mean[j]) / standardization.scale[j]
        });
        let (matrix, rotation) = if rotate {
            let values: Vec<f64> = standardized.collect();
            let rotation = Rotation::of(&values, n, d);
            let mut values = vec![T::default(); n * (n + 1)];
            for (i, row) in values.chunks_mut(n + 1).enumerate() {
                row[0] = T::from_f64(1.0);
                for (j, value) in row[1..=i + 1].iter_mut().enumerate() {
                    *value = T::from_f64(rotation.coordinate(i, j));
                }
            }
            let mut matrix = Matrix::dense(n, n + 1, values);
            matrix.diagonal = 2;
            (matrix, Some(rotation))
        } else {
            let mut values = Vec::with_capacity(n * (d + 1));
            for (at, value) in standardized.enumerate() {
                if at % d == 0 {
                    values.push(T::from_f64(1.0));
                }
                values.push(T::from_f64(value));
            }
            (Matrix::dense(n, d + 1, values), None)
        };
        let largest_deviation = standardization.largest_deviation(features);
        Ok(Self { standardization, matrix, rotation, n_features: d, largest_deviation })
    }

    /// The number of features, d.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Features whose standard deviation was floored.
    pub fn n_floored(&self) -> usize {
        self.standardization.n_floored
    }

    /// The largest standard deviation of a feature in the units of the fit: a length to
    /// measure gradients by. At most 1 after standardization.
    pub fn largest_deviation(&self) -> f64 {
        self.largest_deviation
    }

    /// Mean and scale of the features, and how many scales were floored.
    pub fn standardization(&self) -> &Standardization {
        &self.standardization
    }

    /// Fits a probe to `labels`: with the solver `Logistic` to the unique optimum of
    ///
    /// ```text
    /// mean over examples of (log Σ exp zᵢ· − zᵢ,yᵢ) + λ/2·‖W‖²
    /// ```
    /// with the bias free and W in standardized units.
    ///
    /// A class without an example has no finite optimum: it gets weight 0 and bias −∞. A
    /// `warm` probe is a starting point; within the tolerance the optimum does not depend
    /// on it. The other solvers ignore it.
    ///
    /// Cost: some 10 to 120 iterations, each of about 4·n·min(n, d)·16 multiply-adds; with up to
    /// 1,500 coefficients (classes times features) 10 to 40, and one to three Hessians of twice
    /// their cube.
    ///
    /// # Panics
    /// If there is not one label for each example, a label is not below `n_classes`, λ is
    /// not positive, `warm` has another shape, or the solver takes batches of a rotated
    /// design.
    pub fn fit(
        &self,
        labels: &[u8],
        n_classes: usize,
        options: &FitOptions,
        warm: Option<&Probe>,
    ) -> Fit {
        self.check(labels, n_classes, options);
        let targets = Targets::new(labels, n_classes, |_| true);
        let theta = warm.map_or_else(
            || self.origin(n_classes),
            |probe| self.theta_of(probe, n_classes),
        );
        let problem = self.problem(targets, options);
        let solution = self.solve(&problem, theta, None, options);
        let (weight, bias) = self.raw_weights(&problem.targets, &solution.theta);
        let rounded = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        let probe = Probe {
            n_classes,
            n_features: self.n_features,
            weight: rounded(&weight),
            bias: rounded(&bias),
        };
        Fit {
            probe,
            weight,
            bias,
            objective: solution.objective,
            gradient_norm: self.max_norm(&solution.gradient),
            iterations: solution.iterations,
            converged: solution.converged,
        }
    }

    /// Predicts every example by a probe that has not seen it: `n_folds` fits, each on the
    /// other folds, started at the probe `start` of all examples.
    ///
    /// Examples are dealt to the folds in turn, ordered by label and then by index, so that
    /// all folds hold the classes in equal parts. Standardization is that of all examples;
    /// it knows no labels.
    ///
    /// # Panics
    /// As [`Design::fit`], and unless 2 ≤ `n_folds` ≤ n.
    pub fn cross_validate(
        &self,
        labels: &[u8],
        n_classes: usize,
        options: &FitOptions,
        n_folds: usize,
        start: &Probe,
    ) -> HeldOut {
        self.check(labels, n_classes, options);
        let theta = self.theta_of(start, n_classes);
        let n = labels.len();
        assert!(n_folds >= 2 && n_folds <= n, "{n_folds} folds of {n} examples");
        let folds = folds(labels, n_folds);
        let targets = Targets::new(labels, n_classes, |_| true);
        let all = self.problem(targets, options);
        let metric = (options.solver == Solver::Logistic).then(|| all.metric_at(&theta));
        let mut held_out = HeldOut {
            predictions: vec![0; n],
            iterations: 0,
            n_unconverged: 0,
            n_diverged: 0,
        };
        for fold in 0..n_folds {
            let targets = Targets::new(labels, n_classes, |i| folds[i] != fold);
            let problem = self.problem(targets, options);
            let solution = self.solve(&problem, theta.clone(), metric.as_ref(), options);
            held_out.iterations += solution.iterations;
            held_out.n_unconverged += usize::from(!solution.converged);
            held_out.n_diverged += usize::from(!solution.objective.is_finite());
            for i in (0..n).filter(|&i| folds[i] == fold) {
                let value =
                    |class: usize| solution.logits[class / LANES * n + i][class % LANES];
                let active = (0..n_classes).filter(|&c| problem.targets.is_active(c));
                held_out.predictions[i] = first_largest(active.map(|c| (c, value(c))));
            }
        }
        held_out
    }

    fn check(&self, labels: &[u8], n_classes: usize, options: &FitOptions) {
        assert_eq!(labels.len(), self.matrix.n_rows, "labels and examples");
        assert!(n_classes <= 256, "{n_classes} classes, labels are bytes");
        let largest = labels.iter().copied().max().map_or(0, usize::from);
        assert!(largest < n_classes, "label {largest} of {n_classes} classes");
        assert!(options.l2 > 0.0, "l2 = {} has no finite optimum", options.l2);
        assert!(
            self.rotation.is_none() || !options.solver.takes_batches(),
            "batches of a rotated design"
        );
    }

    fn solve(
        &self,
        problem: &Problem<'_, T>,
        theta: Columns,
        metric: Option<&Metric<T>>,
        options: &FitOptions,
    ) -> Solution {
        let descend = |recipe, rule| {
            let start = self.origin(problem.targets.n_classes);
            recipe::solve(problem, start, recipe, rule)
        };
        match &options.solver {
            Solver::Logistic => self.optimum(problem, theta, metric, options),
            Solver::Ridge => ridge::solve(problem),
            Solver::Sgd { recipe, momentum } => descend(recipe, Rule::sgd(*momentum)),
            Solver::Adam(recipe) => descend(recipe, Rule::adam()),
        }
    }

    fn problem<'a>(
        &'a self,
        targets: Targets<'a>,
        options: &FitOptions,
    ) -> Problem<'a, T> {
        Problem { features: &self.matrix, targets, l2: options.l2, damping: 0.0 }
    }

    /// W = 0 and b = 0.
    fn origin(&self, n_classes: usize) -> Columns {
        vec![[0.0; LANES]; n_blocks(n_classes) * self.matrix.n_columns]
    }

    fn optimum(
        &self,
        problem: &Problem<'_, T>,
        theta: Columns,
        metric: Option<&Metric<T>>,
        options: &FitOptions,
    ) -> Solution {
        let mut stop = self.stop(options.tolerance);
        let n = options.max_iterations;
        let highest = problem.objective_at_origin() + 1e-3;
        let mut is_from_origin = theta.as_flattened().iter().all(|value| *value == 0.0);
        let mut best = problem.minimize(theta, metric, n, &mut stop);
        let mut is_spent = best.iterations == n;
        // A start from far off may leave no way down but for rounding, a small λ a metric that
        // is not definite: from the origin, and with a sounder metric, there is one.
        for damping in [0.0, DAMPING, DAMPING.sqrt()] {
            let is_near = best.converged
                || self.max_norm(&best.gradient) <= NEAR * options.tolerance;
            let may_stay = is_near || (is_spent && is_from_origin);
            if may_stay && best.objective <= highest {
                break;
            }
            let targets = problem.targets.clone();
            let problem = Problem { targets, damping, ..*problem };
            let origin = self.origin(problem.targets.n_classes);
            let end = problem.minimize(origin, None, n, &mut stop);
            (is_spent, is_from_origin) = (end.iterations == n, true);
            let iterations = best.iterations + end.iterations;
            let is_optimal = end.converged && end.objective <= highest;
            if is_optimal || best.objective.is_nan() || end.objective < best.objective {
                best = end;
            }
            best.iterations = iterations;
        }
        best
    }

    /// Whether no entry of a gradient, in standardized features, is above the tolerance.
    fn stop(&self, tolerance: f64) -> impl FnMut(&Columns) -> bool {
        // The largest entry of a rotated gradient is dear to know, its length is not: the
        // entry is looked at only where the length leaves it open and has fallen enough.
        let mut look_below = f64::INFINITY;
        // A little below the tolerance, for the rounding of the gradient itself.
        let tolerance = 0.9 * tolerance;
        move |gradient: &Columns| {
            let length = dot(gradient, gradient).sqrt();
            if length <= tolerance || !length.is_finite() {
                return length <= tolerance;
            }
            if self.rotation.is_some() {
                look_below = look_below.min(30.0 * tolerance);
            }
            if length > look_below {
                return false;
            }
            let largest = self.max_norm(gradient);
            if self.rotation.is_some() && largest > tolerance {
                look_below = length * (tolerance / largest).max(0.5);
            }
            largest <= tolerance
        }
    }

    /// The largest entry of a gradient, in standardized features.
    fn max_norm(&self, gradient: &Columns) -> f64 {
        let n_columns = self.matrix.n_columns;
        let length = dot(gradient, gradient);
        if !length.is_finite() {
            return length;
        }
        let mut largest = 0.0_f64;
        for block in gradient.chunks(n_columns) {
            for value in block[0] {
                largest = largest.max(value.abs());
            }
            match &self.rotation {
                Some(rotation) => {
                    let unrotated = rotation.apply(&block[1..]);
                    largest = largest.max(unrotated.norm_max());
                }
                None => {
                    for value in block[1..].as_flattened() {
                        largest = largest.max(value.abs());
                    }
                }
            }
        }
        largest
    }

    /// Weight `[n_classes, d]` and bias on the features as given.
    fn raw_weights(
        &self,
        targets: &Targets<'_>,
        theta: &Columns,
    ) -> (Vec<f64>, Vec<f64>) {
        let d = self.n_features;
        let mut weight = vec![0.0; targets.n_classes * d];
        let mut bias = vec![f64::NEG_INFINITY; targets.n_classes];
        for (block, theta) in theta.chunks(self.matrix.n_columns).enumerate() {
            let unrotated = self.rotation.as_ref().map(|q| q.apply(&theta[1..]));
            for lane in 0..LANES.min(targets.n_classes - block * LANES) {
                let class = block * LANES + lane;
                if !targets.is_active(class) {
                    continue;
                }
                let row = &mut weight[class * d..(class + 1) * d];
                for (j, value) in row.iter_mut().enumerate() {
                    let standardized = match &unrotated {
                        Some(unrotated) => unrotated[(j, lane)],
                        None => theta[1 + j][lane],
                    };
                    *value = standardized / self.standardization.scale[j];
                }
                let at_mean: f64 =
                    row.iter().zip(&self.standardization.mean).map(|(w, m)| w * m).sum();
                bias[class] = theta[0][lane] - at_mean;
            }
        }
        (weight, bias)
    }

    /// The inverse of [`Design::raw_weights`].
    fn theta_of(&self, probe: &Probe, n_classes: usize) -> Columns {
        let d = self.n_features;
        assert_eq!(
            (probe.n_classes, probe.n_features),
            (n_classes, d),
            "classes and features of a warm start"
        );
        let Standardization { mean, scale, .. } = &self.standardization;
        let mut theta = Columns::new();
        for block in 0..n_blocks(n_classes) {
            let mut first = [0.0; LANES];
            let mut rest = vec![[0.0; LANES]; d];
            for lane in 0..LANES.min(n_classes - block * LANES) {
                let class = block * LANES + lane;
                if probe.bias[class].is_finite() {
                    let row = &probe.weight[class * d..(class + 1) * d];
                    first[lane] = f64::from(probe.bias[class]);
                    for j in 0..d {
                        first[lane] += f64::from(row[j]) * mean[j];
                        rest[j][lane] = f64::from(row[j]) * scale[j];
                    }
                }
            }
            theta.push(first);
            match &self.rotation {
                Some(rotation) => theta.extend(rotation.apply_transposed(&rest)),
                None => theta.extend(rest),
            }
        }
        theta
    }
}

/// How the features of layers are scaled.
fn scaling<T: Scalar>(standardize: bool) -> fn(&[T], usize, usize) -> Standardization {
    if standardize { Standardization::of } else { Standardization::centring }
}

/// The fold of each example: dealt in turn, ordered by label, then by index.
fn folds(labels: &[u8], n_folds: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&i| labels[i]);
    let mut folds = vec![0; labels.len()];
    for (position, &i) in order.iter().enumerate() {
        folds[i] = position % n_folds;
    }
    folds
}
