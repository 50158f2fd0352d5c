//! 3×3 convolutions of stride 1 and padding 1 with fewer products: Winograd's minimal
//! filtering F(2×2, 3×3) (Lavin & Gray 2016, arXiv:1509.09308, section 4.1).
//!
//! ```text
//! U = G w Gᵀ    V = Bᵀ d B    M[o] = Σ_c U[o, c] ⊙ V[c]    y = Aᵀ M A
//!
//!      1   0   0           1  0 −1  0
//! G =  ½   ½   ½     Bᵀ =  0  1  1  0     Aᵀ = 1  1  1  0
//!      ½  −½   ½           0 −1  1  0          0  1 −1 −1
//!      0   0   1           0  1  0 −1
//! ```
//!
//! 4×4 input pixels `d` give 2×2 output pixels `y` with 16 products instead of 36. With
//! images in the lanes the transforms of `d` and `M` are sums of vectors, and pixels beyond
//! the border are zero vectors; tiles at the end of odd sides are computed whole and stored
//! in part. The gradient of the input is the same operation with turned weights.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::conv::{Epilogue, MAX_TERMS};
use super::geometry::Windows;
use super::isa::{Isa, mul_add, vectors, vectors_mut};
use super::tensor::{Batch, with_scratch};
use super::winograd_tile::{
    Column, POSITIONS, border_lines, destination_line, interior_lines, source_line,
};

/// Most destination channels in a register tile.
const MAX_HEIGHT: usize = 8;

/// Columns of a register tile; a column is one tile of one block of images.
const WIDTH: usize = 3;

/// Vectors of a channel of transformed tiles, `[position][column]`. Odd, so that channels do
/// not fall on the same sets of the cache.
const CHANNEL: usize = POSITIONS * WIDTH + 1;

/// Rows of tiles that a task covers: a multiple of [`WIDTH`], so that the tiles fill
/// register tiles.
const TASK_ROWS: usize = WIDTH;

/// Products below which a call is not worth distributing.
const SERIAL_PRODUCTS: usize = 1 << 16;

/// Products for a tile of 2×2 outputs that the direct algorithm has, on average over an
/// image; none if the convolution is not one that can be transformed.
pub(super) fn products_of_tile(windows: &Windows) -> Option<f64> {
    let Windows { kernel, stride, padding, to, .. } = *windows;
    let valid = |axis| (0..3).map(|tap| windows.valid(axis, tap).len()).sum::<usize>();
    let tiles = to[0].div_ceil(2) * to[1].div_ceil(2);
    ((kernel, stride, padding) == ([3, 3], 1, [1, 1]))
        .then(|| (valid(0) * valid(1)) as f64 / tiles as f64)
}

/// One direction of a 3×3 convolution: what does not depend on the batch.
#[derive(Debug, Clone)]
pub(super) struct Winograd {
    isa: Isa,
    /// Source and destination channels.
    channels: [usize; 2],
    /// Height and width of the image.
    sides: [usize; 2],
    /// Whether kernels are turned by 180°, as the gradient of the input asks.
    turned: bool,
    /// Destination channels in a register tile.
    height: usize,
    /// The tiles of an image.
    columns: Vec<Column>,
}

impl Winograd {
    /// Whether fewer products are worth the transforms. Their costs are in cycles of one
    /// tile, as measured on Zen 5; below the crossover the direct algorithm stays.
    pub(super) fn suits(
        isa: Isa,
        windows: &Windows,
        [sources, destinations]: [usize; 2],
    ) -> bool {
        let Some(products) = products_of_tile(windows).filter(|_| sources <= MAX_TERMS)
        else {
            return false;
        };
        // With few registers the direct kernel finds its operands half as fast.
        let product = if isa.registers() >= 32 { 0.58 } else { 1.0 };
        let saved = product * products - 0.58 * POSITIONS as f64;
        let [sources, destinations] = [sources as f64, destinations as f64];
        saved * sources * destinations > 50.0 * sources + 33.0 * destinations
    }

