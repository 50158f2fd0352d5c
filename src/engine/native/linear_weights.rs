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

use super::isa::{mul_add, vectors, vectors_mut};
use super::layernorm::Three;
use super::tensor::Buffer;
use super::tokens::{PANEL, Tokens, Workspace, Workspaces};

/// Channels of the broadcast side that a task has at most: their sums with all channels of
/// the other should stay in the second cache. More repeat the transposition less often.
const MAX_ROWS: usize = 192;

/// Panels whose products are added before the sums go back to memory.
const TOGETHER: usize = 2;

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

    /// Groups of broadcast channels: two or more, and an even number, for two threads.
    fn groups(&self) -> usize {
        self.sides()[1].div_ceil(MAX_ROWS).next_multiple_of(2)
    }

    /// Broadcast channels of a group.
    fn rows(&self) -> usize {
        self.sides()[1].div_ceil(self.groups())
    }

    fn strips(&self, tokens: Tokens) -> usize {
        self.sides()[0].div_ceil(Self::strip(tokens))
    }

    /// Sums of a group, `[strip][row][channel of the strip]`.
    fn group_size(&self, tokens: Tokens) -> usize {
        self.strips(tokens) * self.rows() * Self::strip(tokens)
    }

    /// Length of the scratch.
    pub(super) fn scratch_size(&self, tokens: Tokens) -> usize {
        self.groups() * self.group_size(tokens)
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
        let size = self.group_size(tokens);
        let found = scratch.get_mut(self.scratch_size(tokens));
        let [transposed, broadcast] =
            if self.transposes_inputs() { [z, dy] } else { [dy, z] };
        found.par_chunks_mut(size).enumerate().for_each(|(group, out)| {
            let packed = TOGETHER * strip * strip;
            let copied = TOGETHER * rows * strip;
            let mut lent = spaces.lend([packed, size, copied]);
            let Workspace { buffers: [strip_space, chunk_sums, copies], sums } =
                &mut lent.space;
            sums.clear();
            sums.resize(size, 0.0);
            let [_, all] = self.sides();
            tokens.isa.run(Task {
                channels: self.sides(),
                panels: tokens.chunk(),
                rows: (group * rows).min(all)..all.min((group + 1) * rows),
                group: rows,
                transposed,
                broadcast,
                packed: strip_space.get_mut(packed),
                copied: copies.get_mut(copied),
                chunk_sums: chunk_sums.get_mut(size),
                sums,
            });
            for (out, sum) in out.iter_mut().zip(&*sums) {
                *out = *sum as f32;
            }
        });
        let find = |transposed: usize, row: usize| {
            let strips = row / rows * self.strips(tokens) + transposed / strip;
            found[(strips * rows + row % rows) * strip + transposed % strip]
        };
        gradient.par_chunks_mut(self.inputs).enumerate().for_each(|(o, gradient)| {
            for (c, value) in gradient.iter_mut().enumerate() {
                *value = if self.transposes_inputs() { find(c, o) } else { find(o, c) };
            }
        });
    }
}

/// All channels of the transposed side with a group of rows of the other.
struct Task<'a> {
    /// Channels of the transposed and of the broadcast side.
    channels: [usize; 2],
    /// Panels in a chunk.
    panels: usize,
    rows: Range<usize>,
    /// Rows that a group has room for.
    group: usize,
    transposed: &'a [f32],
    broadcast: &'a [f32],
    /// Space for a strip of [`TOGETHER`] panels, and for the rows of these.
    packed: &'a mut [f32],
    copied: &'a mut [f32],
    /// Space for sums over a chunk, and over all.
    chunk_sums: &'a mut [f32],
    sums: &'a mut [f64],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (S::REGISTER_COUNT >= 32, S::F32_LANES) {
            (true, 16) => self.chunks::<S, 8, 16>(simd),
            (true, 4) => self.chunks::<S, 8, 4>(simd),
            (false, 8) => self.chunks::<S, 4, 8>(simd),
            (false, 4) => self.chunks::<S, 4, 4>(simd),
            other => unreachable!("no kernel for vectors of {other:?}"),
        }
    }
}

