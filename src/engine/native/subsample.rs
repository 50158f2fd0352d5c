//! The shortcut without parameters: every `stride`-th pixel, and channels of zeros before and
//! behind the input's.

use rayon::prelude::*;

use super::tensor::Batch;
use crate::net::Shape;

/// The shortcut of one layer on one batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subsample {
    batch: Batch,
    stride: usize,
    from: Shape,
    to: Shape,
    /// Channels of zeros before the input's.
    before: usize,
}

impl Subsample {
    pub(super) fn new(batch: Batch, stride: usize, [from, to]: [Shape; 2]) -> Self {
        let before = (to.channels - from.channels) / 2;
        Self { batch, stride, from, to, before }
    }

    fn rows(&self) -> [usize; 2] {
        [self.from, self.to].map(|shape| self.batch.row(shape.height * shape.width))
    }

    /// Calls with the first value of each pixel's lanes, in a channel's input and output.
    fn for_each_pixel(&self, mut f: impl FnMut(usize, usize)) {
        let lanes = self.batch.lanes;
        for block in 0..self.batch.blocks {
            for y in 0..self.to.height {
                for x in 0..self.to.width {
                    let row = block * self.from.height + y * self.stride;
                    let from = row * self.from.width + x * self.stride;
                    let to = (block * self.to.height + y) * self.to.width + x;
                    f(from * lanes, to * lanes);
                }
            }
        }
    }

    pub(super) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let [from, to] = self.rows();
        let inputs = self.before..self.before + self.from.channels;
        let min = self.batch.min_rows(self.to.height * self.to.width);
        y.par_chunks_mut(to).enumerate().with_min_len(min).for_each(|(channel, y)| {
            if !inputs.contains(&channel) {
                y.fill(0.0);
                return;
            }
            let x = &x[(channel - self.before) * from..][..from];
            let lanes = self.batch.lanes;
            self.for_each_pixel(|from, to| {
                y[to..to + lanes].copy_from_slice(&x[from..from + lanes]);
            });
        });
    }

    /// Gives each pixel that was taken its gradient, the others 0.
    pub(super) fn backward(&self, dy: &[f32], dx: &mut [f32], accumulate: bool) {
        let [from, to] = self.rows();
        let min = self.batch.min_rows(self.from.height * self.from.width);
        dx.par_chunks_mut(from).enumerate().with_min_len(min).for_each(
            |(channel, dx)| {
                if !accumulate {
                    dx.fill(0.0);
                }
                let dy = &dy[(self.before + channel) * to..][..to];
                let lanes = self.batch.lanes;
                self.for_each_pixel(|from, to| {
                    for (dx, dy) in
                        dx[from..from + lanes].iter_mut().zip(&dy[to..to + lanes])
                    {
                        *dx += dy;
                    }
                });
            },
        );
    }
}