    pub(super) fn new(
        isa: Isa,
        channels: [usize; 2],
        sides: [usize; 2],
        turned: bool,
    ) -> Self {
        let most = if isa.registers() >= 32 { MAX_HEIGHT } else { 4 };
        let height = channels[1].div_ceil(channels[1].div_ceil(most));
        let [down, across] = sides.map(|side: usize| side.div_ceil(2));
        let column = |tile: usize| Column::new(sides, [tile / across, tile % across]);
        let columns = (0..down * across).map(column).collect();
        Self { isa, channels, sides, turned, height, columns }
    }

    /// Tiles of an image, down and across.
    fn tiles(&self) -> [usize; 2] {
        self.sides.map(|side| side.div_ceil(2))
    }

    /// Register tiles that cover the destination channels.
    fn heights(&self) -> usize {
        self.channels[1].div_ceil(self.height)
    }

    /// Length of the packed weights.
    pub(super) fn packed_size(&self) -> usize {
        self.heights() * self.height * POSITIONS * self.channels[0]
    }

    /// Transforms weights and lays them out as
    /// `[register tile][position][source channel][channel of the tile]`; `strides` are the
    /// distances between source channels and between destination channels in PyTorch's
    /// layout.
    pub(super) fn pack(&self, weights: &[f32], strides: [usize; 2], packed: &mut [f32]) {
        let [sources, destinations] = self.channels;
        let height = self.height;
        let pack_tile = |(t, tile): (usize, &mut [f32])| {
            let channels = height.min(destinations - t * height);
            for c in 0..sources {
                let mut taps = [[0.0; MAX_HEIGHT]; 9];
                for i in 0..channels {
                    let at = c * strides[0] + (t * height + i) * strides[1];
                    for (tap, &weight) in weights[at..at + 9].iter().enumerate() {
                        taps[if self.turned { 8 - tap } else { tap }][i] = weight;
                    }
                }
                let transformed = transform(&taps);
                for (position, values) in transformed.iter().enumerate() {
                    tile[(position * sources + c) * height..][..height]
                        .copy_from_slice(&values[..height]);
                }
            }
        };
        let size = POSITIONS * sources * height;
        if packed.len() < SERIAL_PRODUCTS {
            packed.chunks_exact_mut(size).enumerate().for_each(pack_tile);
        } else {
            packed.par_chunks_exact_mut(size).enumerate().for_each(pack_tile);
        }
    }

    /// First pixel of a row of tiles, counted over all blocks.
    fn first_pixel(&self, row: usize) -> usize {
        let [height, width] = self.sides;
        let [down, _] = self.tiles();
        (row / down * height + 2 * (row % down)) * width
    }

    /// Computes the whole destination.
    pub(super) fn run(
        &self,
        batch: Batch,
        [packed, from]: [&[f32]; 2],
        epilogue: Epilogue<'_>,
        to: &mut [f32],
    ) {
        let [sources, destinations] = self.channels;
        let [down, across] = self.tiles();
        let all = batch.blocks * down;
        let step = TASK_ROWS;
        let tasks = all.div_ceil(step);
        let mut windows: Vec<&mut [f32]> = vec![];
        windows.resize_with(tasks * destinations, Default::default);
        let row = batch.row(self.sides[0] * self.sides[1]);
        for (channel, mut row) in to.chunks_mut(row).take(destinations).enumerate() {
            for task in 0..tasks {
                let [first, end] = [task, task + 1]
                    .map(|task| self.first_pixel(all.min(task * step)) * batch.lanes);
                let window;
                (window, row) = row.split_at_mut(end - first);
                windows[task * destinations + channel] = window;
            }
        }
        let run = |(task, windows): (usize, &mut [&mut [f32]])| {
            let rows = [task * step, all.min((task + 1) * step)];
            with_scratch(self.scratch_size(batch.lanes), |scratch| {
                let task = Task {
                    of: self,
                    batch,
                    packed,
                    from,
                    epilogue,
                    rows,
                    windows,
                    scratch,
                };
                self.isa.run(task);
            });
        };
        let products = POSITIONS * sources * destinations * all * across * batch.lanes;
        if batch.serial || products < SERIAL_PRODUCTS {
            windows.chunks_mut(destinations).enumerate().for_each(run);
        } else {
            windows.par_chunks_mut(destinations).enumerate().for_each(run);
        }
    }

    /// Length of the transformed source and destination of a register tile.
    fn scratch_size(&self, lanes: usize) -> usize {
        let channels = self.channels[0] + self.heights() * self.height;
        (channels * CHANNEL + self.sides[1]) * lanes
    }
}