impl Task<'_> {
    /// Panels are walked in the order in which they lie in memory, each read once; the sums
    /// of all rows stay in the second cache meanwhile.
    #[inline(always)]
    fn chunks<S: Simd, const H: usize, const L: usize>(mut self, simd: S) {
        let width = PANEL * L;
        let [transposed, broadcast] = self.channels.map(|channels| channels * width);
        let chunks = self.transposed.chunks(self.panels * transposed);
        for (from, rows) in chunks.zip(self.broadcast.chunks(self.panels * broadcast)) {
            self.chunk_sums.fill(0.0);
            let few = from.chunks(TOGETHER * transposed);
            for (from, rows) in few.zip(rows.chunks(TOGETHER * broadcast)) {
                let own = self.rows.start * width..self.rows.end * width;
                let copies = self.copied.chunks_exact_mut(self.group * width);
                for (copy, panel) in copies.zip(rows.chunks_exact(broadcast)) {
                    copy[..own.len()].copy_from_slice(&panel[own.clone()]);
                }
                self.strips::<S, H, L>(simd, from);
            }
            for (sum, &term) in self.sums.iter_mut().zip(&*self.chunk_sums) {
                *sum += f64::from(term);
            }
        }
    }

    /// Adds the products of some panels to the chunk's sums.
    #[inline(always)]
    fn strips<S: Simd, const H: usize, const L: usize>(&mut self, simd: S, from: &[f32]) {
        let width = PANEL * L;
        let n_panels = from.len() / (self.channels[0] * width);
        let size = self.group * width;
        for strip in 0..self.channels[0].div_ceil(width) {
            self.transpose::<S, L>(simd, from, strip * width);
            let packed = vectors::<S>(self.packed).as_chunks::<PANEL>().0;
            let sums = &mut self.chunk_sums[strip * size..][..size];
            let sums = vectors_mut::<S>(sums).as_chunks_mut::<PANEL>().0;
            for (t, sums) in sums[..self.rows.len()].chunks_mut(H).enumerate() {
                // Rows past the last repeat it; nobody reads their sums.
                let count = sums.len();
                let mut tile = [[simd.splat_f32s(0.0); PANEL]; H];
                tile[..count].copy_from_slice(sums);
                let panels = self.copied.chunks_exact(size).take(n_panels);
                for (panel, packed) in panels.zip(packed.chunks_exact(width)) {
                    let mut values: [&[f32]; H] = [&[]; H];
                    for (i, values) in values.iter_mut().enumerate() {
                        *values = &panel[(t * H + i.min(count - 1)) * width..][..width];
                    }
                    tile = multiply(simd, values, packed, tile);
                }
                sums.copy_from_slice(&tile[..count]);
            }
        }
    }

    /// Lays the strip's channels side by side: `[panel][token, lane][channel]`.
    #[inline(always)]
    fn transpose<S: Simd, const L: usize>(
        &mut self,
        simd: S,
        from: &[f32],
        first: usize,
    ) {
        let channels = self.channels[0];
        let zero = simd.splat_f32s(0.0);
        let masks = Masks::<S>::new::<L>(simd);
        let from = vectors::<S>(from).as_chunks::<PANEL>().0;
        let to = vectors_mut::<S>(self.packed).as_chunks_mut::<PANEL>().0;
        for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(PANEL * L))
        {
            let from = &from[first..channels.min(first + PANEL * L)];
            for (token, to) in to.chunks_exact_mut(L).enumerate() {
                for group in 0..PANEL {
                    let mut tile = [zero; L];
                    let channels = from.iter().skip(group * L);
                    for (row, channel) in tile.iter_mut().zip(channels) {
                        *row = channel[token];
                    }
                    let tile = masks.transpose(simd, tile);
                    for (to, row) in to.iter_mut().zip(tile) {
                        to[group] = row;
                    }
                }
            }
        }
    }
}

/// Lanes whose number has bit 0, 1, 2, 3 clear.
struct Masks<S: Simd>([S::m32s; 4]);

impl<S: Simd> Masks<S> {
    #[inline(always)]
    fn new<const L: usize>(simd: S) -> Self {
        let zero = simd.splat_f32s(0.0);
        let mut masks = [simd.greater_than_f32s(zero, zero); 4];
        for (bit, mask) in masks.iter_mut().enumerate() {
            let mut flags = zero;
            let lanes: &mut [f32] =
                pulp::bytemuck::cast_slice_mut(std::slice::from_mut(&mut flags));
            for (lane, flag) in lanes.iter_mut().enumerate() {
                *flag = f32::from(u8::from(lane & (1 << bit) == 0));
            }
            *mask = simd.greater_than_f32s(flags, zero);
        }
        Self(masks)
    }

    /// Exchanges rows and lanes of a square tile: for each bit, blocks off the diagonal.
    #[inline(always)]
    fn transpose<const L: usize>(&self, simd: S, mut rows: [S::f32s; L]) -> [S::f32s; L] {
        for bit in 0..L.ilog2() as usize {
            let step = 1 << bit;
            for i in 0..L {
                if i & step == 0 {
                    let [a, b] = [rows[i], rows[i | step]];
                    let up = simd.rotate_right_f32s(b, step);
                    let down = simd.rotate_left_f32s(a, step);
                    rows[i] = simd.select_f32s(self.0[bit], a, up);
                    rows[i | step] = simd.select_f32s(self.0[bit], down, b);
                }
            }
        }
        rows
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
