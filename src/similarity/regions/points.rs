//! Similarities of decision regions besides their plain agreement ([`drs`](crate::similarity::regions::drs)): what
//! chance alone gives, Cohen's kappa, intersection over union of each class, and agreement
//! inside and outside the triangle of the three images.
//!
//! Two classifiers that give few classes agree by chance, early in training above all; kappa
//! is 0 there and 1 for equal regions.

use rayon::prelude::*;

use crate::similarity::regions::equal::count_both;
use crate::similarity::{EpochMatrix, Undefined};

/// What two classifiers are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// A, the fraction of points of equal class.
    Agreement,
    /// Aₑ = `Σ_c` p(c)·p′(c), p(c) the fraction of points of class c: the agreement of
    /// independent classifiers with these classes.
    Chance,
    /// κ = (A − Aₑ)/(1 − Aₑ) (Cohen 1960).
    Kappa,
    /// The mean over classes of |`R_c` ∩ R′_c| / |`R_c` ∪ R′_c|, `R_c` the points of class c;
    /// over the classes that occur.
    Iou,
    /// A over the points inside the triangle of the three images.
    Inside,
    /// A over the others.
    Outside,
}

impl Similarity {
    /// All, in the order of their values in a [`Comparison`].
    pub const ALL: [Self; 6] = [
        Self::Agreement,
        Self::Chance,
        Self::Kappa,
        Self::Iou,
        Self::Inside,
        Self::Outside,
    ];

    /// The name of its matrices.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agreement => "drs",
            Self::Chance => "drs-chance",
            Self::Kappa => "drs-kappa",
            Self::Iou => "drs-iou",
            Self::Inside => "drs-inside",
            Self::Outside => "drs-outside",
        }
    }

    /// Its name in captions.
    pub fn title(self) -> &'static str {
        match self {
            Self::Agreement => "DRS",
            Self::Chance => "DRS by chance",
            Self::Kappa => "DRS, Cohen’s κ",
            Self::Iou => "DRS, intersection over union",
            Self::Inside => "DRS inside the triangle",
            Self::Outside => "DRS outside the triangle",
        }
    }

    fn undefined(self) -> Undefined {
        match self {
            Self::Kappa => Undefined::OneClass,
            _ => Undefined::NoPoints,
        }
    }
}

/// Two classifiers compared on the same points.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// By each of [`Similarity::ALL`]; NaN where undefined.
    pub values: [f64; 6],
    /// Standard errors over planes, by the delete-one jackknife; NaN for a single plane.
    pub se: [f64; 6],
    /// Intersection over union of each class; NaN where neither has it.
    pub class_iou: Vec<f64>,
}

impl Comparison {
    /// A value and its standard error.
    pub fn get(&self, similarity: Similarity) -> (f64, f64) {
        (self.values[similarity as usize], self.se[similarity as usize])
    }
}

/// The points of all planes, and which of them lie inside the triangles.
#[derive(Debug, Clone)]
pub struct Points {
    n_classes: usize,
    per_plane: usize,
    /// For each plane, how many points lie inside.
    n_inside: Vec<usize>,
    /// The points of each plane, those inside first.
    order: Vec<usize>,
}

impl Points {
    /// Points of planes of `per_plane` points each.
    ///
    /// *Shapes* `inside: [T·per_plane]`.
    ///
    /// # Panics
    /// If the points do not fill their planes.
    pub fn new(inside: &[bool], per_plane: usize, n_classes: usize) -> Self {
        assert!(
            per_plane > 0 && inside.len().is_multiple_of(per_plane),
            "{} points in planes of {per_plane}",
            inside.len()
        );
        let n_inside = |plane: &[bool]| plane.iter().filter(|inside| **inside).count();
        let mut order = Vec::with_capacity(inside.len());
        for plane in (0..inside.len()).step_by(per_plane) {
            let points = plane..plane + per_plane;
            order.extend(points.clone().filter(|point| inside[*point]));
            order.extend(points.filter(|point| !inside[*point]));
        }
        Self {
            n_classes,
            per_plane,
            n_inside: inside.chunks(per_plane).map(n_inside).collect(),
            order,
        }
    }

