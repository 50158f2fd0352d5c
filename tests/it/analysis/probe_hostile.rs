//! Every solver on feature sets that nets produce when they have memorized, diverged or died:
//! the end is checked by an evaluation of the objective and its gradient of its own.

use stratagram::probe::{Design, Fit, FitOptions, Probe, Recipe, Scalar, Solver};

/// Feature sets; each is fitted by every solver, with f32 and f64 features.
const N_SETS: usize = 600;

/// Numbers in [0, 1), the same on every run.
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal: a sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.uniform() * n as f64) as usize
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// How the features came about.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Noise,
    /// Classes far apart.
    Memorized,
    /// Classes apart, by a single feature that all examples of a class share.
    Collapsed,
    Huge,
    Tiny,
    /// Every feature on a scale of its own, from 1e-18 to 1e18.
    Scales,
    Constant,
    RankOne,
    Duplicated,
    /// One example far from all others.
    Outlier,
    /// All examples but one the same.
    NearlyConstant,
    /// Small variation about a large mean.
    Offset,
    /// Rectified: mostly 0.
    Sparse,
}

const KINDS: [Kind; 13] = [
    Kind::Noise,
    Kind::Memorized,
    Kind::Collapsed,
    Kind::Huge,
    Kind::Tiny,
    Kind::Scales,
    Kind::Constant,
    Kind::RankOne,
    Kind::Duplicated,
    Kind::Outlier,
    Kind::NearlyConstant,
    Kind::Offset,
    Kind::Sparse,
];

#[derive(Debug)]
struct Set {
    kind: Kind,
    n: usize,
    d: usize,
    n_classes: usize,
    l2: f64,
    x: Vec<f32>,
    y: Vec<u8>,
    warm: Option<Probe>,
}

