//! `LayerNorm` over the channels of each token, or of a vector.
//!
//! ```text
//! x̂ = (x − μ)/√(σ² + eps)      y = γ·x̂ + β      μ, σ² over the C channels
//! g = γ·dy      dx = (g − Σg/C − x̂·Σ(g·x̂)/C)/√(σ² + eps)      dγ = Σ dy·x̂      dβ = Σ dy
//! ```
//!
//! Channels are rows of vectors here, so that all images of a block, and the tokens of a
//! panel, are normalized at once.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::{Isa, mul_add, sum_lanes, vectors, vectors_mut};
use super::tensor::Batch;
use super::tokens::{PANEL, Tokens, Workspaces};

/// Channels that are summed in f32; their sums are added with a compensation.
const BLOCK: usize = 64;

/// Scale, shift and eps of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerNorm<'a> {
    pub(super) gamma: &'a [f32],
    pub(super) beta: &'a [f32],
    pub(super) eps: f64,
}

/// Three columns of vectors: a value for each.
pub(super) type Three<S> = [<S as Simd>::f32s; PANEL];

/// Mean and 1/√(σ² + eps) of three columns.
pub(super) struct Moments<S: Simd> {
    mean: Three<S>,
    inv_std: Three<S>,
}

/// Σ f(c) over channels: blocks in f32, their sums with a running compensation.
#[inline(always)]
fn sum_channels<S: Simd>(
    simd: S,
    channels: usize,
    f: impl Fn(usize) -> Three<S>,
) -> Three<S> {
    let zero = simd.splat_f32s(0.0);
    let (mut total, mut rest) = ([zero; PANEL], [zero; PANEL]);
    for first in (0..channels).step_by(BLOCK) {
        let mut sums = [zero; PANEL];
        for channel in first..channels.min(first + BLOCK) {
            let terms = f(channel);
            for j in 0..PANEL {
                sums[j] = simd.add_f32s(sums[j], terms[j]);
            }
        }
        for j in 0..PANEL {
            // The error of a sum of two, exactly (Knuth).
            let sum = simd.add_f32s(total[j], sums[j]);
            let part = simd.sub_f32s(sum, total[j]);
            let lost = simd.add_f32s(
                simd.sub_f32s(total[j], simd.sub_f32s(sum, part)),
                simd.sub_f32s(sums[j], part),
            );
            rest[j] = simd.add_f32s(rest[j], lost);
            total[j] = sum;
        }
    }
    let mut sums = total;
    for j in 0..PANEL {
        sums[j] = simd.add_f32s(total[j], rest[j]);
    }
    sums
}

impl LayerNorm<'_> {
    fn channels(&self) -> usize {
        self.gamma.len()
    }

    /// 1/C.
    #[inline(always)]
    fn share<S: Simd>(&self, simd: S) -> S::f32s {
        simd.splat_f32s((1.0 / self.channels() as f64) as f32)
    }

    /// Mean and scale of a panel.
    #[inline(always)]
    pub(super) fn moments<S: Simd>(&self, simd: S, x: &[Three<S>]) -> Moments<S> {
        let share = self.share(simd);
        let eps = simd.splat_f32s(self.eps as f32);
        let mut mean = sum_channels(simd, x.len(), |channel| x[channel]);
        for mean in &mut mean {
            *mean = simd.mul_f32s(*mean, share);
        }
        let mut inv_std = sum_channels(simd, x.len(), |channel| {
            let mut squares = x[channel];
            for j in 0..PANEL {
                let centred = simd.sub_f32s(squares[j], mean[j]);
                squares[j] = simd.mul_f32s(centred, centred);
            }
            squares
        });
        for value in &mut inv_std {
            let std = simd.sqrt_f32s(mul_add(simd, *value, share, eps));
            *value = simd.div_f32s(simd.splat_f32s(1.0), std);
        }
        Moments { mean, inv_std }
    }

    /// y of a panel.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(
        &self,
        simd: S,
        moments: &Moments<S>,
        x: &[Three<S>],
        y: &mut [Three<S>],
    ) {
        for ((x, y), (&gamma, &beta)) in
            x.iter().zip(y).zip(self.gamma.iter().zip(self.beta))
        {
            let (gamma, beta) = (simd.splat_f32s(gamma), simd.splat_f32s(beta));
            let x_hat = normalized(simd, moments, *x);
            for j in 0..PANEL {
                y[j] = mul_add(simd, x_hat[j], gamma, beta);
            }
        }
    }

    /// Turns a panel's dy into dx; adds each channel's dy·x̂ and dy to `sums`.
    #[inline(always)]
    pub(super) fn backward<S: Simd>(
        &self,
        simd: S,
        x: &[Three<S>],
        dy: &mut [Three<S>],
        sums: &mut [[S::f32s; 2]],
    ) {
        let moments = &self.moments(simd, x);
        let share = self.share(simd);
        for (((x, dy), sums), &gamma) in x.iter().zip(&mut *dy).zip(sums).zip(self.gamma)
        {
            let x_hat = normalized(simd, moments, *x);
            for j in 0..PANEL {
                sums[0] = mul_add(simd, dy[j], x_hat[j], sums[0]);
                sums[1] = simd.add_f32s(sums[1], dy[j]);
                dy[j] = simd.mul_f32s(dy[j], simd.splat_f32s(gamma));
            }
        }
        let mut constant = sum_channels(simd, x.len(), |channel| dy[channel]);
        let mut linear = sum_channels(simd, x.len(), |channel| {
            let mut terms = normalized(simd, moments, x[channel]);
            for j in 0..PANEL {
                terms[j] = simd.mul_f32s(terms[j], dy[channel][j]);
            }
            terms
        });
        for j in 0..PANEL {
            constant[j] = simd.mul_f32s(constant[j], share);
            linear[j] = simd.mul_f32s(linear[j], share);
        }
        for (x, dy) in x.iter().zip(dy) {
            let x_hat = normalized(simd, moments, *x);
            for j in 0..PANEL {
                let rest = mul_add(simd, x_hat[j], linear[j], constant[j]);
                dy[j] = simd.mul_f32s(simd.sub_f32s(dy[j], rest), moments.inv_std[j]);
            }
        }
    }
}

