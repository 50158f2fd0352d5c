//! Area averages: images brought to size×size pixels by a box filter.

use rayon::prelude::*;

use super::{ImageSet, Pixels};
use crate::net::Shape;

/// Images of size×size pixels, each the average of the area it covers, with fractions of
/// pixels at its edges; images of that size are left as stored. Bytes become scaled floats.
///
/// y\[i, j\] = Σ A(i, a)·B(j, b)·x\[a, b\], where A(i, a) is the fraction of row i of the
/// result that row a covers, and B likewise for columns.
pub(super) fn to_side(set: ImageSet, size: usize) -> ImageSet {
    let Shape { channels, height, width } = set.shape;
    if (height, width) == (size, size) {
        return set;
    }
    let rows = coverage(height, size);
    let columns = coverage(width, size);
    let mut values = vec![0.0f32; set.len() * channels * size * size];
    values.par_chunks_mut(size * size).enumerate().for_each(|(plane, output)| {
        let pixels: Vec<f32> = set.channel(plane / channels, plane % channels).collect();
        for (i, row) in rows.iter().enumerate() {
            for (j, column) in columns.iter().enumerate() {
                let mut sum = 0.0;
                for &(a, in_row) in row {
                    for &(b, in_column) in column {
                        sum += in_row * in_column * f64::from(pixels[a * width + b]);
                    }
                }
                output[i * size + j] = sum as f32;
            }
        }
    });
    let shape = Shape { channels, height: size, width: size };
    ImageSet { shape, pixels: Pixels::F32(values), labels: set.labels }
}

/// For each of `to` equal intervals of a side, which of its `from` pixels cover what fraction
/// of it.
fn coverage(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    // In units of 1/(from·to) of the side pixel a is [a·to, (a+1)·to), interval i is
    // [i·from, (i+1)·from): whole numbers.
    let interval = |i: usize| {
        let (start, end) = (i * from, (i + 1) * from);
        let overlap = |a: usize| end.min((a + 1) * to) - start.max(a * to);
        (start / to..end.div_ceil(to))
            .map(|a| (a, overlap(a) as f64 / from as f64))
            .collect()
    };
    (0..to).map(interval).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(height: usize, width: usize, values: &[f32]) -> ImageSet {
        let shape = Shape { channels: 1, height, width };
        ImageSet { shape, pixels: Pixels::F32(values.to_vec()), labels: vec![0] }
    }

    fn resized(set: ImageSet, size: usize) -> Vec<f32> {
        match to_side(set, size).pixels {
            Pixels::F32(values) => values,
            Pixels::U8 { .. } => panic!("bytes"),
        }
    }

    #[test]
    fn halves_are_means_of_four_pixels() {
        let values: Vec<f32> = (0..16).map(|i| i as f32).collect();
        assert_eq!(resized(image(4, 4, &values), 2), [2.5, 4.5, 10.5, 12.5]);
    }

    #[test]
    fn fractions_of_pixels_count_by_their_area() {
        // Three pixels to two: 2/3 of the outer and 1/3 of the middle one.
        let found = resized(image(1, 3, &[3.0, 6.0, 12.0]), 2);
        assert_eq!(found, [4.0, 10.0, 4.0, 10.0]);
    }

    #[test]
    fn doubling_repeats_pixels() {
        let found = resized(image(2, 2, &[1.0, 2.0, 3.0, 4.0]), 4);
        let expected =
            [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4].map(|value| value as f32);
        assert_eq!(found, expected);
    }

    #[test]
    fn the_mean_is_kept_at_any_size() {
        let values: Vec<f32> = (0..63).map(|i| ((i * 29) % 17) as f32).collect();
        let mean = values.iter().sum::<f32>() / 63.0;
        for size in [1, 2, 5, 8, 13] {
            let found = resized(image(7, 9, &values), size);
            let found = found.iter().sum::<f32>() / (size * size) as f32;
            assert!((found - mean).abs() < 1e-5, "{size}: {found} is not {mean}");
        }
    }

    #[test]
    fn bytes_are_scaled_and_the_same_size_stays() {
        let shape = Shape { channels: 1, height: 2, width: 2 };
        let pixels = Pixels::U8 { values: vec![0, 8, 16, 16], scale: 1.0 / 16.0 };
        let set = ImageSet { shape, pixels, labels: vec![0] };
        assert_eq!(to_side(set.clone(), 2), set);
        assert_eq!(resized(set, 1), [0.625]);
    }
}
