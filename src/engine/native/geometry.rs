//! Which input pixels a convolution's output pixels read, grouped so that a kernel never
//! meets a border: pixels that read through the same taps at the same distances form a
//! pattern.

use std::collections::BTreeMap;

use crate::net::Shape;

/// Pixels of a shape.
pub(super) fn pixels(shape: Shape) -> usize {
    shape.height * shape.width
}

/// The windows of a 2-D convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Windows {
    /// Height and width.
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: [usize; 2],
    /// Height and width of the input.
    pub(super) from: [usize; 2],
    /// Height and width of the output.
    pub(super) to: [usize; 2],
}

impl Windows {
    /// Taps of the kernel.
    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Output positions along one axis that read inside the input through tap `k`.
    pub(super) fn valid(&self, axis: usize, k: usize) -> std::ops::Range<usize> {
        let first = self.padding[axis].saturating_sub(k).div_ceil(self.stride);
        let end = (self.from[axis] + self.padding[axis])
            .checked_sub(k + 1)
            .map_or(0, |last| last / self.stride + 1)
            .min(self.to[axis]);
        first.min(end)..end
    }

    /// `(tap, input pixel)` of everything that the output pixel reads.
    pub(super) fn reads(&self, pixel: usize) -> Vec<(usize, usize)> {
        let [y, x] = [pixel / self.to[1], pixel % self.to[1]];
        self.pairs(|axis, k| {
            let at = [y, x][axis] * self.stride + k;
            at.checked_sub(self.padding[axis]).filter(|&at| at < self.from[axis])
        })
        .map(|(tap, [v, u])| (tap, v * self.from[1] + u))
        .collect()
    }

    /// `(tap, output pixel)` of everything that reads the input pixel.
    pub(super) fn readers(&self, pixel: usize) -> Vec<(usize, usize)> {
        let [v, u] = [pixel / self.from[1], pixel % self.from[1]];
        self.pairs(|axis, k| {
            let shifted = ([v, u][axis] + self.padding[axis]).checked_sub(k)?;
            let at = shifted / self.stride;
            (shifted % self.stride == 0 && at < self.to[axis]).then_some(at)
        })
        .map(|(tap, [y, x])| (tap, y * self.to[1] + x))
        .collect()
    }

    fn pairs(
        &self,
        position: impl Fn(usize, usize) -> Option<usize>,
    ) -> impl Iterator<Item = (usize, [usize; 2])> {
        let width = self.kernel[1];
        (0..self.taps()).filter_map(move |tap| {
            Some((tap, [position(0, tap / width)?, position(1, tap % width)?]))
        })
    }
}

/// A tap and how far its source lies behind the pixel's first source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tap {
    pub(super) index: u32,
    pub(super) distance: u32,
}

/// Pixels that read through the same taps.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) taps: Vec<Tap>,
    /// `(first source pixel, destination pixel)`, in row-major order of the destination.
    pub(super) pixels: Vec<(usize, usize)>,
}

/// Groups `n_pixels` destinations by pattern; `sources` gives a destination's taps.
pub(super) fn patterns(
    n_pixels: usize,
    sources: impl Fn(usize) -> Vec<(usize, usize)>,
) -> Vec<Pattern> {
    let mut groups: BTreeMap<Vec<Tap>, Vec<(usize, usize)>> = BTreeMap::new();
    for pixel in 0..n_pixels {
        let read = sources(pixel);
        let base = read.iter().map(|&(_, source)| source).min().unwrap_or(0);
        let taps = read.iter().map(|&(tap, source)| Tap {
            index: tap as u32,
            distance: (source - base) as u32,
        });
        groups.entry(taps.collect()).or_default().push((base, pixel));
    }
    groups.into_iter().map(|(taps, pixels)| Pattern { taps, pixels }).collect()
}

/// What the pixels of a pattern sum over: as many source channels as make at most a given
/// number of terms.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// Source channels.
    pub(super) channels: usize,
    /// Position of the weight, and distance of the source behind the pixel's first source.
    list: Vec<[u32; 2]>,
    taps: usize,
}

