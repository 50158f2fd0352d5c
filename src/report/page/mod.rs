//! The page: one HTML file that needs no network. A content security policy admits only the
//! page's own script and style, by their hashes; data is JSON in an element of its own, and
//! every name is escaped.

mod blocks;
mod payload;
mod pictures;
mod sections;

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::figure::svg::Escaped;
use super::model::RunResults;
use super::panels::Shown;
use super::words;

const PAGE: &str = include_str!("page.html");
pub(super) const STYLE: &str = concat!(
    include_str!("style/theme.css"),
    include_str!("style/text.css"),
    include_str!("style/figures.css"),
    include_str!("style/maps.css"),
    include_str!("style/bar.css"),
    include_str!("style/narrow.css"),
);
/// The parts in the order in which they need each other. Those in `shared/` know no run: other
/// pages can use them.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("script/shared/dom.js"),
    include_str!("script/shared/axis.js"),
    include_str!("script/shared/color.js"),
    include_str!("script/shared/glob.js"),
    include_str!("script/shared/scaling.js"),
    include_str!("script/shared/pen.js"),
    include_str!("script/shared/heatmap.js"),
    include_str!("script/shared/saving.js"),
    include_str!("script/run/data.js"),
    include_str!("script/run/state.js"),
    include_str!("script/run/tip.js"),
    include_str!("script/run/bar.js"),
    include_str!("script/run/drawings.js"),
    include_str!("script/maps/stage.js"),
    include_str!("script/maps/section.js"),
    include_str!("script/maps/choices.js"),
    include_str!("script/maps/files.js"),
    include_str!("script/maps/enlarged.js"),
    include_str!("script/maps/slices.js"),
    include_str!("script/maps/paths.js"),
    include_str!("script/maps/regions.js"),
    include_str!("script/run/files.js"),
    include_str!("script/run/contents.js"),
    include_str!("script/run/theme.js"),
    include_str!("script/run/start.js"),
    "})();\n"
);
/// What wrote a page, in its head.
pub(crate) const GENERATOR: &str = concat!(
    "<meta name=\"generator\" content=\"stratagram ",
    env!("CARGO_PKG_VERSION"),
    "\">"
);

/// The page of a run.
pub(crate) fn page(run: &RunResults, shown: &[Shown]) -> String {
    let parts = Parts {
        title: words::title(run),
        origin: words::origin(run),
        sections: sections::html(shown),
        data: payload::payload(run, shown),
    };
    parts.fill_in()
}

/// What differs from page to page.
struct Parts {
    title: String,
    /// One line below the title: where the results are from.
    origin: String,
    /// HTML.
    sections: String,
    /// What the script works on, as JSON without markup.
    data: String,
}

impl Parts {
    fn fill_in(&self) -> String {
        fill(PAGE, |name| match name {
            "policy" => policy(),
            "generator" => GENERATOR.to_owned(),
            "title" => Escaped(&self.title).to_string(),
            "origin" => Escaped(&self.origin).to_string(),
            "style" => STYLE.to_owned(),
            "script" => SCRIPT.to_owned(),
            "data" => self.data.clone(),
            "contents" => sections::contents(),
            "sections" => self.sections.clone(),
            other => unreachable!("page.html asks for `{other}`"),
        })
    }
}

fn policy() -> String {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// Fills in `{{name}}`. What is filled in is not looked at again, so names in the data
/// cannot stand for parts of the page.
pub(super) fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("page.html closes every {{");
        text.push_str(before);
        text.push_str(&value(name));
        rest = after;
    }
    text + rest
}

pub(super) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("sha256-{}", base64::engine::general_purpose::STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_not_filled_in_again() {
        let text = fill("a {{x}} b", |_| "{{x}}".into());
        assert_eq!(text, "a {{x}} b");
    }

    #[test]
    fn script_and_style_cannot_end_their_elements() {
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
        assert!(!STYLE.contains("</"));
        assert!(!SCRIPT.contains("innerHTML"), "names reach the page as text alone");
    }
}