/// x̂ of a channel.
#[inline(always)]
fn normalized<S: Simd>(simd: S, moments: &Moments<S>, mut x: Three<S>) -> Three<S> {
    for j in 0..PANEL {
        let centred = simd.sub_f32s(x[j], moments.mean[j]);
        x[j] = simd.mul_f32s(centred, moments.inv_std[j]);
    }
    x
}

/// A `LayerNorm` that is a step of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct NormStep<'a> {
    pub(super) tokens: Tokens,
    pub(super) norm: LayerNorm<'a>,
    /// Whether the input is a vector in the layout of `tensor.rs`, not tokens.
    pub(super) vector: bool,
}

impl NormStep<'_> {
    fn isa(&self) -> Isa {
        self.tokens.isa
    }

    fn batch(&self) -> Batch {
        self.tokens.batch
    }

    fn panel(&self) -> usize {
        self.tokens.panel(self.norm.channels())
    }

    /// Values of a vector's blocks in panels.
    fn packed(&self) -> usize {
        self.batch().blocks.div_ceil(PANEL) * self.panel()
    }

    pub(super) fn forward(&self, x: &[f32], y: &mut [f32], spaces: &Workspaces) {
        if !self.vector {
            return self.forward_panels(x, y);
        }
        let mut lent = spaces.lend([self.packed(), self.packed(), 0]);
        let [from, to, _] = &mut lent.space.buffers;
        let (from, to) = (from.get_mut(self.packed()), to.get_mut(self.packed()));
        self.repack(x, from, |x, panel| panel.copy_from_slice(x));
        self.forward_panels(from, to);
        self.repack_mut(y, to, |y, panel| y.copy_from_slice(panel));
    }

    fn forward_panels(&self, x: &[f32], y: &mut [f32]) {
        let panels = x.par_chunks(self.panel()).zip(y.par_chunks_mut(self.panel()));
        panels.with_min_len(self.tokens.min_tasks(self.panel())).for_each(|(x, y)| {
            self.isa().run(Forward { norm: self.norm, x, y });
        });
    }

    /// Turns dy into dx, or adds dx to `to`; writes the gradients of γ and β.
    pub(super) fn backward(
        &self,
        [x, dy]: [&[f32]; 2],
        (to, accumulate): (&mut [f32], bool),
        [d_gamma, d_beta]: [&mut [f32]; 2],
        spaces: &Workspaces,
    ) {
        let channels = self.norm.channels();
        let size = if self.vector { self.packed() } else { x.len() };
        let chunk = self.tokens.chunk() * self.panel();
        let partials = size.div_ceil(chunk) * 2 * channels;
        let copied = if self.vector { size } else { 0 };
        let mut lent = spaces.lend([size, copied, partials]);
        let [gradient, input, partial] = &mut lent.space.buffers;
        let gradient = gradient.get_mut(size);
        let input = input.get_mut(copied);
        let partial = partial.get_mut(partials);
        if self.vector {
            // The last panel may hold fewer blocks.
            input.fill(0.0);
            gradient.fill(0.0);
            self.repack(dy, gradient, |from, panel| panel.copy_from_slice(from));
            self.repack(x, input, |from, panel| panel.copy_from_slice(from));
        } else {
            gradient.copy_from_slice(dy);
        }
        let x = if self.vector { &*input } else { x };
        let chunks = x.par_chunks(chunk).zip(gradient.par_chunks_mut(chunk));
        chunks.zip(partial.par_chunks_mut(2 * channels)).for_each(
            |((x, dy), partial)| {
                let sums = 2 * channels * self.batch().lanes;
                let mut lent = spaces.lend([sums, 0, 0]);
                let sums = lent.space.buffers[0].get_mut(sums);
                self.isa().run(Backward { norm: self.norm, x, dy, sums, partial });
            },
        );
        add_partials(partial, [d_gamma, d_beta]);
        let put = |to: &mut [f32], from: &[f32]| {
            if accumulate {
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            } else {
                to.copy_from_slice(from);
            }
        };
        if self.vector {
            self.repack_mut(to, gradient, |to, panel| put(to, panel));
        } else {
            put(to, gradient);
        }
    }

    /// Calls with each vector of a vector activation and its place in panels of blocks.
    fn repack(&self, x: &[f32], panels: &mut [f32], f: impl Fn(&[f32], &mut [f32])) {
        let lanes = self.batch().lanes;
        for (channel, row) in x.chunks(self.batch().row(1)).enumerate() {
            for (block, x) in row.chunks(lanes).enumerate().take(self.batch().blocks) {
                let at = self.place(channel, block);
                f(x, &mut panels[at..][..lanes]);
            }
        }
    }

    fn repack_mut(&self, x: &mut [f32], panels: &[f32], f: impl Fn(&mut [f32], &[f32])) {
        let lanes = self.batch().lanes;
        for (channel, row) in x.chunks_mut(self.batch().row(1)).enumerate() {
            for (block, x) in row.chunks_mut(lanes).enumerate().take(self.batch().blocks)
            {
                let at = self.place(channel, block);
                f(x, &panels[at..][..lanes]);
            }
        }
    }

    fn place(&self, channel: usize, block: usize) -> usize {
        let inside = channel * PANEL + block % PANEL;
        block / PANEL * self.panel() + inside * self.batch().lanes
    }
}

