//! The list of contents.

/// A link to each section: its id, and the name that it goes by. The page's script takes away
/// those that the page does not have.
pub(crate) fn html(entries: &[(&str, &str)]) -> String {
    let entry =
        |(id, name): &(&str, &str)| format!("<li><a href=\"#{id}\">{name}</a></li>\n");
    entries.iter().map(entry).collect()
}
