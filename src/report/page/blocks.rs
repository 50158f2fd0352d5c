//! The pieces of panels as HTML.

use std::fmt::Write;

use crate::report::figure::svg::Escaped;
use crate::report::panels::{Block, Drawing, Figure, FigureLayout, Folded, Maps, Panel};

/// A piece of a panel.
pub(super) fn html(panel: &Panel, block: &Block) -> String {
    match block {
        Block::Absent(reason) => {
            format!("<p class=\"absent\">{}</p>\n", Escaped(reason))
        }
        Block::Figure(figure) => {
            let files: Vec<String> =
                figure.drawings.iter().rev().map(file_html).collect();
            figure_html(figure, panel.title, &files.join(" "))
        }
        Block::Maps(maps) => maps_html(maps),
        Block::Folded(folded) => folded_html(panel, folded),
        Block::Html(html) => html.clone(),
    }
}

fn folded_html(panel: &Panel, folded: &Folded) -> String {
    let inner: String = folded.blocks.iter().map(|block| html(panel, block)).collect();
    let summary = Escaped(&folded.summary);
    format!("<details class=\"fold\">\n<summary>{summary}</summary>\n{inner}</details>\n")
}

/// A figure with its caption and, as HTML, its files; `name` is for screen readers.
pub(crate) fn figure_html(figure: &Figure, name: &str, files: &str) -> String {
    let inline = |drawing: &Drawing| inline(drawing, name);
    let (class, drawing) = match (figure.layout, &figure.drawings[..]) {
        (FigureLayout::Headline, [narrow, wide]) => (
            "headline",
            format!(
                "<div class=\"wide\">{}</div><div class=\"narrow\">{}</div>",
                inline(wide),
                inline(narrow)
            ),
        ),
        (_, drawings) => ("scroll", drawings.iter().map(inline).collect()),
    };
    format!(
        "<figure class=\"{class}\">\n<div class=\"drawing\">{drawing}</div>\n<figcaption>{} <span class=\"file\">{files}</span></figcaption>\n</figure>\n",
        Escaped(&figure.caption)
    )
}

/// Where the same drawing lies as a file.
fn file_html(drawing: &Drawing) -> String {
    format!("<code>{}</code>", Escaped(&format!("figures/{}.svg", drawing.file)))
}

/// A drawing inside the page: without the title, which would pop up as a tooltip, but with
/// a name for screen readers and that of its file. One with keys is a group: an image would
/// hide them.
fn inline(Drawing { file, svg }: &Drawing, name: &str) -> String {
    let role = if svg.contains("<g data-key=") { "group" } else { "img" };
    let (name, file) = (Escaped(name), Escaped(file));
    let label = format!("role=\"{role}\" aria-label=\"{name}\" data-file=\"{file}\"");
    let svg = svg.replacen("role=\"img\"", &label, 1);
    match (svg.find("<title>"), svg.find("</desc>")) {
        (Some(from), Some(to)) => format!("{}{}", &svg[..from], &svg[to + 7..]),
        _ => svg,
    }
}

/// Maps of one kind: the grid that the script fills with what the reader chooses, and the
/// captions, of which one is visible.
fn maps_html(maps: &Maps) -> String {
    let Maps { id, heading, sets } = maps;
    let mut html =
        format!("<div class=\"maps\" data-maps=\"{id}\">\n<h3>{heading}</h3>\n");
    html += "<div class=\"grid\"></div>\n";
    for (order, set) in sets.iter().enumerate() {
        let hidden = if order == 0 { "" } else { " hidden" };
        let files: String = set.figure.drawings.iter().map(file_html).collect();
        let _ = writeln!(
            html,
            "<p class=\"caption\" data-set=\"{}\"{hidden}>{} <span class=\"file\">{files}</span></p>",
            set.index,
            Escaped(&set.figure.caption),
        );
    }
    html + "</div>\n"
}
