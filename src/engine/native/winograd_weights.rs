//! The gradient of the weights through the transforms of `winograd.rs`:
//!
//! ```text
//! dw[o, c] = Gᵀ dU G        dU[o, c] = Σ_images Σ_tiles (A dy[o] Aᵀ) ⊙ (Bᵀ d[c] B)
//! ```
//!
//! The images are cut into chunks of tiles that depend on the layer's shape alone, and a chunk
//! into spans that fit the second cache. A line of dU — 4 of its 16 positions — at a time, a
//! span is transformed and multiplied; its sums stay in the lanes, are added over lanes, and
//! the chunks are added in f64 in order. The minus sign of A's last row is left to the end.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::conv_weights::tile;
use super::geometry::Windows;
use super::isa::{Isa, mul_add, vectors, vectors_mut};
use super::tensor::{Batch, Buffer, with_scratch};
use super::winograd::products_of_tile;
use super::winograd_tile::{POSITIONS, REDUCE, weights_from_transformed};

/// Tiles that a chunk has, where the images allow it.
const CHUNK_TILES: usize = 256;

/// Tiles that a span has at most: eight rows of them should stay in the first cache.
const SPAN_TILES: usize = 64;

/// Values of a span, as they are and transformed, that should stay in the second cache.
const SPAN_VALUES: usize = 192 << 10;

/// Chunks that are enough tasks.
const MANY_CHUNKS: usize = 4;

/// Gradient of the weights of one 3×3 layer.
#[derive(Debug, Clone)]
pub(super) struct WinogradGradient {
    isa: Isa,
    inputs: usize,
    outputs: usize,
    /// Height and width of the image.
    sides: [usize; 2],
    /// Output and input channels in a register tile.
    tile: [usize; 2],
}

impl WinogradGradient {
    /// Whether fewer products are worth the transforms; see `Winograd::suits`.
    pub(super) fn suits(
        isa: Isa,
        windows: &Windows,
        inputs: usize,
        outputs: usize,
    ) -> bool {
        let Some(products) = products_of_tile(windows) else {
            return false;
        };
        let product = if isa.registers() >= 32 { 0.66 } else { 1.1 };
        let saved = product * products - 0.75 * POSITIONS as f64;
        let [inputs, outputs] = [inputs as f64, outputs as f64];
        saved * inputs * outputs > 65.0 * inputs + 60.0 * outputs
    }

    pub(super) fn new(
        isa: Isa,
        sides: [usize; 2],
        inputs: usize,
        outputs: usize,
    ) -> Self {
        let tile = tile(isa, inputs, outputs);
        Self { isa, inputs, outputs, sides, tile }
    }

    /// Tiles of an image, down and across.
    fn tiles(&self) -> [usize; 2] {
        self.sides.map(|side| side.div_ceil(2))
    }

    /// Rows of tiles in a chunk.
    fn chunk(&self) -> usize {
        (CHUNK_TILES / self.tiles()[1]).max(1)
    }

    /// Rows of tiles in a span.
    fn span(&self) -> usize {
        let across = self.tiles()[1];
        let tile = 8 * (self.inputs + self.outputs) * self.isa.lanes();
        (SPAN_VALUES / tile).clamp(SPAN_TILES / 4, SPAN_TILES).div_ceil(across)
    }

    /// Values of one line of a chunk's dU.
    fn line(&self) -> usize {
        4 * self.inputs * self.outputs
    }

    fn chunks(&self, blocks: usize) -> usize {
        (blocks * self.tiles()[0]).div_ceil(self.chunk())
    }

    /// Length of the scratch for a batch of so many blocks.
    pub(super) fn scratch_size(&self, blocks: usize) -> usize {
        4 * self.line() * self.chunks(blocks)
    }

