//! From a layer's output to features: pooling above a cap, and standardization.

use std::borrow::Cow;

use crate::net::Shape;

use super::product::Scalar;

/// The largest side s with channels·s² ≤ `cap` that is not larger than the image, at
/// least 1.
///
/// # Example
/// ```
/// use stratagram::net::Shape;
/// use stratagram::probe::features::pooled_side;
/// let shape = |channels, side| Shape { channels, height: side, width: side };
/// assert_eq!(pooled_side(shape(64, 32), 2048), 5); // 64·5² = 1600, 64·6² = 2304
/// assert_eq!(pooled_side(shape(4096, 4), 2048), 1); // no side is small enough
/// ```
pub fn pooled_side(shape: Shape, cap: usize) -> usize {
    let largest = shape.height.min(shape.width).max(1);
    (1..=largest).rev().find(|s| shape.channels * s * s <= cap).unwrap_or(1)
}

/// How a layer's output becomes the features of its probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// As it is where it has at most so many numbers, else pooled to the largest side that
    /// has.
    Cap(usize),
    /// Pooled to so many rows and columns, or as it is where it has fewer.
    Side(usize),
    /// Exactly so many features for layers of every size, that probes of two layers differ
    /// in nothing else: pooled to the smallest side that leaves enough, and then neighbours
    /// in the flattened vector averaged. A layer that has fewer stays as it is.
    Common(usize),
}

impl Pooling {
    /// The number of features of a layer.
    pub fn width(self, shape: Shape) -> usize {
        match self {
            Self::Common(d) => d.min(shape.size()),
            _ => {
                shape.channels
                    * self.side(shape).map_or(shape.height * shape.width, |s| s * s)
            }
        }
    }

    /// The side that maps are pooled to; none where they stay.
    pub fn side(self, shape: Shape) -> Option<usize> {
        let largest = shape.height.min(shape.width);
        match self {
            _ if shape.height * shape.width == 1 => None,
            Self::Cap(cap) => (shape.size() > cap).then(|| pooled_side(shape, cap)),
            Self::Side(side) => {
                (side < shape.height || side < shape.width).then(|| side.min(largest))
            }
            Self::Common(d) => (1..=largest).find(|s| shape.channels * s * s >= d),
        }
    }

    /// The features of outputs `[n, channels·height·width]`.
    ///
    /// # Panics
    /// If `outputs` has another size.
    ///
    /// # Example
    /// ```
    /// use stratagram::net::Shape;
    /// use stratagram::probe::features::Pooling;
    /// let shape = Shape { channels: 2, height: 2, width: 1 };
    /// let output = vec![1.0, 3.0, 5.0, 9.0];
    /// assert_eq!(Pooling::Cap(4).apply(output.clone(), shape), output);
    /// assert_eq!(Pooling::Side(1).apply(output.clone(), shape), [2.0, 7.0]);
    /// assert_eq!(Pooling::Common(1).apply(output, shape), [4.5]);
    /// ```
    pub fn apply(self, outputs: Vec<f32>, shape: Shape) -> Vec<f32> {
        let pooled = match self.side(shape) {
            Some(side) => adaptive_average_pool(&outputs, shape, side),
            None => outputs,
        };
        self.of_neighbours(&pooled, shape).unwrap_or(pooled)
    }

    /// How many features neighbours of a layer's pooled output are averaged to; none where they
    /// stay.
    pub(crate) fn averaged(self, shape: Shape) -> Option<usize> {
        let Self::Common(d) = self else { return None };
        let length = self.side(shape).map_or(shape.size(), |s| shape.channels * s * s);
        (length > d).then_some(d)
    }

    /// The features of outputs that are pooled to [`Pooling::side`] already.
    pub fn of_pooled(self, pooled: &[f32], shape: Shape) -> Cow<'_, [f32]> {
        self.of_neighbours(pooled, shape).map_or(Cow::Borrowed(pooled), Cow::Owned)
    }

    /// Averages of neighbours in flattened vectors, where there are to be fewer.
    fn of_neighbours(self, pooled: &[f32], shape: Shape) -> Option<Vec<f32>> {
        let Self::Common(d) = self else { return None };
        let length = self.side(shape).map_or(shape.size(), |s| shape.channels * s * s);
        if length <= d {
            return None;
        }
        let windows = windows(length, d);
        let mean = |part: &[f32]| {
            let sum: f64 = part.iter().map(|&value| f64::from(value)).sum();
            (sum / part.len() as f64) as f32
        };
        let rows = pooled.chunks(length);
        let averages =
            rows.flat_map(|row| windows.iter().map(|window| mean(&row[window.clone()])));
        Some(averages.collect())
    }
}

/// What each of `n` averages over `length` numbers takes.
fn windows(length: usize, n: usize) -> Vec<std::ops::Range<usize>> {
    (0..n).map(|i| i * length / n..((i + 1) * length).div_ceil(n)).collect()
}

