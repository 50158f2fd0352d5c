//! Objects of a document: their numbers, their names, their streams.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::{Dict, Name, Ref};

/// Numbers of objects, in the order of writing.
pub(super) struct Numbers(i32);

impl Numbers {
    /// The first three are the document's own: catalog, pages and page.
    pub(super) fn new() -> Self {
        Self(3)
    }

    pub(super) fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

/// Something that content refers to by a name of a letter and a number.
pub(super) struct Resource {
    pub(super) name: String,
    pub(super) id: Ref,
}

/// Says which name means which object.
pub(super) fn name_all<'a>(
    mut names: Dict<'_>,
    resources: impl Iterator<Item = &'a Resource>,
) {
    for resource in resources {
        names.pair(Name(resource.name.as_bytes()), resource.id);
    }
}

/// The bytes of a stream with the filter `FlateDecode`.
pub(super) fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).expect("writing to memory cannot fail");
    encoder.finish().expect("writing to memory cannot fail")
}
