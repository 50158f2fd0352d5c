//! The gradients of a convolution's weights and bias:
//!
//! ```text
//! dw[o, c, tap] = Σ_images Σ_p dy[o, p] · x[c, source(p, tap)]      dbias[o] = Σ dy[o, p]
//! ```
//!
//! The images are cut into chunks that depend on the layer's shape alone; a chunk's sums
//! stay in the lanes, are added over lanes, and the chunks are added in f64 in order.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::geometry::Windows;
use super::isa::{Isa, mul_add, vectors};
use super::tensor::{Batch, Buffer};

/// Taps whose sums are held at once.
const MAX_TAPS: usize = 9;

/// Columns that a chunk has, where the images allow it: its rows should stay in the second
/// cache.
const CHUNK_COLUMNS: usize = 256;

/// Columns that are used for all taps before going on: eight rows of them should stay in
/// the first cache.
const SPAN_COLUMNS: usize = 32;

/// Output and input channels in a register tile.
pub(super) fn tile(isa: Isa, inputs: usize, outputs: usize) -> [usize; 2] {
    let most = if isa.registers() >= 32 { [4, 4] } else { [4, 2] };
    let balanced = |n: usize, most: usize| n.div_ceil(n.div_ceil(most));
    [balanced(outputs, most[0]), balanced(inputs, most[1])]
}

/// Gradient of the weights of one layer.
#[derive(Debug, Clone)]
pub(super) struct WeightGradient {
    isa: Isa,
    windows: Windows,
    inputs: usize,
    outputs: usize,
    /// Output and input channels in a tile.
    tile: [usize; 2],
}

impl WeightGradient {
    pub(super) fn new(
        isa: Isa,
        windows: &Windows,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        let tile = tile(isa, inputs, outputs);
        Self { isa, windows: *windows, inputs, outputs, tile }
    }

    fn size(&self) -> usize {
        self.outputs * self.inputs * self.windows.taps()
    }

    /// Blocks in a chunk.
    fn chunk(&self) -> usize {
        let pixels: usize = self.windows.to.iter().product();
        (CHUNK_COLUMNS / pixels).max(1)
    }

    /// Length of the scratch for a batch of so many blocks.
    pub(super) fn scratch_size(&self, blocks: usize) -> usize {
        self.size() * blocks.div_ceil(self.chunk())
    }

    /// Writes the weights' gradient in PyTorch's layout.
    pub(super) fn run(
        &self,
        batch: Batch,
        [x, dy]: [&[f32]; 2],
        scratch: &mut Buffer,
        gradient: &mut [f32],
    ) {
        let partials = scratch.get_mut(self.scratch_size(batch.blocks));
        let rows = self.tile[0] * self.inputs * self.windows.taps();
        let mut tasks = vec![];
        for (chunk, partial) in partials.chunks_mut(self.size()).enumerate() {
            let first = chunk * self.chunk();
            let blocks = first..batch.blocks.min(first + self.chunk());
            for (tile, out) in partial.chunks_mut(rows).enumerate() {
                let first_output = tile * self.tile[0];
                let blocks = blocks.clone();
                tasks.push(Task { of: self, batch, x, dy, blocks, first_output, out });
            }
        }
        tasks.into_par_iter().for_each(|task| self.isa.run(task));
        let partials = scratch.get(self.scratch_size(batch.blocks));
        let add = |(first, out): (usize, &mut [f32])| {
            for (i, value) in out.iter_mut().enumerate() {
                let terms = partials[first * REDUCE + i..].iter().step_by(self.size());
                *value = terms.map(|&term| f64::from(term)).sum::<f64>() as f32;
            }
        };
        gradient.par_chunks_mut(REDUCE).enumerate().for_each(add);
    }
}

/// Weights that one task of the final sum adds.
const REDUCE: usize = 4096;

/// Gradient of a bias: the sum of each channel.
pub(super) fn bias_gradient(
    isa: Isa,
    batch: Batch,
    pixels: usize,
    dy: &[f32],
    gradient: &mut [f32],
) {
    let rows = dy.par_chunks(batch.row(pixels));
    gradient.par_iter_mut().zip(rows).for_each(|(value, row)| {
        let row = &row[..batch.blocks * pixels * batch.lanes];
        *value = isa.run(super::batchnorm::Sum(row)) as f32;
    });
}

/// The gradient of a tile of output channels over a chunk of blocks.
struct Task<'a> {
    of: &'a WeightGradient,
    batch: Batch,
    x: &'a [f32],
    dy: &'a [f32],
    blocks: Range<usize>,
    first_output: usize,
    out: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.of.tile {
            [1, 1] => self.tiles::<S, 1, 1>(simd),
            [1, 2] => self.tiles::<S, 1, 2>(simd),
            [1, 3] => self.tiles::<S, 1, 3>(simd),
            [1, 4] => self.tiles::<S, 1, 4>(simd),
            [2, 1] => self.tiles::<S, 2, 1>(simd),
            [2, 2] => self.tiles::<S, 2, 2>(simd),
            [2, 3] => self.tiles::<S, 2, 3>(simd),
            [2, 4] => self.tiles::<S, 2, 4>(simd),
            [3, 1] => self.tiles::<S, 3, 1>(simd),
            [3, 2] => self.tiles::<S, 3, 2>(simd),
            [3, 3] => self.tiles::<S, 3, 3>(simd),
            [3, 4] => self.tiles::<S, 3, 4>(simd),
            [4, 1] => self.tiles::<S, 4, 1>(simd),
            [4, 2] => self.tiles::<S, 4, 2>(simd),
            [4, 3] => self.tiles::<S, 4, 3>(simd),
            [4, 4] => self.tiles::<S, 4, 4>(simd),
            other => unreachable!("no kernel for tiles of {other:?}"),
        }
    }
}

