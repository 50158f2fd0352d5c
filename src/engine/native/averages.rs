//! Adaptive average pooling of a map on its way out of an evaluation, while it is in the cache:
//! what leaves is a small part of what was computed.
#![allow(clippy::inline_always)] // Vector code must be inlined where it is dispatched.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::isa::Isa;
use super::tensor::Batch;
use crate::net::Shape;

/// Averages an activation to `[n, channels, side, side]`: the windows, and the sums in f64, of
/// `probe::features::adaptive_average_pool`.
pub(super) fn average_to(
    side: usize,
    isa: Isa,
    (value, shape): (&[f32], Shape),
    batch: Batch,
    out: &mut [f32],
) {
    match batch.lanes {
        16 => isa.run(Averages::<16> { value, shape, side, batch, out }),
        8 => isa.run(Averages::<8> { value, shape, side, batch, out }),
        lanes => {
            assert_eq!(lanes, 4, "lanes of a vector");
            isa.run(Averages::<4> { value, shape, side, batch, out });
        }
    }
}

struct Averages<'a, const LANES: usize> {
    value: &'a [f32],
    shape: Shape,
    side: usize,
    batch: Batch,
    out: &'a mut [f32],
}

impl<const LANES: usize> WithSimd for Averages<'_, LANES> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { value, shape, side, batch, out } = self;
        let Shape { channels, height, width } = shape;
        let (rows, columns) = (windows(height, side), windows(width, side));
        let pixels = height * width;
        let features = channels * side * side;
        // Of one channel: dividing and rounding stay in vectors, and an image's averages are
        // then written one after the other.
        let mut averages = vec![[0.0; LANES]; side * side];
        for (block, images) in out.chunks_mut(LANES * features).enumerate() {
            for c in 0..channels {
                let from = c * batch.row(pixels) + block * pixels * LANES;
                let (map, _) = value[from..][..pixels * LANES].as_chunks::<LANES>();
                for (rows, averages) in rows.iter().zip(averages.chunks_mut(side)) {
                    for (columns, average) in columns.iter().zip(averages) {
                        let mut sums = [0.0; LANES];
                        for y in rows.clone() {
                            for x in &map[y * width..][columns.clone()] {
                                for (sum, x) in sums.iter_mut().zip(x) {
                                    *sum += f64::from(*x);
                                }
                            }
                        }
                        let count = (rows.len() * columns.len()) as f64;
                        *average = sums.map(|sum| (sum / count) as f32);
                    }
                }
                for (lane, image) in images.chunks_mut(features).enumerate() {
                    let of_channel = &mut image[c * side * side..][..side * side];
                    for (to, average) in of_channel.iter_mut().zip(&averages) {
                        *to = average[lane];
                    }
                }
            }
        }
    }
}

/// Window i covers ⌊i·n/s⌋ to ⌈(i+1)·n/s⌉ − 1.
fn windows(length: usize, side: usize) -> Vec<Range<usize>> {
    (0..side).map(|i| i * length / side..((i + 1) * length).div_ceil(side)).collect()
}
