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

/// What a training-mode forward pass leaves for the backward pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Saved {
    pub(super) affine: Affine,
    /// Mean and biased variance of each channel.
    pub(super) moments: Vec<[f64; 2]>,
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
        saved: &mut Saved,
        y: &mut [f32],
    ) {
        let channels = gamma.len();
        saved.moments.resize(channels, [0.0; 2]);
        let Affine { mean, scale, shift } = &mut saved.affine;
        for vector in [&mut *mean, &mut *scale, &mut *shift] {
            vector.resize(channels, 0.0);
        }
        let rows = x.par_chunks(self.row()).zip(y.par_chunks_mut(self.row()));
        let saved =
            (saved.moments.par_iter_mut(), mean.par_iter_mut(), scale.par_iter_mut());
        rows.zip(saved).enumerate().with_min_len(self.min_rows()).for_each(
            |(c, ((x, y), (moments, mean, scale)))| {
                *moments = self.isa.run(Moments { of: *self, x });
                *mean = moments[0] as f32;
                *scale = (f64::from(gamma[c]) / (moments[1] + EPS).sqrt()) as f32;
                let affine = [*mean, *scale, beta[c]];
                self.isa.run(Normalize { of: *self, affine, x, y });
            },
        );
        shift.copy_from_slice(beta);
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
        saved: &Saved,
        dy: &mut [f32],
        to: Option<&mut [f32]>,
        [d_gamma, d_beta]: [&mut [f32]; 2],
    ) {
        let rows = x.par_chunks(self.row()).zip(dy.par_chunks_mut(self.row()));
        let gradients = d_gamma.par_iter_mut().zip(d_beta);
        let backward = |c: usize, x, dy, to, d_gamma: &mut f32, d_beta: &mut f32| {
            let Affine { mean, scale, shift } = &saved.affine;
            let [_, var] = saved.moments[c];
            let affine = [mean[c], scale[c], shift[c]];
            let inv_std = 1.0 / (var + EPS).sqrt();
            let task = Backward { of: *self, affine, inv_std, x, dy, to };
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

    /// The row's whole blocks and the last, partly filled one (empty when all are whole).
    fn split<'a, S: Simd>(&self, row: &'a [f32]) -> [&'a [S::f32s]; 2] {
        let all = &vectors::<S>(row)[..self.batch.blocks * self.pixels];
        let (whole, last) = all.split_at(self.whole());
        [whole, last]
    }

    /// Vectors whose lanes all hold an image.
    fn whole(&self) -> usize {
        let partial = usize::from(self.batch.last_lanes() < self.batch.lanes);
        (self.batch.blocks - partial) * self.pixels
    }

    /// 1 in the last block's filled lanes, 0 elsewhere, as a vector.
    #[inline(always)]
    fn last_lanes<S: Simd>(&self) -> S::f32s {
        let mut ones = pulp::bytemuck::Zeroable::zeroed();
        let lanes: &mut [f32] =
            pulp::bytemuck::cast_slice_mut(std::slice::from_mut::<S::f32s>(&mut ones));
        lanes[..self.batch.last_lanes()].fill(1.0);
        ones
    }
}

/// `value` where `lanes` is 1, else 0.
#[inline(always)]
fn keep<S: Simd>(simd: S, lanes: S::f32s, value: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.greater_than_f32s(lanes, zero), value, zero)
}

/// Σ over a row in f64, over blocks in f32.
pub(super) struct Sum<'a>(pub(super) &'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        sum_of(simd, vectors::<S>(self.0), |x| x)
    }
}

/// Σ f(x) over vectors: four partial sums over [`BLOCK`] vectors in f32, the rest in f64.
#[inline(always)]
fn sum_of<S: Simd>(simd: S, row: &[S::f32s], f: impl Fn(S::f32s) -> S::f32s) -> f64 {
    let mut total = 0.0;
    for block in row.chunks(BLOCK) {
        let mut sums = [simd.splat_f32s(0.0); 4];
        let (fours, rest) = block.as_chunks::<4>();
        for four in fours {
            for i in 0..4 {
                sums[i] = simd.add_f32s(sums[i], f(four[i]));
            }
        }
        for (sum, &x) in sums.iter_mut().zip(rest) {
            *sum = simd.add_f32s(*sum, f(x));
        }
        let pairs = [simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3])];
        total += sum_lanes::<S>(simd.add_f32s(pairs[0], pairs[1]));
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
        let m = self.of.count() as f64;
        let sum =
            sum_of(simd, whole, |x| x) + sum_of(simd, last, |x| keep(simd, lanes, x));
        let mean = sum / m;
        // The second pass is centred on the rounded mean, and corrected for the rounding.
        let centre = simd.splat_f32s(mean as f32);
        let square = |x: S::f32s| {
            let d = simd.sub_f32s(x, centre);
            simd.mul_f32s(d, d)
        };
        let squares = sum_of(simd, whole, square)
            + sum_of(simd, last, |x| keep(simd, lanes, square(x)));
        let rounding = mean - f64::from(mean as f32);
        [mean, squares / m - rounding * rounding]
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
    affine: [f32; 3],
    inv_std: f64,
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
        let [mean, scale, shift] = self.affine.map(|value| simd.splat_f32s(value));
        let zero = simd.splat_f32s(0.0);
        let relu = self.of.relu;
        let mut sums = [0.0; 2];
        for (x, dy) in x.chunks(BLOCK).zip(dy.chunks_mut(BLOCK)) {
            let mut block = [zero; 4];
            for (i, (&x, dy)) in x.iter().zip(dy).enumerate() {
                let centred = simd.sub_f32s(x, mean);
                if relu {
                    let y = mul_add(simd, centred, scale, shift);
                    *dy = simd.select_f32s(simd.greater_than_f32s(y, zero), *dy, zero);
                }
                let at = 2 * (i % 2);
                block[at] = mul_add(simd, *dy, centred, block[at]);
                block[at + 1] = simd.add_f32s(block[at + 1], *dy);
            }
            sums[0] += sum_lanes::<S>(simd.add_f32s(block[0], block[2]));
            sums[1] += sum_lanes::<S>(simd.add_f32s(block[1], block[3]));
        }
        let m = self.of.count() as f64;
        let [d_gamma, d_beta] = [sums[0] * self.inv_std, sums[1]];
        let slope = f64::from(self.affine[1]);
        let constant = simd.splat_f32s((-slope * d_beta / m) as f32);
        let linear = simd.splat_f32s((-slope * self.inv_std * d_gamma / m) as f32);
        let whole = self.of.whole();
        let lanes = self.of.last_lanes::<S>();
        let input = |x: S::f32s, dy: S::f32s| {
            let rest = mul_add(simd, simd.sub_f32s(x, mean), linear, constant);
            mul_add(simd, dy, scale, rest)
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
