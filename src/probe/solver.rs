//! The unique optimum of L2-regularized multinomial logistic regression.
//!
//! ```text
//! minimize  Σᵢ ωᵢ·(log Σ exp zᵢ· − zᵢ,yᵢ) + λ/2·‖W‖²,   z = A·θ,  θ = [bias; W]
//! ```
//! Limited-memory BFGS whose initial metric is the Hessian with one curvature for each
//! example, M = Aᵀ·diag(w)·A + λ·I with wᵢ = ωᵢ·mean p(1 − p) over the classes, shared by all classes. At
//! W = 0 that is nearly the exact Hessian; it is built once more where the iteration has
//! come near the optimum, because fitted examples lose their curvature. Each iteration
//! costs four products (A, Aᵀ, and the two triangles of M⁻¹); the line search is free, as
//! logits are linear in the step.
//!
//! Chosen by counting evaluations to a gradient of 1e-6 (λ = 1e-3) on 1,000 digits with
//! 40 % wrong labels, on layers of a CNN5 of width 16: the first layer before training
//! (d = 1,024), the second at epoch 30 (d = 2,048), the fourth at epoch 98 (d = 512).
//! L-BFGS in the metric of Böhning's bound takes 258, 134 and 109, Newton-CG in that metric
//! 518, 265 and 227, with one curvature an example 197, 114 and 47; this method about 96,
//! 56 and 24. A metric for each class saves Newton-CG little more at ten times the price.
#![allow(clippy::inline_always)] // Vector code must be inlined where it is dispatched.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::product::{Columns, LANES, Matrix, Scalar};
use super::softmax::Targets;

/// Pairs of steps and gradient changes that the metric remembers.
const MEMORY: usize = 10;
/// M is built anew where the gradient has fallen to this part of its norm at the last time
/// and the sum of the curvatures has changed by this factor or more.
const REFRESH: f64 = 1e-2;
const CHANGE: f64 = 1.5;
/// … or after this many iterations.
const PATIENCE: usize = 100;
/// No example's curvature counts as less, relative to its weight.
const LEAST_CURVATURE: f64 = 1e-6;

/// The objective: A with a first column of ones, whose coefficient is not penalized.
#[derive(Debug)]
pub(super) struct Problem<'a, T: Scalar> {
    pub(super) features: &'a Matrix<'a, T>,
    pub(super) targets: Targets<'a>,
    pub(super) l2: f64,
}

/// Where the iteration ended.
#[derive(Debug)]
pub(super) struct Solution {
    /// θ, padded `[1 + n_features, n_classes]`.
    pub(super) theta: Columns,
    pub(super) logits: Columns,
    pub(super) gradient: Columns,
    /// The value that was minimized.
    pub(super) objective: f64,
    pub(super) iterations: usize,
    pub(super) converged: bool,
}

/// L⁻¹ of M = L·Lᵀ.
#[derive(Debug, Clone)]
pub(super) struct Metric<T: Scalar> {
    inverse_factor: Matrix<'static, T>,
    /// Σ w.
    curvature: f64,
}

