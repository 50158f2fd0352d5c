//! What the file of a data set says of it, whatever kind it is.

use std::path::Path;

use serde::Serialize;

use crate::data::ImageSet;
use crate::data::files::cifar::Cifar;
use crate::data::files::stored::Stored;
use crate::error::Result;

/// A data set that `data.kind` can name.
#[derive(Debug)]
pub(crate) struct Set {
    /// In experiment files.
    pub(crate) name: &'static str,
    /// In sentences.
    pub(in crate::data) title: &'static str,
    /// Its images, behind their number.
    pub(crate) images: &'static str,
    /// Names of its classes; none where its files say them.
    pub(in crate::data) classes: &'static [&'static str],
    /// Training images, test images; 0 where any number is right.
    pub(in crate::data) counts: [usize; 2],
    /// One image, `[channels, height, width]`; 0 where any shape is right.
    pub(in crate::data) shape: [usize; 3],
    /// Where it comes from and its license.
    pub(in crate::data) source: &'static str,
    pub(in crate::data) origin: Origin,
}

impl Set {
    /// Images of your own in some form of files.
    pub(in crate::data) const fn yours(
        name: &'static str,
        title: &'static str,
        form: Form,
    ) -> Self {
        Self {
            name,
            title,
            images: "images",
            classes: &[],
            counts: [0, 0],
            shape: [0, 0, 0],
            source: "yours",
            origin: Origin::Yours(form),
        }
    }
}

/// Where the images of a data set come from.
#[derive(Debug)]
pub(in crate::data) enum Origin {
    /// One set in the program, of which training and test images are drawn.
    Pool(fn() -> ImageSet),
    /// Made by the program from `data.seed`: training and test images.
    Made(fn(u64) -> (ImageSet, ImageSet)),
    /// Files of a known form, in a data directory or at `data.path`.
    Known(Storage),
    /// A form in which users have their own images, at `data.path`.
    Yours(Form),
}

/// How a known data set is stored.
#[derive(Debug)]
pub(in crate::data) struct Storage {
    pub(in crate::data) family: Family,
    /// Folders of a data directory in which it is looked for; the first is where it is
    /// fetched to.
    pub(in crate::data) folders: &'static [&'static str],
    pub(in crate::data) remote: &'static [RemoteFile],
}

/// The form of a known data set's files, besides Hugging Face's Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Family {
    Cifar(Cifar),
    CifarSubset,
    Idx,
}

/// A file of a data set as its authors distribute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RemoteFile {
    /// Its name in the data set's folder.
    pub name: &'static str,
    /// Where it is.
    pub url: &'static str,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: &'static str,
}

/// A form of files for any images.
#[derive(Debug)]
pub(in crate::data) struct Form {
    /// What `data.path` names.
    pub(in crate::data) place: &'static str,
    /// What kind of images may lie there.
    pub(in crate::data) holds: &'static str,
    /// Reads them; pictures of several sizes need `data.size`.
    pub(in crate::data) load: fn(&Path, Option<usize>) -> Result<Stored>,
}
