//! Neural collapse (Papyan, Han and Donoho 2020): how far the representations of each class have
//! come together in one point, and the classes' means in the corners of a simplex.

use faer::{Mat, MatRef, Side};

use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::dot::product_transposed;
use crate::similarity::{Feature, Undefined};

/// Features whose products with the classes' means are computed at once.
const COLUMNS: usize = 512;
/// Class means are one point where their squared distances are below this part of the squared
/// largest deviation of a feature: what means in f64 are rounded by.
const ONE_POINT: f64 = 1e-24;
/// Eigenvalues below this part of the largest are 0: above what f32 features round to, squared.
const RANK_BELOW: f64 = 1e-12;

/// Examples with their classes.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// The class of each example, `[n]`.
    pub labels: &'a [u8],
    /// How many classes there are.
    pub n_classes: usize,
    /// The net's answer to each example, `[n]`, where it is known.
    pub decisions: Option<&'a [u8]>,
}

/// Neural collapse of one representation. C classes with the means `μ_c`, m the mean of the `μ_c`,
/// `a_c` = `μ_c` − m; means over examples are taken in each class, then over the classes, so that
/// all count the same however many examples they have (in the paper all have equally many).
/// NaN is what is undefined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collapse {
    /// NC1, variability within classes over that between: tr(`Σ_W` `Σ_B⁺`)/C, `Σ_W` the mean of
    /// (x − `μ_c`)(x − `μ_c`)ᵀ, `Σ_B` that of `a_c` `a_cᵀ`, ⁺ the pseudo-inverse.
    pub within: f64,
    /// NC2, equal norms: standard deviation (÷ C) over mean of the ‖`a_c`‖.
    pub norms: f64,
    /// NC2, equal angles: standard deviation of cos(`a_c`, `a_c′`) over the pairs c ≠ c′.
    pub angles: f64,
    /// NC2, largest angles: mean |cos(`a_c`, `a_c′`) + 1/(C − 1)| over the pairs.
    pub simplex: f64,
    /// NC3, self-duality: ‖Wᵀ/‖W‖ − A/‖A‖‖², A the matrix of the `a_c` and W that of the linear
    /// classifier which reads the representation; Frobenius norms. From 0 to 4.
    pub duality: f64,
    /// NC4: the share of examples whose nearest class mean is of another class than the net's
    /// answer.
    pub mismatch: f64,
    /// Why one of these has no value; NC3 without a classifier has none for that reason alone.
    pub undefined: Option<Undefined>,
}

impl Collapse {
    /// Of what is undefined for a reason.
    pub(crate) fn none(reason: Undefined) -> Self {
        let [within, norms, angles, simplex, duality, mismatch] = [f64::NAN; 6];
        let undefined = Some(reason);
        Self { within, norms, angles, simplex, duality, mismatch, undefined }
    }

    /// Neural collapse of features.
    ///
    /// All follows from the products of the examples with the `a_c`, so that neither `Σ_W` nor `Σ_B`,
    /// both `[p, p]`, is ever made: with `Y_ic` = ⟨`x_i` − m, `a_c`⟩ and K the means of Y over each
    /// class, `K_cc′` = ⟨`a_c`, `a_c′`⟩ and NC1 is the mean of ‖K⁺(`Y_i` − `K_c`)‖².
    ///
    /// *Shapes* `features: [n, p]`, row-major; `classifier: [C, p]`.
    ///
    /// Cost n·p·C multiply-adds in f64.
    ///
    /// # Errors
    /// Fewer than 4 examples, a feature that is not finite, a dead layer, a class without
    /// examples, or class means that are all one point.
    ///
    /// # Panics
    /// If the lengths do not fit, or a label is no class.
    ///
    /// # Example
    /// ```
    /// use stratagram::similarity::{Collapse, Labelled};
    /// // Two classes at −1 and 1, with a deviation of 0.5 to both sides.
    /// let features = [-1.5f32, -0.5, 0.5, 1.5];
    /// let of = Labelled { labels: &[0, 0, 1, 1], n_classes: 2, decisions: Some(&[0, 1, 1, 1]) };
    /// let collapse = Collapse::of(&features, 1, of, None)?;
    /// assert!((collapse.within - 0.125).abs() < 1e-12); // 0.5²/1²/2
    /// assert_eq!((collapse.norms, collapse.simplex, collapse.mismatch), (0.0, 0.0, 0.25));
    /// # Ok::<(), stratagram::similarity::Undefined>(())
    /// ```
    pub fn of<T: Feature>(
        features: &[T],
        p: usize,
        of: Labelled<'_>,
        classifier: Option<&[f32]>,
    ) -> Result<Self, Undefined> {
        let n = of.labels.len();
        let counts = of.counts()?;
        let centred = Centred::of(features, n, p)?;
        let mut products = vec![0.0; n * of.n_classes];
        let mut duality = Duality::default();
        for first in (0..p).step_by(COLUMNS) {
            let columns = first..(first + COLUMNS).min(p);
            let width = columns.len();
            let mut panel = vec![0.0; n * width];
            centred.fill(columns.clone(), &mut panel, width);
            let means = centred_means(&of.means(&panel, &counts), of.n_classes);
            let [panel, own] = [(&panel, n), (&means, of.n_classes)]
                .map(|(rows, n)| MatRef::from_row_major_slice(rows, n, width));
            let more = product_transposed(panel, own);
            products.iter_mut().zip(more).for_each(|(sum, term)| *sum += term);
            if let Some(weights) = classifier {
                assert_eq!(weights.len(), of.n_classes * p, "weights of every class");
                let rows = weights.chunks(p).map(|row| &row[columns.clone()]);
                duality.add(rows, &means);
            }
        }
        let mut collapse = of.collapse(products, &counts)?;
        if classifier.is_some() {
            collapse.duality = duality.distance();
        }
        Ok(collapse)
    }