impl<T: Scalar> Problem<'_, T> {
    /// Mean log loss + λ/2·‖W‖².
    fn objective(&self, theta: &Columns, logits: &Columns) -> f64 {
        let penalty: f64 = theta
            .chunks(self.features.n_columns)
            .map(|block| dot(&block[1..], &block[1..]))
            .sum();
        self.targets.loss(logits) + 0.5 * self.l2 * penalty
    }

    pub(super) fn gradient(&self, theta: &Columns, residuals: &Columns) -> Columns {
        let n_columns = self.features.n_columns;
        let mut gradient = self.features.transposed_times(residuals);
        for (gradient, theta) in
            gradient.chunks_mut(n_columns).zip(theta.chunks(n_columns))
        {
            add(self.l2, &theta[1..], &mut gradient[1..]);
        }
        gradient
    }

    pub(super) fn gradient_at(&self, theta: &Columns) -> Columns {
        let probabilities = self.targets.probabilities(&self.features.times(theta));
        self.gradient(theta, &self.targets.residuals(probabilities))
    }

    /// θ as an end that is no optimum to be checked.
    pub(super) fn solution_at(&self, theta: Columns, iterations: usize) -> Solution {
        let Point { theta, logits, gradient, .. } = self.point(theta);
        let objective = self.objective(&theta, &logits);
        Solution { theta, logits, gradient, objective, iterations, converged: true }
    }

    /// M at the given probabilities.
    fn metric(&self, probabilities: &Columns) -> Metric<T> {
        let mut curvatures = self.targets.curvatures(probabilities);
        for (curvature, weight) in curvatures.iter_mut().zip(&self.targets.weights) {
            *curvature = curvature.max(LEAST_CURVATURE * weight);
        }
        let gram = self.features.weighted_gram(&curvatures);
        Metric::new(&gram, self.l2, curvatures.iter().sum())
    }

    /// M at θ.
    pub(super) fn metric_at(&self, theta: &Columns) -> Metric<T> {
        self.metric(&self.targets.probabilities(&self.features.times(theta)))
    }

    /// The step t > 0 along `direction` at which the slope has all but vanished, found by
    /// safeguarded Newton steps on the convex function of t; 0 if the slope is not negative.
    fn line_search(&self, from: &Point, direction: &Columns, image: &Columns) -> f64 {
        let n_columns = self.features.n_columns;
        let (mut across, mut length) = (0.0, 0.0);
        for (theta, direction) in
            from.theta.chunks(n_columns).zip(direction.chunks(n_columns))
        {
            across += dot(&theta[1..], &direction[1..]);
            length += dot(&direction[1..], &direction[1..]);
        }
        let derivatives = |t: f64| {
            let mut logits = from.logits.clone();
            add(t, image, &mut logits);
            let probabilities = self.targets.probabilities(&logits);
            let [first, second] = self.targets.along(&probabilities, image);
            [first + self.l2 * (across + t * length), second + self.l2 * length]
        };
        let start = dot(&from.gradient, direction);
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut t = 1.0;
        for _ in 0..30 {
            let [slope, curvature] = derivatives(t);
            if slope.abs() <= 0.1 * start.abs() {
                return t;
            }
            if slope > 0.0 {
                high = t;
            } else {
                low = t;
            }
            let newton = t - slope / curvature;
            let most = if high.is_finite() { high } else { 10.0 * t };
            t = if newton > low && newton < most {
                newton
            } else if high.is_finite() {
                0.5 * (low + high)
            } else {
                most
            };
        }
        low
    }

    /// Minimizes from `theta` until `stop` says that the gradient is small enough.
    ///
    /// Logits are advanced along each step; an optimum is believed only after they have
    /// been computed afresh.
    pub(super) fn minimize(
        &self,
        theta: Columns,
        metric: Option<&Metric<T>>,
        max_iterations: usize,
        stop: &mut dyn FnMut(&Columns) -> bool,
    ) -> Solution {
        let mut point = self.point(theta);
        let mut metric = metric
            .map_or_else(|| Cow::Owned(self.metric(&point.probabilities)), Cow::Borrowed);
        let mut built = (0, norm(&point.gradient));
        let mut history = History::default();
        history.restart(metric.solve(&point.gradient));
        let mut fresh = true;
        let mut iterations = 0;
        let converged = loop {
            if stop(&point.gradient) {
                if fresh {
                    break true;
                }
                // The pairs stay: they are as good as rounding lets them be.
                point = self.point(point.theta);
                history.scaled = metric.solve(&point.gradient);
                fresh = true;
                continue;
            }
            if iterations == max_iterations {
                break false;
            }
            let size = norm(&point.gradient);
            if (size <= REFRESH * built.1 && self.has_changed(&metric, &point))
                || iterations - built.0 >= PATIENCE
            {
                metric = Cow::Owned(self.metric(&point.probabilities));
                built = (iterations, size);
                history.restart(metric.solve(&point.gradient));
            }
            let direction = history.direction(&point.gradient);
            let image = self.features.times(&direction);
            let t = self.line_search(&point, &direction, &image);
            if t == 0.0 && history.pairs.is_empty() {
                break false;
            }
            iterations += 1;
            if t == 0.0 {
                // Rounding has spoilt the remembered pairs.
                history.pairs.clear();
                continue;
            }
            let (next, change) = self.advance(point, t, &direction, &image);
            let mut step = direction;
            scale(t, &mut step);
            history.push(step, change, metric.solve(&next.gradient));
            point = next;
            fresh = false;
        };
        let Point { theta, logits, gradient, .. } =
            if fresh { point } else { self.point(point.theta) };
        let objective = self.objective(&theta, &logits);
        Solution { theta, logits, gradient, objective, iterations, converged }
    }

    fn has_changed(&self, metric: &Metric<T>, point: &Point) -> bool {
        let now: f64 = self.targets.curvatures(&point.probabilities).iter().sum();
        now > CHANGE * metric.curvature || metric.curvature > CHANGE * now
    }

    fn point(&self, theta: Columns) -> Point {
        let logits = self.features.times(&theta);
        let probabilities = self.targets.probabilities(&logits);
        let residuals = self.targets.residuals(probabilities.clone());
        let gradient = self.gradient(&theta, &residuals);
        Point { theta, logits, probabilities, gradient }
    }

    /// The point at `from` + t·`direction`, and the change of the gradient.
    fn advance(
        &self,
        from: Point,
        t: f64,
        direction: &Columns,
        image: &Columns,
    ) -> (Point, Columns) {
        let Point { mut theta, mut logits, gradient: mut change, .. } = from;
        add(t, direction, &mut theta);
        add(t, image, &mut logits);
        let probabilities = self.targets.probabilities(&logits);
        let residuals = self.targets.residuals(probabilities.clone());
        let gradient = self.gradient(&theta, &residuals);
        scale(-1.0, &mut change);
        add(1.0, &gradient, &mut change);
        (Point { theta, logits, probabilities, gradient }, change)
    }
}

