//! The numbers behind a figure, as the page saves them: a table in CSV.

/// A table of these columns and rows.
pub(crate) fn csv<const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(columns).expect("writing to memory cannot fail");
    for row in rows {
        let row = row.map(without_formula);
        writer
            .write_record(row)
            .expect("every row has as many cells as there are columns");
    }
    let bytes = writer.into_inner().expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("cells are text")
}

/// A number with every digit that it has; empty where undefined.
pub(crate) fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// A number that may not be there.
pub(crate) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(String::new, number)
}

/// Spreadsheets run what begins with one of `=+-@`, and names come from anywhere.
fn without_formula(cell: String) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula && cell.parse::<f64>().is_err() { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        let row = |name: &str, value| [name.to_owned(), number(value)];
        let rows = [row("a,\"b\"", -0.5), row("=cmd|calc!A0", f64::NAN), row("@x", 1e-7)];
        let text = csv(["layer", "value"], rows);
        let expected =
            "layer,value\n\"a,\"\"b\"\"\",-0.5\n'=cmd|calc!A0,\n'@x,0.0000001\n";
        assert_eq!(text, expected);
    }
}