/// A span of columns: blocks × rows of the output.
type Span = (Range<usize>, Range<usize>);

impl Task<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const O: usize, const C: usize>(self, simd: S) {
        let zero = simd.splat_f32s(0.0);
        let n_taps = self.of.windows.taps();
        let outputs = self.out.len() / (self.of.inputs * n_taps);
        let dy = self.rows::<S, O>(self.dy, self.first_output, self.of.outputs, 1);
        let spans = self.spans();
        for first_input in (0..self.of.inputs).step_by(C) {
            let x = self.rows::<S, C>(self.x, first_input, self.of.inputs, 0);
            let inputs = C.min(self.of.inputs - first_input);
            for first_tap in (0..n_taps).step_by(MAX_TAPS) {
                let taps = first_tap..n_taps.min(first_tap + MAX_TAPS);
                let mut sums = [[[zero; C]; O]; MAX_TAPS];
                for span in &spans {
                    for tap in taps.clone() {
                        let sum = &mut sums[tap - first_tap];
                        *sum = self.tap(simd, tap, span, &dy, &x, *sum);
                    }
                }
                for tap in taps {
                    for o in 0..outputs {
                        for c in 0..inputs {
                            let at =
                                (o * self.of.inputs + first_input + c) * n_taps + tap;
                            self.out[at] =
                                simd.reduce_sum_f32s(sums[tap - first_tap][o][c]);
                        }
                    }
                }
            }
        }
    }

    /// The channels of a tile; what lies beyond the last channel repeats it.
    #[inline(always)]
    fn rows<'b, S: Simd, const N: usize>(
        &self,
        values: &'b [f32],
        first: usize,
        channels: usize,
        side: usize,
    ) -> [&'b [S::f32s]; N] {
        let sides = [self.of.windows.from, self.of.windows.to];
        let stride = self.batch.stride(sides[side].iter().product());
        let values = vectors::<S>(values);
        let mut rows: [&[S::f32s]; N] = [&[]; N];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = &values[(first + i).min(channels - 1) * stride..][..stride];
        }
        rows
    }

    /// Cuts the chunk into spans of about [`SPAN_COLUMNS`] columns.
    fn spans(&self) -> Vec<Span> {
        let [height, width] = self.of.windows.to;
        let blocks = (SPAN_COLUMNS / (height * width)).max(1);
        let rows = (SPAN_COLUMNS / width).clamp(1, height);
        let mut spans = vec![];
        for block in self.blocks.clone().step_by(blocks) {
            for row in (0..height).step_by(rows) {
                let blocks = block..self.blocks.end.min(block + blocks);
                spans.push((blocks, row..height.min(row + rows)));
            }
        }
        spans
    }

    /// Adds one tap's products over a span.
    #[inline(always)]
    fn tap<S: Simd, const O: usize, const C: usize>(
        &self,
        simd: S,
        tap: usize,
        (blocks, rows): &Span,
        dy: &[&[S::f32s]; O],
        x: &[&[S::f32s]; C],
        mut sums: [[S::f32s; C]; O],
    ) -> [[S::f32s; C]; O] {
        let windows = &self.of.windows;
        let [i, j] = [tap / windows.kernel[1], tap % windows.kernel[1]];
        let valid = windows.valid(0, i);
        let rows = rows.start.max(valid.start)..rows.end.min(valid.end);
        let columns = windows.valid(1, j);
        if columns.is_empty() {
            return sums;
        }
        let [pixels_x, pixels_dy]: [usize; 2] =
            [windows.from, windows.to].map(|side| side.iter().product());
        for block in blocks.clone() {
            for row in rows.clone() {
                let to = block * pixels_dy + row * windows.to[1] + columns.start;
                let v = row * windows.stride + i - windows.padding[0];
                let u = columns.start * windows.stride + j - windows.padding[1];
                let from = block * pixels_x + v * windows.from[1] + u;
                let at = [to, from, columns.len()];
                sums = multiply_row(simd, dy, x, at, windows.stride, sums);
            }
        }
        sums
    }
}

/// Adds `dy[o][to + p] · x[c][from + p·stride]` for `p` in `0..len` to every pair's sum.
#[inline(always)]
fn multiply_row<S: Simd, const O: usize, const C: usize>(
    simd: S,
    dy: &[&[S::f32s]; O],
    x: &[&[S::f32s]; C],
    [to, from, len]: [usize; 3],
    stride: usize,
    mut sums: [[S::f32s; C]; O],
) -> [[S::f32s; C]; O] {
    for p in 0..len {
        for o in 0..O {
            let dy = dy[o][to + p];
            for c in 0..C {
                sums[o][c] = mul_add(simd, dy, x[c][from + p * stride], sums[o][c]);
            }
        }
    }
    sums
}