    /// Neural collapse from a Gram matrix of the examples, of any center.
    ///
    /// *Shapes* `gram: [n, n]`, row-major.
    ///
    /// # Errors
    /// As [`Collapse::of`].
    ///
    /// # Panics
    /// If the lengths do not fit, or a label is no class.
    pub fn of_gram(gram: &[f64], of: Labelled<'_>) -> Result<Self, Undefined> {
        let n = of.labels.len();
        assert_eq!(gram.len(), n * n, "a Gram matrix of {n} examples");
        if gram.iter().any(|value| !value.is_finite()) {
            return Err(Undefined::NonFinite);
        }
        let counts = of.counts()?;
        // Row c: ⟨x_i, a_c⟩ for all i.
        let means = centred_means(&of.means(gram, &counts), of.n_classes);
        let products = (0..n).flat_map(|i| means.iter().skip(i).step_by(n)).copied();
        of.collapse(products.collect(), &counts)
    }
}

/// ⟨W, A⟩, ‖W‖² and ‖A‖².
#[derive(Default)]
struct Duality {
    product: f64,
    weights: f64,
    means: f64,
}

impl Duality {
    /// Adds some of the columns of both.
    fn add<'a>(&mut self, weights: impl Iterator<Item = &'a [f32]>, means: &[f64]) {
        for (&weight, mean) in weights.flatten().zip(means) {
            let weight = f64::from(weight);
            self.product += weight * mean;
            self.weights += weight * weight;
            self.means += mean * mean;
        }
    }

    /// ‖W/‖W‖ − A/‖A‖‖².
    fn distance(&self) -> f64 {
        2.0 - 2.0 * self.product / (self.weights * self.means).sqrt()
    }
}

