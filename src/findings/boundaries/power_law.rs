//! The null of a settling: roughness whose scatter and diffusion follow power laws of
//! 1 + epoch (section 1.5).

use std::array;

/// Exponents tried: −3, −2.5, …, 1.
const EXPONENTS: usize = 9;
/// Fitted values are at least this share of the observed ones.
const LEAST: f64 = 1e-9;

/// Fits ρ² = A e^{px} + B e^{qx}·u, A, B ≥ 0, on one time axis.
#[derive(Debug, Clone)]
pub struct PowerLaws {
    /// e^{px} for each exponent, x centered.
    scatter: [Vec<f64>; EXPONENTS],
    /// e^{qx}·u for each exponent.
    diffusion: [Vec<f64>; EXPONENTS],
}

/// One term of the fit, relative to the observed values, and the sums of it that the fit
/// needs.
struct Term {
    values: Vec<f64>,
    sum: f64,
    squares: f64,
}

impl Term {
    fn relative(law: &[f64], r2: &[f64]) -> Self {
        let values: Vec<f64> = law.iter().zip(r2).map(|(law, r2)| law / r2).collect();
        Self { sum: values.iter().sum(), squares: dot(&values, &values), values }
    }

    /// How much one term alone removes from the sum of squares of 1.
    fn alone(&self) -> f64 {
        self.sum * self.sum / self.squares
    }
}

impl PowerLaws {
    /// For the checkpoints at log times `x` with the factors of diffusion `u`.
    pub fn new(x: &[f64], u: &[f64]) -> Self {
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let law = |k: usize| {
            let exponent = -3.0 + 0.5 * k as f64;
            x.iter().map(move |x| (exponent * (x - mean)).exp())
        };
        Self {
            scatter: array::from_fn(|k| law(k).collect()),
            diffusion: array::from_fn(|k| {
                law(k).zip(u).map(|(law, u)| law * u).collect()
            }),
        }
    }

    /// The fit to `r2`: for each pair of exponents the relative least squares, min Σ(1 −
    /// fit/ρ²)² over A, B ≥ 0; the pair with the least Σ|ln(fit/ρ²)| wins (ties: the first).
    ///
    /// Cost: 81·T logarithms.
    pub fn fit(&self, r2: &[f64]) -> Vec<f64> {
        let relative = |law: &Vec<f64>| Term::relative(law, r2);
        let scatter = self.scatter.each_ref().map(relative);
        let diffusion = self.diffusion.each_ref().map(relative);
        let mut best = (f64::INFINITY, vec![]);
        let mut fit = vec![0.0; r2.len()];
        for scatter in &scatter {
            for diffusion in &diffusion {
                let (a, b) = non_negative_least_squares(scatter, diffusion);
                let terms = scatter.values.iter().zip(&diffusion.values);
                for (fit, (s, d)) in fit.iter_mut().zip(terms) {
                    *fit = (a * s + b * d).max(LEAST);
                }
                let distance: f64 = fit.iter().map(|fit| fit.ln().abs()).sum();
                if distance < best.0 {
                    best = (distance, fit.clone());
                }
            }
        }
        best.1.iter().zip(r2).map(|(fit, r2)| fit * r2).collect()
    }
}

/// A, B ≥ 0 that minimize Σ(1 − A s − B d)².
fn non_negative_least_squares(s: &Term, d: &Term) -> (f64, f64) {
    let across = dot(&s.values, &d.values);
    let determinant = s.squares * d.squares - across * across;
    if determinant > 1e-12 * s.squares * d.squares {
        let a = (s.sum * d.squares - d.sum * across) / determinant;
        let b = (d.sum * s.squares - s.sum * across) / determinant;
        if a >= 0.0 && b >= 0.0 {
            return (a, b);
        }
    }
    if s.alone() >= d.alone() {
        (s.sum / s.squares, 0.0)
    } else {
        (0.0, d.sum / d.squares)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_two_power_laws_is_fitted_exactly() {
        let x: Vec<f64> = (0..30).map(|i| 0.2 * f64::from(i)).collect();
        let u: Vec<f64> = (0..30).map(|i| 0.1 + 0.01 * f64::from(i % 4)).collect();
        let r2: Vec<f64> = x
            .iter()
            .zip(&u)
            .map(|(x, u)| 0.3 * (-2.0 * x).exp() + 0.05 * (0.5 * x).exp() * u)
            .collect();
        let fit = PowerLaws::new(&x, &u).fit(&r2);
        for (fit, r2) in fit.iter().zip(&r2) {
            assert!((fit / r2 - 1.0).abs() < 1e-9, "{fit} for {r2}");
        }
    }
}
