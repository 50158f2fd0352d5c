//! How far a level may be off: the noise of a logged curve, near an epoch, and of means over rows.

use std::ops::Range;

use super::smooth::median;
use crate::phases::curves::Series;

/// Rows within this much of log time are one block.
const BLOCK: f64 = 0.1;
/// Blocks within this factor of 1 + epoch tell the local noise.
const NEAR: f64 = 2.0;
/// Half-width of the window of a level as a share of the epoch.
const WIDE: f64 = 0.25;

/// The mean of a curve around an epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub(super) value: f64,
    /// Its standard error, from the noise of the blocks near it.
    pub(super) se: f64,
}

/// The noise of a curve, as the scatter of means over blocks of neighboring rows.
///
/// What rows add to each other's errors is not independent: with a large learning rate a net
/// swings from side to side, so that means over two rows scatter less than independent rows
/// would; rows that are logged many times an epoch scatter together, so that their means scatter
/// more. Blocks of 0.1 in x = ln(1 + epoch), each the mean of its rows, hold both; where rows
/// are farther apart, each is a block.
///
/// ```text
/// noise(t) = 1.4826·median |bᵢ − (α bᵢ₋₁ + β bᵢ₊₁)|/√(1 + α² + β²)
///            over the blocks with ½ ≤ (1 + e)/(1 + t) ≤ 2; α, β: the line between neighbors in x
/// ```
/// 1.4826 makes the median of absolute normal errors their standard deviation. Distances from
/// the line between neighbors have no trend in them: differences of neighbors would count a
/// steep curve as noise, and the quiet late rows of a whole log would say that a wobble at
/// epoch 10 is none.
pub(super) struct Noise<'a> {
    series: &'a Series,
    /// Block of each row.
    block: Vec<usize>,
    /// Mean x of each block.
    x: Vec<f64>,
    /// Distance from the line between the neighbors, of each block but the first and the last.
    off: Vec<f64>,
}

impl<'a> Noise<'a> {
    /// Of a series with at least one row. Cost O(n).
    pub(super) fn of(series: &'a Series) -> Self {
        let x: Vec<f64> = series.epoch.iter().map(|e| e.ln_1p()).collect();
        let block = blocks(&x);
        let (x, value) = (means(&block, &x), means(&block, &series.value));
        let off_line = |(x, value): (&[f64], &[f64])| {
            let alpha = (x[2] - x[1]) / (x[2] - x[0]);
            let beta = 1.0 - alpha;
            let off = value[1] - alpha * value[0] - beta * value[2];
            off.abs() / (1.0 + alpha * alpha + beta * beta).sqrt()
        };
        let off = x.windows(3).zip(value.windows(3)).map(off_line).collect();
        Self { series, block, x, off }
    }

    /// Standard deviation of the blocks near row `at`; 0 for fewer than three.
    fn near(&self, at: usize) -> f64 {
        let (middle, reach) = (self.series.epoch[at].ln_1p(), NEAR.ln() + 1e-9);
        let first = self.x.partition_point(|x| *x < middle - reach);
        let end = self.x.partition_point(|x| *x <= middle + reach);
        if end < first + 3 {
            return 0.0;
        }
        // The block at i + 1 has its distance at i.
        1.4826 * median(self.off[first..end - 2].to_vec())
    }

    /// The mean over the rows within 25 % of row `at`'s epoch, without those that are `cut`; of
    /// all of them where that leaves none. Its standard error is that of as many blocks as
    /// the rows fill: noise/√b, b = (Σ n)²/Σ n² for blocks of n rows.
    pub(super) fn level(&self, cut: &[bool], at: usize) -> Level {
        let epoch = &self.series.epoch;
        let reach = WIDE * epoch[at];
        let first = epoch.partition_point(|e| *e < epoch[at] - reach);
        let end = epoch.partition_point(|e| *e <= epoch[at] + reach);
        let all_cut = cut[first..end].iter().all(|cut| *cut);
        let (value, blocks) = self.mean(first..end, |row| all_cut || !cut[row]);
        Level { value, se: self.near(at) / blocks.sqrt() }
    }

    /// The mean of the chosen rows and the number of blocks that they fill.
    fn mean(&self, rows: Range<usize>, chosen: impl Fn(usize) -> bool) -> (f64, f64) {
        let (mut sum, mut n, mut squares) = (0.0, 0.0, 0.0);
        let (mut block, mut in_block) = (usize::MAX, 0.0);
        for row in rows.filter(|&row| chosen(row)) {
            if self.block[row] != block {
                squares += in_block * in_block;
                (block, in_block) = (self.block[row], 0.0);
            }
            (sum, n, in_block) = (sum + self.series.value[row], n + 1.0, in_block + 1.0);
        }
        (sum / n, n * n / (squares + in_block * in_block))
    }
}

/// The block of each row: a new one begins 0.1 after the first row of the last one.
fn blocks(x: &[f64]) -> Vec<usize> {
    let (mut block, mut begin) = (0, x[0]);
    let next = |&x: &f64| {
        if x - begin >= BLOCK - 1e-9 {
            (block, begin) = (block + 1, x);
        }
        block
    };
    x.iter().map(next).collect()
}

/// Mean of the values of each block.
fn means(block: &[usize], value: &[f64]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); block.last().map_or(0, |last| last + 1)];
    for (&block, value) in block.iter().zip(value) {
        let (sum, n) = sums[block];
        sums[block] = (sum + value, n + 1.0);
    }
    sums.into_iter().map(|(sum, n)| sum / n).collect()
}
