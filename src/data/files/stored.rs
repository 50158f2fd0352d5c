//! A data set as it is stored: what every reader gives, before subset, split and resizing.

use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::data::ImageSet;
pub(in crate::data) use crate::disk::open;
use crate::error::{Error, Result};

/// Training and test images in stored order.
pub(in crate::data) struct Stored {
    pub(in crate::data) train: ImageSet,
    pub(in crate::data) test: ImageSet,
    /// Position of each training image in the complete data set: what noise belongs to.
    pub(in crate::data) train_positions: Vec<usize>,
    /// Number of training images of the complete data set.
    pub(in crate::data) n_positions: usize,
    /// Names of the classes; empty where the files hold numbers alone.
    pub(in crate::data) class_names: Vec<String>,
    /// What it is, such as "CIFAR-10 (JPEG)".
    pub(in crate::data) name: String,
    /// What there is to be said of it.
    pub(in crate::data) notes: Vec<String>,
}

impl Stored {
    /// Images that are the complete data set.
    pub(in crate::data) fn complete(
        train: ImageSet,
        test: ImageSet,
        class_names: Vec<String>,
        name: impl Into<String>,
    ) -> Self {
        let n = train.len();
        Self {
            train,
            test,
            train_positions: (0..n).collect(),
            n_positions: n,
            class_names,
            name: name.into(),
            notes: vec![],
        }
    }

    /// Says which classes, up to the largest label, have no training image.
    pub(in crate::data) fn with_notes_on_labels(mut self) -> Self {
        let labels = self.train.labels.iter().chain(&self.test.labels);
        let n = labels.max().map_or(0, |label| usize::from(*label) + 1);
        let is_missing = |class: &usize| {
            !self.train.labels.iter().any(|label| usize::from(*label) == *class)
        };
        let missing: Vec<usize> = (0..n).filter(is_missing).collect();
        let note = match missing[..] {
            [] => return self,
            [0] => format!(
                "labels begin at 1: class 0 has no training image, and the net {n} outputs; \
                 labels from 0 on leave none over"
            ),
            _ => {
                let shown: Vec<String> =
                    missing.iter().take(8).map(usize::to_string).collect();
                let more = if missing.len() > 8 { " …" } else { "" };
                format!(
                    "labels are sparse: {} of {n} classes have no training image ({}{more})",
                    missing.len(),
                    shown.join(" ")
                )
            }
        };
        self.notes.push(note);
        self
    }

    /// Itself, if training and test images, which lie at `place`, have one shape.
    pub(in crate::data) fn of_one_shape(self, place: &Path) -> Result<Self> {
        let (train, test) = (self.train.shape, self.test.shape);
        if train == test {
            return Ok(self);
        }
        let found =
            format!("has training images of {train:?} and test images of {test:?}");
        Err(Error::data(place, found).expected("the same shape"))
    }
}

/// A file under its name in messages, at a position that messages can tell.
pub(in crate::data) struct Source<R> {
    reader: R,
    place: PathBuf,
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(in crate::data) fn new(reader: R, place: &Path) -> Self {
        Self { reader, place: place.to_owned(), offset: 0 }
    }

    pub(in crate::data) fn place(&self) -> &Path {
        &self.place
    }

    pub(in crate::data) fn offset(&self) -> u64 {
        self.offset
    }

    /// An error at byte `offset`.
    pub(in crate::data) fn wrong_at(&self, offset: u64, found: impl Display) -> Error {
        Error::data(&self.place, format!("at byte {offset}: {found}"))
    }

    /// Fills `bytes`; `what` names them in the error of a file that ends before.
    pub(in crate::data) fn fill(&mut self, bytes: &mut [u8], what: &str) -> Result<()> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_some(&mut bytes[filled..])? {
                0 => {
                    let found = format!("the file ends {filled} bytes into {what}");
                    return Err(self
                        .wrong_at(self.offset, found)
                        .expected(format!("{} bytes", bytes.len()))
                        .fix("the file is truncated: get it again"));
                }
                n => filled += n,
            }
        }
        Ok(())
    }

    /// That nothing is left.
    pub(in crate::data) fn expect_end(&mut self) -> Result<()> {
        match self.read_some(&mut [0])? {
            0 => Ok(()),
            _ => Err(self.wrong_at(self.offset - 1, "more bytes").expected("the end")),
        }
    }

    /// Reads some bytes, 0 at the end.
    pub(in crate::data) fn read_some(&mut self, bytes: &mut [u8]) -> Result<usize> {
        loop {
            match self.reader.read(bytes) {
                Ok(n) => {
                    self.offset += n as u64;
                    return Ok(n);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Decompressors report damage as I/O errors.
                    let found = format!("cannot be read ({error})");
                    return Err(self
                        .wrong_at(self.offset, found)
                        .fix("the file may be damaged: get it again"));
                }
            }
        }
    }
}

/// Whether a path names a gzip file.
pub(in crate::data) fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("gz") || extension.eq_ignore_ascii_case("tgz")
    })
}
