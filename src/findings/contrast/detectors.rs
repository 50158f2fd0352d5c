//! Other detectors of blocks, uncalibrated, and how well they agree (section 1.6). Each finds
//! boundaries in paths that have none (up to all of them), so they are for comparison only.

use serde::{Deserialize, Serialize};

use super::visible::{best_blocks, three_blocks};
use crate::findings::axis::{epoch_of, log_time, weights};
use crate::findings::defaults::TOLERANCE;
use crate::findings::matrix::{Matrix, Sums};

/// Most segments that the information criterion may choose.
const MOST_SEGMENTS: usize = 6;
/// Values that a segment of it holds at least.
const LEAST_VALUES: usize = 2;
/// Half-width of the novelty kernel in checkpoints.
const NOVELTY: usize = 4;

/// The log times of the cuts of four detectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Detectors {
    /// Between the three blocks of greatest contrast.
    pub blocks: Vec<f64>,
    /// Kernel segmentation into three segments by least squares.
    pub kernel: Vec<f64>,
    /// Piecewise constant log rates, at most six pieces by the Bayesian information
    /// criterion.
    pub bic: Vec<f64>,
    /// Foote novelty of ± 4 checkpoints, peaks above mean + standard deviation.
    pub foote: Vec<f64>,
}

/// The same cuts as epochs, for files.
#[derive(Serialize, Deserialize)]
struct InEpochs {
    #[serde(serialize_with = "crate::findings::whole::each")]
    blocks: Vec<f64>,
    #[serde(serialize_with = "crate::findings::whole::each")]
    kernel: Vec<f64>,
    #[serde(serialize_with = "crate::findings::whole::each")]
    bic: Vec<f64>,
    #[serde(serialize_with = "crate::findings::whole::each")]
    foote: Vec<f64>,
}

impl Serialize for Detectors {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [blocks, kernel, bic, foote] =
            self.each().map(|cuts| cuts.iter().map(|&cut| epoch_of(cut)).collect());
        InEpochs { blocks, kernel, bic, foote }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Detectors {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let InEpochs { blocks, kernel, bic, foote } =
            InEpochs::deserialize(deserializer)?;
        let [blocks, kernel, bic, foote] =
            [blocks, kernel, bic, foote].map(|cuts| log_time(&cuts));
        Ok(Self { blocks, kernel, bic, foote })
    }
}

impl Detectors {
    /// The cuts in the matrix `s` at log times `x`. Cost O(T³).
    ///
    /// # Panics
    /// With fewer than nine checkpoints.
    pub fn of(s: &Matrix, x: &[f64]) -> Self {
        let at = |cut: usize| f64::midpoint(x[cut - 1], x[cut]);
        let (_, edges) = best_blocks(s, x).expect("nine checkpoints");
        Self {
            blocks: edges[1..3].iter().map(|&cut| at(cut)).collect(),
            kernel: kernel_segments(s, x).map(at).to_vec(),
            bic: rate_segments(s, x).into_iter().map(|at| x[at]).collect(),
            foote: novelty_peaks(s).into_iter().map(at).collect(),
        }
    }

    /// The cuts of all four.
    pub fn each(&self) -> [&[f64]; 4] {
        [&self.blocks, &self.kernel, &self.bic, &self.foote]
    }

    /// Mean F1 over the six pairs of detectors: 0.14 to 0.24 in simulated paths without phases,
    /// 0.53 to 0.67 with planted ones.
    pub fn concordance(&self) -> f64 {
        let each = self.each();
        let pairs = (0..4).flat_map(|a| (a + 1..4).map(move |b| (a, b)));
        pairs.map(|(a, b)| concordance(each[a], each[b])).sum::<f64>() / 6.0
    }
}

