//! Statements: the sentences of both abstracts that runs can decide on. One file each;
//! [`ALL`] is the list.

mod conditions;
mod definition;
mod p1;
mod p2;
mod p3;
mod p4;
mod p5;
mod p6;
mod p7;
mod p8;
mod part;
mod question;

pub(crate) use definition::{Definition, Needs, Parts};
pub use definition::{Reading, Source};
pub(crate) use part::Part;
pub(crate) use question::Question;

/// All statements, in the order of the families that they are corrected in.
pub(crate) const ALL: [&Definition; 8] =
    [&p1::P1, &p2::P2, &p3::P3, &p4::P4, &p5::P5, &p6::P6, &p7::P7, &p8::P8];

/// The statement of that id.
pub(crate) fn of_id(id: &str) -> Option<&'static Definition> {
    ALL.into_iter().find(|definition| definition.id == id)
}
