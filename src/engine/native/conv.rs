//! Convolutions and linear layers (a linear layer is a 1×1 convolution of one pixel).
//!
//! Forward and gradient of the input are the same operation, a *gather*: every output pixel
//! sums weight × input over the taps that reach it,
//!
//! ```text
//! y[o, p] = bias[o] + Σ_c Σ_tap w[o, c, tap] · x[c, source(p, tap)]
//! dx[c, q] = Σ_o Σ_tap w[o, c, tap] · dy[o, reader(q, tap)]
//! ```
//!
//! The kernel keeps a tile of output channels × columns in registers, where a column is one
//! vector: one pixel of one block of images. The gradient of the weights is in
//! `conv_weights.rs`.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::geometry::{Columns, Pattern, Terms, Windows, patterns};
use super::isa::{Isa, mul_add, vectors, vectors_mut};
use super::tensor::Batch;

/// Most output channels in a tile.
const MAX_TILE: usize = 8;

/// Terms that one f32 sum may have before it is added to a total.
pub(super) const MAX_TERMS: usize = 1024;

/// Columns that a task should have at least, to keep tiles full and weights in use.
const GROUP_COLUMNS: usize = 192;

/// Multiply-accumulates below which a call is not worth distributing.
const SERIAL_MACS: usize = 1 << 17;

/// One direction of a convolution: what does not depend on the batch.
#[derive(Debug, Clone)]
pub(super) struct Gather {
    isa: Isa,
    from_channels: usize,
    to_channels: usize,
    /// Pixels of a source and of a destination image.
    pixels: [usize; 2],
    taps: usize,
    /// Output channels in a tile, and columns.
    tile: [usize; 2],
    patterns: Vec<Pattern>,
}

/// A gather's columns for batches of one number of blocks.
#[derive(Debug)]
pub(super) struct GatherPlan {
    /// Blocks that a task covers.
    group: usize,
    full: Vec<Columns>,
    last: Vec<Columns>,
}

/// What happens to a sum before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Epilogue<'a> {
    /// Added to each channel.
    pub(super) bias: Option<&'a [f32]>,
    /// An activation to add.
    pub(super) add: Option<&'a [f32]>,
    /// Whether to add what the destination holds.
    pub(super) accumulate: bool,
    /// Evaluation-mode BatchNorm.
    pub(super) affine: Option<&'a super::batchnorm::Affine>,
    /// max(x, 0).
    pub(super) relu: bool,
}

impl Epilogue<'_> {
    /// What to store at positions `to` of a channel's part of the destination, `row`, which
    /// starts at `first` in the whole activation. All are read before any is written.
    #[inline(always)]
    pub(super) fn finish<S: Simd, const N: usize>(
        &self,
        simd: S,
        [channel, first]: [usize; 2],
        row: &[S::f32s],
        to: &[u32; N],
        mut values: [S::f32s; N],
    ) -> [S::f32s; N] {
        if self.accumulate {
            for i in 0..N {
                values[i] = simd.add_f32s(values[i], row[to[i] as usize]);
            }
        }
        if let Some(add) = self.add {
            let add = &vectors::<S>(add)[first..];
            for i in 0..N {
                values[i] = simd.add_f32s(values[i], add[to[i] as usize]);
            }
        }
        if let Some(affine) = self.affine {
            for i in 0..N {
                values[i] = affine.apply(simd, channel, values[i]);
            }
        }
        if self.relu {
            let zero = simd.splat_f32s(0.0);
            for i in 0..N {
                let negative = simd.less_than_f32s(values[i], zero);
                values[i] = simd.select_f32s(negative, zero, values[i]);
            }
        }
        values
    }

    /// A channel's bias, or zero.
    #[inline(always)]
    pub(super) fn bias<S: Simd>(&self, simd: S, channel: usize) -> S::f32s {
        simd.splat_f32s(self.bias.map_or(0.0, |bias| bias[channel]))
    }
}

impl Gather {
    /// The forward direction.
    pub(super) fn forward(
        isa: Isa,
        windows: &Windows,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        let pixels = [windows.from.iter().product(), windows.to.iter().product()];
        let patterns = patterns(pixels[1], |pixel| windows.reads(pixel));
        Self::new(isa, windows, [inputs, outputs], pixels, patterns)
    }

    /// The gradient of the input.
    pub(super) fn backward(
        isa: Isa,
        windows: &Windows,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        let pixels = [windows.to.iter().product(), windows.from.iter().product()];
        let patterns = patterns(pixels[1], |pixel| windows.readers(pixel));
        Self::new(isa, windows, [outputs, inputs], pixels, patterns)
    }

    fn new(
        isa: Isa,
        windows: &Windows,
        [from_channels, to_channels]: [usize; 2],
        pixels: [usize; 2],
        patterns: Vec<Pattern>,
    ) -> Self {
        let taps = windows.taps();
        let tile = tile(isa, to_channels);
        Self { isa, from_channels, to_channels, pixels, taps, tile, patterns }
    }