impl Labelled<'_> {
    /// The examples of each class.
    fn counts(&self) -> Result<Vec<usize>, Undefined> {
        let mut counts = vec![0; self.n_classes];
        self.labels.iter().for_each(|label| counts[usize::from(*label)] += 1);
        match counts.iter().position(|count| *count == 0) {
            Some(class) => Err(Undefined::AbsentClass { class }),
            None => Ok(counts),
        }
    }

    /// The means of the rows of each class.
    ///
    /// *Shapes* `rows: [n, w]`, `→ [C, w]`.
    fn means(&self, rows: &[f64], counts: &[usize]) -> Vec<f64> {
        let width = rows.len() / self.labels.len();
        let mut means = vec![0.0; self.n_classes * width];
        for (row, label) in rows.chunks(width).zip(self.labels) {
            let at = usize::from(*label) * width;
            let sums = &mut means[at..at + width];
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        for (row, &count) in means.chunks_mut(width).zip(counts) {
            row.iter_mut().for_each(|sum| *sum /= count as f64);
        }
        means
    }

    /// What the products ⟨`x_i`, `a_c`⟩ of all examples, relative to any center, say.
    ///
    /// *Shapes* `products: [n, C]`.
    fn collapse(
        &self,
        mut products: Vec<f64>,
        counts: &[usize],
    ) -> Result<Collapse, Undefined> {
        let n_classes = self.n_classes;
        let of_center = column_means(&self.means(&products, counts), n_classes);
        for row in products.chunks_mut(n_classes) {
            row.iter_mut().zip(&of_center).for_each(|(value, own)| *value -= own);
        }
        let means = self.means(&products, counts);
        let between = Mat::from_fn(n_classes, n_classes, |c, d| {
            f64::midpoint(means[c * n_classes + d], means[d * n_classes + c])
        });
        let squares: Vec<f64> = (0..n_classes).map(|c| between[(c, c)]).collect();
        if squares.iter().all(|square| *square <= ONE_POINT) {
            return Err(Undefined::CoincidingMeans);
        }
        let cosines = cosines(&between, &squares);
        let simplex = -1.0 / (n_classes as f64 - 1.0);
        let from_simplex: Vec<f64> =
            cosines.iter().flatten().map(|cos| (cos - simplex).abs()).collect();
        let norms: Vec<f64> = squares.iter().map(|square| square.sqrt()).collect();
        let (norm, spread) = mean_and_deviation(&norms);
        Ok(Collapse {
            within: self.within(&products, &between, counts)?,
            norms: spread / norm,
            angles: cosines.as_ref().map_or(f64::NAN, |own| mean_and_deviation(own).1),
            simplex: mean_and_deviation(&from_simplex).0,
            duality: f64::NAN,
            mismatch: self.mismatch(&products, &squares),
            undefined: match (cosines, self.decisions) {
                (None, _) => Some(Undefined::CoincidingMeans),
                (_, None) => Some(Undefined::NoAnswers),
                _ => None,
            },
        })
    }

    /// The mean of ‖K⁺(`Y_i` − `K_c`)‖² in each class, then over the classes.
    fn within(
        &self,
        products: &[f64],
        between: &Mat<f64>,
        counts: &[usize],
    ) -> Result<f64, Undefined> {
        let n_classes = self.n_classes;
        let eigen = between
            .self_adjoint_eigen(Side::Lower)
            .map_err(|_| Undefined::NoDecomposition)?;
        let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
        let least = RANK_BELOW * values.iter().copied().fold(0.0, f64::max);
        // [C, r]: an eigenvector over its eigenvalue in each column.
        let inverse: Vec<Vec<f64>> = (0..n_classes)
            .filter(|&k| values[k] > least)
            .map(|k| eigen.U().col(k).iter().map(|entry| entry / values[k]).collect())
            .collect();
        let mut sum = 0.0;
        for (row, label) in products.chunks(n_classes).zip(self.labels) {
            let class = usize::from(*label);
            let deviation = |d: usize| row[d] - between[(class, d)];
            let along = |column: &Vec<f64>| -> f64 {
                column.iter().enumerate().map(|(d, entry)| entry * deviation(d)).sum()
            };
            let square: f64 = inverse.iter().map(|column| along(column).powi(2)).sum();
            sum += square / counts[class] as f64;
        }
        Ok(sum / n_classes as f64)
    }

    /// The share of examples whose nearest class mean is not the net's answer; of equally near
    /// means the lowest class's counts.
    fn mismatch(&self, products: &[f64], squares: &[f64]) -> f64 {
        let Some(decisions) = self.decisions else { return f64::NAN };
        let nearest = |row: &[f64]| {
            // ‖x − m‖² less the squared distance to each class's mean.
            let nearness = |c: usize| 2.0 * row[c] - squares[c];
            (1..self.n_classes)
                .fold(0, |best, c| if nearness(c) > nearness(best) { c } else { best })
        };
        let rows = products.chunks(self.n_classes).zip(decisions);
        let others = rows.filter(|(row, own)| nearest(row) != usize::from(**own)).count();
        others as f64 / decisions.len() as f64
    }
}

/// The cosines of all pairs of classes; none where a class's mean is that of all.
fn cosines(between: &Mat<f64>, squares: &[f64]) -> Option<Vec<f64>> {
    let largest = squares.iter().copied().fold(0.0, f64::max);
    if squares.iter().any(|square| *square <= RANK_BELOW * largest) {
        return None;
    }
    let pairs = (0..squares.len()).flat_map(|c| (0..c).map(move |d| (c, d)));
    Some(pairs.map(|(c, d)| between[(c, d)] / (squares[c] * squares[d]).sqrt()).collect())
}

/// Rows less their mean over the classes.
fn centred_means(rows: &[f64], n_classes: usize) -> Vec<f64> {
    let mean = column_means(rows, n_classes);
    rows.chunks(mean.len())
        .flat_map(|row| row.iter().zip(&mean).map(|(value, mean)| value - mean))
        .collect()
}

fn column_means(rows: &[f64], n_rows: usize) -> Vec<f64> {
    let width = rows.len() / n_rows;
    let column = |at: usize| rows[at..].iter().step_by(width).sum::<f64>();
    (0..width).map(|at| column(at) / n_rows as f64).collect()
}

/// Mean and standard deviation (÷ n); NaN of nothing.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    (mean, square.sqrt())
}