/// G w Gᵀ for the kernels of a register tile.
fn transform(taps: &[[f32; MAX_HEIGHT]; 9]) -> [[f32; MAX_HEIGHT]; POSITIONS] {
    let mut down = [[0.0; MAX_HEIGHT]; 12];
    let mut all = [[0.0; MAX_HEIGHT]; POSITIONS];
    for i in 0..MAX_HEIGHT {
        for j in 0..3 {
            let [a, b, c] = [taps[j][i], taps[3 + j][i], taps[6 + j][i]];
            down[j][i] = a;
            down[3 + j][i] = 0.5 * (a + b + c);
            down[6 + j][i] = 0.5 * (a - b + c);
            down[9 + j][i] = c;
        }
    }
    for i in 0..MAX_HEIGHT {
        for k in 0..4 {
            let [a, b, c] = [down[3 * k][i], down[3 * k + 1][i], down[3 * k + 2][i]];
            all[4 * k][i] = a;
            all[4 * k + 1][i] = 0.5 * (a + b + c);
            all[4 * k + 2][i] = 0.5 * (a - b + c);
            all[4 * k + 3][i] = c;
        }
    }
    all
}

/// All destination channels of some rows of tiles.
struct Task<'a, 'b> {
    of: &'a Winograd,
    batch: Batch,
    packed: &'a [f32],
    from: &'a [f32],
    epilogue: Epilogue<'a>,
    /// First row of tiles and the one behind the last, counted over all blocks.
    rows: [usize; 2],
    /// The rows' part of each destination channel.
    windows: &'a mut [&'b mut [f32]],
    /// Zeros, V and M.
    scratch: &'a mut [f32],
}

impl WithSimd for Task<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let [_, across] = self.of.tiles();
        let [sources, destinations] = self.of.channels;
        let scratch = vectors_mut::<S>(std::mem::take(&mut self.scratch));
        let (zeros, scratch) = scratch.split_at_mut(self.of.sides[1]);
        zeros.fill(simd.splat_f32s(0.0));
        let scratch = scratch.as_chunks_mut::<CHANNEL>().0;
        let (v, m) = scratch.split_at_mut(sources);
        let [first, end] = self.rows.map(|row| row * across);
        let tiles = self.of.columns.len();
        let pixels = self.of.sides[0] * self.of.sides[1];
        for tile in (first..end).step_by(WIDTH) {
            let mut columns = [(&self.of.columns[0], 0); WIDTH];
            for (j, column) in columns.iter_mut().enumerate() {
                let tile = (tile + j).min(end - 1);
                *column = (&self.of.columns[tile % tiles], tile / tiles * pixels);
            }
            self.transform_source(simd, &columns, zeros, v);
            match self.of.height {
                1 => self.multiply::<S, 1>(simd, v, m),
                2 => self.multiply::<S, 2>(simd, v, m),
                3 => self.multiply::<S, 3>(simd, v, m),
                4 => self.multiply::<S, 4>(simd, v, m),
                5 => self.multiply::<S, 5>(simd, v, m),
                6 => self.multiply::<S, 6>(simd, v, m),
                7 => self.multiply::<S, 7>(simd, v, m),
                8 => self.multiply::<S, 8>(simd, v, m),
                other => unreachable!("no kernel for tiles of {other}"),
            }
            let columns = &columns[..WIDTH.min(end - tile)];
            self.transform_destination(simd, columns, &m[..destinations]);
        }
    }
}

impl Task<'_, '_> {
    /// V of every channel.
    #[inline(always)]
    fn transform_source<S: Simd>(
        &self,
        simd: S,
        columns: &[(&Column, usize); WIDTH],
        zeros: &[S::f32s],
        v: &mut [[S::f32s; CHANNEL]],
    ) {
        let [height, width] = self.of.sides;
        let stride = self.batch.stride(height * width);
        let from = vectors::<S>(self.from);
        for (from, v) in from.chunks(stride).zip(v) {
            for j in 0..WIDTH {
                let (column, block) = columns[j];
                let from = &from[block..];
                let lines = if column.interior {
                    interior_lines(simd, from, column, width)
                } else {
                    border_lines(simd, from, column, zeros)
                };
                for k in 0..4 {
                    let line = [lines[0][k], lines[1][k], lines[2][k], lines[3][k]];
                    let line = source_line(simd, line);
                    for l in 0..4 {
                        v[(4 * k + l) * WIDTH + j] = line[l];
                    }
                }
            }
        }
    }

