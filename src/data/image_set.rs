//! Images with labels, in the type in which they are stored.

use sha2::{Digest, Sha256};

use crate::net::Shape;

/// Pixels of a set of images, `[n, channels, height, width]`, in their stored type.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// Bytes, read as value/255 (digits: value/16).
    U8 {
        /// The bytes.
        values: Vec<u8>,
        /// What a byte is multiplied with.
        scale: f32,
    },
    /// Floats, as they are.
    F32(Vec<f32>),
}

/// Images with their true labels.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet {
    /// Shape of one image.
    pub shape: Shape,
    /// The pixels.
    pub pixels: Pixels,
    /// True classes.
    pub labels: Vec<u8>,
}

impl ImageSet {
    /// Number of images.
    #[allow(clippy::len_without_is_empty)] // a loaded set is never empty
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is past the end.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        fn rows<T: Copy>(values: &[T], indices: &[usize], size: usize) -> Vec<T> {
            indices.iter().flat_map(|&i| &values[i * size..][..size]).copied().collect()
        }
        let size = self.shape.size();
        let pixels = match &self.pixels {
            Pixels::U8 { values, scale } => {
                Pixels::U8 { values: rows(values, indices, size), scale: *scale }
            }
            Pixels::F32(values) => Pixels::F32(rows(values, indices, size)),
        };
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Self { shape: self.shape, pixels, labels }
    }

    /// The values of one channel of image `i`, row by row: bytes scaled, floats as they are.
    pub(super) fn channel(
        &self,
        i: usize,
        channel: usize,
    ) -> impl Iterator<Item = f32> + '_ {
        let plane = self.shape.height * self.shape.width;
        let start = i * self.shape.size() + channel * plane;
        (start..start + plane).map(move |at| match &self.pixels {
            Pixels::U8 { values, scale } => f32::from(values[at]) * scale,
            Pixels::F32(values) => values[at],
        })
    }

    /// Adds shape, pixels and labels to a checksum.
    pub(super) fn hash(&self, hash: &mut Sha256) {
        let Shape { channels, height, width } = self.shape;
        for length in [self.len(), channels, height, width] {
            hash.update((length as u64).to_le_bytes());
        }
        match &self.pixels {
            Pixels::U8 { values, .. } => hash.update(values),
            Pixels::F32(values) => {
                for block in values.chunks(1024) {
                    let bytes: Vec<u8> =
                        block.iter().flat_map(|v| v.to_le_bytes()).collect();
                    hash.update(&bytes);
                }
            }
        }
        hash.update(&self.labels);
    }
}