/// Averages images `[n, channels, height, width]` to `[n, channels, side, side]`.
///
/// Output row i averages input rows ⌊i·h/s⌋ to ⌈(i+1)·h/s⌉ − 1, columns likewise: what
/// `torch.nn.AdaptiveAvgPool2d` does. Sums are taken in f64.
///
/// # Panics
/// If `images` is not `[n, channels, height, width]`, or `side` is 0 or larger than an image.
///
/// # Example
/// ```
/// use stratagram::net::Shape;
/// use stratagram::probe::features::adaptive_average_pool;
/// // Windows of a side of 3 averaged to 2 overlap in the middle.
/// let image = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
/// let shape = Shape { channels: 1, height: 3, width: 3 };
/// assert_eq!(adaptive_average_pool(&image, shape, 2), [2.0, 3.0, 5.0, 6.0]);
/// ```
pub fn adaptive_average_pool(images: &[f32], shape: Shape, side: usize) -> Vec<f32> {
    let Shape { channels, height, width } = shape;
    let size = height * width;
    assert!(
        side > 0 && side <= height && side <= width,
        "side {side} of images {height} × {width}"
    );
    assert!(
        images.len().is_multiple_of(channels * size),
        "{} values in images {shape:?}",
        images.len()
    );
    let (rows, columns) = (windows(height, side), windows(width, side));
    let mut out = Vec::with_capacity(images.len() / size * side * side);
    for plane in images.chunks(size) {
        for rows in &rows {
            for columns in &columns {
                let sum: f64 = rows
                    .clone()
                    .flat_map(|y| &plane[y * width..][columns.clone()])
                    .map(|&value| f64::from(value))
                    .sum();
                out.push((sum / (rows.len() * columns.len()) as f64) as f32);
            }
        }
    }
    out
}

/// Mean and scale of each feature: x ↦ (x − mean)/scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Standardization {
    /// Mean over the examples.
    pub mean: Vec<f64>,
    /// Standard deviation over the examples (divided by n), floored.
    pub scale: Vec<f64>,
    /// Features whose standard deviation lies below the floor.
    pub n_floored: usize,
}

/// The floor of a standard deviation, as part of the layer's median one.
const FLOOR: f64 = 1e-3;

impl Standardization {
    /// Means and standard deviations of features `[n, d]`, in f64.
    ///
    /// Standard deviations below 10⁻³ of their median over the features are raised to that;
    /// where the median is 0, constant features get scale 1 and are then 0 in every
    /// example, so that a dead layer leaves only the bias to a probe.
    ///
    /// # Panics
    /// If `features` is not `[n, d]` with n and d at least 1.
    ///
    /// # Example
    /// ```
    /// use stratagram::probe::features::Standardization;
    /// let standard = Standardization::of(&[1.0_f32, 5.0, 3.0, 5.0], 2, 2);
    /// assert_eq!(standard.mean, [2.0, 5.0]);
    /// assert_eq!(standard.scale, [1.0, 0.5e-3]); // the median of 1 and 0 is 0.5
    /// assert_eq!(standard.n_floored, 1);
    /// ```
    pub fn of<T: Scalar>(features: &[T], n: usize, d: usize) -> Self {
        let mean = means(features, n, d);
        let mut scale = deviations(features, &mean);
        let mut sorted = scale.clone();
        sorted.sort_by(f64::total_cmp);
        let floor = FLOOR * 0.5 * (sorted[(d - 1) / 2] + sorted[d / 2]);
        let mut n_floored = 0;
        for scale in &mut scale {
            if *scale < floor || *scale == 0.0 {
                n_floored += 1;
                *scale = if floor > 0.0 { floor } else { 1.0 };
            }
        }
        Self { mean, scale, n_floored }
    }

    /// As [`Standardization::of`], but every feature that varies is divided by its own standard
    /// deviation, however small: what scikit-learn's `StandardScaler` does. A feature whose
    /// variance is rounding, v ≤ n·ε·v + (n·ε·mean)² with the ε of f64, gets scale 1.
    ///
    /// # Panics
    /// As [`Standardization::of`].
    pub(super) fn to_rounding<T: Scalar>(features: &[T], n: usize, d: usize) -> Self {
        let mean = means(features, n, d);
        let mut scale = deviations(features, &mean);
        let rounding = n as f64 * f64::EPSILON;
        let mut n_floored = 0;
        for (scale, mean) in scale.iter_mut().zip(&mean) {
            let variance = scale.powi(2);
            if variance <= rounding * variance + (rounding * mean).powi(2) {
                n_floored += 1;
                *scale = 1.0;
            }
        }
        Self { mean, scale, n_floored }
    }

