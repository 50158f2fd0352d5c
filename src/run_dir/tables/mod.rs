//! The tables of a run: one file per table, one struct per row, whose fields are the columns.
//! Adding a table is a file here, a line in [`TABLES`] and a kind of [`super::RunFile`].
//!
//! More than a dozen files: one per table.

mod axis;
mod collapse;
mod convergence;
mod curves;
mod floor;
mod geometry;
mod history;
mod layers;
mod matrices;
mod noise;
mod phases;
mod prediction_depth;
mod probes;
mod representations;
mod sample_ids;
mod timing;
mod updates;

use super::table_file::{Row, TableAbout};

pub use axis::AxisRow;
pub use collapse::CollapseRow;
pub use convergence::ConvergenceRow;
pub use curves::CurveRow;
pub use floor::FloorRow;
pub use geometry::GeometryRow;
pub use history::HistoryRow;
pub use layers::LayerRow;
pub use matrices::CellRow;
pub use noise::NoiseRow;
pub use phases::BoundaryRow;
pub use prediction_depth::DepthRow;
pub use probes::ProbeRow;
pub use representations::RepresentationRow;
pub use sample_ids::SampleRow;
pub use timing::TimingRow;
pub use updates::UpdateRow;

/// Every table, in the order of [`super::RunFile::ALL`].
pub const TABLES: [TableAbout; 17] = [
    HistoryRow::TABLE,
    TimingRow::TABLE,
    UpdateRow::TABLE,
    AxisRow::TABLE,
    CellRow::TABLE,
    NoiseRow::TABLE,
    ProbeRow::TABLE,
    DepthRow::TABLE,
    RepresentationRow::TABLE,
    CollapseRow::TABLE,
    GeometryRow::TABLE,
    LayerRow::TABLE,
    FloorRow::TABLE,
    BoundaryRow::TABLE,
    CurveRow::TABLE,
    ConvergenceRow::TABLE,
    SampleRow::TABLE,
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::run_dir::{Mark, Maybe, Number, RunFile, read_rows, write_rows};

    #[test]
    fn every_table_of_a_run_is_in_the_list() {
        let is_table = |file: &RunFile| {
            let path = Path::new(file.about().pattern);
            path.extension().is_some_and(|e| e == "csv") && !path.starts_with("checksums")
        };
        let files: Vec<_> = RunFile::ALL.into_iter().filter(is_table).collect();
        assert_eq!(TABLES.map(|table| table.file).to_vec(), files);
        assert!(files.iter().all(|file| file.is(Mark::Exported)));
    }

    /// `tests/tables` holds rows that version 0.1.0 wrote, whole numbers, tiny ones, empty
    /// fields, quotes and reasons among them.
    #[test]
    fn tables_are_written_as_they_were_read_byte_for_byte() {
        fn check<R: Row>(root: &Path) {
            let rows: Vec<R> = read_rows(root).unwrap();
            assert!(rows.len() > 1, "{:?}", R::TABLE.file);
            let copy = tempfile::tempdir().unwrap();
            write_rows(copy.path(), &rows).unwrap();
            let text = |root| fs::read_to_string(R::TABLE.file.path(root)).unwrap();
            assert_eq!(text(copy.path()), text(root));
        }
        let root = Path::new("tests/tables");
        check::<HistoryRow>(root);
        check::<TimingRow>(root);
        check::<UpdateRow>(root);
        check::<AxisRow>(root);
        check::<CellRow>(root);
        check::<NoiseRow>(root);
        check::<ProbeRow>(root);
        check::<DepthRow>(root);
        check::<RepresentationRow>(root);
        check::<CollapseRow>(root);
        check::<GeometryRow>(root);
        check::<LayerRow>(root);
        check::<FloorRow>(root);
        check::<BoundaryRow>(root);
        check::<CurveRow>(root);
        check::<ConvergenceRow>(root);
        check::<SampleRow>(root);
    }

    #[test]
    fn tables_may_lack_optional_columns_and_have_others() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let write = |text: &str| fs::write(RunFile::Geometry.path(root), text).unwrap();
        assert_eq!(read_rows::<GeometryRow>(root).unwrap(), []);
        write("step,new,epoch, layer,group,quantity,value\n8,x,1,fc,test,shares,0.5\n");
        let rows: Vec<GeometryRow> = read_rows(root).unwrap();
        let expected = GeometryRow {
            layer: "fc".into(),
            step: 8,
            epoch: Number(1.0),
            group: "test".into(),
            quantity: "shares".into(),
            value: Number(0.5),
            se: Maybe(f64::NAN),
        };
        assert_eq!(rows, [expected]);
        let header = "layer,step,epoch,group,quantity,value,se\n";
        for (text, part) in [
            ("layer,step\n".to_owned(), "has no column `epoch`"),
            (format!("{header}fc,8,1,test,shares,,\n"), "has `` under `value` in line 2"),
            (format!("{header}fc,8,1,test,shares,1,x\n"), "has `x` under `se` in line 2"),
            (format!("{header}fc,-1,1,test,shares,1,\n"), "has `-1` under `step`"),
            (format!("{header}fc,8\n"), "is not a table"),
        ] {
            write(&text);
            let error = read_rows::<GeometryRow>(root).unwrap_err().to_string();
            assert!(error.contains("geometry.csv") && error.contains(part), "{error}");
        }
    }
}
