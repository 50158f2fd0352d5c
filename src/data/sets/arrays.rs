//! Images of your own in an `.npz` file.

use super::set::{Form, Origin, Set};
use crate::data::files::npz;
use crate::data::files::stored::Stored;

pub(in crate::data) const SET: Set = Set {
    name: "arrays",
    title: "arrays",
    images: "images",
    classes: &[],
    counts: [0, 0],
    shape: [0, 0, 0],
    source: "yours",
    origin: Origin::Yours(Form {
        place: "an .npz file",
        holds: "yours, [n, channels, height, width]",
        load: |path, _| {
            let (train, test) = npz::load(path)?;
            let stored = Stored::complete(train, test, vec![], SET.title);
            Ok(stored.with_notes_on_labels())
        },
    }),
};
