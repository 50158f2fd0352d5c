//! The shape of decision regions on one plane: how many pieces they fall into, how much of the
//! plane belongs to the three images' classes, and how large the region around an image is.
//!
//! Somepalli et al. 2022 (arXiv:2203.08124) count connected pieces, which are most where a net
//! barely fits its data; a mislabelled image that is memorized has an island of its own.

/// One classifier's classes on the grid of one plane.
///
/// *Shapes* `classes: [side, side]`.
#[derive(Debug, Clone, Copy)]
pub struct Map<'a> {
    /// The class of each point.
    pub classes: &'a [u8],
    /// Points along a side.
    pub side: usize,
}

/// What a plane's map is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Images {
    /// The grid points nearest to the three images.
    pub points: [usize; 3],
    /// The images' labels, noisy ones for training images.
    pub labels: [u8; 3],
    /// Whether each label is wrong.
    pub corrupted: [bool; 3],
}

/// A quantity of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// Connected pieces, over all classes.
    Fragments,
    /// Area of the class of the first, second and third image, and of the three together, as
    /// fractions of the plane.
    Share1,
    /// See [`Quantity::Share1`].
    Share2,
    /// See [`Quantity::Share1`].
    Share3,
    /// See [`Quantity::Share1`].
    Shares,
    /// Area of the piece around an image whose label is right; mean over such images.
    Region,
    /// Area of the piece around an image whose label is wrong; mean over such images.
    Island,
    /// The same, 0 where the piece is not of the wrong label: memorized islands alone.
    Memorized,
}

impl Quantity {
    /// All, in the order of [`measure`].
    pub const ALL: [Self; 8] = [
        Self::Fragments,
        Self::Share1,
        Self::Share2,
        Self::Share3,
        Self::Shares,
        Self::Region,
        Self::Island,
        Self::Memorized,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fragments => "fragments",
            Self::Share1 => "share-1",
            Self::Share2 => "share-2",
            Self::Share3 => "share-3",
            Self::Shares => "shares",
            Self::Region => "region",
            Self::Island => "island",
            Self::Memorized => "memorized-island",
        }
    }
}

/// The connected pieces of a map: points of one class that touch, also at a corner
/// (8-connectivity).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// The piece of each point, numbered by their first points.
    pub of: Vec<usize>,
    /// The number of points of each piece.
    pub sizes: Vec<usize>,
}

impl Pieces {
    /// The pieces of a map. Cost: 9 looks a point.
    ///
    /// # Panics
    /// If the map is not square.
    ///
    /// # Example
    /// ```
    /// use stratagram::similarity::geometry::{Map, Pieces};
    /// let classes = [0, 1, 1, 1, 0, 1, 2, 1, 0];
    /// let pieces = Pieces::of(Map { classes: &classes, side: 3 });
    /// // The diagonal of 0s and all 1s are connected by corners; the 2 stands alone.
    /// assert_eq!(pieces.sizes, [3, 5, 1]);
    /// ```
    pub fn of(map: Map) -> Self {
        let Map { classes, side } = map;
        assert_eq!(classes.len(), side * side, "points of a map of side {side}");
        let mut of = vec![usize::MAX; classes.len()];
        let mut sizes = vec![];
        let mut waiting = vec![];
        for start in 0..classes.len() {
            if of[start] != usize::MAX {
                continue;
            }
            let piece = sizes.len();
            of[start] = piece;
            waiting.push(start);
            let mut size = 0;
            while let Some(point) = waiting.pop() {
                size += 1;
                let (row, column) = (point / side, point % side);
                for r in row.saturating_sub(1)..(row + 2).min(side) {
                    for c in column.saturating_sub(1)..(column + 2).min(side) {
                        let near = r * side + c;
                        if of[near] == usize::MAX && classes[near] == classes[start] {
                            of[near] = piece;
                            waiting.push(near);
                        }
                    }
                }
            }
            sizes.push(size);
        }
        Self { of, sizes }
    }
}

/// All quantities of one plane, in the order of [`Quantity::ALL`]; NaN where a plane has no
/// image of the kind.
///
/// # Panics
/// If the map is not square, or a point of an image is not on it.
pub fn measure(map: Map, images: &Images) -> [f64; 8] {
    let pieces = Pieces::of(map);
    let n = map.classes.len() as f64;
    let share = |labels: &[u8]| {
        map.classes.iter().filter(|class| labels.contains(class)).count() as f64 / n
    };
    let area = |k: usize| pieces.sizes[pieces.of[images.points[k]]] as f64 / n;
    let mean = |corrupted: bool, area: &dyn Fn(usize) -> f64| {
        let kind: Vec<usize> =
            (0..3).filter(|k| images.corrupted[*k] == corrupted).collect();
        kind.iter().map(|k| area(*k)).sum::<f64>() / kind.len() as f64
    };
    let memorized = |k: usize| {
        let is_memorized = map.classes[images.points[k]] == images.labels[k];
        if is_memorized { area(k) } else { 0.0 }
    };
    [
        pieces.sizes.len() as f64,
        share(&images.labels[..1]),
        share(&images.labels[1..2]),
        share(&images.labels[2..]),
        share(&images.labels),
        mean(false, &area),
        mean(true, &area),
        mean(true, &memorized),
    ]
}

/// Mean and standard error sd/√T of a quantity over the planes that have it; NaN where none
/// does, the error also where only one does.
///
/// # Example
/// ```
/// use stratagram::similarity::geometry::over_planes;
/// let (mean, se) = over_planes([1.0, f64::NAN, 3.0].into_iter());
/// assert_eq!((mean, se), (2.0, 1.0));
/// ```
pub fn over_planes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values: Vec<f64> = values.filter(|value| !value.is_nan()).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [u8; 16] = [0, 0, 1, 1, 0, 2, 1, 1, 3, 3, 2, 1, 3, 3, 3, 2];

    #[test]
    fn quantities_are_those_counted_by_hand() {
        let map = Map { classes: &CLASSES, side: 4 };
        let images = Images {
            points: [0, 3, 5],
            labels: [0, 1, 4],
            corrupted: [false, false, true],
        };
        let found = measure(map, &images);
        let [s, p] = [3.0 / 16.0, 5.0 / 16.0];
        let expected = [4.0, s, p, 0.0, s + p, f64::midpoint(s, p), s, 0.0];
        assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits));
        let memorized = measure(map, &Images { labels: [0, 1, 2], ..images });
        assert_eq!(memorized[7].to_bits(), s.to_bits());
        let clean = measure(map, &Images { corrupted: [false; 3], ..images });
        assert!(clean[6].is_nan() && clean[7].is_nan());
    }

    #[test]
    fn one_plane_has_no_error() {
        let (mean, se) = over_planes([2.0].into_iter());
        assert!((mean - 2.0).abs() < 1e-15 && se.is_nan());
        assert!(over_planes(std::iter::empty()).0.is_nan());
    }
}
