//! BatchNorm (eps 1e-5), with a following `ReLU` where there is one.
//!
//! ```text
//! x̂ = (x − μ)/√(σ² + eps)      y = γ·x̂ + β      over the m values of a channel
//! dγ = Σ dy·x̂    dβ = Σ dy     dx = γ/√(σ² + eps) · (dy − dβ/m − x̂·dγ/m)
//! ```
//!
//! μ and σ² are f64 sums of f32 blocks. Lanes without an image count nowhere, and their
//! gradient is zero.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::{Isa, mul_add, sum_lanes, vectors, vectors_mut};
use super::tensor::Batch;

/// Added to the variance.
const EPS: f64 = 1e-5;

/// Vectors that are summed in f32.
const BLOCK: usize = 256;

/// A channel-wise map `(x − mean)·scale + shift`.
#[derive(Debug, Clone, Default)]
pub(super) struct Affine {
    pub(super) mean: Vec<f32>,
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

impl Affine {
    /// BatchNorm with given statistics.
    pub(super) fn new(mean: &[f32], var: &[f32], gamma: &[f32], beta: &[f32]) -> Self {
        let scale = gamma.iter().zip(var).map(|(&gamma, &var)| {
            (f64::from(gamma) / (f64::from(var) + EPS).sqrt()) as f32
        });
        Self { mean: mean.to_vec(), scale: scale.collect(), shift: beta.to_vec() }
    }

    #[inline(always)]
    pub(super) fn apply<S: Simd>(&self, simd: S, channel: usize, x: S::f32s) -> S::f32s {
        let centred = simd.sub_f32s(x, simd.splat_f32s(self.mean[channel]));
        let scale = simd.splat_f32s(self.scale[channel]);
        mul_add(simd, centred, scale, simd.splat_f32s(self.shift[channel]))
    }
}

/// What a training-mode forward pass leaves of a channel for the backward pass.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Saved {
    /// Mean, scale and shift of the normalization.
    pub(super) affine: [f32; 3],
    /// Mean and biased variance.
    pub(super) moments: [f64; 2],
}

impl Saved {
    /// 1/√(σ² + eps).
    pub(super) fn inv_std(&self) -> f64 {
        1.0 / (self.moments[1] + EPS).sqrt()
    }
}

/// One BatchNorm on one batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchNorm {
    pub(super) isa: Isa,
    pub(super) batch: Batch,
    pub(super) pixels: usize,
    pub(super) relu: bool,
}

impl BatchNorm {
    fn row(&self) -> usize {
        self.batch.row(self.pixels)
    }

    /// Values of one channel.
    pub(super) fn count(&self) -> usize {
        self.batch.n * self.pixels
    }

    fn min_rows(&self) -> usize {
        self.batch.min_rows(self.pixels)
    }

    /// Training mode: normalizes with the batch's own statistics.
    pub(super) fn train(
        &self,
        x: &[f32],
        [gamma, beta]: [&[f32]; 2],
        saved: &mut Vec<Saved>,
        y: &mut [f32],
    ) {
        saved.resize(gamma.len(), Saved::default());
        let rows = x.par_chunks(self.row()).zip(y.par_chunks_mut(self.row()));
        rows.zip(saved).enumerate().with_min_len(self.min_rows()).for_each(
            |(c, ((x, y), saved))| {
                *saved = self.statistics(x, [gamma[c], beta[c]]);
                self.isa.run(Normalize { of: *self, affine: saved.affine, x, y });
            },
        );
    }

    /// Training mode with what [`Self::train`] left: the same values again.
    pub(super) fn normalize(&self, x: &[f32], saved: &[Saved], y: &mut [f32]) {
        let rows = x.par_chunks(self.row()).zip(y.par_chunks_mut(self.row())).zip(saved);
        rows.with_min_len(self.min_rows()).for_each(|((x, y), saved)| {
            self.isa.run(Normalize { of: *self, affine: saved.affine, x, y });
        });
    }

    /// A channel's moments in this batch, and its normalization.
    pub(super) fn statistics(&self, x: &[f32], [gamma, beta]: [f32; 2]) -> Saved {
        let moments = self.isa.run(Moments { of: *self, x });
        let scale = f64::from(gamma) / (moments[1] + EPS).sqrt();
        Saved { affine: [moments[0] as f32, scale as f32, beta], moments }
    }

    /// Evaluation mode.
    pub(super) fn apply(&self, x: &[f32], affine: &Affine, y: &mut [f32]) {
        let rows = x.par_chunks(self.row()).zip(y.par_chunks_mut(self.row()));
        rows.enumerate().with_min_len(self.min_rows()).for_each(|(c, (x, y))| {
            let affine = [affine.mean[c], affine.scale[c], affine.shift[c]];
            self.isa.run(Normalize { of: *self, affine, x, y });
        });
    }