    /// Compares all rows with each other.
    ///
    /// *Shapes* `rows: [E]` of `[T·per_plane]`.
    ///
    /// Cost: E²/2 comparisons of `T·per_plane` bytes for each class that occurs on a plane, and
    /// E²/2·T steps for each class and its errors.
    ///
    /// # Panics
    /// If a row has another length, or a class that is not below `n_classes`.
    ///
    /// # Example
    /// ```
    /// use stratagram::similarity::regions::{Points, Similarity};
    /// let points = Points::new(&[true, true, false, false], 4, 3);
    /// let found = points.matrices(&[&[0, 0, 1, 1], &[0, 1, 1, 1]]);
    /// // Agreement 3/4; by chance ½·¼ + ½·¾ = ½.
    /// assert_eq!(found.matrix(Similarity::Kappa).value(0, 1), 0.5);
    /// // Class 0: 1 of 2 points; class 1: 2 of 3; class 2 does not occur.
    /// assert_eq!(found.matrix(Similarity::Iou).value(0, 1), (1.0 / 2.0 + 2.0 / 3.0) / 2.0);
    /// assert_eq!(found.matrix(Similarity::Inside).value(0, 1), 0.5);
    /// ```
    pub fn matrices(&self, rows: &[&[u8]]) -> Matrices {
        let n = rows.len();
        let rows: Vec<Row> = rows.par_iter().map(|row| self.row(row)).collect();
        let pairs: Vec<(usize, usize)> =
            (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).collect();
        let compared: Vec<Comparison> =
            pairs.par_iter().map(|&(i, j)| self.compare(&rows[i], &rows[j])).collect();
        let empty = EpochMatrix {
            n_epochs: n,
            values: vec![f64::NAN; n * n],
            se: Some(vec![f64::NAN; n * n]),
            reasons: vec![None; n * n],
        };
        let mut matrices = Similarity::ALL.map(|_| empty.clone());
        let mut class_iou = vec![f64::NAN; self.n_classes * n * n];
        for ((i, j), found) in pairs.into_iter().zip(compared) {
            for at in [i * n + j, j * n + i] {
                for (similarity, matrix) in Similarity::ALL.into_iter().zip(&mut matrices)
                {
                    let (value, se) = found.get(similarity);
                    matrix.values[at] = value;
                    matrix.se.get_or_insert_default()[at] = se;
                    matrix.reasons[at] = value.is_nan().then(|| similarity.undefined());
                }
                for (class, iou) in found.class_iou.iter().enumerate() {
                    class_iou[class * n * n + at] = *iou;
                }
            }
        }
        Matrices { matrices, class_iou }
    }

    /// Compares rows of one list with those of another, position by position: the same layer
    /// at the same epochs of two runs.
    ///
    /// *Shapes* `a, b: [E]` of `[T·per_plane]`.
    ///
    /// # Panics
    /// As [`Points::matrices`], and if the lists differ in length.
    ///
    /// # Example
    /// ```
    /// use stratagram::similarity::regions::{Points, Similarity};
    /// let points = Points::new(&[true, false], 2, 2);
    /// let found = points.pairs(&[&[0, 1], &[0, 0]], &[&[0, 1], &[1, 1]]);
    /// assert_eq!(found[0].get(Similarity::Kappa).0, 1.0);
    /// assert_eq!(found[1].get(Similarity::Kappa).0, 0.0);
    /// ```
    pub fn pairs(&self, a: &[&[u8]], b: &[&[u8]]) -> Vec<Comparison> {
        assert_eq!(a.len(), b.len(), "epochs of both");
        let pairs = a.par_iter().zip(b);
        pairs.map(|(a, b)| self.compare(&self.row(a), &self.row(b))).collect()
    }

    /// Brings a row into the order of the points, and counts its classes on each plane.
    fn row(&self, classes: &[u8]) -> Row {
        assert_eq!(classes.len(), self.order.len(), "points of a row");
        let mut counts = vec![0; self.n_inside.len() * self.n_classes];
        for (plane, classes) in classes.chunks(self.per_plane).enumerate() {
            for class in classes {
                counts[plane * self.n_classes + usize::from(*class)] += 1;
            }
        }
        Row { classes: self.order.iter().map(|at| classes[*at]).collect(), counts }
    }