struct Point {
    theta: Columns,
    logits: Columns,
    probabilities: Columns,
    gradient: Columns,
}

impl<T: Scalar> Metric<T> {
    /// Factors Aᵀ·diag(w)·A + λ·I; where rounding has made that indefinite, with a larger λ:
    /// any positive definite metric leads to the same optimum.
    fn new(gram: &faer::Mat<T>, l2: f64, curvature: f64) -> Self {
        let n = gram.nrows();
        let mut ridge = l2;
        loop {
            let mut matrix = gram.clone();
            for j in 1..n {
                matrix[(j, j)] += T::from_f64(ridge);
            }
            matrix[(0, 0)] *= T::from_f64(1.0 + 1e-6);
            if let Ok(factor) = matrix.llt(faer::Side::Lower) {
                let mut inverse = faer::Mat::<T>::zeros(n, n);
                faer::linalg::triangular_inverse::invert_lower_triangular(
                    inverse.as_mut(),
                    factor.L(),
                    faer::Par::Seq,
                );
                let values =
                    (0..n * n).map(|at| inverse[(at / n, at % n)]).collect::<Vec<_>>();
                let mut inverse_factor = Matrix::dense(n, n, values);
                inverse_factor.diagonal = 1;
                return Self { inverse_factor, curvature };
            }
            let largest =
                (0..n).map(|j| gram[(j, j)].to_f64()).fold(f64::MIN_POSITIVE, f64::max);
            ridge = (10.0 * ridge).max(1e-7 * largest);
            assert!(ridge.is_finite(), "the metric holds NaN");
        }
    }