/// F1 of two sorted lists of cuts: twice the cuts that match one of the other list within
/// ln 1.5, each used once, over all cuts; 1 of two empty lists.
pub fn concordance(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let (mut i, mut j, mut matched) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        if (a[i] - b[j]).abs() <= TOLERANCE {
            (i, j, matched) = (i + 1, j + 1, matched + 1);
        } else if a[i] < b[j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    2.0 * f64::from(matched) / (a.len() + b.len()) as f64
}

/// The cuts between three segments of at least three checkpoints with the least weighted sum
/// of squares around the segments' means:
///
/// ```text
/// min Σ_segments Σ_{i<j} wᵢwⱼD²ᵢⱼ / Σ_i wᵢ
/// ```
fn kernel_segments(s: &Matrix, x: &[f64]) -> [usize; 2] {
    let w = weights(x);
    let weighted = Matrix::from_fn(s.n(), |i, j| w[i] * w[j] * (1.0 - s.at(i, j)));
    let sums = Sums::of(&weighted);
    let squares = |edges: &[usize]| {
        let weight: f64 = w[edges[0]..edges[1]].iter().sum();
        sums.block(edges[0]..edges[1], edges[0]..edges[1]) / weight
    };
    let cost = |edges: &[usize; 4]| edges.windows(2).map(squares).sum::<f64>();
    let best = three_blocks(s.n()).min_by(|a, b| cost(a).total_cmp(&cost(b)));
    let [_, first, second, _] = best.expect("nine checkpoints");
    [first, second]
}

/// The checkpoints at which the log rate ln((1 − Sᵢ,ᵢ₊₁)/Δx) changes its level: pieces of at
/// least two values, their number K ≤ 6 by n ln(RSS/n) + 2K ln n.
fn rate_segments(s: &Matrix, x: &[f64]) -> Vec<usize> {
    let rate: Vec<f64> = (1..x.len())
        .map(|i| ((1.0 - s.at(i - 1, i)).max(1e-12) / (x[i] - x[i - 1])).ln())
        .collect();
    let n = rate.len();
    let criterion = |k: usize, squares: f64| {
        let n = n as f64;
        n * (squares.max(1e-300) / n).ln() + 2.0 * k as f64 * n.ln()
    };
    best_pieces(&rate)
        .into_iter()
        .enumerate()
        .map(|(k, (squares, cuts))| (criterion(k + 1, squares), cuts))
        .reduce(|best, next| if next.0 < best.0 { next } else { best })
        .map_or_else(Vec::new, |(_, cuts)| cuts)
}

/// For each number of pieces the least sum of squares around their means and where the pieces
/// after the first begin, by dynamic programming. Cost O(6·n²).
fn best_pieces(y: &[f64]) -> Vec<(f64, Vec<usize>)> {
    let n = y.len();
    let prefix = |power: i32| {
        let mut sums = vec![0.0];
        y.iter().for_each(|y| sums.push(sums[sums.len() - 1] + y.powi(power)));
        sums
    };
    let (sum, square) = (prefix(1), prefix(2));
    let cost = |from: usize, to: usize| {
        let total = sum[to] - sum[from];
        (square[to] - square[from] - total * total / (to - from) as f64).max(0.0)
    };
    // best[end]: of the first `end` values.
    let mut best: Vec<Option<(f64, Vec<usize>)>> = (0..=n)
        .map(|end| (end >= LEAST_VALUES).then(|| (cost(0, end), vec![])))
        .collect();
    let mut found: Vec<_> = best[n].clone().into_iter().collect();
    for _ in 1..MOST_SEGMENTS {
        let longer = |end: usize| {
            (LEAST_VALUES..=end.saturating_sub(LEAST_VALUES))
                .filter_map(|cut| Some((best[cut].as_ref()?.0 + cost(cut, end), cut)))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(squares, cut)| {
                    let before = best[cut].as_ref().map_or(&[][..], |(_, cuts)| cuts);
                    (squares, [before, &[cut]].concat())
                })
        };
        best = (0..=n).map(longer).collect();
        found.extend(best[n].clone());
    }
    found
}

/// The cuts at which the novelty — mean similarity within the 4 checkpoints before and the 4
/// after, less that between them — peaks above its mean plus one standard deviation.
fn novelty_peaks(s: &Matrix) -> Vec<usize> {
    let n = s.n();
    let sums =
        Sums::of(&Matrix::from_fn(n, |i, j| if i == j { 0.0 } else { s.at(i, j) }));
    let pairs = (NOVELTY * (NOVELTY - 1)) as f64;
    let novelty = |cut: usize| {
        let (before, after) = (cut - NOVELTY..cut, cut..cut + NOVELTY);
        let within = sums.block(before.clone(), before.clone())
            + sums.block(after.clone(), after.clone());
        within / (2.0 * pairs) - sums.mean(before, after)
    };
    let curve: Vec<f64> =
        (NOVELTY..(n + 1).saturating_sub(NOVELTY)).map(novelty).collect();
    let mean = curve.iter().sum::<f64>() / curve.len() as f64;
    let variance = curve.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let level = mean + (variance / curve.len() as f64).sqrt();
    (1..curve.len().saturating_sub(1))
        .filter(|&i| {
            curve[i] > level && curve[i] > curve[i - 1] && curve[i] >= curve[i + 1]
        })
        .map(|i| i + NOVELTY)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three blocks of similarity 1 with 0.2 between them; a little noise, so that rates are
    /// defined.
    fn blocks() -> (Matrix, Vec<f64>) {
        let block = |i: usize| [8, 15].iter().filter(|&&edge| i >= edge).count();
        let noise =
            |i: usize, j: usize| 0.001 * ((7 * i.min(j) + i.max(j)) % 5 + 1) as f64;
        let s = Matrix::from_fn(22, |i, j| match () {
            () if i == j => 1.0,
            () if block(i) == block(j) => 0.99 - noise(i, j),
            () => 0.2 - noise(i, j),
        });
        (s, (0..22).map(|i| 0.3 * i as f64).collect())
    }

    #[test]
    fn detectors_of_blocks_find_three_clear_ones() {
        let (s, x) = blocks();
        let found = Detectors::of(&s, &x);
        let cuts = [0.5 * (x[7] + x[8]), 0.5 * (x[14] + x[15])];
        assert_eq!(found.blocks, cuts);
        assert_eq!(found.kernel, cuts);
        assert_eq!(found.foote, cuts);
        // A switch is a single rate, too short for a piece of its own: three pairs agree,
        // three have an empty list.
        assert!(found.bic.is_empty(), "{:?}", found.bic);
        assert_eq!(found.concordance(), 0.5);
    }

    #[test]
    fn the_information_criterion_finds_where_the_rate_changes() {
        let x: Vec<f64> = (0..30).map(|i| 0.2 * f64::from(i)).collect();
        let at =
            |i: usize| if i < 12 { 0.1 * i as f64 } else { 1.2 + 0.01 * (i - 12) as f64 };
        let wobble = |i: usize| 1.0 + 0.1 * ((i * 7 % 5) as f64 - 2.0);
        let s = Matrix::from_fn(30, |i, j| {
            1.0 - (at(i) - at(j)).abs() * wobble(i.min(j)) / 4.0
        });
        assert_eq!(rate_segments(&s, &x), [12]);
    }

    #[test]
    fn concordance_matches_each_cut_once() {
        assert_eq!(concordance(&[], &[]), 1.0);
        assert_eq!(concordance(&[1.0], &[]), 0.0);
        assert_eq!(concordance(&[1.0, 1.1], &[1.2]), 2.0 / 3.0);
        assert_eq!(concordance(&[1.0, 3.0], &[1.4, 3.41]), 0.5);
    }
}
