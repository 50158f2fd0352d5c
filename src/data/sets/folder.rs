//! Pictures of your own in a folder for each class.

use super::set::{Form, Origin, Set};
use crate::data::files::folder;

pub(in crate::data) const SET: Set = Set {
    name: "folder",
    title: "a folder of pictures",
    images: "images",
    classes: &[],
    counts: [0, 0],
    shape: [0, 0, 0],
    source: "yours",
    origin: Origin::Yours(Form {
        place: "train/CLASS/*, val/CLASS/*",
        holds: "yours, JPEG or PNG",
        load: folder::load,
    }),
};