    fn compare(&self, a: &Row, b: &Row) -> Comparison {
        let (c, per_plane) = (self.n_classes, self.per_plane);
        let mut planes = vec![];
        for (plane, &n_inside) in self.n_inside.iter().enumerate() {
            let [own, other] = [a, b].map(|row| &row.counts[plane * c..(plane + 1) * c]);
            let mut tally = Tally::new(c);
            tally.0[..2]
                .copy_from_slice(&[n_inside as u64, (per_plane - n_inside) as u64]);
            let mut both = vec![0; c];
            let middle = plane * per_plane + n_inside;
            let parts = [middle - n_inside..middle, middle..(plane + 1) * per_plane];
            let mut before = 0;
            for (part, points) in parts.into_iter().enumerate() {
                let shared = (0..c).filter(|k| own[*k] > 0 && other[*k] > 0);
                let points = (&a.classes[points.clone()], &b.classes[points]);
                count_both(points.0, points.1, shared.map(|k| k as u8), &mut both);
                let equal: u64 = both.iter().sum();
                tally.0[2 + part] = equal - before;
                before = equal;
            }
            tally.0[4..4 + c].copy_from_slice(&both);
            tally.0[4 + c..4 + 2 * c].copy_from_slice(own);
            tally.0[4 + 2 * c..].copy_from_slice(other);
            planes.push(tally);
        }
        let mut total = Tally::new(c);
        for plane in &planes {
            total.change(plane, u64::wrapping_add);
        }
        Comparison {
            values: total.similarities(),
            se: jackknife(&mut total, &planes),
            class_iou: (0..c).map(|class| total.iou(class)).collect(),
        }
    }
}

/// Matrices of all similarities over the same rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrices {
    matrices: [EpochMatrix; 6],
    /// Intersection over union, `[C, E, E]`; NaN where neither has the class.
    pub class_iou: Vec<f64>,
}

impl Matrices {
    /// The matrix of one similarity.
    pub fn matrix(&self, similarity: Similarity) -> &EpochMatrix {
        &self.matrices[similarity as usize]
    }
}

/// One classifier's classes in the order of the points, and how many of each a plane has.
struct Row {
    classes: Vec<u8>,
    /// `[T, C]`.
    counts: Vec<u64>,
}

/// Points inside and outside, equal ones inside and outside; then for each class: points of
/// both, of the first and of the second.
struct Tally(Vec<u64>);

impl Tally {
    fn new(n_classes: usize) -> Self {
        Self(vec![0; 4 + 3 * n_classes])
    }

    fn change(&mut self, other: &Self, how: fn(u64, u64) -> u64) {
        for (sum, value) in self.0.iter_mut().zip(&other.0) {
            *sum = how(*sum, *value);
        }
    }

    fn n_classes(&self) -> usize {
        (self.0.len() - 4) / 3
    }

    /// Points of a class of both, of the first, of the second.
    fn class(&self, class: usize) -> [f64; 3] {
        [0, 1, 2].map(|k| self.0[4 + k * self.n_classes() + class] as f64)
    }

    fn iou(&self, class: usize) -> f64 {
        let [both, a, b] = self.class(class);
        both / (a + b - both)
    }

    fn similarities(&self) -> [f64; 6] {
        let [inside, outside, equal_inside, equal_outside] =
            [0, 1, 2, 3].map(|k| self.0[k] as f64);
        let n = inside + outside;
        let classes = 0..self.n_classes();
        let agreement = (equal_inside + equal_outside) / n;
        let chance = classes.clone().map(|class| {
            let [_, a, b] = self.class(class);
            a / n * (b / n)
        });
        let chance: f64 = chance.sum();
        let (mut sum, mut occurring) = (0.0, 0.0);
        for iou in classes.map(|class| self.iou(class)).filter(|iou| !iou.is_nan()) {
            sum += iou;
            occurring += 1.0;
        }
        [
            agreement,
            chance,
            (agreement - chance) / (1.0 - chance),
            sum / occurring,
            equal_inside / inside,
            equal_outside / outside,
        ]
    }
}

