//! BatchNorm, `ReLU` and max-pooling in one: the normalized values are never stored.
//!
//! ```text
//! y[w] = max over the window w of relu(γ·x̂ + β)
//! ```
//!
//! The backward pass finds each window's largest value again. Its gradient goes to the first
//! largest, if that is above zero; the formulas are those of [`super::batchnorm`].

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::batchnorm::{BatchNorm, Saved, keep};
use super::isa::{mul_add, sum_lanes, vectors, vectors_mut};
use super::pool::MaxPool;

/// Windows that are summed in f32, to the end of a row.
const BLOCK: usize = 256;

/// BatchNorm, `ReLU` and pooling of one layer on one batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchNormPool {
    pub(super) batchnorm: BatchNorm,
    pub(super) pool: MaxPool,
}

impl BatchNormPool {
    /// Training mode: `y` are the pooled values.
    pub(super) fn train(
        &self,
        x: &[f32],
        [gamma, beta]: [&[f32]; 2],
        saved: &mut Vec<Saved>,
        y: &mut [f32],
    ) {
        let [from, to] = self.pool.rows();
        saved.resize(gamma.len(), Saved::default());
        let rows = x.par_chunks(from).zip(y.par_chunks_mut(to)).zip(saved);
        rows.enumerate().with_min_len(self.pool.min_rows()).for_each(
            |(c, ((x, y), saved))| {
                *saved = self.batchnorm.statistics(x, [gamma[c], beta[c]]);
                self.pool.isa.run(Forward { of: *self, affine: saved.affine, x, y });
            },
        );
    }

    /// Writes the gradients of γ and β; and dx, or adds it to what is there, if it is asked
    /// for.
    pub(super) fn backward(
        &self,
        [x, dy]: [&[f32]; 2],
        saved: &[Saved],
        dx: Option<(&mut [f32], bool)>,
        [d_gamma, d_beta]: [&mut [f32]; 2],
    ) {
        let [from, to] = self.pool.rows();
        let rows = x.par_chunks(from).zip(dy.par_chunks(to)).zip(saved);
        let gradients = d_gamma.par_iter_mut().zip(d_beta);
        let all = rows.zip(gradients).with_min_len(self.pool.min_rows());
        let run = |x, dy, saved, dx, [d_gamma, d_beta]: [&mut f32; 2]| {
            let [gamma, beta] =
                self.pool.isa.run(Backward { of: *self, saved, x, dy, dx });
            *d_gamma = gamma as f32;
            *d_beta = beta as f32;
        };
        match dx {
            None => all.for_each(|(((x, dy), saved), (d_gamma, d_beta))| {
                run(x, dy, *saved, None, [d_gamma, d_beta]);
            }),
            Some((dx, accumulate)) => all.zip(dx.par_chunks_mut(from)).for_each(
                |((((x, dy), saved), (d_gamma, d_beta)), dx)| {
                    run(x, dy, *saved, Some((dx, accumulate)), [d_gamma, d_beta]);
                },
            ),
        }
    }
}

struct Forward<'a> {
    of: BatchNormPool,
    affine: [f32; 3],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.of.pool.size {
            [2, 2] => self.run::<S, 2>(simd),
            _ => self.run::<S, 0>(simd),
        }
    }
}

impl Forward<'_> {
    /// `SIZE` is the size of windows as a constant, or 0 for any.
    #[inline(always)]
    fn run<S: Simd, const SIZE: usize>(self, simd: S) {
        let pool = self.of.pool.of_size::<SIZE>();
        let channel = Channel::<S>::new(simd, self.affine, self.x);
        let y = vectors_mut::<S>(self.y);
        let zero = simd.splat_f32s(0.0);
        for row in pool.rows_of_windows() {
            for column in 0..pool.to[1] {
                let [to, from] = pool.window(row, column);
                let (most, _) = channel.largest(simd, from, pool);
                let negative = simd.less_than_f32s(most, zero);
                y[to] = simd.select_f32s(negative, zero, most);
            }
        }
    }
}

/// A channel's input and its normalization.
struct Channel<'a, S: Simd> {
    x: &'a [S::f32s],
    mean: S::f32s,
    scale: S::f32s,
    shift: S::f32s,
}

impl<'a, S: Simd> Channel<'a, S> {
    #[inline(always)]
    fn new(simd: S, affine: [f32; 3], x: &'a [f32]) -> Self {
        let [mean, scale, shift] = affine.map(|value| simd.splat_f32s(value));
        Self { x: vectors::<S>(x), mean, scale, shift }
    }

    /// The centred input at a position, and the normalized one.
    #[inline(always)]
    fn at(&self, simd: S, position: usize) -> [S::f32s; 2] {
        let centred = simd.sub_f32s(self.x[position], self.mean);
        [centred, mul_add(simd, centred, self.scale, self.shift)]
    }