    /// Writes the weights' gradient in PyTorch's layout.
    pub(super) fn run(
        &self,
        batch: Batch,
        [x, dy]: [&[f32]; 2],
        scratch: &mut Buffer,
        gradient: &mut [f32],
    ) {
        let rows = batch.blocks * self.tiles()[0];
        let partials = scratch.get_mut(self.scratch_size(batch.blocks));
        // Lines that a task computes: all, to read the images once, if chunks are many.
        let lines = if self.chunks(batch.blocks) >= MANY_CHUNKS { 4 } else { 1 };
        partials.par_chunks_mut(lines * self.line()).enumerate().for_each(
            |(index, out)| {
                let [chunk, line] = [index * lines / 4, index * lines % 4];
                let rows = [chunk, chunk + 1].map(|chunk| rows.min(chunk * self.chunk()));
                let vectors =
                    4 * (self.inputs + self.outputs) * self.span() * self.tiles()[1];
                with_scratch((vectors + self.sides[1]) * batch.lanes, |scratch| {
                    let task = Task { of: self, batch, x, dy, rows, line, scratch, out };
                    self.isa.run(task);
                });
            },
        );
        let partials = scratch.get(self.scratch_size(batch.blocks));
        let row = 9 * self.inputs;
        gradient.par_chunks_mut(row).with_min_len(16).enumerate().for_each(
            |(output, gradient)| {
                self.isa.run(Finish { of: self, partials, output, gradient });
            },
        );
    }
}

/// One or all lines of dU over a chunk.
struct Task<'a> {
    of: &'a WinogradGradient,
    batch: Batch,
    x: &'a [f32],
    dy: &'a [f32],
    /// First row of tiles and the one behind the last, counted over all blocks.
    rows: [usize; 2],
    /// The first line.
    line: usize,
    /// Zeros, a line of the transformed x, and of dy.
    scratch: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.of.tile {
            [1, 1] => self.spans::<S, 1, 1>(simd),
            [1, 2] => self.spans::<S, 1, 2>(simd),
            [1, 3] => self.spans::<S, 1, 3>(simd),
            [1, 4] => self.spans::<S, 1, 4>(simd),
            [2, 1] => self.spans::<S, 2, 1>(simd),
            [2, 2] => self.spans::<S, 2, 2>(simd),
            [2, 3] => self.spans::<S, 2, 3>(simd),
            [2, 4] => self.spans::<S, 2, 4>(simd),
            [3, 1] => self.spans::<S, 3, 1>(simd),
            [3, 2] => self.spans::<S, 3, 2>(simd),
            [3, 3] => self.spans::<S, 3, 3>(simd),
            [3, 4] => self.spans::<S, 3, 4>(simd),
            [4, 1] => self.spans::<S, 4, 1>(simd),
            [4, 2] => self.spans::<S, 4, 2>(simd),
            [4, 3] => self.spans::<S, 4, 3>(simd),
            [4, 4] => self.spans::<S, 4, 4>(simd),
            other => unreachable!("no kernel for tiles of {other:?}"),
        }
    }
}

