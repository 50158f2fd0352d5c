//! The gradient of a token layer's weights:
//!
//! ```text
//! dW[o, c] = Σ_images Σ_tokens dy[o, token] · z[c, token]
//! ```
//!
//! It is a product along images and tokens, which lie in the lanes; so the side with fewer
//! channels is transposed, 3 vectors of channels at a time, and the other side's values are
//! broadcast. Sums run over chunks of panels in f32 and over chunks in f64.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::{mul_add, vectors};
use super::layernorm::Three;
use super::tensor::Buffer;
use super::tokens::{PANEL, Tokens, Workspaces};

/// Channels of the broadcast side that a task has at most: more repeat the transposition
/// less often, fewer occupy more threads.
const MAX_ROWS: usize = 256;

/// Weights' gradient of one layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct WeightGradient {
    inputs: usize,
    outputs: usize,
}

impl WeightGradient {
    pub(super) fn new(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs }
    }

    /// Channels of the transposed and of the broadcast side.
    fn sides(&self) -> [usize; 2] {
        let Self { inputs, outputs } = *self;
        [inputs.min(outputs), inputs.max(outputs)]
    }

    /// Whether the transposed side is the inputs.
    fn transposes_inputs(&self) -> bool {
        self.inputs <= self.outputs
    }

    /// Channels in three vectors.
    fn strip(tokens: Tokens) -> usize {
        PANEL * tokens.batch.lanes
    }

    /// Broadcast channels of a task.
    fn rows(&self) -> usize {
        let n = self.sides()[1];
        n.div_ceil(n.div_ceil(MAX_ROWS))
    }

    /// Strips and groups of rows.
    fn tasks(&self, tokens: Tokens) -> [usize; 2] {
        let [transposed, rows] = self.sides();
        [transposed.div_ceil(Self::strip(tokens)), rows.div_ceil(self.rows())]
    }

    /// Length of the scratch.
    pub(super) fn scratch_size(&self, tokens: Tokens) -> usize {
        let [strips, groups] = self.tasks(tokens);
        strips * groups * self.rows() * Self::strip(tokens)
    }

    /// Writes the gradient, `[outputs, inputs]`, from z and dy.
    pub(super) fn run(
        &self,
        tokens: Tokens,
        [z, dy]: [&[f32]; 2],
        spaces: &Workspaces,
        scratch: &mut Buffer,
        gradient: &mut [f32],
    ) {
        let (strip, rows) = (Self::strip(tokens), self.rows());
        let [_, groups] = self.tasks(tokens);
        let found = scratch.get_mut(self.scratch_size(tokens));
        let [transposed, broadcast] =
            if self.transposes_inputs() { [z, dy] } else { [dy, z] };
        found.par_chunks_mut(rows * strip).enumerate().for_each(|(index, out)| {
            let terms = tokens.chunk() * strip;
            let mut lent = spaces.lend([terms * strip, 0, 0]);
            let space = &mut lent.space;
            space.sums.clear();
            space.sums.resize(rows * strip, 0.0);
            let row = index % groups * rows;
            tokens.isa.run(Task {
                channels: self.sides(),
                panels: tokens.chunk(),
                first: index / groups * strip,
                rows: row..self.sides()[1].min(row + rows),
                transposed,
                broadcast,
                packed: space.buffers[0].get_mut(terms * strip),
                sums: &mut space.sums,
            });
            for (out, sum) in out.iter_mut().zip(&space.sums) {
                *out = *sum as f32;
            }
        });
        let find = |transposed: usize, row: usize| {
            let task = transposed / strip * groups + row / rows;
            found[(task * rows + row % rows) * strip + transposed % strip]
        };
        gradient.par_chunks_mut(self.inputs).enumerate().for_each(|(o, gradient)| {
            for (c, value) in gradient.iter_mut().enumerate() {
                *value = if self.transposes_inputs() { find(c, o) } else { find(o, c) };
            }
        });
    }
}

/// A strip of the transposed side with a group of rows of the other.
struct Task<'a> {
    /// Channels of the transposed and of the broadcast side.
    channels: [usize; 2],
    /// Panels in a chunk.
    panels: usize,
    /// First channel of the strip.
    first: usize,
    rows: Range<usize>,
    transposed: &'a [f32],
    broadcast: &'a [f32],
    packed: &'a mut [f32],
    sums: &'a mut [f64],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.chunks::<S, 8>(simd);
        } else {
            self.chunks::<S, 4>(simd);
        }
    }
}

impl Task<'_> {
    #[inline(always)]
    fn chunks<S: Simd, const H: usize>(mut self, simd: S) {
        let width = PANEL * S::F32_LANES;
        let [transposed, broadcast] = self.channels.map(|channels| channels * width);
        let chunks = self.transposed.chunks(self.panels * transposed);
        for (from, rows) in chunks.zip(self.broadcast.chunks(self.panels * broadcast)) {
            self.transpose(from, width);
            let packed = vectors::<S>(self.packed).as_chunks::<PANEL>().0;
            for first in self.rows.clone().step_by(H) {
                let count = H.min(self.rows.end - first);
                // Rows past the last repeat it.
                let row = |i: usize| (first + i.min(count - 1)) * width;
                let mut tile = [[simd.splat_f32s(0.0); PANEL]; H];
                let panels = rows.chunks_exact(broadcast);
                for (panel, packed) in panels.zip(packed.chunks_exact(width)) {
                    let mut values: [&[f32]; H] = [&[]; H];
                    for (i, values) in values.iter_mut().enumerate() {
                        *values = &panel[row(i)..][..width];
                    }
                    tile = multiply(simd, values, packed, tile);
                }
                let at = (first - self.rows.start) * width;
                let sums = &mut self.sums[at..][..count * width];
                for (sums, tile) in sums.chunks_exact_mut(width).zip(&tile) {
                    let tile: &[f32] = pulp::bytemuck::cast_slice(tile);
                    for (sum, &term) in sums.iter_mut().zip(tile) {
                        *sum += f64::from(term);
                    }
                }
            }
        }
    }

    /// Lays the strip's channels of a chunk side by side: `[panel][token, lane][channel]`.
    #[inline(always)]
    fn transpose(&mut self, from: &[f32], width: usize) {
        let channels = self.channels[0];
        let count = width.min(channels - self.first);
        let panels = from.chunks_exact(channels * width);
        for (from, to) in panels.zip(self.packed.chunks_exact_mut(width * width)) {
            let from = &from[self.first * width..][..count * width];
            for (i, to) in to.chunks_exact_mut(width).enumerate() {
                for (channel, to) in to[..count].iter_mut().enumerate() {
                    *to = from[channel * width + i];
                }
                to[count..].fill(0.0);
            }
        }
    }
}

/// Adds a panel's products of each row with the strip.
#[inline(always)]
fn multiply<S: Simd, const H: usize>(
    simd: S,
    rows: [&[f32]; H],
    packed: &[Three<S>],
    mut sums: [Three<S>; H],
) -> [Three<S>; H] {
    let rows = rows.map(|row| &row[..packed.len()]);
    for (n, packed) in packed.iter().enumerate() {
        for i in 0..H {
            let value = simd.splat_f32s(rows[i][n]);
            for j in 0..PANEL {
                sums[i][j] = mul_add(simd, value, packed[j], sums[i][j]);
            }
        }
    }
    sums
}
