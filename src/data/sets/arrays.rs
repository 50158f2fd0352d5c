//! Images of your own in an `.npz` file.

use super::set::{Form, Set};
use crate::data::files::npz;
use crate::data::files::stored::Stored;

pub(in crate::data) const SET: Set = Set::yours(
    "arrays",
    "arrays",
    Form {
        place: "an .npz file",
        holds: "yours, [n, channels, height, width]",
        load: |path, _| {
            let (train, test) = npz::load(path)?;
            let stored = Stored::complete(train, test, vec![], SET.title);
            Ok(stored.with_notes_on_labels())
        },
    },
);