impl Task<'_> {
    #[inline(always)]
    fn spans<S: Simd, const O: usize, const C: usize>(mut self, simd: S) {
        let WinogradGradient { inputs, outputs, sides, .. } = *self.of;
        let scratch = vectors_mut::<S>(std::mem::take(&mut self.scratch));
        let (zeros, scratch) = scratch.split_at_mut(sides[1]);
        zeros.fill(simd.splat_f32s(0.0));
        self.out.fill(0.0);
        let across = self.of.tiles()[1];
        for first in (self.rows[0]..self.rows[1]).step_by(self.of.span()) {
            let rows = [first, self.rows[1].min(first + self.of.span())];
            let n = (rows[1] - rows[0]) * across;
            let (v, w) =
                scratch[..4 * (inputs + outputs) * n].split_at_mut(4 * inputs * n);
            for i in 0..self.out.len() / self.of.line() {
                self.transform_x(simd, self.line + i, rows, zeros, v);
                self.transform_dy(simd, self.line + i, rows, zeros, w);
                let out = &mut self.out[i * self.of.line()..][..self.of.line()];
                let v = v.chunks_exact(inputs * n);
                let positions = v.zip(w.chunks_exact(outputs * n));
                let out = out.chunks_exact_mut(inputs * outputs);
                for ((v, w), out) in positions.zip(out) {
                    multiply::<S, O, C>(simd, v, w, n, [inputs, outputs], out);
                }
            }
        }
    }

    /// A line of Bᵀ d B for rows of tiles, as `[position][channel][tile]`.
    #[inline(always)]
    fn transform_x<S: Simd>(
        &self,
        simd: S,
        transformed: usize,
        rows: [usize; 2],
        zeros: &[S::f32s],
        v: &mut [S::f32s],
    ) {
        let [height, width] = self.of.sides;
        let [down, across] = self.of.tiles();
        let n = (rows[1] - rows[0]) * across;
        let stride = self.batch.stride(height * width);
        let [a, b, c, d] = quarters(v, self.of.inputs * n);
        for channel in 0..self.of.inputs {
            let x = &vectors::<S>(self.x)[channel * stride..][..stride];
            for row in rows[0]..rows[1] {
                // Lines of d are those of the image from one above the tile.
                let [block, top] = [row / down, 2 * (row % down)];
                let line = |k: usize| {
                    if (1..=height).contains(&(top + k)) {
                        &x[(block * height + top + k - 1) * width..][..width]
                    } else {
                        zeros
                    }
                };
                let at = channel * n + (row - rows[0]) * across;
                let out = [
                    &mut a[at..][..across],
                    &mut b[at..][..across],
                    &mut c[at..][..across],
                    &mut d[at..][..across],
                ];
                match transformed {
                    0 => x_row(simd, line(0), line(2), |p, q| simd.sub_f32s(p, q), out),
                    1 => x_row(simd, line(1), line(2), |p, q| simd.add_f32s(p, q), out),
                    2 => x_row(simd, line(2), line(1), |p, q| simd.sub_f32s(p, q), out),
                    _ => x_row(simd, line(1), line(3), |p, q| simd.sub_f32s(p, q), out),
                }
            }
        }
    }

    /// A line of A dy Aᵀ for rows of tiles, as `[position][channel][tile]`.
    #[inline(always)]
    fn transform_dy<S: Simd>(
        &self,
        simd: S,
        transformed: usize,
        rows: [usize; 2],
        zeros: &[S::f32s],
        w: &mut [S::f32s],
    ) {
        let [height, width] = self.of.sides;
        let [down, across] = self.of.tiles();
        let n = (rows[1] - rows[0]) * across;
        let stride = self.batch.stride(height * width);
        let [a, b, c, d] = quarters(w, self.of.outputs * n);
        for channel in 0..self.of.outputs {
            let dy = &vectors::<S>(self.dy)[channel * stride..][..stride];
            for row in rows[0]..rows[1] {
                let [block, y] = [row / down, 2 * (row % down)];
                let top = &dy[(block * height + y) * width..];
                let (top, below) = top.split_at(width);
                let bottom = if y + 1 < height { &below[..width] } else { zeros };
                let at = channel * n + (row - rows[0]) * across;
                let out = [
                    &mut a[at..][..across],
                    &mut b[at..][..across],
                    &mut c[at..][..across],
                    &mut d[at..][..across],
                ];
                match transformed {
                    0 => dy_row(simd, top, top, |p, _| p, out),
                    1 => dy_row(simd, top, bottom, |p, q| simd.add_f32s(p, q), out),
                    2 => dy_row(simd, top, bottom, |p, q| simd.sub_f32s(p, q), out),
                    _ => dy_row(simd, bottom, bottom, |p, _| p, out),
                }
            }
        }
    }
}

/// Four parts of equal length.
#[inline(always)]
fn quarters<T>(values: &mut [T], len: usize) -> [&mut [T]; 4] {
    let (a, rest) = values.split_at_mut(len);
    let (b, rest) = rest.split_at_mut(len);
    let (c, d) = rest.split_at_mut(len);
    [a, b, c, d]
}

/// A row of tiles of Bᵀ d B from two lines and how they are combined.
#[inline(always)]
fn x_row<S: Simd>(
    simd: S,
    p: &[S::f32s],
    q: &[S::f32s],
    combine: impl Fn(S::f32s, S::f32s) -> S::f32s,
    [out_a, out_b, out_c, out_d]: [&mut [S::f32s]; 4],
) {
    let zero = simd.splat_f32s(0.0);
    let [mut a, mut b] = [zero, combine(p[0], q[0])];
    let pairs = p[1..].as_chunks::<2>().0.iter().zip(q[1..].as_chunks::<2>().0);
    let mut x = 0;
    for (p, q) in pairs {
        let [c, d] = [combine(p[0], q[0]), combine(p[1], q[1])];
        out_a[x] = simd.sub_f32s(a, c);
        out_b[x] = simd.add_f32s(b, c);
        out_c[x] = simd.sub_f32s(c, b);
        out_d[x] = simd.sub_f32s(b, d);
        [a, b] = [c, d];
        x += 1;
    }
    // The last tile reads one column beyond an even side, two beyond an odd one.
    let last = p.len() - 1;
    let c = if last % 2 == 1 { combine(p[last], q[last]) } else { zero };
    out_a[x] = simd.sub_f32s(a, c);
    out_b[x] = simd.add_f32s(b, c);
    out_c[x] = simd.sub_f32s(c, b);
    out_d[x] = b;
}

