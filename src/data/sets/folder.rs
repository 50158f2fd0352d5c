//! Pictures of your own in a folder for each class.

use super::set::{Form, Set};
use crate::data::files::folder;

pub(in crate::data) const SET: Set = Set::yours(
    "folder",
    "a folder of pictures",
    Form {
        place: "train/CLASS/*, val/CLASS/*",
        holds: "yours, JPEG or PNG",
        load: folder::load,
    },
);