    /// Turns dy into dx, or adds dx to `to`; writes the gradients of γ and β.
    pub(super) fn backward(
        &self,
        x: &[f32],
        saved: &[Saved],
        dy: &mut [f32],
        to: Option<&mut [f32]>,
        [d_gamma, d_beta]: [&mut [f32]; 2],
    ) {
        let rows = x.par_chunks(self.row()).zip(dy.par_chunks_mut(self.row()));
        let gradients = d_gamma.par_iter_mut().zip(d_beta);
        let backward = |c: usize, x, dy, to, d_gamma: &mut f32, d_beta: &mut f32| {
            let task = Backward { of: *self, saved: saved[c], x, dy, to };
            let [gamma, beta] = self.isa.run(task);
            *d_gamma = gamma as f32;
            *d_beta = beta as f32;
        };
        let all = rows.zip(gradients);
        match to {
            None => all.enumerate().with_min_len(self.min_rows()).for_each(
                |(c, ((x, dy), (d_gamma, d_beta)))| {
                    backward(c, x, dy, None, d_gamma, d_beta);
                },
            ),
            Some(to) => all
                .zip(to.par_chunks_mut(self.row()))
                .enumerate()
                .with_min_len(self.min_rows())
                .for_each(|(c, (((x, dy), (d_gamma, d_beta)), to))| {
                    backward(c, x, dy, Some(to), d_gamma, d_beta);
                }),
        }
    }

    /// dγ and dβ from Σ dy·(x − μ) and Σ dy; and the constant, and the factor of x − μ, in
    /// `dx = scale·dy + factor·(x − μ) + constant`.
    pub(super) fn gradients(
        &self,
        saved: &Saved,
        sums: [f64; 2],
    ) -> ([f64; 2], [f32; 2]) {
        let m = self.count() as f64;
        let [d_gamma, d_beta] = [sums[0] * saved.inv_std(), sums[1]];
        let slope = -f64::from(saved.affine[1]) / m;
        let terms = [slope * d_beta, slope * saved.inv_std() * d_gamma];
        ([d_gamma, d_beta], terms.map(|term| term as f32))
    }

    /// The row's whole blocks and the last, partly filled one (empty when all are whole).
    fn split<'a, S: Simd>(&self, row: &'a [f32]) -> [&'a [S::f32s]; 2] {
        let all = &vectors::<S>(row)[..self.batch.blocks * self.pixels];
        let (whole, last) = all.split_at(self.whole());
        [whole, last]
    }

    /// Vectors whose lanes all hold an image.
    pub(super) fn whole(&self) -> usize {
        let partial = usize::from(self.batch.last_lanes() < self.batch.lanes);
        (self.batch.blocks - partial) * self.pixels
    }

    /// 1 in the last block's filled lanes, 0 elsewhere, as a vector.
    #[inline(always)]
    pub(super) fn last_lanes<S: Simd>(&self) -> S::f32s {
        let mut ones = pulp::bytemuck::Zeroable::zeroed();
        let lanes: &mut [f32] =
            pulp::bytemuck::cast_slice_mut(std::slice::from_mut::<S::f32s>(&mut ones));
        lanes[..self.batch.last_lanes()].fill(1.0);
        ones
    }
}

/// `value` where `lanes` is 1, else 0.
#[inline(always)]
pub(super) fn keep<S: Simd>(simd: S, lanes: S::f32s, value: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.greater_than_f32s(lanes, zero), value, zero)
}

/// Σ over a row in f64, over blocks in f32.
pub(super) struct Sum<'a>(pub(super) &'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let row = vectors::<S>(self.0);
        let [sum] = sum_pairs(simd, [row, row], |[sum], x, _| [simd.add_f32s(sum, x)]);
        sum
    }
}

/// Sums over pairs of vectors: `add` adds a pair's terms to `N` running sums. Four partial
/// sums over [`BLOCK`] pairs in f32, the rest in f64.
#[inline(always)]
fn sum_pairs<S: Simd, const N: usize>(
    simd: S,
    [a, b]: [&[S::f32s]; 2],
    add: impl Fn([S::f32s; N], S::f32s, S::f32s) -> [S::f32s; N],
) -> [f64; N] {
    let mut total = [0.0; N];
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut sums = [[simd.splat_f32s(0.0); N]; 4];
        let ((fours_a, rest_a), (fours_b, rest_b)) =
            (a.as_chunks::<4>(), b.as_chunks::<4>());
        for (a, b) in fours_a.iter().zip(fours_b) {
            for i in 0..4 {
                sums[i] = add(sums[i], a[i], b[i]);
            }
        }
        for (sums, (&a, &b)) in sums.iter_mut().zip(rest_a.iter().zip(rest_b)) {
            *sums = add(*sums, a, b);
        }
        for (i, total) in total.iter_mut().enumerate() {
            let [a, b, c, d] = [0, 1, 2, 3].map(|part| sums[part][i]);
            let pairs = [simd.add_f32s(a, b), simd.add_f32s(c, d)];
            *total += sum_lanes::<S>(simd.add_f32s(pairs[0], pairs[1]));
        }
    }
    total
}

