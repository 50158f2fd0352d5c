//! Similarity of decision regions, the paper's second measure: the fraction of points, over
//! planes through triplets of images, to which the classifiers of two epochs give the same
//! class (Somepalli et al. 2022, whose code calls this fraction "iou").
//!
//! The signature of an epoch is the class of every point of the shared planes, one byte a
//! point, plane after plane.

use rayon::prelude::*;

use crate::similarity::EpochMatrix;
use crate::similarity::regions::equal::count_equal;

/// Bytes of classes, over all epochs, of one unit of parallel work.
const BYTES: usize = 1 << 18;

/// The agreement of all pairs of epochs, with its standard error over planes.
///
/// `R(t, t′) = (1/(T·S)) Σ 1[g_t(x) = g_t′(x)]` over the S points x of each of T planes;
/// `se = sd(a)/√T` for the agreements a of the single planes, with the sample standard
/// deviation: points of one plane depend strongly on each other, planes do not. With a
/// single plane se is NaN. Sums are of integers, hence exact.
///
/// *Shapes* `classes: [E]` of `[T·points_per_plane]`.
///
/// Cost E²·T·S/2 comparisons of bytes.
///
/// # Panics
/// If the epochs differ in length, or the length is not a positive multiple of
/// `points_per_plane`.
///
/// # Example
/// ```
/// use stratagram::similarity::drs;
/// // Two planes of four points; the epochs agree on 4 points of the first, 2 of the second.
/// let early = [0, 0, 1, 1, 2, 2, 2, 2];
/// let late = [0, 0, 1, 1, 2, 2, 0, 1];
/// let matrix = drs::matrix(&[&early, &late], 4);
/// assert_eq!(matrix.value(0, 1), 0.75);
/// // The agreements 1 and ½ have standard deviation √⅛; divided by √2 that is ¼.
/// assert_eq!(matrix.se.unwrap()[1], 0.25);
/// ```
pub fn matrix<T: Copy + PartialEq + Sync>(
    classes: &[&[T]],
    points_per_plane: usize,
) -> EpochMatrix {
    let n_epochs = classes.len();
    let n_points = classes.first().map_or(points_per_plane, |first| first.len());
    assert!(
        points_per_plane > 0 && n_points > 0 && n_points.is_multiple_of(points_per_plane),
        "{n_points} points in planes of {points_per_plane}"
    );
    for epoch in classes {
        assert_eq!(epoch.len(), n_points, "points of every epoch");
    }
    let n_planes = n_points / points_per_plane;
    let counts = count_pairs(classes, points_per_plane);
    let mut values = vec![1.0; n_epochs * n_epochs];
    let own_se = if n_planes > 1 { 0.0 } else { f64::NAN };
    let mut se = vec![own_se; n_epochs * n_epochs];
    let pairs = (0..n_epochs).flat_map(|i| (i + 1..n_epochs).map(move |j| (i, j)));
    for ((i, j), count) in pairs.zip(counts) {
        let value = count.equal as f64 / n_points as f64;
        let error = count.standard_error(n_planes, points_per_plane);
        for at in [i * n_epochs + j, j * n_epochs + i] {
            (values[at], se[at]) = (value, error);
        }
    }
    EpochMatrix {
        n_epochs,
        values,
        se: Some(se),
        reasons: vec![None; n_epochs * n_epochs],
    }
}

