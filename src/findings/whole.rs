//! Epochs in files, whole ones without a fraction: 4 and not 4.0.

use serde::{Serialize, Serializer};

/// An epoch.
pub(super) struct Whole(pub(super) Option<f64>);

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::phases::whole_or_null(&self.0, serializer)
    }
}

/// Serializes a list of epochs.
pub(super) fn each<S: Serializer>(
    epochs: &impl AsRef<[f64]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(epochs.as_ref().iter().map(|epoch| Whole(Some(*epoch))))
}