/// A row of tiles of A dy Aᵀ, the last position without its sign.
#[inline(always)]
fn dy_row<S: Simd>(
    simd: S,
    p: &[S::f32s],
    q: &[S::f32s],
    combine: impl Fn(S::f32s, S::f32s) -> S::f32s,
    [out_a, out_b, out_c, out_d]: [&mut [S::f32s]; 4],
) {
    let (p, last_p) = p.as_chunks::<2>();
    let (q, last_q) = q.as_chunks::<2>();
    for (x, (p, q)) in p.iter().zip(q).enumerate() {
        let [a, b] = [combine(p[0], q[0]), combine(p[1], q[1])];
        out_a[x] = a;
        out_b[x] = simd.add_f32s(a, b);
        out_c[x] = simd.sub_f32s(a, b);
        out_d[x] = b;
    }
    if let ([p], [q]) = (last_p, last_q) {
        let (x, a) = (out_a.len() - 1, combine(*p, *q));
        out_a[x] = a;
        out_b[x] = a;
        out_c[x] = a;
        out_d[x] = simd.splat_f32s(0.0);
    }
}

/// Adds Σ w[o]·v[c] over `n` tiles and the lanes to `out[o][c]`.
#[inline(always)]
fn multiply<S: Simd, const O: usize, const C: usize>(
    simd: S,
    v: &[S::f32s],
    w: &[S::f32s],
    n: usize,
    [inputs, outputs]: [usize; 2],
    out: &mut [f32],
) {
    for first_output in (0..outputs).step_by(O) {
        let w = rows::<S, O>(w, n, first_output, outputs);
        for first_input in (0..inputs).step_by(C) {
            let v = rows::<S, C>(v, n, first_input, inputs);
            let sums = dot::<S, O, C>(simd, &w, &v, n);
            for o in 0..O.min(outputs - first_output) {
                let out = &mut out[(first_output + o) * inputs + first_input..];
                for c in 0..C.min(inputs - first_input) {
                    out[c] += simd.reduce_sum_f32s(sums[o][c]);
                }
            }
        }
    }
}

/// Rows of `n` vectors; what lies beyond the last row repeats it.
#[inline(always)]
fn rows<S: Simd, const N: usize>(
    values: &[S::f32s],
    n: usize,
    first: usize,
    all: usize,
) -> [&[S::f32s]; N] {
    let mut rows: [&[S::f32s]; N] = [&[]; N];
    for i in 0..N {
        rows[i] = &values[(first + i).min(all - 1) * n..][..n];
    }
    rows
}

#[inline(always)]
fn dot<S: Simd, const O: usize, const C: usize>(
    simd: S,
    w: &[&[S::f32s]; O],
    v: &[&[S::f32s]; C],
    n: usize,
) -> [[S::f32s; C]; O] {
    let mut sums = [[simd.splat_f32s(0.0); C]; O];
    for t in 0..n {
        for o in 0..O {
            let w = w[o][t];
            for c in 0..C {
                sums[o][c] = mul_add(simd, w, v[c][t], sums[o][c]);
            }
        }
    }
    sums
}

/// The gradient of one output channel's weights from all chunks.
struct Finish<'a> {
    of: &'a WinogradGradient,
    partials: &'a [f32],
    output: usize,
    gradient: &'a mut [f32],
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let inputs = self.of.inputs;
        let position = inputs * self.of.outputs;
        for (block, out) in self.gradient.chunks_mut(9 * REDUCE).enumerate() {
            let n = out.len() / 9;
            let first = self.output * inputs + block * REDUCE;
            let mut all = [[0.0; REDUCE]; POSITIONS];
            for chunk in self.partials.chunks_exact(POSITIONS * position) {
                for k in 0..POSITIONS {
                    let terms = &chunk[k * position + first..][..n];
                    for (sum, &term) in all[k].iter_mut().zip(terms) {
                        *sum += f64::from(term);
                    }
                }
            }
            let taps = weights_from_transformed(&all);
            for (tap, values) in taps.iter().enumerate() {
                for (c, &value) in values[..n].iter().enumerate() {
                    out[9 * c + tap] = value as f32;
                }
            }
        }
    }
}