/// The agreement of all pairs of epochs without each of `n_groups` groups of the planes; plane
/// i belongs to group i mod `n_groups`. Sums are of integers, hence exact.
///
/// *Shapes* `classes: [E]` of `[T·points_per_plane]`; result `[n_groups]` of `[E, E]`.
///
/// Cost E²·T·S/2 comparisons of bytes.
///
/// # Panics
/// If there are not more planes than one group has, or no groups.
pub fn without_groups<T: Copy + PartialEq + Sync>(
    classes: &[&[T]],
    points_per_plane: usize,
    n_groups: usize,
) -> Vec<Vec<f64>> {
    let n_epochs = classes.len();
    let n_planes = classes.first().map_or(0, |first| first.len() / points_per_plane);
    let left: Vec<usize> = (0..n_groups)
        .map(|group| n_planes - (group..n_planes).step_by(n_groups).count())
        .collect();
    assert!(!left.contains(&0), "{n_planes} planes in {n_groups} groups");
    let row = |i: usize| -> Vec<Vec<u64>> {
        let counts = |j: usize| {
            let (mut counts, mut plane) = (vec![0; n_groups], 0);
            count_equal(classes[i], classes[j], points_per_plane, |equal| {
                counts[plane % n_groups] += equal;
                plane += 1;
            });
            counts
        };
        (i..n_epochs).map(counts).collect()
    };
    let rows: Vec<Vec<Vec<u64>>> = (0..n_epochs).into_par_iter().map(row).collect();
    let matrix = |group: usize| {
        let mut values = vec![1.0; n_epochs * n_epochs];
        for (i, row) in rows.iter().enumerate() {
            for (j, counts) in (i..n_epochs).zip(row) {
                let equal = counts.iter().sum::<u64>() - counts[group];
                let value = equal as f64 / (left[group] * points_per_plane) as f64;
                values[i * n_epochs + j] = value;
                values[j * n_epochs + i] = value;
            }
        }
        values
    };
    (0..n_groups).map(matrix).collect()
}

/// Sums over planes for one pair of epochs.
#[derive(Clone, Copy, Default)]
struct Count {
    /// Points of equal class.
    equal: u64,
    /// Σ over planes of the square of that plane's number of such points.
    squares: u128,
}

impl Count {
    fn standard_error(self, n_planes: usize, points_per_plane: usize) -> f64 {
        let planes = n_planes as u128;
        // T·Σc² − (Σc)² = T·(T−1)·variance of the counts; NaN = 0/0 for one plane.
        let spread = planes * self.squares - u128::from(self.equal).pow(2);
        let variance = spread as f64 / (planes * (planes - 1)) as f64;
        (variance / n_planes as f64).sqrt() / points_per_plane as f64
    }
}

