//! What happens in a run besides its representations.

use serde::{Serialize, Serializer};

/// The event at which the training labels are fitted perfectly.
pub const PERFECT_FIT: &str = "perfect-fit";

/// An event of a run: `clean-learned`, `memorizing`, `perfect-fit`, `corrupted-fit`, `min`,
/// `peak`, `second-min`, or a milestone of the learning-rate schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// When it happens; none if it never does.
    pub epoch: Option<f64>,
}

impl Event {
    /// An event at an epoch.
    pub fn new(name: &str, epoch: Option<f64>) -> Self {
        Self { name: name.into(), epoch }
    }
}

/// An epoch, whole ones without a fraction.
struct Whole(Option<f64>);

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::phases::whole_or_null(&self.0, serializer)
    }
}

/// Serializes events as a map from names to epochs.
pub(in crate::findings) fn as_map<S: Serializer>(
    events: &[Event],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(events.iter().map(|event| (&event.name, Whole(event.epoch))))
}
