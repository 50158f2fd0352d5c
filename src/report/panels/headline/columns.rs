//! The layers that the headline shows, with their matrices.

use crate::report::model::{EpochMatrix, MatrixSet, RunResults};
use crate::similarity::MatrixKind;

/// The sets of matrices above and below the diagonal.
pub(crate) fn leading_matrices(run: &RunResults) -> [Option<&MatrixSet>; 2] {
    [MatrixKind::CKA, MatrixKind::DRS].map(|kind| run.leading_set(&kind))
}

/// A layer of the headline, with the matrices that exist.
pub(super) struct Column<'a> {
    pub(super) layer: &'a str,
    pub(super) place: String,
    pub(super) cka: Option<&'a EpochMatrix>,
    pub(super) drs: Option<&'a EpochMatrix>,
}

/// First, middle and last layer.
pub(super) fn columns(run: &RunResults) -> Vec<Column<'_>> {
    let [cka, drs] = leading_matrices(run);
    let layers: Vec<&str> = cka
        .or(drs)
        .map_or(&[][..], |set| set.layers.as_slice())
        .iter()
        .map(|matrix| matrix.layer.as_str())
        .filter(|layer| *layer != "output")
        .collect();
    let count = layers.len();
    let mut picked = vec![0, count / 2, count.saturating_sub(1)];
    picked.dedup();
    let column = |index: usize| Column {
        layer: layers[index],
        place: match index {
            // Of those that are shown nothing is said about the others.
            _ if !run.only.is_empty() => String::new(),
            0 => "first layer".into(),
            index if index + 1 == count => "last layer".into(),
            index => format!("layer {} of {count}", index + 1),
        },
        cka: cka.and_then(|set| set.layer(layers[index])),
        drs: drs.and_then(|set| set.layer(layers[index])),
    };
    picked.into_iter().filter(|index| *index < count).map(column).collect()
}