impl Set {
    fn draw(index: usize) -> Self {
        let mut numbers = Numbers((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let kind = KINDS[index % KINDS.len()];
        let n = 2 + numbers.below(60);
        // Up to 40 features the metric is often the Hessian by all coefficients, with 150 never.
        let d = if numbers.below(5) == 0 { 150 } else { 1 + numbers.below(40) };
        let n_classes = numbers.pick(&[2, 3, 10, 10, 10, 20]);
        let one_class = numbers.below(12) == 0;
        let y: Vec<u8> = (0..n)
            .map(|_| if one_class { 1 } else { numbers.below(n_classes) as u8 })
            .collect();
        let x = features(&mut numbers, kind, [n, d], &y);
        let l2 = numbers.pick(&[1e-7, 1e-5, 1e-3, 1e-3, 1e-1, 1e2]);
        let warm = warm(&mut numbers, n_classes, d);
        Self { kind, n, d, n_classes, l2, x, y, warm }
    }
}

fn features(numbers: &mut Numbers, kind: Kind, [n, d]: [usize; 2], y: &[u8]) -> Vec<f32> {
    let scales: Vec<f64> =
        (0..d).map(|_| 10f64.powf(36.0 * numbers.uniform() - 18.0)).collect();
    let direction: Vec<f64> = (0..d).map(|_| numbers.normal()).collect();
    let mut x = Vec::with_capacity(n * d);
    for (i, &label) in y.iter().enumerate() {
        let own = f64::from(label);
        let along = numbers.normal();
        for j in 0..d {
            let noise = numbers.normal();
            let code = (own * (j as f64 + 1.0)).sin();
            x.push(match kind {
                Kind::Noise => noise,
                Kind::Memorized => 1e3 * code + noise,
                Kind::Collapsed => code,
                Kind::Huge => 1e30 * noise,
                Kind::Tiny => 1e-30 * noise,
                Kind::Scales => scales[j] * noise,
                Kind::Constant => direction[j],
                Kind::RankOne => along * direction[j],
                Kind::Duplicated => along + 0.0 * noise,
                Kind::Outlier => noise * if i == 0 { 1e6 } else { 1.0 },
                Kind::NearlyConstant => direction[j] + if i == 0 { noise } else { 0.0 },
                Kind::Offset => 1e5 + noise,
                Kind::Sparse => (noise - 1.5).max(0.0),
            } as f32);
        }
    }
    x
}

/// A start from anywhere: none, or a probe of any size, with dead classes.
fn warm(numbers: &mut Numbers, n_classes: usize, n_features: usize) -> Option<Probe> {
    if numbers.below(2) == 0 {
        return None;
    }
    let size = numbers.pick(&[0.0, 1e-6, 1.0, 1e3, 1e8, 1e20, 1e37]);
    let weight = (0..n_classes * n_features)
        .map(|_| (size * numbers.normal() / 6.0) as f32)
        .collect();
    let bias = (0..n_classes).map(|class| match class {
        1 if size > 1.0 => f32::NEG_INFINITY,
        _ => (size * numbers.normal() / 6.0) as f32,
    });
    Some(Probe { n_classes, n_features, weight, bias: bias.collect() })
}

/// The standardized features `[n, d]` as the documentation defines them, in f64.
fn standardized(set: &Set) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let Set { n, d, .. } = *set;
    let column = |j: usize| (0..n).map(move |i| f64::from(set.x[i * d + j]));
    let first: Vec<f64> = (0..d).map(|j| f64::from(set.x[j])).collect();
    let mean: Vec<f64> = (0..d)
        .map(|j| first[j] + column(j).map(|x| x - first[j]).sum::<f64>() / n as f64)
        .collect();
    let deviation = |j: usize| {
        let squares: f64 = column(j).map(|x| (x - mean[j]).powi(2)).sum();
        (squares / n as f64).sqrt()
    };
    let deviations: Vec<f64> = (0..d).map(deviation).collect();
    let mut sorted = deviations.clone();
    sorted.sort_by(f64::total_cmp);
    let floor = 1e-3 * 0.5 * (sorted[(d - 1) / 2] + sorted[d / 2]);
    let scale: Vec<f64> = deviations
        .iter()
        .map(|&s| if s.max(floor) > 0.0 { s.max(floor) } else { 1.0 })
        .collect();
    let x = (0..n * d)
        .map(|at| (f64::from(set.x[at]) - mean[at % d]) / scale[at % d])
        .collect();
    (x, mean, scale)
}

/// What a fit minimizes and the largest entry of its gradient by W and b, evaluated here by
/// plain loops.
fn evaluate(set: &Set, fit: &Fit, squares: bool) -> (f64, f64) {
    let Set { n, d, n_classes, l2, .. } = *set;
    let (x, mean, scale) = standardized(set);
    let active: Vec<usize> =
        (0..n_classes).filter(|c| set.y.contains(&(*c as u8))).collect();
    let w = |c: usize, j: usize| fit.weight[c * d + j] * scale[j];
    let b = |c: usize| {
        fit.bias[c] + (0..d).map(|j| fit.weight[c * d + j] * mean[j]).sum::<f64>()
    };
    let mut objective = 0.0;
    let mut gradient = vec![0.0; n_classes * (d + 1)];
    for i in 0..n {
        let label = usize::from(set.y[i]);
        let logit = |c: usize| b(c) + (0..d).map(|j| w(c, j) * x[i * d + j]).sum::<f64>();
        let logits: Vec<f64> = active.iter().map(|&c| logit(c)).collect();
        let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logits.iter().map(|z| (z - top).exp()).sum();
        for (&c, &z) in active.iter().zip(&logits) {
            let own = f64::from(u8::from(c == label));
            let residual = if squares {
                let residual = z - (2.0 * own - 1.0);
                objective += 0.5 * residual * residual / n as f64;
                residual / n as f64
            } else {
                objective += own * (top - z + total.ln()) / n as f64;
                ((z - top).exp() / total - own) / n as f64
            };
            gradient[c * (d + 1)] += residual;
            for j in 0..d {
                gradient[c * (d + 1) + 1 + j] += residual * x[i * d + j];
            }
        }
    }
    for &c in &active {
        for j in 0..d {
            objective += 0.5 * l2 * w(c, j).powi(2);
            gradient[c * (d + 1) + 1 + j] += l2 * w(c, j);
        }
    }
    (objective, gradient.iter().fold(0.0, |a, g| a.max(g.abs())))
}

fn design<T: Scalar>(set: &Set, solver: Solver) -> Design<T> {
    let x: Vec<T> = set.x.iter().map(|&x| T::from_f64(f64::from(x))).collect();
    let prepare = if solver.takes_batches() { Design::unrotated } else { Design::new };
    prepare(&x, set.n, set.d, true).unwrap()
}

fn fit<T: Scalar>(set: &Set, solver: Solver, tolerance: f64) -> Fit {
    let options = FitOptions { l2: set.l2, tolerance, max_iterations: 1000, solver };
    let design = design::<T>(set, solver);
    let fit = design.fit(&set.y, set.n_classes, &options, set.warm.as_ref());
    if set.n_classes == 2 {
        let n_folds = set.n.min(5);
        let held_out =
            design.cross_validate(&set.y, set.n_classes, &options, n_folds, &fit.probe);
        assert_eq!(held_out.predictions.len(), set.n);
    }
    fit
}

fn recipe(lr: f64) -> Recipe {
    Recipe { epochs: 3, batch_size: 16, ..Recipe::with_rate(lr) }
}

#[test]
fn the_logistic_optimum_is_found_on_hostile_features() {
    let mut unconverged = 0;
    for index in 0..N_SETS {
        let set = Set::draw(index);
        let place = format!("set {index}, {:?}, {} × {}", set.kind, set.n, set.d);
        let exact = fit::<f64>(&set, Solver::Logistic, 1e-8);
        let (objective, gradient) = evaluate(&set, &exact, false);
        assert!(gradient < 1e-6, "{place}: gradient {gradient:e}");
        // A number that is added to all biases changes nothing but the digits of their loss.
        let is_near_zero = |bias: &f64| bias.abs() < 1e6 || bias.is_infinite();
        if exact.bias.iter().all(is_near_zero) {
            let error = (exact.objective - objective).abs();
            assert!(error < 1e-9, "{place}: {objective} is off by {error:e}");
        }
        // In f32 the gradient is known to about 1e-7 of its largest term.
        let single = fit::<f32>(&set, Solver::Logistic, 1e-6);
        let (found, gradient) = evaluate(&set, &single, false);
        assert!(gradient < 1e-4, "{place}: gradient {gradient:e} in f32");
        assert!(found < objective + 1e-3, "{place}: {found} in f32, not {objective}");
        unconverged += usize::from(!exact.converged) + usize::from(!single.converged);
    }
    assert!(unconverged <= 2 * N_SETS / 100, "{unconverged} of {}", 2 * N_SETS);
}

#[test]
fn the_ridge_optimum_is_found_on_hostile_features() {
    for index in 0..N_SETS {
        let set = Set::draw(index);
        let place = format!("set {index}, {:?}, {} × {}", set.kind, set.n, set.d);
        let exact = fit::<f64>(&set, Solver::Ridge, 1e-8);
        let (objective, gradient) = evaluate(&set, &exact, true);
        assert!(exact.converged, "{place}");
        assert!(gradient < 1e-9, "{place}: gradient {gradient:e}");
        assert!((exact.objective - objective).abs() < 1e-9, "{place}: {objective}");
        let single = fit::<f32>(&set, Solver::Ridge, 1e-6);
        assert!(evaluate(&set, &single, true).1 < 1e-4, "{place} in f32");
    }
}

#[test]
fn recipes_end_where_they_say_or_say_that_they_diverged() {
    for index in 0..N_SETS {
        let set = Set::draw(index);
        let place = format!("set {index}, {:?}, {} × {}", set.kind, set.n, set.d);
        for lr in [0.01, 1e200] {
            let sgd = Solver::Sgd { recipe: recipe(lr), momentum: 0.9 };
            for solver in [sgd, Solver::Adam(recipe(lr))] {
                let end = fit::<f64>(&set, solver, 1e-6);
                let (objective, _) = evaluate(&set, &end, false);
                let error = (end.objective - objective).abs();
                assert!(
                    lr > 1.0 || error <= 1e-9 * objective,
                    "{place}, {solver:?}: {} is {objective}",
                    end.objective
                );
                assert!(end.converged || lr > 1.0, "{place}, {solver:?} diverged");
                fit::<f32>(&set, solver, 1e-6);
            }
        }
    }
}