/// Delete-one jackknife over planes: `se² = (T−1)/T Σ (θ₍ᵢ₎ − mean θ₍·₎)²`, which for means of
/// planes of equal size is sd²/T.
fn jackknife(total: &mut Tally, planes: &[Tally]) -> [f64; 6] {
    let t = planes.len() as f64;
    let without: Vec<[f64; 6]> = planes
        .iter()
        .map(|plane| {
            total.change(plane, u64::wrapping_sub);
            let found = total.similarities();
            total.change(plane, u64::wrapping_add);
            found
        })
        .collect();
    [0, 1, 2, 3, 4, 5].map(|k| {
        let mean = without.iter().map(|found| found[k]).sum::<f64>() / t;
        let squares: f64 = without.iter().map(|found| (found[k] - mean).powi(2)).sum();
        // Without its only plane nothing is left: NaN.
        (squares * (t - 1.0) / t).sqrt()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::drs;

    fn drifting(n_epochs: usize, n_points: usize) -> Vec<Vec<u8>> {
        (0..n_epochs)
            .map(|t| {
                (0..n_points).map(|x| ((x * x + x * t / 7) / 11 % 5) as u8).collect()
            })
            .collect()
    }

    fn inside(n: usize) -> Vec<bool> {
        (0..n).map(|x| x * x % 7 < 3).collect()
    }

    #[test]
    fn agreement_and_its_error_are_those_of_drs() {
        let classes = drifting(5, 40 * 150);
        let rows: Vec<&[u8]> = classes.iter().map(Vec::as_slice).collect();
        let plain = drs::matrix(&rows, 150);
        let found = Points::new(&inside(40 * 150), 150, 7).matrices(&rows);
        let agreement = found.matrix(Similarity::Agreement);
        for i in 0..5 {
            for j in 0..5 {
                assert!((agreement.value(i, j) - plain.value(i, j)).abs() < 1e-14);
                let [a, b] = [agreement, &plain].map(|m| m.error(i, j).unwrap());
                assert!((a - b).abs() < 1e-14, "({i}, {j}): {a} is not {b}");
            }
        }
    }

    #[test]
    fn all_follow_their_definitions_and_the_parts_make_the_whole() {
        let (n, per_plane) = (12 * 90, 90);
        let classes = drifting(2, n);
        let (a, b, inside) = (&classes[0], &classes[1], inside(n));
        let found = &Points::new(&inside, per_plane, 6).pairs(&[a], &[b])[0];
        let get = |s| found.get(s).0;
        let share = |of: &dyn Fn(usize) -> bool, among: &dyn Fn(usize) -> bool| {
            let all: Vec<usize> = (0..n).filter(|x| among(*x)).collect();
            all.iter().filter(|x| of(**x)).count() as f64 / all.len() as f64
        };
        let equal = |x: usize| a[x] == b[x];
        let inner = share(&equal, &|x| inside[x]);
        let outer = share(&equal, &|x| !inside[x]);
        assert!((get(Similarity::Inside) - inner).abs() < 1e-15);
        assert!((get(Similarity::Outside) - outer).abs() < 1e-15);
        let p = |row: &[u8], c: u8| share(&|x| row[x] == c, &|_| true);
        let chance: f64 = (0..5).map(|c| p(a, c) * p(b, c)).sum::<f64>();
        let agreement = share(&equal, &|_| true);
        assert!((get(Similarity::Chance) - chance).abs() < 1e-15);
        let kappa = (agreement - chance) / (1.0 - chance);
        assert!((get(Similarity::Kappa) - kappa).abs() < 1e-15);
        let iou = |c: u8| share(&|x| a[x] == b[x], &|x| a[x] == c || b[x] == c);
        for c in 0..5 {
            assert!((found.class_iou[usize::from(c)] - iou(c)).abs() < 1e-15);
        }
        assert!(found.class_iou[5].is_nan());
        let mean = (0..5).map(iou).sum::<f64>() / 5.0;
        assert!((get(Similarity::Iou) - mean).abs() < 1e-15);
        assert!(found.se.iter().all(|se| *se > 0.0));
    }

    #[test]
    fn one_class_everywhere_has_no_kappa() {
        let points = Points::new(&[true, false, true, true], 2, 3);
        let found = points.matrices(&[&[1; 4], &[1; 4], &[2; 4]]);
        let kappa = found.matrix(Similarity::Kappa);
        assert!(kappa.value(0, 1).is_nan());
        assert_eq!(kappa.reason(0, 1), Some(Undefined::OneClass));
        assert_eq!((kappa.value(0, 2), kappa.reason(0, 2)), (0.0, None));
    }

    #[test]
    fn the_bytes_are_the_same_at_any_number_of_threads() {
        let classes = drifting(6, 30 * 100);
        let rows: Vec<&[u8]> = classes.iter().map(Vec::as_slice).collect();
        let points = Points::new(&inside(30 * 100), 100, 5);
        let with = |threads| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            format!("{:?}", pool.install(|| points.matrices(&rows)))
        };
        for threads in [2, 3, 8] {
            assert_eq!(with(threads), with(1), "{threads} threads");
        }
    }
}