    /// M⁻¹·q = L⁻ᵀ·(L⁻¹·q).
    fn solve(&self, q: &Columns) -> Columns {
        self.inverse_factor.transposed_times(&self.inverse_factor.times(q))
    }
}

/// A step s, the change y of the gradient, and what follows from them.
struct Pair {
    step: Columns,
    change: Columns,
    /// M⁻¹·y.
    scaled: Columns,
    /// sᵀ·y.
    curvature: f64,
}

/// The last pairs, and M⁻¹ times the gradient they led to.
#[derive(Default)]
struct History {
    pairs: VecDeque<Pair>,
    scaled: Columns,
}

impl History {
    /// Records a step from the gradient whose M⁻¹·g the last [`History::direction`] found.
    fn push(&mut self, step: Columns, change: Columns, scaled_gradient: Columns) {
        let mut scaled = std::mem::replace(&mut self.scaled, scaled_gradient);
        for (old, new) in scaled.iter_mut().zip(&self.scaled) {
            for (old, new) in old.iter_mut().zip(new) {
                *old = new - *old;
            }
        }
        let curvature = dot(&step, &change);
        if curvature > 0.0 && dot(&change, &scaled) > 0.0 {
            self.pairs.truncate(MEMORY - 1);
            self.pairs.push_front(Pair { step, change, scaled, curvature });
        }
    }

    /// Forgets all pairs; `scaled_gradient` is M⁻¹·g.
    fn restart(&mut self, scaled_gradient: Columns) {
        self.pairs.clear();
        self.scaled = scaled_gradient;
    }

    /// −H·g by the two-loop recursion (Nocedal and Wright 2006, algorithm 7.4), with
    /// H₀ = γ·M⁻¹ and γ = sᵀy / yᵀM⁻¹y of the last pair.
    fn direction(&self, gradient: &Columns) -> Columns {
        let mut q = gradient.clone();
        let mut z = self.scaled.clone();
        let mut alphas = Vec::with_capacity(MEMORY);
        for pair in &self.pairs {
            let alpha = dot(&pair.step, &q) / pair.curvature;
            add(-alpha, &pair.change, &mut q);
            add(-alpha, &pair.scaled, &mut z);
            alphas.push(alpha);
        }
        if let Some(last) = self.pairs.front() {
            scale(last.curvature / dot(&last.change, &last.scaled), &mut z);
        }
        for (pair, alpha) in self.pairs.iter().zip(alphas).rev() {
            let beta = dot(&pair.change, &z) / pair.curvature;
            add(alpha - beta, &pair.step, &mut z);
        }
        scale(-1.0, &mut z);
        z
    }
}

/// Σ a·b, in sixteen interleaved sums.
pub(super) fn dot(a: &[[f64; LANES]], b: &[[f64; LANES]]) -> f64 {
    pulp::Arch::new().dispatch(Dot { a, b })
}

/// b += t·a.
pub(super) fn add(t: f64, a: &[[f64; LANES]], b: &mut [[f64; LANES]]) {
    pulp::Arch::new().dispatch(Add { t, a, b });
}

struct Dot<'a> {
    a: &'a [[f64; LANES]],
    b: &'a [[f64; LANES]],
}

impl pulp::WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f64 {
        let mut sums = [0.0; LANES];
        for (a, b) in self.a.iter().zip(self.b) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        sums.iter().sum()
    }
}

struct Add<'a> {
    t: f64,
    a: &'a [[f64; LANES]],
    b: &'a mut [[f64; LANES]],
}

impl pulp::WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let t = self.t;
        for (a, b) in self.a.as_flattened().iter().zip(self.b.as_flattened_mut()) {
            *b += t * a;
        }
    }
}

/// a ← t·a.
pub(super) fn scale(t: f64, a: &mut Columns) {
    for a in a {
        for a in a {
            *a *= t;
        }
    }
}

fn norm(a: &Columns) -> f64 {
    dot(a, a).sqrt()
}
