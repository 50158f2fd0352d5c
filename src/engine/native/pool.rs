//! Max-pooling over windows that do not overlap, and the mean over all positions.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::{Isa, vectors, vectors_mut};
use super::tensor::Batch;

/// Max-pooling of one layer on one batch; rows and columns that fill no window are dropped.
#[derive(Debug, Clone, Copy)]
pub(super) struct MaxPool {
    pub(super) isa: Isa,
    pub(super) batch: Batch,
    /// Height and width of a window.
    pub(super) size: [usize; 2],
    /// Height and width of input and output.
    pub(super) from: [usize; 2],
    pub(super) to: [usize; 2],
}

impl MaxPool {
    pub(super) fn rows(&self) -> [usize; 2] {
        [self.from, self.to].map(|side| self.batch.row(side[0] * side[1]))
    }

    /// `y` = the largest value of each window; NaN if there is one.
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let [from, to] = self.rows();
        let rows = x.par_chunks(from).zip(y.par_chunks_mut(to));
        rows.with_min_len(self.min_rows())
            .for_each(|(x, y)| self.isa.run(Forward { of: *self, x, y }));
    }

    /// Adds each `dy` to the first largest value of its window, or starts from zeros.
    pub(super) fn backward(
        &self,
        x: &[f32],
        dy: &[f32],
        dx: &mut [f32],
        accumulate: bool,
    ) {
        let [from, to] = self.rows();
        let rows = x.par_chunks(from).zip(dy.par_chunks(to)).zip(dx.par_chunks_mut(from));
        rows.with_min_len(self.min_rows()).for_each(|((x, dy), dx)| {
            if !accumulate {
                dx.fill(0.0);
            }
            self.isa.run(Backward { of: *self, x, dy, dx });
        });
    }

    pub(super) fn min_rows(&self) -> usize {
        self.batch.min_rows(self.from[0] * self.from[1])
    }

    /// The same with the size of windows as a constant that the compiler can unroll by, where
    /// `SIZE` is not 0.
    #[inline(always)]
    pub(super) fn of_size<const SIZE: usize>(self) -> Self {
        Self { size: if SIZE == 0 { self.size } else { [SIZE; 2] }, ..self }
    }

    /// Calls with the position of each output and of the first input of its window.
    #[inline(always)]
    fn for_each_window(&self, mut f: impl FnMut(usize, usize)) {
        for row in self.rows_of_windows() {
            for column in 0..self.to[1] {
                let [to, from] = self.window(row, column);
                f(to, from);
            }
        }
    }

    /// Block and row of each row of windows.
    #[inline(always)]
    pub(super) fn rows_of_windows(&self) -> std::ops::Range<usize> {
        0..self.batch.blocks * self.to[0]
    }

    /// Positions of an output in a row of windows, and of the first input of its window.
    #[inline(always)]
    pub(super) fn window(&self, row: usize, column: usize) -> [usize; 2] {
        let [block, row] = [row / self.to[0], row % self.to[0]];
        let to = (block * self.to[0] + row) * self.to[1] + column;
        let from = (block * self.from[0] + row * self.size[0]) * self.from[1];
        [to, from + column * self.size[1]]
    }

    /// Each row of inputs: the position of its first pixel, and the first of its columns
    /// that is in no window.
    pub(super) fn rows_of_pixels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let ([height, width], of) = (self.from, *self);
        (0..self.batch.blocks * height).map(move |row| {
            let inside = row % height < of.to[0] * of.size[0];
            (row * width, if inside { of.to[1] * of.size[1] } else { 0 })
        })
    }

    /// Inputs of a window.
    #[inline(always)]
    pub(super) fn inputs(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Offset of a window's input `at`, in row-major order, from its first.
    #[inline(always)]
    pub(super) fn offset(&self, at: usize) -> usize {
        at / self.size[1] * self.from[1] + at % self.size[1]
    }

    /// Offsets of a window's inputs from its first, in row-major order.
    #[inline(always)]
    fn offsets(&self) -> impl Iterator<Item = usize> + use<> {
        let (size, width) = (self.size, self.from[1]);
        (0..size[0])
            .flat_map(move |row| (0..size[1]).map(move |column| row * width + column))
    }
}

