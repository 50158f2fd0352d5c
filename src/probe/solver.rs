//! The unique optimum of L2-regularized multinomial logistic regression.
//!
//! ```text
//! minimize  Σᵢ ωᵢ·(log Σ exp zᵢ· − zᵢ,yᵢ) + λ/2·‖W‖²,   z = A·θ,  θ = [bias; W]
//! ```
//! Limited-memory BFGS whose initial metric M is the Hessian, or near it ([`Metric`]). It is
//! built once more where the iteration has come near the optimum, because fitted examples
//! lose their curvature. Each iteration costs two products with A and one with M⁻¹; the line
//! search is free, as logits are linear in the step.
//!
//! Chosen by counting evaluations to a gradient of 1e-6 (λ = 1e-3) on 1,000 digits with
//! 40 % wrong labels, on layers of a CNN5 of width 16: the first layer before training
//! (d = 1,024), the second at epoch 30 (d = 2,048), the fourth at epoch 98 (d = 512).
//! L-BFGS in the metric of Böhning's bound takes 258, 134 and 109, Newton-CG in that metric
//! 518, 265 and 227, with one curvature an example 197, 114 and 47; this method about 96,
//! 56 and 24. A metric for each class saves Newton-CG little more at ten times the price.
//!
//! Where there are few features the Hessian of all classes together is cheap: on 32 to 64
//! features of 4,000 images it takes 24 iterations to 1e-7 instead of 118 (mean over the
//! layers of a ResNet-18 and 27 epochs, right labels), and a quarter of the time.
#![allow(clippy::inline_always)] // Vector code must be inlined where it is dispatched.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::metric::Metric;
use super::product::{Columns, LANES, Matrix, Scalar};
use super::softmax::Targets;

/// Pairs of steps and gradient changes that the metric remembers.
const MEMORY: usize = 10;
/// M is built anew where the gradient has fallen to this part of its norm at the last time
/// and the sum of the curvatures has changed by this factor or more.
const REFRESH: f64 = 1e-2;
const CHANGE: f64 = 1.5;

/// The objective: A with a first column of ones, whose coefficient is not penalized.
#[derive(Debug)]
pub(super) struct Problem<'a, T: Scalar> {
    pub(super) features: &'a Matrix<'a, T>,
    pub(super) targets: Targets<'a>,
    pub(super) l2: f64,
    /// How large the metric's λ is at least, as a part of the metric's largest entry; 0 but
    /// where rounding spoils the metric of the objective.
    pub(super) damping: f64,
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

impl<T: Scalar> Problem<'_, T> {
    /// The objective at W = 0 and b = 0, which no optimum exceeds.
    pub(super) fn objective_at_origin(&self) -> f64 {
        let classes = 0..self.targets.n_classes;
        let n_active = classes.filter(|&class| self.targets.is_active(class)).count();
        (n_active as f64).ln()
    }

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

    /// θ as an end whose gradient is not to vanish; not converged where it overflows.
    pub(super) fn solution_at(&self, theta: Columns, iterations: usize) -> Solution {
        let Point { theta, logits, gradient, .. } = self.point(theta);
        let objective = self.objective(&theta, &logits);
        let converged = objective.is_finite();
        Solution { theta, logits, gradient, objective, iterations, converged }
    }

    /// M at θ.
    pub(super) fn metric_at(&self, theta: &Columns) -> Metric<T> {
        self.metric(&self.targets.probabilities(&self.features.times(theta)))
    }

    fn metric(&self, probabilities: &Columns) -> Metric<T> {
        Metric::at(self.features, &self.targets, (self.l2, self.damping), probabilities)
    }

    /// The end of the step t > 0 along `direction` at which the slope has all but vanished,
    /// found by safeguarded Newton steps on the convex function of t; none if the slope is not
    /// negative.
    fn line_search(
        &self,
        from: &Point,
        direction: &Columns,
        image: &Columns,
    ) -> Option<Step> {
        let n_columns = self.features.n_columns;
        let (mut across, mut length) = (0.0, 0.0);
        for (theta, direction) in
            from.theta.chunks(n_columns).zip(direction.chunks(n_columns))
        {
            across += dot(&theta[1..], &direction[1..]);
            length += dot(&direction[1..], &direction[1..]);
        }
        let end = |t: f64| {
            let mut logits = from.logits.clone();
            add(t, image, &mut logits);
            let probabilities = self.targets.probabilities(&logits);
            Step { t, logits, probabilities }
        };
        let start = dot(&from.gradient, direction);
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut t = 1.0;
        for _ in 0..30 {
            let step = end(t);
            let [first, second] = self.targets.along(&step.probabilities, image);
            let slope = first + self.l2 * (across + t * length);
            let curvature = second + self.l2 * length;
            if slope.abs() <= 0.1 * start.abs() {
                return Some(step);
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
        (low > 0.0).then(|| end(low))
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
            let size = norm(&point.gradient);
            if iterations == max_iterations || !size.is_finite() {
                break false;
            }
            if (size <= REFRESH * built.1 && self.has_changed(&metric, &point))
                || iterations - built.0 >= metric.patience()
            {
                metric = Cow::Owned(self.metric(&point.probabilities));
                built = (iterations, size);
                history.restart(metric.solve(&point.gradient));
            }
            let direction = history.direction(&point.gradient);
            let image = self.features.times(&direction);
            let step = self.line_search(&point, &direction, &image);
            if step.is_none() && history.pairs.is_empty() {
                break false;
            }
            iterations += 1;
            let Some(step) = step else {
                // Rounding has spoilt the remembered pairs.
                history.pairs.clear();
                continue;
            };
            let mut taken = direction;
            scale(step.t, &mut taken);
            let (next, change) = self.advance(point, &taken, step);
            history.push(taken, change, metric.solve(&next.gradient));
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

    /// The point at the end of a step, and the change of the gradient.
    fn advance(&self, from: Point, taken: &Columns, step: Step) -> (Point, Columns) {
        let Point { mut theta, gradient: mut change, .. } = from;
        let Step { logits, probabilities, .. } = step;
        add(1.0, taken, &mut theta);
        let residuals = self.targets.residuals(probabilities.clone());
        let gradient = self.gradient(&theta, &residuals);
        scale(-1.0, &mut change);
        add(1.0, &gradient, &mut change);
        (Point { theta, logits, probabilities, gradient }, change)
    }
}

/// The end of a step of length `t` along a direction.
struct Step {
    t: f64,
    logits: Columns,
    probabilities: Columns,
}

struct Point {
    theta: Columns,
    logits: Columns,
    probabilities: Columns,
    gradient: Columns,
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
