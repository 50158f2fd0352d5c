//! The run directory: where its files are, how they are written whole, who holds it, and
//! whether it holds the experiment at hand. `docs/FORMAT.md` describes its files.

mod arrays;
mod atomic;
mod checksums;
mod files;
mod findings;
mod lock;
mod logs;
mod manifest;
mod names;
mod paths;
mod recording;
mod regions;
mod run;
mod table_file;
pub mod tables;
#[cfg(test)]
mod tests;

pub use arrays::{Labels, MatrixFile, Place};
pub(crate) use atomic::link_or_copy;
pub use atomic::write_atomic;
pub(crate) use atomic::{remove_file, remove_unfinished, remove_unfinished_below};
pub(crate) use checksums::{
    are_listed, check_sources, checked, finish, link_file, list_all, sums_of, write_file,
};
pub use files::{About, Found, Mark, RunFile, Writer};
pub use findings::{findings_text, read_findings};
pub(crate) use lock::is_worked_on;
pub use logs::{Curve, Log, LogOptions, history_text, read_curves, read_log};
pub use manifest::{EarlyEnd, EngineSpan, ImportedFile, Manifest, Origin, Seeds, Status};
pub use names::check_name;
pub use recording::{
    READOUT, Recorded, RecordedAnswers, RecordedGroup, RecordedPlanes, RecordedProbes,
    RecordedReadout, Recording,
};
pub use regions::{RegionPlanes, Regions};
pub use run::{AnalysisLock, Checkpoint, RunDir};
pub(crate) use table_file::table_text;
pub use table_file::{
    Cell, Column, Columns, Fixed, Kind, Maybe, MaybeStep, Number, Quoted, Row, StepRow,
    TableAbout, TableLog, Values, read_rows, write_rows,
};
