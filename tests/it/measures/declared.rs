//! What documents say of the measures is what the measures declare.

use std::fmt::Write as _;
use std::path::Path;

use stratagram::similarity::{Measure, Properties};

/// The table of measures in docs/FORMAT.md.
fn table() -> String {
    let mut table = "| measure | shown as | definition | equal | invariant to | standard error | signature |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_string();
    for measure in Measure::ALL {
        let Properties { name, title, summary, invariances, error, signature, .. } =
            measure.properties();
        let equal = u8::from(!measure.is_distance());
        let invariances: Vec<&str> = invariances.iter().map(|i| i.name()).collect();
        let order = if measure.is_symmetric() { "" } else { "; (i, j) is not (j, i)" };
        let _ = writeln!(
            table,
            "| `{name}` | {title} | {summary}{order} | {equal} | {} | {error} | {signature} |",
            invariances.join(", ")
        );
    }
    table
}

#[test]
fn the_table_of_measures_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let format = std::fs::read_to_string(root.join("docs/FORMAT.md")).unwrap();
    let table = table();
    assert!(format.contains(&table), "docs/FORMAT.md lacks the table\n\n{table}");
}
