//! What happens in a run besides its representations.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserializer, Serializer};

use crate::findings::whole::Whole;

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

/// Serializes events as a map from names to epochs.
pub(in crate::findings) fn as_map<S: Serializer>(
    events: &[Event],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(events.iter().map(|event| (&event.name, Whole(event.epoch))))
}

/// Events from such a map, in its order.
pub(in crate::findings) fn from_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Event>, D::Error> {
    struct Events;

    impl<'de> Visitor<'de> for Events {
        type Value = Vec<Event>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map from names of events to epochs")
        }

        fn visit_map<A: MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Vec<Event>, A::Error> {
            let mut events = vec![];
            while let Some((name, epoch)) = map.next_entry::<String, Option<f64>>()? {
                events.push(Event { name, epoch });
            }
            Ok(events)
        }
    }

    deserializer.deserialize_map(Events)
}