impl Terms {
    /// `stride` is the distance between source channels.
    pub(super) fn new(
        taps: &[Tap],
        channels: usize,
        stride: usize,
        [all_taps, most]: [usize; 2],
    ) -> Self {
        let channels = (most / taps.len().max(1)).clamp(1, channels);
        let list = (0..channels).flat_map(|c| {
            taps.iter().map(move |tap| {
                [(c * all_taps) as u32 + tap.index, (c * stride) as u32 + tap.distance]
            })
        });
        Self { channels, list: list.collect(), taps: taps.len() }
    }

    /// The terms of the first `channels` channels, or of all.
    pub(super) fn of(&self, channels: usize) -> &[[u32; 2]] {
        &self.list[..channels.min(self.channels) * self.taps]
    }
}

/// A pattern's pixels over a group of image blocks, cut into tiles of `width` columns; the
/// last tile repeats its last column.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) terms: Terms,
    pub(super) sources: Vec<u32>,
    pub(super) destinations: Vec<u32>,
}

impl Columns {
    /// `from` and `to` are the pixels of a source and destination image.
    pub(super) fn new(
        pattern: &Pattern,
        terms: Terms,
        blocks: usize,
        [from, to]: [usize; 2],
        width: usize,
    ) -> Self {
        let pairs = (0..blocks).flat_map(|block| {
            pattern.pixels.iter().map(move |&(source, destination)| {
                ((block * from + source) as u32, (block * to + destination) as u32)
            })
        });
        let (mut sources, mut destinations): (Vec<u32>, Vec<u32>) = pairs.unzip();
        while !sources.len().is_multiple_of(width) {
            sources.push(sources[sources.len() - 1]);
            destinations.push(destinations[destinations.len() - 1]);
        }
        Self { terms, sources, destinations }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_of_a_same_convolution_form_nine_patterns() {
        let windows = Windows {
            kernel: [3; 2],
            stride: 1,
            padding: [1; 2],
            from: [8; 2],
            to: [8; 2],
        };
        let found = patterns(64, |pixel| windows.reads(pixel));
        let mut sizes: Vec<_> =
            found.iter().map(|p| (p.taps.len(), p.pixels.len())).collect();
        sizes.sort_unstable();
        assert_eq!(
            sizes,
            [(4, 1), (4, 1), (4, 1), (4, 1), (6, 6), (6, 6), (6, 6), (6, 6), (9, 36)]
        );
    }

    #[test]
    fn readers_are_the_inverse_of_reads() {
        for (kernel, stride, padding, from) in [
            ([3, 3], 1, [1, 1], [5, 5]),
            ([3, 3], 2, [1, 1], [7, 7]),
            ([3, 3], 2, [1, 1], [8, 6]),
            ([1, 1], 2, [0, 0], [7, 7]),
            ([3, 3], 1, [1, 1], [1, 1]),
            ([4, 4], 4, [0, 0], [9, 9]),
            ([1, 3], 1, [0, 1], [1, 9]),
            ([1, 3], 2, [0, 1], [1, 10]),
            ([2, 3], 2, [0, 1], [4, 5]),
        ] {
            let to = [0, 1]
                .map(|axis| (from[axis] + 2 * padding[axis] - kernel[axis]) / stride + 1);
            let windows = Windows { kernel, stride, padding, from, to };
            let mut reads = vec![];
            for y in 0..to[0] * to[1] {
                reads.extend(windows.reads(y).into_iter().map(|(tap, x)| (tap, x, y)));
            }
            let mut readers = vec![];
            for x in 0..from[0] * from[1] {
                readers
                    .extend(windows.readers(x).into_iter().map(|(tap, y)| (tap, x, y)));
            }
            reads.sort_unstable();
            readers.sort_unstable();
            assert_eq!(reads, readers);
            let valid: usize = (0..windows.taps())
                .map(|t| {
                    windows.valid(0, t / kernel[1]).len()
                        * windows.valid(1, t % kernel[1]).len()
                })
                .sum();
            assert_eq!(valid, reads.len());
        }
    }
}
