//! A map's values as one vector, as `torch.nn.Flatten` orders them: channel by channel, row by
//! row. Lanes stay together, so that each value moves with those of its block of images.

use rayon::prelude::*;

use super::tensor::Batch;

/// The vector of each image of one batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flatten {
    pub(super) batch: Batch,
    /// Pixels of a channel of the map.
    pub(super) pixels: usize,
}

impl Flatten {
    /// *Shapes* `x: [channel][block][pixel]`, `y: [channel·pixels + pixel][block]`, of lanes.
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let [from, to] = [self.pixels, 1].map(|pixels| self.batch.row(pixels));
        let lanes = self.batch.lanes;
        let min = self.batch.min_rows(1);
        y.par_chunks_mut(to).enumerate().with_min_len(min).for_each(|(feature, y)| {
            let x = &x[feature / self.pixels * from..][..from];
            let pixels = x.chunks_exact(lanes).skip(feature % self.pixels);
            let blocks = y.chunks_exact_mut(lanes).take(self.batch.blocks);
            for (y, x) in blocks.zip(pixels.step_by(self.pixels)) {
                y.copy_from_slice(x);
            }
        });
    }

    /// Puts, or adds, each feature's gradient to that of its pixel.
    pub(super) fn backward(&self, dy: &[f32], dx: &mut [f32], accumulate: bool) {
        let [from, to] = [self.pixels, 1].map(|pixels| self.batch.row(pixels));
        let lanes = self.batch.lanes;
        let min = self.batch.min_rows(self.pixels);
        dx.par_chunks_mut(from).enumerate().with_min_len(min).for_each(
            |(channel, dx)| {
                let count = self.batch.blocks * self.pixels;
                for (at, dx) in dx.chunks_exact_mut(lanes).take(count).enumerate() {
                    let (block, pixel) = (at / self.pixels, at % self.pixels);
                    let feature = channel * self.pixels + pixel;
                    let dy = &dy[feature * to + block * lanes..][..lanes];
                    if !accumulate {
                        dx.fill(0.0);
                    }
                    for (dx, dy) in dx.iter_mut().zip(dy) {
                        *dx += dy;
                    }
                }
            },
        );
    }
}