    pub(super) fn plan(&self, batch: Batch) -> GatherPlan {
        let group = GROUP_COLUMNS.div_ceil(self.pixels[1]).min(batch.blocks);
        let stride = batch.stride(self.pixels[0]);
        let columns = |blocks: usize| {
            let column = |pattern: &Pattern| {
                let taps = [self.taps, MAX_TERMS];
                let terms = Terms::new(&pattern.taps, self.from_channels, stride, taps);
                Columns::new(pattern, terms, blocks, self.pixels, self.tile[1])
            };
            self.patterns.iter().map(column).collect::<Vec<_>>()
        };
        let rest = batch.blocks % group;
        let last = if rest == 0 { vec![] } else { columns(rest) };
        GatherPlan { group, full: columns(group), last }
    }

    fn tiles(&self) -> usize {
        self.to_channels.div_ceil(self.tile[0])
    }

    /// Length of the packed weights.
    pub(super) fn packed_size(&self) -> usize {
        self.tiles() * self.tile[0] * self.from_channels * self.taps
    }

    /// Lays weights out as `[tile][source channel][tap][channel of the tile]`; `strides` are
    /// the distances between source channels and between destination channels in PyTorch's
    /// layout. Channels that fill up the last tile have zeros.
    pub(super) fn pack(&self, weights: &[f32], strides: [usize; 2], packed: &mut [f32]) {
        let width = self.tile[0];
        let tile_size = self.from_channels * self.taps * width;
        let pack_tile = |(t, tile): (usize, &mut [f32])| {
            for (c, channel) in tile.chunks_exact_mut(self.taps * width).enumerate() {
                for i in 0..width {
                    let o = t * width + i;
                    for tap in 0..self.taps {
                        let at = c * strides[0] + o * strides[1] + tap;
                        let inside = o < self.to_channels;
                        channel[tap * width + i] = if inside { weights[at] } else { 0.0 };
                    }
                }
            }
        };
        if packed.len() < SERIAL_MACS {
            packed.chunks_exact_mut(tile_size).enumerate().for_each(pack_tile);
        } else {
            packed.par_chunks_exact_mut(tile_size).enumerate().for_each(pack_tile);
        }
    }

    /// Computes the whole destination.
    pub(super) fn run(
        &self,
        plan: &GatherPlan,
        batch: Batch,
        [packed, from]: [&[f32]; 2],
        epilogue: Epilogue<'_>,
        to: &mut [f32],
    ) {
        let groups = batch.blocks.div_ceil(plan.group);
        let width = self.tile[0];
        let tiles = self.tiles();
        let mut tasks: Vec<Task<'_>> = (0..groups * tiles)
            .map(|index| {
                let [group, t] = [index / tiles, index % tiles];
                let rest = batch.blocks - group * plan.group;
                let size = width * self.from_channels * self.taps;
                Task {
                    gather: self,
                    columns: if rest < plan.group { &plan.last } else { &plan.full },
                    weights: &packed[t * size..][..size],
                    from,
                    strides: self.pixels.map(|pixels| batch.stride(pixels)),
                    first_block: group * plan.group,
                    first_channel: t * width,
                    epilogue,
                    rows: Default::default(),
                }
            })
            .collect();
        let window = plan.group * self.pixels[1] * batch.lanes;
        let row = batch.row(self.pixels[1]);
        for (channel, row) in to.chunks_mut(row).enumerate().take(self.to_channels) {
            for (group, window) in row.chunks_mut(window).enumerate().take(groups) {
                tasks[group * tiles + channel / width].rows[channel % width] = window;
            }
        }
        let macs = self.from_channels * self.taps * self.to_channels;
        let macs = macs * batch.blocks * self.pixels[1] * batch.lanes;
        if batch.serial || macs < SERIAL_MACS {
            tasks.into_iter().for_each(|task| self.isa.run(task));
        } else {
            tasks.into_par_iter().for_each(|task| self.isa.run(task));
        }
    }
}

/// Channels and columns of a register tile: as many accumulators as leave room for the
/// columns' inputs and one weight.
fn tile(isa: Isa, channels: usize) -> [usize; 2] {
    let many = isa.registers() >= 32;
    let most = if many { MAX_TILE } else { 4 };
    let height = channels.div_ceil(channels.div_ceil(most));
    let columns = match (many, height) {
        (true, 1 | 2) => 8,
        (true, 3 | 4) => 6,
        (true, 5 | 6) => 4,
        (false, 1) => 6,
        (false, 2) => 4,
        _ => 3,
    };
    [height, columns]
}

