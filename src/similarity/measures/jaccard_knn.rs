//! The mean Jaccard index of nearest-neighbor sets: of all the neighbors that an example has in
//! two representations, the share that it has in both.

use crate::similarity::measure::{
    Definition, Epochs, Procedure, Properties, Setting, Settings,
};
use crate::similarity::measures::neighbours::{self, INVARIANCES, Nearness};
use crate::similarity::{EpochMatrix, Feature, Undefined};

/// The Jaccard index of nearest neighbors.
pub(super) const JACCARD_KNN: Definition<Jaccard> = Definition {
    properties: Properties {
        name: "jaccard-knn",
        title: "Jaccard index of kNN",
        summary: "mean Jaccard index of the sets of nearest neighbors by cosine",
        invariances: INVARIANCES,
        settings: &[Setting::Neighbours],
        error: "sd/√n of the examples' indices: 0.6 to 0.85 of the spread over draws",
        signature: "nearest neighbors, `[n, k]`",
        ..Properties::SIMILARITY
    },
    procedure: Jaccard,
};

/// The Jaccard index.
pub(super) struct Jaccard;

impl Procedure for Jaccard {
    fn signature<T: Feature>(
        &self,
        features: &[T],
        n: usize,
        p: usize,
        settings: &Settings,
    ) -> Result<Vec<f32>, Undefined> {
        neighbours::signature(features, n, p, settings.neighbours, Nearness::Cosine)
    }

    fn signature_len(&self, n: usize, _p: usize, settings: &Settings) -> usize {
        n * settings.neighbours
    }

    fn compare(&self, epochs: &Epochs<'_>) -> EpochMatrix {
        epochs.pairwise(|a, b| compare(a, b, epochs.n))
    }
}

/// The mean over examples of `|N_k(i) ∩ M_k(i)|/|N_k(i) ∪ M_k(i)|`, and its standard error
/// over examples, sd/√n. As examples share neighbors their indices vary together, which it
/// does not count.
///
/// Cost n·k² comparisons.
fn compare(a: &[f32], b: &[f32], n: usize) -> (f64, f64) {
    let k = a.len() / n;
    let index = |common: usize| common as f64 / (2 * k - common) as f64;
    let indices: Vec<f64> = neighbours::common(a, b, n).into_iter().map(index).collect();
    let size = n as f64;
    let mean = indices.iter().sum::<f64>() / size;
    let squares: f64 = indices.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, (squares / (size - 1.0) / size).sqrt())
}
