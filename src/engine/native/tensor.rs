//! Memory layout: a batch's activation is a matrix of vectors, `[channel][block][pixel]`,
//! whose lanes are `lanes` consecutive images (a block).
//!
//! With images in the lanes no kernel has remainders in channels or pixels, the borders of
//! a convolution are skipped rather than multiplied by zero, and an image's result cannot
//! depend on its neighbours in the batch.

use std::cell::RefCell;

use rayon::prelude::*;

use super::isa::Isa;

/// Values in a cache line; buffers start at one.
pub(super) const LINE: usize = 16;

/// Values that are not worth a second task.
const SERIAL_VALUES: usize = 1 << 14;

/// Pixels of a block that are laid out at once: they should stay in the first cache.
const PACKED_PIXELS: usize = 128;

/// f32 storage that starts at a cache line and only grows.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    storage: Vec<f32>,
    offset: usize,
    len: usize,
}

impl Buffer {
    /// Makes room for `len` values.
    pub(super) fn reserve(&mut self, len: usize) {
        if self.len < len {
            self.storage = vec![0.0; len + LINE];
            self.offset = self.storage.as_ptr().align_offset(4 * LINE).min(LINE);
            self.len = len;
        }
    }

    pub(super) fn get(&self, len: usize) -> &[f32] {
        &self.storage[self.offset..self.offset + self.len][..len]
    }

    pub(super) fn get_mut(&mut self, len: usize) -> &mut [f32] {
        &mut self.storage[self.offset..self.offset + self.len][..len]
    }
}

thread_local! {
    /// What the task that the thread runs puts down.
    static SCRATCH: RefCell<Buffer> = RefCell::default();
}

/// Runs with scratch of the thread's own. `run` must not wait for other tasks, which might
/// ask for it too.
pub(super) fn with_scratch<R>(len: usize, run: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|buffer| {
        buffer.reserve(len);
        run(buffer.get_mut(len))
    })
}

/// How a batch lies in vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    /// Images.
    pub(super) n: usize,
    /// Images in a block.
    pub(super) lanes: usize,
    /// Blocks, the last of which may be partly empty.
    pub(super) blocks: usize,
    /// Whether its operations stay on one thread, because others work on other batches.
    pub(super) serial: bool,
}

impl Batch {
    pub(super) fn new(isa: Isa, n: usize) -> Self {
        let lanes = isa.lanes();
        Self { n, lanes, blocks: n.div_ceil(lanes), serial: false }
    }

    /// Channels that one task should have at least.
    pub(super) fn min_rows(self, pixels: usize) -> usize {
        if self.serial { usize::MAX } else { SERIAL_VALUES.div_ceil(self.row(pixels)) }
    }

    /// Vectors from one channel to the next. Odd, so that channels do not fall on the same
    /// sets of the cache.
    pub(super) fn stride(self, pixels: usize) -> usize {
        (self.blocks * pixels) | 1
    }

    /// Values from one channel to the next.
    pub(super) fn row(self, pixels: usize) -> usize {
        self.stride(pixels) * self.lanes
    }

    /// Values of a whole activation.
    pub(super) fn size(self, channels: usize, pixels: usize) -> usize {
        channels * self.row(pixels)
    }

    /// Images in the last block.
    pub(super) fn last_lanes(self) -> usize {
        self.n - (self.blocks - 1) * self.lanes
    }
}

/// Lays images `[n, height, width, channels]` out as an activation; lanes without an image
/// are zero.
pub(super) fn pack_images(
    images: &[f32],
    channels: usize,
    pixels: usize,
    batch: Batch,
    out: &mut [f32],
) {
    let lanes = batch.lanes;
    let pack = |c: usize, (block, out): (usize, &mut [f32])| {
        let first = block * lanes;
        let size = pixels * channels;
        let images = &images[first * size..batch.n.min(first + lanes) * size];
        for (run, out) in out.chunks_mut(PACKED_PIXELS * lanes).enumerate() {
            if batch.n < first + lanes {
                out.fill(0.0);
            }
            for (lane, image) in images.chunks_exact(size).enumerate() {
                let image = &image[run * PACKED_PIXELS * channels + c..];
                for (pixel, to) in out.chunks_exact_mut(lanes).enumerate() {
                    to[lane] = image[pixel * channels];
                }
            }
        }
    };
    if batch.serial {
        out.chunks_mut(batch.row(pixels)).enumerate().for_each(|(c, row)| {
            let blocks = row.chunks_mut(pixels * lanes).take(batch.blocks);
            blocks.enumerate().for_each(|block| pack(c, block));
        });
    } else {
        out.par_chunks_mut(batch.row(pixels)).enumerate().for_each(|(c, row)| {
            let blocks = row.par_chunks_mut(pixels * lanes).take(batch.blocks);
            let least = PACKED_PIXELS.div_ceil(pixels);
            blocks.enumerate().with_min_len(least).for_each(|block| pack(c, block));
        });
    }
}

/// Copies an activation to `[n, channels·pixels]`, PyTorch's flattening.
pub(super) fn unpack(
    activation: &[f32],
    channels: usize,
    pixels: usize,
    batch: Batch,
    out: &mut [f32],
) {
    let lanes = batch.lanes;
    let width = channels * pixels;
    for (block, images) in out.chunks_mut(lanes * width).enumerate() {
        for c in 0..channels {
            let from = c * batch.row(pixels) + block * pixels * lanes;
            for (lane, image) in images.chunks_mut(width).enumerate() {
                let values = activation[from + lane..].iter().step_by(lanes);
                for (to, value) in image[c * pixels..][..pixels].iter_mut().zip(values) {
                    *to = *value;
                }
            }
        }
    }
}
