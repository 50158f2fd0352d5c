//! Memory layout of token sequences, and the steps into and out of it.
//!
//! A block's tokens lie in panels of [`PANEL`]: `[block][panel][channel][token of the
//! panel][lane]`. A panel is what a linear layer reads for one tile of outputs, so weights
//! meet contiguous memory; normalization and activations stay inside a panel, and the
//! panels of a head are what attention multiplies. Tokens that fill up the last panel hold
//! finite values and have gradient zero.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::{Isa, sum_lanes, vectors, vectors_mut};
use super::tensor::{Batch, Buffer};
use crate::net::TokenPool;

/// Tokens side by side in a panel: with 8 output channels their sums fill 24 of 32 registers.
pub(super) const PANEL: usize = 3;

/// Terms of a sum that runs over tokens and images, before it is added in f64.
const CHUNK_TERMS: usize = 1056;

/// Values that are not worth a second task.
const SERIAL_VALUES: usize = 1 << 14;

/// A batch of token sequences.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens {
    pub(super) isa: Isa,
    pub(super) batch: Batch,
    /// Tokens of an image.
    pub(super) count: usize,
}

impl Tokens {
    /// Panels of a block.
    pub(super) fn panels(&self) -> usize {
        self.count.div_ceil(PANEL)
    }

    /// Panels of the batch.
    pub(super) fn all_panels(&self) -> usize {
        self.batch.blocks * self.panels()
    }

    /// Values of one panel.
    pub(super) fn panel(&self, channels: usize) -> usize {
        channels * PANEL * self.batch.lanes
    }

    /// Values of one block.
    pub(super) fn block(&self, channels: usize) -> usize {
        self.panels() * self.panel(channels)
    }

    /// Values of the batch.
    pub(super) fn size(&self, channels: usize) -> usize {
        self.batch.blocks * self.block(channels)
    }

    /// Panels whose sums are added in f32: a number that depends on nothing but the vectors.
    pub(super) fn chunk(&self) -> usize {
        CHUNK_TERMS / (PANEL * self.batch.lanes)
    }

    /// Chunks of the batch.
    pub(super) fn chunks(&self) -> usize {
        self.all_panels().div_ceil(self.chunk())
    }

    /// Tasks of `values` values each that one thread should have at least.
    pub(super) fn min_tasks(&self, values: usize) -> usize {
        if self.batch.serial { usize::MAX } else { SERIAL_VALUES.div_ceil(values.max(1)) }
    }

    /// Where a channel of a token lies, as a vector of the batch with so many channels.
    fn at(&self, channels: usize, block: usize, token: usize, channel: usize) -> usize {
        let panel = block * self.panels() + token / PANEL;
        (panel * channels + channel) * PANEL + token % PANEL
    }

    /// `y` = the class token, then the pixels of `map` (an activation of `tokens` − 1
    /// pixels), plus positions (`[tokens, channels]`).
    pub(super) fn embed(
        &self,
        map: &[f32],
        [class, positions]: [&[f32]; 2],
        y: &mut [f32],
    ) {
        let channels = class.len();
        let panels = y.par_chunks_mut(self.panel(channels)).enumerate();
        panels.with_min_len(self.min_tasks(self.panel(channels))).for_each(
            |(index, y)| {
                self.isa.run(Embed { of: *self, index, map, class, positions, y });
            },
        );
    }

    /// The gradients of class token and positions, and of the map.
    pub(super) fn embed_backward(
        &self,
        dy: &[f32],
        map: Option<(&mut [f32], bool)>,
        [class, positions]: [&mut [f32]; 2],
    ) {
        let channels = class.len();
        positions.par_chunks_mut(channels).enumerate().for_each(|(token, sums)| {
            for (channel, sum) in sums.iter_mut().enumerate() {
                let at = |block| self.at(channels, block, token, channel);
                *sum = self.isa.run(SumOf { dy, at, blocks: self.batch.blocks }) as f32;
            }
        });
        class.copy_from_slice(&positions[..channels]);
        let Some((map, accumulate)) = map else { return };
        let pixels = self.count - 1;
        let lanes = self.batch.lanes;
        let rows = map.par_chunks_mut(self.batch.row(pixels)).enumerate();
        rows.for_each(|(channel, row)| {
            for (i, to) in row.chunks_exact_mut(lanes).enumerate() {
                if i >= self.batch.blocks * pixels {
                    break;
                }
                let at = self.at(channels, i / pixels, i % pixels + 1, channel);
                let from = &dy[at * lanes..][..lanes];
                if accumulate {
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                } else {
                    to.copy_from_slice(from);
                }
            }
        });
    }

    /// The mean of the tokens that `pool` reads, as a vector.
    pub(super) fn pool(&self, pool: TokenPool, x: &[f32], y: &mut [f32]) {
        let channels = x.len() / self.size(1);
        let tokens = &pool.tokens(self.count);
        let rows = y.par_chunks_mut(self.batch.row(1)).enumerate();
        rows.with_min_len(self.min_tasks(self.count)).for_each(|(channel, y)| {
            self.isa.run(Pool { of: *self, tokens, channels, channel, x, y });
        });
    }

