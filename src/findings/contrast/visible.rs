//! The contrast that an epoch × epoch matrix shows, and how much of it a smooth path of the
//! same speed shows (section 1.6). Descriptive: it grows with the square of all movement.

use serde::{Deserialize, Serialize};

use crate::findings::axis::{epoch_of, interpolate, weights};
use crate::findings::curves::{Speedometer, log_speed};
use crate::findings::defaults::H;
use crate::findings::matrix::{Matrix, Sums};
use crate::findings::series::{rising_groups, valley_fit};

/// Checkpoints that a block holds at least.
const LEAST: usize = 3;
/// Distances that differ by less than this share of the path are equal.
const EQUAL: f64 = 1e-9;

/// The contrast of three blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// D: mean similarity within blocks less that between adjacent ones.
    pub contrast: f64,
    /// D₀: the same of a path of the same speed without peaks.
    pub drift: f64,
    /// X = D − D₀.
    pub excess: f64,
    /// Epochs of the cuts between the blocks (the middle in log time).
    #[serde(serialize_with = "crate::findings::whole::each")]
    pub edges: Vec<f64>,
    /// Jackknife standard error of D over examples; none without groups.
    pub se: Option<f64>,
}

/// Sums of wᵢwⱼSᵢⱼ and of wᵢwⱼ over the pairs i ≠ j of any block.
struct PairSums {
    similarity: Sums,
    weight: Sums,
}

impl PairSums {
    fn new(s: &Matrix, w: &[f64]) -> Self {
        let pair = |i: usize, j: usize| if i == j { 0.0 } else { w[i] * w[j] };
        let weighted = |i: usize, j: usize| match pair(i, j) {
            0.0 => 0.0,
            weight => weight * s.at(i, j),
        };
        Self {
            similarity: Sums::of(&Matrix::from_fn(s.n(), weighted)),
            weight: Sums::of(&Matrix::from_fn(s.n(), pair)),
        }
    }

    fn contrast(&self, edges: &[usize]) -> f64 {
        let mean = |blocks: &mut dyn Iterator<Item = [usize; 4]>| {
            let (mut similarity, mut weight) = (0.0, 0.0);
            for [a, b, c, d] in blocks {
                similarity += self.similarity.block(a..b, c..d);
                weight += self.weight.block(a..b, c..d);
            }
            similarity / weight
        };
        let within = mean(&mut edges.windows(2).map(|e| [e[0], e[1], e[0], e[1]]));
        within - mean(&mut edges.windows(3).map(|e| [e[0], e[1], e[1], e[2]]))
    }
}

/// Mean similarity within blocks less that between adjacent ones, pairs weighted by wᵢwⱼ:
///
/// ```text
/// D = Σ_within wᵢwⱼSᵢⱼ/Σ_within wᵢwⱼ − Σ_adjacent wᵢwⱼSᵢⱼ/Σ_adjacent wᵢwⱼ
/// ```
///
/// `edges` are the first checkpoints of the blocks and T at the end.
pub fn block_contrast(s: &Matrix, x: &[f64], edges: &[usize]) -> f64 {
    PairSums::new(s, &weights(x)).contrast(edges)
}

/// The three blocks of at least three checkpoints with the greatest contrast, and their
/// edges (ties: the first). Cost O(T²). None with fewer than nine checkpoints.
pub fn best_blocks(s: &Matrix, x: &[f64]) -> Option<(f64, [usize; 4])> {
    let n = x.len();
    let sums = PairSums::new(s, &weights(x));
    let cuts = three_blocks(n).map(|edges| (sums.contrast(&edges), edges));
    cuts.reduce(|best, next| if next.0 > best.0 { next } else { best })
}

/// The edges of all three blocks of at least three of `n` checkpoints, in lexicographic order.
pub(super) fn three_blocks(n: usize) -> impl Iterator<Item = [usize; 4]> {
    (LEAST..n).flat_map(move |first| {
        (first + LEAST..(n + 1).saturating_sub(LEAST))
            .map(move |second| [0, first, second, n])
    })
}

/// The similarity that a path of the same speed without peaks shows:
///
/// ```text
/// S₀ᵢⱼ = 1 − f(|sᵢ − sⱼ|)/2,   s = ∫ exp(valley_fit(y)) dx
/// ```
///
/// with f the non-decreasing regression of D²ᵢⱼ on |sᵢ − sⱼ|, weights wᵢwⱼ; distances that
/// differ by less than 10⁻⁹ of the path are one point. Cost O(T² log T).
///
/// # Panics
/// If there are not as many epochs as rows.
pub fn drift_matrix(s: &Matrix, x: &[f64]) -> Matrix {
    let (d2, w, along) = (s.distances(), weights(x), smooth_path(&s.distances(), x));
    let n = x.len();
    let mut pairs: Vec<(f64, usize, usize)> = (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .map(|(i, j)| (along[j] - along[i], i, j))
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut groups: Vec<(f64, f64, usize)> = vec![];
    let mut last = f64::NEG_INFINITY;
    for &(distance, i, j) in &pairs {
        let weight = w[i] * w[j];
        if distance - last > EQUAL * along[n - 1] || groups.is_empty() {
            groups.push((0.0, 0.0, 0));
        }
        let group = groups.last_mut().expect("a group was begun");
        *group = (group.0 + weight * d2.at(i, j), group.1 + weight, group.2 + 1);
        last = distance;
    }
    groups.iter_mut().for_each(|group| group.0 /= group.1);
    let mut values = vec![1.0; n * n];
    for (&(_, i, j), d2) in pairs.iter().zip(rising_groups(&groups)) {
        (values[i * n + j], values[j * n + i]) = (1.0 - d2 / 2.0, 1.0 - d2 / 2.0);
    }
    Matrix::new(n, values)
}

/// s = ∫ exp(`valley_fit(y)`) dx at each checkpoint, with y of straight paths.
fn smooth_path(d2: &Matrix, x: &[f64]) -> Vec<f64> {
    let speedometer = Speedometer::new(x, H, 1.0);
    let smooth = valley_fit(&log_speed(&speedometer.speed2(d2)));
    let mut along = vec![0.0];
    for step in x.windows(2) {
        let middle = f64::midpoint(step[0], step[1]);
        let rate = interpolate(middle, speedometer.cut_times(), &smooth).exp();
        along.push(along[along.len() - 1] + rate * (step[1] - step[0]));
    }
    along
}

/// D of the best three blocks, D₀ of the best three of [`drift_matrix`], and D − D₀. None
/// with fewer than nine checkpoints.
pub fn visible_contrast(s: &Matrix, x: &[f64]) -> Option<Contrast> {
    let (contrast, edges) = best_blocks(s, x)?;
    let (drift, _) = best_blocks(&drift_matrix(s, x), x)?;
    let middle = |&edge: &usize| epoch_of(f64::midpoint(x[edge - 1], x[edge]));
    let edges = edges[1..3].iter().map(middle).collect();
    Some(Contrast { contrast, drift, excess: contrast - drift, edges, se: None })
}