/// Adds the chunks' partial sums, `[chunk][part][channel]`, in f64.
pub(super) fn add_partials<const N: usize>(partials: &[f32], out: [&mut [f32]; N]) {
    let stride: usize = out.iter().map(|part| part.len()).sum();
    let mut first = 0;
    for part in out {
        for (i, sum) in part.iter_mut().enumerate() {
            let terms = partials[first + i..].iter().step_by(stride);
            *sum = terms.map(|&term| f64::from(term)).sum::<f64>() as f32;
        }
        first += part.len();
    }
}

struct Forward<'a> {
    norm: LayerNorm<'a>,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let x = vectors::<S>(self.x).as_chunks::<PANEL>().0;
        let y = vectors_mut::<S>(self.y).as_chunks_mut::<PANEL>().0;
        self.norm.apply(simd, &self.norm.moments(simd, x), x, y);
    }
}

/// The panels of a chunk.
struct Backward<'a> {
    norm: LayerNorm<'a>,
    x: &'a [f32],
    dy: &'a mut [f32],
    sums: &'a mut [f32],
    partial: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.sums.fill(0.0);
        let channels = self.norm.channels();
        let sums = vectors_mut::<S>(self.sums).as_chunks_mut::<2>().0;
        let x = vectors::<S>(self.x).as_chunks::<PANEL>().0;
        let dy = vectors_mut::<S>(self.dy).as_chunks_mut::<PANEL>().0;
        for (x, dy) in x.chunks(channels).zip(dy.chunks_mut(channels)) {
            self.norm.backward(simd, x, dy, sums);
        }
        for (channel, sums) in sums.iter().enumerate() {
            for (part, &sum) in sums.iter().enumerate() {
                self.partial[part * channels + channel] = sum_lanes::<S>(sum) as f32;
            }
        }
    }
}