    /// M of every channel.
    #[inline(always)]
    fn multiply<S: Simd, const H: usize>(
        &self,
        simd: S,
        v: &[[S::f32s; CHANNEL]],
        m: &mut [[S::f32s; CHANNEL]],
    ) {
        let weights = self.packed.as_chunks::<H>().0;
        let m = m.as_chunks_mut::<H>().0;
        for position in 0..POSITIONS {
            for (t, m) in m.iter_mut().enumerate() {
                let first = (t * POSITIONS + position) * v.len();
                let sums = dot(simd, &weights[first..][..v.len()], v, position);
                for i in 0..H {
                    m[i][position * WIDTH..][..WIDTH].copy_from_slice(&sums[i]);
                }
            }
        }
    }

    /// The destination's pixels.
    #[inline(always)]
    fn transform_destination<S: Simd>(
        &mut self,
        simd: S,
        columns: &[(&Column, usize)],
        m: &[[S::f32s; CHANNEL]],
    ) {
        let [height, width] = self.of.sides;
        let stride = self.batch.stride(height * width);
        let first = self.of.first_pixel(self.rows[0]);
        let epilogue = self.epilogue;
        for (channel, (m, window)) in m.iter().zip(&mut *self.windows).enumerate() {
            let bias = epilogue.bias(simd, channel);
            let window = vectors_mut::<S>(window);
            let place = [channel, channel * stride + first];
            for (j, &(column, block)) in columns.iter().enumerate() {
                let sums = destination_tile(simd, m, j, bias);
                let at = (block + column.pixel as usize - first) as u32;
                let to = [at, at + 1, at + width as u32, at + width as u32 + 1];
                let [right, below] = [column.inside[1][2], column.inside[0][2]];
                if right && below {
                    let sums = epilogue.finish(simd, place, window, &to, sums);
                    for i in 0..4 {
                        window[to[i] as usize] = sums[i];
                    }
                } else {
                    for (i, stored) in [true, right, below, false].into_iter().enumerate()
                    {
                        if stored {
                            let at = to[i] as usize;
                            let sum = [sums[i]];
                            let sum = epilogue.finish(simd, place, window, &[to[i]], sum);
                            window[at] = sum[0];
                        }
                    }
                }
            }
        }
    }
}

/// Aᵀ M A plus a bias, for one column.
#[inline(always)]
fn destination_tile<S: Simd>(
    simd: S,
    m: &[S::f32s; CHANNEL],
    j: usize,
    bias: S::f32s,
) -> [S::f32s; 4] {
    let mut lines = [[simd.splat_f32s(0.0); 2]; 4];
    for l in 0..4 {
        let m = |k: usize| m[(4 * k + l) * WIDTH + j];
        lines[l] = destination_line(simd, [m(0), m(1), m(2), m(3)]);
    }
    let [[a, e], [b, f], [c, g], [d, h]] = lines;
    let [[a, b], [c, d]] =
        [destination_line(simd, [a, b, c, d]), destination_line(simd, [e, f, g, h])];
    [
        simd.add_f32s(a, bias),
        simd.add_f32s(b, bias),
        simd.add_f32s(c, bias),
        simd.add_f32s(d, bias),
    ]
}

/// The sum over source channels of weight · v at one position, for a register tile.
#[inline(always)]
fn dot<S: Simd, const H: usize>(
    simd: S,
    weights: &[[f32; H]],
    v: &[[S::f32s; CHANNEL]],
    position: usize,
) -> [[S::f32s; WIDTH]; H] {
    let mut sums = [[simd.splat_f32s(0.0); WIDTH]; H];
    for (weights, v) in weights.iter().zip(v) {
        let v = &v[position * WIDTH..][..WIDTH];
        for i in 0..H {
            let weight = simd.splat_f32s(weights[i]);
            for j in 0..WIDTH {
                sums[i][j] = mul_add(simd, weight, v[j], sums[i][j]);
            }
        }
    }
    sums
}
