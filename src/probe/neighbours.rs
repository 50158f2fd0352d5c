//! Nearest neighbours in a representation: the k-NN probes behind the prediction depth of
//! Baldock, Maennel and Neyshabur 2021 (arXiv:2106.09647).

use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use super::product::Scalar;

/// Neighbours that vote, as in Baldock et al. 2021.
pub const NEIGHBOURS: usize = 30;
/// Query examples of one product.
const BLOCK: usize = 64;

/// The class that most of the `k` nearest other examples have, for each of the examples
/// `queries`; of equal ones the lowest class.
///
/// Distances are Euclidean, in the features as they are, of which the mean is taken away
/// first (it changes none and saves digits): ‖x‖² + ‖y‖² − 2·x·y, the products in T. Of
/// equally near examples the first counts.
///
/// *Shapes* `features [n, d]`, `labels [n]`. *Cost* |queries|·n·d multiply-adds, and n·d
/// values of T beside the features.
///
/// # Panics
/// If the shapes differ, a query is not below n, or k is 0 or not below n.
///
/// # Example
/// ```
/// use stratagram::probe::neighbours::vote;
/// let features = [0.0_f32, 1.0, 2.0, 10.0, 11.0, 12.0];
/// // The two nearest of example 3 are 4 and 5; its own label does not count.
/// assert_eq!(vote(&features, &[0, 0, 0, 7, 5, 5], 1, &[3], 2), [5]);
/// ```
pub fn vote<T: Scalar>(
    features: &[T],
    labels: &[u8],
    d: usize,
    queries: &[usize],
    k: usize,
) -> Vec<u8> {
    let n = labels.len();
    assert_eq!(features.len(), n * d, "features [{n}, {d}]");
    assert!(k > 0 && k < n, "{k} neighbours of {n} examples");
    let centred = centred(features, n, d);
    let square = |row: &[T]| row.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>();
    let squares: Vec<f64> = centred.par_chunks(d).map(square).collect();
    let all = MatRef::from_row_major_slice(&centred, n, d);
    let classes = queries.par_chunks(BLOCK).map(|block| {
        let rows = Mat::from_fn(block.len(), d, |i, j| centred[block[i] * d + j]);
        let mut products = Mat::<T>::zeros(n, block.len());
        faer::linalg::matmul::matmul(
            products.as_mut(),
            Accum::Replace,
            all,
            rows.transpose(),
            T::from_f64(1.0),
            Par::Seq,
        );
        let class = |(column, &query): (usize, &usize)| {
            let distance = |i: usize| {
                squares[i] + squares[query] - 2.0 * products[(i, column)].to_f64()
            };
            majority(n, query, distance, labels, k)
        };
        block.iter().enumerate().map(class).collect::<Vec<u8>>()
    });
    classes.collect::<Vec<_>>().concat()
}

/// The most frequent label of the `k` examples nearest to `query`.
fn majority(
    n: usize,
    query: usize,
    distance: impl Fn(usize) -> f64,
    labels: &[u8],
    k: usize,
) -> u8 {
    let mut near: Vec<(f64, usize)> =
        (0..n).filter(|&i| i != query).map(|i| (distance(i), i)).collect();
    let order =
        |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    near.select_nth_unstable_by(k - 1, order);
    let mut counts = [0_usize; 256];
    for (_, i) in &near[..k] {
        counts[usize::from(labels[*i])] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    counts.iter().position(|&count| count == most).unwrap_or(0) as u8
}

fn centred<T: Scalar>(features: &[T], n: usize, d: usize) -> Vec<T> {
    let mut mean = vec![0.0; d];
    for row in features.chunks(d) {
        for (mean, value) in mean.iter_mut().zip(row) {
            *mean += value.to_f64() / n as f64;
        }
    }
    let value = |(at, x): (usize, &T)| T::from_f64(x.to_f64() - mean[at % d]);
    features.iter().enumerate().map(value).collect()
}

/// The prediction depth of one example: the first layer from which on, down to the deepest,
/// every layer's vote is the class that the net gives; the number of layers where the
/// deepest layer's already differs (Baldock et al. 2021).
///
/// # Example
/// ```
/// use stratagram::probe::neighbours::prediction_depth;
/// // Layer 0 agrees by chance, layers 2 and 3 agree for good.
/// assert_eq!(prediction_depth([4, 1, 4, 4].into_iter(), 4), 2);
/// assert_eq!(prediction_depth([4, 4, 4, 1].into_iter(), 4), 4);
/// assert_eq!(prediction_depth([4, 4].into_iter(), 4), 0);
/// ```
pub fn prediction_depth(
    votes: impl DoubleEndedIterator<Item = u8> + ExactSizeIterator,
    net: u8,
) -> usize {
    let n_layers = votes.len();
    n_layers - votes.rev().take_while(|&vote| vote == net).count()
}
