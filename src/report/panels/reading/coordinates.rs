//! Principal coordinates: a layer's checkpoints as points of a plane, from their similarities
//! alone.

use crate::findings::Matrix;

/// Steps of the power iteration; for a picture.
const STEPS: usize = 300;

/// The two leading principal coordinates of points with squared distances `d2` (classical
/// multidimensional scaling): eigenvectors of −½ J D² J, J = 1 − 1/T, times the roots of
/// their eigenvalues. The first point has nonpositive coordinates, which fixes their signs.
///
/// Cost O(300·T²).
pub(super) fn principal_coordinates(d2: &Matrix) -> Vec<[f64; 2]> {
    let n = d2.n();
    let mut gram = centered(d2);
    let mut axes = vec![];
    for _ in 0..2 {
        let (value, vector) = leading(&gram, n);
        for i in 0..n {
            for j in 0..n {
                gram[i * n + j] -= value * vector[i] * vector[j];
            }
        }
        let sign = if vector[0] > 0.0 { -1.0 } else { 1.0 };
        let length = sign * value.max(0.0).sqrt();
        axes.push(vector.into_iter().map(|v| length * v).collect::<Vec<f64>>());
    }
    (0..n).map(|i| [axes[0][i], axes[1][i]]).collect()
}

/// −½ J D² J, row by row.
fn centered(d2: &Matrix) -> Vec<f64> {
    let n = d2.n();
    let means: Vec<f64> =
        (0..n).map(|i| d2.row(i).iter().sum::<f64>() / n as f64).collect();
    let all = means.iter().sum::<f64>() / n as f64;
    let entry = |at: usize| {
        let (i, j) = (at / n, at % n);
        -0.5 * (d2.at(i, j) - means[i] - means[j] + all)
    };
    (0..n * n).map(entry).collect()
}

/// The leading eigenvalue and its vector, by power iteration from a vector of no symmetry, which
/// no eigenvector of regular points is orthogonal to.
fn leading(gram: &[f64], n: usize) -> (f64, Vec<f64>) {
    let mut vector: Vec<f64> = (0..n).map(|i| (i as f64 + 1.0).sqrt()).collect();
    let mut value = 0.0;
    for _ in 0..STEPS {
        let next: Vec<f64> = gram
            .chunks(n)
            .map(|row| row.iter().zip(&vector).map(|(a, b)| a * b).sum())
            .collect();
        value = next.iter().map(|v| v * v).sum::<f64>().sqrt();
        if value < 1e-12 {
            return (0.0, vec![0.0; n]);
        }
        vector = next.into_iter().map(|v| v / value).collect();
    }
    (value, vector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_plane_keep_their_distances() {
        let points: [[f64; 2]; 5] = [[0., 0.], [4., 0.], [4., 1.], [0., 1.], [2., 2.5]];
        let distance = |points: &[[f64; 2]], i: usize, j: usize| {
            let [dx, dy] = [0, 1].map(|axis| points[i][axis] - points[j][axis]);
            dx * dx + dy * dy
        };
        let d2 = Matrix::from_fn(5, |i, j| distance(&points, i, j));
        let found = principal_coordinates(&d2);
        for i in 0..5 {
            for j in 0..5 {
                let difference = distance(&found, i, j) - d2.at(i, j);
                assert!(difference.abs() < 1e-6, "{i} {j}: {found:?}");
            }
        }
        assert!(found[0][0] <= 0.0 && found[0][1] <= 0.0);
        assert_eq!(principal_coordinates(&Matrix::from_fn(3, |_, _| 0.0)), [[0.0; 2]; 3]);
    }
}
