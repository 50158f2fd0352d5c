//! Tables of the page.

use crate::report::figure::svg::Escaped;

/// A table under the name by which it is saved.
pub(super) fn table(file: &str, columns: &[&str], rows: &str) -> String {
    let head: String = columns
        .iter()
        .map(|name| format!("<th scope=\"col\">{}</th>", Escaped(name)))
        .collect();
    let file = Escaped(file);
    format!(
        "<div class=\"table\"><table class=\"findings\" data-file=\"{file}\"><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )
}

/// A row: its heading and its cells.
pub(super) fn line(heading: &str, cells: &[String]) -> String {
    let cells: String =
        cells.iter().map(|cell| format!("<td>{}</td>", Escaped(cell))).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", Escaped(heading))
}
