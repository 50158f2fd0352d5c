//! CSV tables as rows of structs: read and written whole, or grown row by row.

mod cell;
mod columns;
mod log;
mod row;

pub use cell::{Cell, Fixed, Kind, Maybe, MaybeStep, Number, Quoted};
pub use columns::{Columns, Values};
pub use log::{StepRow, TableLog};
pub(super) use row::first_column;
pub use row::{Column, Row, TableAbout, read_rows, write_rows};
pub(crate) use row::{row, table_text};