    /// The largest normalized value of a window (NaN if there is one), and the centred
    /// input there.
    #[inline(always)]
    fn largest(&self, simd: S, first: usize, pool: MaxPool) -> (S::f32s, S::f32s) {
        let [mut centred, mut most] = self.at(simd, first);
        for at in 1..pool.inputs() {
            let [input, value] = self.at(simd, first + pool.offset(at));
            let greater = simd.greater_than_f32s(value, most);
            let number = simd.equal_f32s(value, value);
            let take = simd.or_m32s(greater, simd.not_m32s(number));
            most = simd.select_f32s(take, value, most);
            centred = simd.select_f32s(take, input, centred);
        }
        (most, centred)
    }
}

/// The backward pass of one channel; gives dγ and dβ.
struct Backward<'a> {
    of: BatchNormPool,
    saved: Saved,
    x: &'a [f32],
    dy: &'a [f32],
    dx: Option<(&'a mut [f32], bool)>,
}

impl WithSimd for Backward<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [f64; 2] {
        match self.of.pool.size {
            [2, 2] => self.run::<S, 2>(simd),
            _ => self.run::<S, 0>(simd),
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, const SIZE: usize>(self, simd: S) -> [f64; 2] {
        let pool = self.of.pool.of_size::<SIZE>();
        let channel = Channel::<S>::new(simd, self.saved.affine, self.x);
        let dy = vectors::<S>(self.dy);
        let sums = sums(simd, &channel, dy, pool);
        let (gradients, terms) = self.of.batchnorm.gradients(&self.saved, sums);
        let Some((dx, accumulate)) = self.dx else { return gradients };
        let [constant, linear] = terms.map(|term| simd.splat_f32s(term));
        let zero = simd.splat_f32s(0.0);
        let mut dx = Gradient {
            dx: vectors_mut::<S>(dx),
            whole: self.of.batchnorm.whole(),
            lanes: self.of.batchnorm.last_lanes::<S>(),
            accumulate,
        };
        for row in pool.rows_of_windows() {
            for column in 0..pool.to[1] {
                let [to, from] = pool.window(row, column);
                let (most, _) = channel.largest(simd, from, pool);
                // What is left to give; zero once it is given.
                let mut rest = positive(simd, most, dy[to]);
                for at in 0..pool.inputs() {
                    let position = from + pool.offset(at);
                    let [centred, value] = channel.at(simd, position);
                    let here = simd.equal_f32s(value, most);
                    let given = simd.select_f32s(here, rest, zero);
                    rest = simd.select_f32s(here, zero, rest);
                    let through_statistics = mul_add(simd, centred, linear, constant);
                    let value = mul_add(simd, given, channel.scale, through_statistics);
                    dx.put(simd, position, value);
                }
            }
        }
        // Rows and columns that fill no window still share in mean and variance.
        for (row, first) in pool.rows_of_pixels() {
            for position in row + first..row + pool.from[1] {
                let [centred, _] = channel.at(simd, position);
                dx.put(simd, position, mul_add(simd, centred, linear, constant));
            }
        }
        gradients
    }
}

/// Where a channel's gradient goes.
struct Gradient<'a, S: Simd> {
    dx: &'a mut [S::f32s],
    whole: usize,
    lanes: S::f32s,
    accumulate: bool,
}

impl<S: Simd> Gradient<'_, S> {
    #[inline(always)]
    fn put(&mut self, simd: S, position: usize, value: S::f32s) {
        let value =
            if position < self.whole { value } else { keep(simd, self.lanes, value) };
        let to = &mut self.dx[position];
        *to = if self.accumulate { simd.add_f32s(*to, value) } else { value };
    }
}

/// Σ g·(x − mean) and Σ g over the windows' largest values.
#[inline(always)]
fn sums<S: Simd>(
    simd: S,
    channel: &Channel<'_, S>,
    dy: &[S::f32s],
    pool: MaxPool,
) -> [f64; 2] {
    let zero = [simd.splat_f32s(0.0); 2];
    let mut total = [0.0; 2];
    let mut block = [zero; 2];
    let mut count = 0;
    for row in pool.rows_of_windows() {
        for column in 0..pool.to[1] {
            let [to, from] = pool.window(row, column);
            let (most, centred) = channel.largest(simd, from, pool);
            let g = positive(simd, most, dy[to]);
            let [products, sum] = block[0];
            let products = mul_add(simd, g, centred, products);
            block = [block[1], [products, simd.add_f32s(sum, g)]];
        }
        count += pool.to[1];
        if count >= BLOCK {
            total = add(simd, total, block);
            (block, count) = ([zero; 2], 0);
        }
    }
    add(simd, total, block)
}

/// Adds a block's sums in f64.
#[inline(always)]
fn add<S: Simd>(simd: S, total: [f64; 2], block: [[S::f32s; 2]; 2]) -> [f64; 2] {
    let sum = |i: usize| sum_lanes::<S>(simd.add_f32s(block[0][i], block[1][i]));
    [total[0] + sum(0), total[1] + sum(1)]
}

/// `dy` where the window's largest value passes the `ReLU`, else 0.
#[inline(always)]
fn positive<S: Simd>(simd: S, most: S::f32s, dy: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.greater_than_f32s(most, zero), dy, zero)
}