/// Σ weight · source over the terms, for a tile. One flat loop: in nested ones the compiler
/// does not keep the sums in registers.
#[inline(always)]
fn sum_terms<S: Simd, const H: usize, const W: usize>(
    simd: S,
    from: &[S::f32s],
    weights: &[[f32; H]],
    terms: &[[u32; 2]],
    sources: &[u32; W],
) -> [[S::f32s; W]; H] {
    let zero = simd.splat_f32s(0.0);
    let mut sums = [[zero; W]; H];
    for &[weight, distance] in terms {
        let weights = &weights[weight as usize];
        let mut inputs = [zero; W];
        for j in 0..W {
            inputs[j] = from[sources[j] as usize + distance as usize];
        }
        for i in 0..H {
            let weight = simd.splat_f32s(weights[i]);
            for j in 0..W {
                sums[i][j] = mul_add(simd, weight, inputs[j], sums[i][j]);
            }
        }
    }
    sums
}

/// A tile of channels over a group of blocks.
struct Task<'a> {
    gather: &'a Gather,
    columns: &'a [Columns],
    weights: &'a [f32],
    from: &'a [f32],
    /// Vectors between channels of source and destination.
    strides: [usize; 2],
    first_block: usize,
    first_channel: usize,
    epilogue: Epilogue<'a>,
    /// The group's part of each channel of the tile.
    rows: [&'a mut [f32]; MAX_TILE],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.gather.tile {
            [1, 8] => self.tiles::<S, 1, 8>(simd),
            [1, 6] => self.tiles::<S, 1, 6>(simd),
            [2, 8] => self.tiles::<S, 2, 8>(simd),
            [2, 4] => self.tiles::<S, 2, 4>(simd),
            [3, 6] => self.tiles::<S, 3, 6>(simd),
            [3, 3] => self.tiles::<S, 3, 3>(simd),
            [4, 6] => self.tiles::<S, 4, 6>(simd),
            [4, 3] => self.tiles::<S, 4, 3>(simd),
            [5, 4] => self.tiles::<S, 5, 4>(simd),
            [6, 4] => self.tiles::<S, 6, 4>(simd),
            [7, 3] => self.tiles::<S, 7, 3>(simd),
            [8, 3] => self.tiles::<S, 8, 3>(simd),
            other => unreachable!("no kernel for tiles of {other:?}"),
        }
    }
}

impl Task<'_> {
    /// Computes every tile of `H` channels × `W` columns.
    #[inline(always)]
    fn tiles<S: Simd, const H: usize, const W: usize>(mut self, simd: S) {
        let first = self.first_block * self.gather.pixels[0];
        let from = &vectors::<S>(self.from)[first..];
        for columns in self.columns {
            let sources = columns.sources.as_chunks::<W>().0;
            let destinations = columns.destinations.as_chunks::<W>().0;
            for (sources, destinations) in sources.iter().zip(destinations) {
                let sums = self.sum::<S, H, W>(simd, from, &columns.terms, sources);
                self.store(simd, &sums, destinations);
            }
        }
    }

    /// The sums of one tile, over blocks of at most [`MAX_TERMS`] terms.
    #[inline(always)]
    fn sum<S: Simd, const H: usize, const W: usize>(
        &self,
        simd: S,
        from: &[S::f32s],
        terms: &Terms,
        sources: &[u32; W],
    ) -> [[S::f32s; W]; H] {
        let weights = self.weights.as_chunks::<H>().0;
        let channels = self.gather.from_channels;
        let first = terms.of(channels);
        let mut sums = sum_terms(simd, from, weights, first, sources);
        let mut done = terms.channels;
        while done < channels {
            let from = &from[done * self.strides[0]..];
            let weights = &weights[done * self.gather.taps..];
            let next = terms.of(channels - done);
            let block: [[S::f32s; W]; H] = sum_terms(simd, from, weights, next, sources);
            for (sums, block) in sums.iter_mut().zip(&block) {
                for (sum, &block) in sums.iter_mut().zip(block) {
                    *sum = simd.add_f32s(*sum, block);
                }
            }
            done += terms.channels;
        }
        sums
    }

    #[inline(always)]
    fn store<S: Simd, const H: usize, const W: usize>(
        &mut self,
        simd: S,
        sums: &[[S::f32s; W]; H],
        destinations: &[u32; W],
    ) {
        let epilogue = self.epilogue;
        let first = self.first_block * self.gather.pixels[1];
        for i in 0..H {
            let channel = self.first_channel + i;
            if channel == self.gather.to_channels {
                break;
            }
            let bias = epilogue.bias(simd, channel);
            let row = vectors_mut::<S>(self.rows[i]);
            let mut values = sums[i];
            for value in &mut values {
                *value = simd.add_f32s(*value, bias);
            }
            let place = [channel, channel * self.strides[1] + first];
            let values = epilogue.finish(simd, place, row, destinations, values);
            for (&value, &to) in values.iter().zip(destinations) {
                row[to as usize] = value;
            }
        }
    }
}