struct Forward<'a> {
    of: MaxPool,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let x = vectors::<S>(self.x);
        let y = vectors_mut::<S>(self.y);
        self.of.for_each_window(|to, from| {
            y[to] = window_max(simd, x, from, self.of);
        });
    }
}

#[inline(always)]
fn window_max<S: Simd>(simd: S, x: &[S::f32s], first: usize, of: MaxPool) -> S::f32s {
    let mut most = x[first];
    for offset in of.offsets() {
        let value = x[first + offset];
        let greater = simd.greater_than_f32s(value, most);
        let number = simd.equal_f32s(value, value);
        let take = simd.or_m32s(greater, simd.not_m32s(number));
        most = simd.select_f32s(take, value, most);
    }
    most
}

struct Backward<'a> {
    of: MaxPool,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let x = vectors::<S>(self.x);
        let dy = vectors::<S>(self.dy);
        let dx = vectors_mut::<S>(self.dx);
        let zero = simd.splat_f32s(0.0);
        self.of.for_each_window(|to, from| {
            let most = window_max(simd, x, from, self.of);
            // What is left to give; zero once it is given.
            let mut rest = dy[to];
            for offset in self.of.offsets() {
                let here = simd.equal_f32s(x[from + offset], most);
                let given = simd.select_f32s(here, rest, zero);
                rest = simd.select_f32s(here, zero, rest);
                dx[from + offset] = simd.add_f32s(dx[from + offset], given);
            }
        });
    }
}

/// The mean over all positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct GlobalAvgPool {
    pub(super) isa: Isa,
    pub(super) batch: Batch,
    pub(super) pixels: usize,
}

impl GlobalAvgPool {
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let rows = x.par_chunks(self.batch.row(self.pixels));
        rows.zip(y.par_chunks_mut(self.batch.row(1)))
            .with_min_len(self.batch.min_rows(self.pixels))
            .for_each(|(x, y)| self.isa.run(Mean { of: *self, x, y }));
    }

    /// Spreads `dy` evenly.
    pub(super) fn backward(&self, dy: &[f32], dx: &mut [f32], accumulate: bool) {
        let rows = dy.par_chunks(self.batch.row(1));
        rows.zip(dx.par_chunks_mut(self.batch.row(self.pixels)))
            .with_min_len(self.batch.min_rows(self.pixels))
            .for_each(|(dy, dx)| self.isa.run(Spread { of: *self, dy, dx, accumulate }));
    }
}

struct Mean<'a> {
    of: GlobalAvgPool,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Mean<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scale = simd.splat_f32s((1.0 / self.of.pixels as f64) as f32);
        let blocks = vectors::<S>(self.x).chunks_exact(self.of.pixels);
        let y = &mut vectors_mut::<S>(self.y)[..self.of.batch.blocks];
        for (y, pixels) in y.iter_mut().zip(blocks) {
            let mut sum = simd.splat_f32s(0.0);
            for &x in pixels {
                sum = simd.add_f32s(sum, x);
            }
            *y = simd.mul_f32s(sum, scale);
        }
    }
}

struct Spread<'a> {
    of: GlobalAvgPool,
    dy: &'a [f32],
    dx: &'a mut [f32],
    accumulate: bool,
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let scale = simd.splat_f32s((1.0 / self.of.pixels as f64) as f32);
        let blocks = vectors_mut::<S>(self.dx).chunks_exact_mut(self.of.pixels);
        let dy = &vectors::<S>(self.dy)[..self.of.batch.blocks];
        for (pixels, &dy) in blocks.zip(dy) {
            let share = simd.mul_f32s(dy, scale);
            for dx in pixels {
                *dx = if self.accumulate { simd.add_f32s(*dx, share) } else { share };
            }
        }
    }
}