    /// The largest standard deviation of the transformed features.
    pub(super) fn largest_deviation<T: Scalar>(&self, features: &[T]) -> f64 {
        let deviations = deviations(features, &self.mean);
        let scaled = deviations.iter().zip(&self.scale).map(|(s, scale)| s / scale);
        scaled.fold(0.0, f64::max)
    }

    /// Means alone: every scale is 1.
    pub(super) fn centring<T: Scalar>(features: &[T], n: usize, d: usize) -> Self {
        Self { mean: means(features, n, d), scale: vec![1.0; d], n_floored: 0 }
    }
}

/// Standard deviation of each feature, divided by n.
fn deviations<T: Scalar>(features: &[T], mean: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; mean.len()];
    for row in features.chunks(mean.len()) {
        for ((sum, value), mean) in sums.iter_mut().zip(row).zip(mean) {
            *sum += (value.to_f64() - mean).powi(2);
        }
    }
    let n = (features.len() / mean.len()) as f64;
    sums.iter().map(|sum| (sum / n).sqrt()).collect()
}

/// Mean of each feature; of a constant one exactly its value.
fn means<T: Scalar>(features: &[T], n: usize, d: usize) -> Vec<f64> {
    assert!(n > 0 && d > 0, "no features in {n} × {d}");
    assert_eq!(features.len(), n * d, "features [{n}, {d}]");
    // Sums of differences to the first example: exact where all are equal.
    let first = &features[..d];
    let mut sums = vec![0.0; d];
    for row in features.chunks(d) {
        for ((sum, value), first) in sums.iter_mut().zip(row).zip(first) {
            *sum += value.to_f64() - first.to_f64();
        }
    }
    sums.iter().zip(first).map(|(sum, first)| first.to_f64() + sum / n as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(channels: usize, height: usize, width: usize) -> Shape {
        Shape { channels, height, width }
    }

    #[test]
    fn pooling_to_the_same_side_changes_nothing() {
        let images: Vec<f32> = (0..2 * 3 * 16).map(|i| i as f32 * 0.37).collect();
        assert_eq!(adaptive_average_pool(&images, shape(3, 4, 4), 4), images);
    }

    #[test]
    fn pooling_to_one_is_the_mean_of_each_channel() {
        let images: Vec<f32> = (0..2 * 2 * 6).map(|i| i as f32).collect();
        let pooled = adaptive_average_pool(&images, shape(2, 2, 3), 1);
        assert_eq!(pooled, [2.5, 8.5, 14.5, 20.5]);
    }

    #[test]
    fn all_layers_get_the_common_number_of_features() {
        for (channels, side) in [(3, 8), (16, 4), (64, 1), (5, 5), (50, 1)] {
            let shape = shape(channels, side, side);
            let images = vec![0.5; 2 * shape.size()];
            let pooled = Pooling::Common(50).apply(images, shape);
            assert_eq!(pooled, vec![0.5; 2 * 50]);
            assert_eq!(Pooling::Common(50).width(shape), 50);
        }
        let small = Pooling::Common(50).apply(vec![1.0; 10], shape(10, 1, 1));
        assert_eq!(small, vec![1.0; 10]);
    }

    #[test]
    fn widths_are_those_of_the_features() {
        for pooling in [Pooling::Cap(40), Pooling::Side(2), Pooling::Common(7)] {
            for shape in
                [shape(3, 4, 5), shape(20, 2, 2), shape(6, 1, 1), shape(60, 1, 1)]
            {
                let features = pooling.apply(vec![1.0; shape.size()], shape);
                assert_eq!(features.len(), pooling.width(shape), "{pooling:?} {shape:?}");
            }
        }
    }

    #[test]
    fn pooled_side_keeps_what_fits() {
        assert_eq!(pooled_side(shape(32, 8, 8), 2048), 8);
        assert_eq!(pooled_side(shape(32, 8, 8), 2047), 7);
        assert_eq!(pooled_side(shape(10, 1, 1), 2048), 1);
    }

    #[test]
    fn a_tiny_scale_is_a_scale_and_a_rounding_is_none() {
        let rows = [[1.0, 1e-9, 0.5], [-1.0, -1e-9, 0.5], [1.0, 1e-9, 0.5 + 1e-16]];
        let standard = Standardization::to_rounding(&rows.concat(), 3, 3);
        assert!((standard.scale[1] / standard.scale[0] - 1e-9).abs() < 1e-20);
        assert_eq!((standard.scale[2], standard.n_floored), (1.0, 1));
    }

    #[test]
    fn dead_layer_has_scale_one() {
        let standard = Standardization::of(&[0.1_f32; 6 * 3], 6, 3);
        assert_eq!(standard.scale, [1.0; 3]);
        assert_eq!(standard.n_floored, 3);
        assert_eq!(standard.mean, [f64::from(0.1_f32); 3]);
    }
}