    /// Gives `dy` evenly to the tokens that `pool` reads.
    pub(super) fn pool_backward(
        &self,
        pool: TokenPool,
        dy: &[f32],
        dx: &mut [f32],
        accumulate: bool,
    ) {
        let channels = dx.len() / self.size(1);
        let tokens = &pool.tokens(self.count);
        let panels = dx.par_chunks_mut(self.panel(channels)).enumerate();
        panels.with_min_len(self.min_tasks(self.panel(channels))).for_each(
            |(index, dx)| {
                self.isa.run(Spread { of: *self, tokens, index, dy, dx, accumulate });
            },
        );
    }

    /// Copies tokens to `[n, tokens·channels]`, token by token as PyTorch flattens them.
    pub(super) fn unpack(&self, x: &[f32], channels: usize, out: &mut [f32]) {
        let lanes = self.batch.lanes;
        let width = self.count * channels;
        for (image, out) in out.chunks_mut(width).enumerate() {
            let (block, lane) = (image / lanes, image % lanes);
            for (i, to) in out.iter_mut().enumerate() {
                let at = self.at(channels, block, i / channels, i % channels);
                *to = x[at * lanes + lane];
            }
        }
    }
}

struct Embed<'a> {
    of: Tokens,
    index: usize,
    map: &'a [f32],
    class: &'a [f32],
    positions: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Embed<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (channels, tokens) = (self.class.len(), self.of.count);
        let block = self.index / self.of.panels();
        let first = self.index % self.of.panels() * PANEL;
        let stride = self.of.batch.stride(tokens - 1);
        let map = vectors::<S>(self.map);
        let y = vectors_mut::<S>(self.y).as_chunks_mut::<PANEL>().0;
        for (channel, y) in y.iter_mut().enumerate() {
            for (token, y) in (first..).zip(y) {
                if token >= tokens {
                    *y = simd.splat_f32s(0.0);
                    continue;
                }
                let position =
                    simd.splat_f32s(self.positions[token * channels + channel]);
                let value = match token {
                    0 => simd.splat_f32s(self.class[channel]),
                    _ => map[channel * stride + block * (tokens - 1) + token - 1],
                };
                *y = simd.add_f32s(value, position);
            }
        }
    }
}

/// The sum of one vector of each block in f64.
struct SumOf<'a, F> {
    dy: &'a [f32],
    at: F,
    blocks: usize,
}

impl<F: Fn(usize) -> usize> WithSimd for SumOf<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let dy = vectors::<S>(self.dy);
        (0..self.blocks).map(|block| sum_lanes::<S>(dy[(self.at)(block)])).sum()
    }
}

struct Pool<'a> {
    of: Tokens,
    tokens: &'a Range<usize>,
    channels: usize,
    channel: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let x = vectors::<S>(self.x);
        let scale = simd.splat_f32s((1.0 / self.tokens.len() as f64) as f32);
        let y = vectors_mut::<S>(self.y);
        for (block, y) in y.iter_mut().enumerate() {
            *y = simd.splat_f32s(0.0);
            if block < self.of.batch.blocks {
                for token in self.tokens.clone() {
                    let at = self.of.at(self.channels, block, token, self.channel);
                    *y = simd.add_f32s(*y, x[at]);
                }
                *y = simd.mul_f32s(*y, scale);
            }
        }
    }
}

struct Spread<'a> {
    of: Tokens,
    tokens: &'a Range<usize>,
    index: usize,
    dy: &'a [f32],
    dx: &'a mut [f32],
    accumulate: bool,
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scale = simd.splat_f32s((1.0 / self.tokens.len() as f64) as f32);
        let block = self.index / self.of.panels();
        let first = self.index % self.of.panels() * PANEL;
        let dy = vectors::<S>(self.dy);
        let stride = self.of.batch.stride(1);
        let dx = vectors_mut::<S>(self.dx).as_chunks_mut::<PANEL>().0;
        for (channel, dx) in dx.iter_mut().enumerate() {
            let share = simd.mul_f32s(dy[channel * stride + block], scale);
            for (token, dx) in (first..).zip(dx) {
                let zero = simd.splat_f32s(0.0);
                let share = if self.tokens.contains(&token) { share } else { zero };
                *dx = if self.accumulate { simd.add_f32s(*dx, share) } else { share };
            }
        }
    }
}

/// Working memory of tasks, kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

/// The working memory of one task.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) buffers: [Buffer; 3],
    pub(super) sums: Vec<f64>,
}

/// A workspace that goes back when it is dropped.
pub(super) struct Lent<'a> {
    owner: &'a Workspaces,
    pub(super) space: Workspace,
}

impl Workspaces {
    /// A workspace whose buffers hold at least so many values.
    pub(super) fn lend(&self, sizes: [usize; 3]) -> Lent<'_> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut space = free.unwrap_or_default();
        for (buffer, size) in space.buffers.iter_mut().zip(sizes) {
            buffer.reserve(size);
        }
        Lent { owner: self, space }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let space = std::mem::take(&mut self.space);
        self.owner.0.lock().unwrap_or_else(PoisonError::into_inner).push(space);
    }
}