/// The counts of the pairs (0,1), (0,2) … (1,2) …, by groups of planes that fit the cache.
fn count_pairs<T: Copy + PartialEq + Sync>(
    classes: &[&[T]],
    points_per_plane: usize,
) -> Vec<Count> {
    let n_epochs = classes.len();
    let n_pairs = n_epochs * n_epochs.saturating_sub(1) / 2;
    let n_points = classes.first().map_or(0, |first| first.len());
    let planes = (BYTES / (points_per_plane * n_epochs.max(1))).max(1);
    let group = planes * points_per_plane;
    (0..n_points.div_ceil(group))
        .into_par_iter()
        .fold(
            || vec![Count::default(); n_pairs],
            |mut counts, k| {
                let points = k * group..((k + 1) * group).min(n_points);
                let mut at = 0;
                for (i, first) in classes.iter().enumerate() {
                    for second in &classes[i + 1..] {
                        let (a, b) = (&first[points.clone()], &second[points.clone()]);
                        count_equal(a, b, points_per_plane, |equal| {
                            counts[at].equal += equal;
                            counts[at].squares += u128::from(equal).pow(2);
                        });
                        at += 1;
                    }
                }
                counts
            },
        )
        .reduce(
            || vec![Count::default(); n_pairs],
            |mut sums, part| {
                for (sum, part) in sums.iter_mut().zip(part) {
                    sum.equal += part.equal;
                    sum.squares += part.squares;
                }
                sums
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Classes that drift slowly, so that agreements differ from plane to plane.
    fn drifting(n_epochs: usize, n_points: usize) -> Vec<Vec<u8>> {
        (0..n_epochs)
            .map(|t| {
                (0..n_points).map(|x| ((x * x + x * t / 7) / 11 % 5) as u8).collect()
            })
            .collect()
    }

    fn slices(classes: &[Vec<u8>]) -> Vec<&[u8]> {
        classes.iter().map(Vec::as_slice).collect()
    }

    /// The definition: agreement and its clustered standard error, point by point.
    fn plain(a: &[u8], b: &[u8], points: usize) -> (f64, f64) {
        let equal = |(a, b): (&[u8], &[u8])| {
            a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / points as f64
        };
        let planes: Vec<f64> =
            a.chunks(points).zip(b.chunks(points)).map(equal).collect();
        let t = planes.len() as f64;
        let mean = planes.iter().sum::<f64>() / t;
        let squares: f64 = planes.iter().map(|a| (a - mean).powi(2)).sum();
        (mean, (squares / (t - 1.0) / t).sqrt())
    }

    #[test]
    fn matrix_and_errors_follow_the_definition() {
        for (n_epochs, planes, points) in
            [(7, 13, 300), (3, 2, 1), (5, 400, 256), (2, 9, 1021)]
        {
            let classes = drifting(n_epochs, planes * points);
            let matrix = matrix(&slices(&classes), points);
            let se = matrix.se.as_ref().unwrap();
            for i in 0..n_epochs {
                for j in 0..n_epochs {
                    let (value, error) = plain(&classes[i], &classes[j], points);
                    assert!((matrix.value(i, j) - value).abs() < 1e-12, "({i}, {j})");
                    assert!((se[i * n_epochs + j] - error).abs() < 1e-12, "({i}, {j})");
                }
            }
        }
    }

    #[test]
    fn without_a_group_is_the_agreement_on_the_other_planes() {
        let (planes, points, n_groups) = (11, 30, 4);
        let classes = drifting(3, planes * points);
        let without = without_groups(&slices(&classes), points, n_groups);
        for (group, found) in without.iter().enumerate() {
            let rest: Vec<Vec<u8>> = classes
                .iter()
                .map(|own| {
                    let planes = own.chunks(points).enumerate();
                    let kept = planes.filter(|(plane, _)| plane % n_groups != group);
                    kept.flat_map(|(_, plane)| plane.to_vec()).collect()
                })
                .collect();
            assert_eq!(*found, matrix(&slices(&rest), points).values, "group {group}");
        }
    }

    #[test]
    fn one_plane_has_no_standard_error() {
        let matrix = matrix(&[&[1, 2, 3], &[1, 2, 4]], 3);
        assert!((matrix.value(0, 1) - 2.0 / 3.0).abs() < 1e-15);
        assert!(matrix.se.unwrap().iter().all(|se| se.is_nan()));
    }

    #[test]
    fn the_order_of_epochs_and_planes_does_not_matter() {
        let (planes, points) = (50, 40);
        let classes = drifting(4, planes * points);
        let shuffled: Vec<Vec<u8>> = classes
            .iter()
            .rev()
            .map(|epoch| epoch.chunks(points).rev().flatten().copied().collect())
            .collect();
        let straight = matrix(&slices(&classes), points);
        let mut turned = matrix(&slices(&shuffled), points);
        turned.values.reverse();
        turned.se.as_mut().unwrap().reverse();
        assert_eq!(straight, turned);
    }

    #[test]
    fn the_bytes_are_the_same_at_any_number_of_threads() {
        let classes = drifting(6, 700 * 150);
        let with = |threads| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| matrix(&slices(&classes), 150))
        };
        let one = with(1);
        for threads in [2, 3, 4, 8] {
            assert_eq!(with(threads), one, "{threads} threads");
        }
    }

    #[test]
    fn no_epochs_give_an_empty_matrix() {
        let matrix = matrix::<u8>(&[], 4);
        assert_eq!((matrix.n_epochs, matrix.values.len()), (0, 0));
    }

    #[test]
    #[should_panic(expected = "6 points in planes of 4")]
    fn points_that_do_not_fill_their_planes_are_a_bug() {
        matrix(&[&[0; 6], &[0; 6]], 4);
    }
}