/// Mean and biased variance of a channel.
struct Moments<'a> {
    of: BatchNorm,
    x: &'a [f32],
}

impl WithSimd for Moments<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let [whole, last] = self.of.split::<S>(self.x);
        let lanes = self.of.last_lanes::<S>();
        // One pass, shifted by the mean of the first block so that the squares of the
        // differences lose nothing to a mean far from zero.
        let (first, filled) = if whole.is_empty() {
            (last, self.of.batch.last_lanes())
        } else {
            (&whole[..whole.len().min(BLOCK)], S::F32_LANES)
        };
        let [sum] = sum_pairs(simd, [first, first], |[sum], x, _| {
            let x = if whole.is_empty() { keep(simd, lanes, x) } else { x };
            [simd.add_f32s(sum, x)]
        });
        let shift = (sum / (first.len() * filled) as f64) as f32;
        let centre = simd.splat_f32s(shift);
        let add = |[sum, squares]: [S::f32s; 2], x: S::f32s, keeps: Option<S::f32s>| {
            let d = simd.sub_f32s(x, centre);
            let d = keeps.map_or(d, |lanes| keep(simd, lanes, d));
            [simd.add_f32s(sum, d), mul_add(simd, d, d, squares)]
        };
        let in_whole = sum_pairs(simd, [whole, whole], |sums, x, _| add(sums, x, None));
        let in_last =
            sum_pairs(simd, [last, last], |sums, x, _| add(sums, x, Some(lanes)));
        let m = self.of.count() as f64;
        let [mean, square] = [0, 1].map(|i| (in_whole[i] + in_last[i]) / m);
        [f64::from(shift) + mean, square - mean * mean]
    }
}

/// `y = (x − mean)·scale + shift`, then `ReLU` if asked.
struct Normalize<'a> {
    of: BatchNorm,
    affine: [f32; 3],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let zero = simd.splat_f32s(0.0);
        let [mean, scale, shift] = self.affine.map(|value| simd.splat_f32s(value));
        let n = self.of.batch.blocks * self.of.pixels;
        let x = &vectors::<S>(self.x)[..n];
        for (y, &x) in vectors_mut::<S>(self.y).iter_mut().zip(x) {
            let value = mul_add(simd, simd.sub_f32s(x, mean), scale, shift);
            let negative = simd.less_than_f32s(value, zero);
            *y = if self.of.relu {
                simd.select_f32s(negative, zero, value)
            } else {
                value
            };
        }
    }
}

/// The backward pass of one channel; gives dγ and dβ.
struct Backward<'a> {
    of: BatchNorm,
    saved: Saved,
    x: &'a [f32],
    dy: &'a mut [f32],
    to: Option<&'a mut [f32]>,
}

impl WithSimd for Backward<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        let n = self.of.batch.blocks * self.of.pixels;
        let x = &vectors::<S>(self.x)[..n];
        let dy = &mut vectors_mut::<S>(self.dy)[..n];
        let [mean, scale, shift] = self.saved.affine.map(|value| simd.splat_f32s(value));
        let zero = simd.splat_f32s(0.0);
        let relu = self.of.relu;
        // The ReLU is recomputed in both passes, which costs less than storing its gradient.
        let through = |centred: S::f32s, dy: S::f32s| {
            if !relu {
                return dy;
            }
            let y = mul_add(simd, centred, scale, shift);
            simd.select_f32s(simd.greater_than_f32s(y, zero), dy, zero)
        };
        let sums = sum_pairs(simd, [x, dy], |[products, sum], x, dy| {
            let centred = simd.sub_f32s(x, mean);
            let dy = through(centred, dy);
            [mul_add(simd, dy, centred, products), simd.add_f32s(sum, dy)]
        });
        let ([d_gamma, d_beta], terms) = self.of.gradients(&self.saved, sums);
        let [constant, linear] = terms.map(|term| simd.splat_f32s(term));
        let whole = self.of.whole();
        let lanes = self.of.last_lanes::<S>();
        let input = |x: S::f32s, dy: S::f32s| {
            let centred = simd.sub_f32s(x, mean);
            let rest = mul_add(simd, centred, linear, constant);
            mul_add(simd, through(centred, dy), scale, rest)
        };
        match self.to {
            None => {
                for (dy, &x) in dy[..whole].iter_mut().zip(x) {
                    *dy = input(x, *dy);
                }
                for (dy, &x) in dy[whole..].iter_mut().zip(&x[whole..]) {
                    *dy = keep(simd, lanes, input(x, *dy));
                }
            }
            Some(to) => {
                let to = &mut vectors_mut::<S>(to)[..n];
                for (i, to) in to.iter_mut().enumerate() {
                    let dx = input(x[i], dy[i]);
                    let dx = if i < whole { dx } else { keep(simd, lanes, dx) };
                    *to = simd.add_f32s(*to, dx);
                }
            }
        }
        [d_gamma, d_beta]
    }
}
