//! The page: one HTML file that needs no network. A content security policy admits only the
//! page's own script and style, by their hashes; data is JSON in an element of its own, and
//! every name is escaped.

mod blocks;
mod contents;
mod payload;
mod pictures;
mod sections;

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::figure::svg::Escaped;
use super::model::RunResults;
use super::panels::Shown;
use super::words;

pub(super) use blocks::figure_html;
pub(super) use contents::html as contents;
pub(super) use payload::{UNITS, escape, in_units, rounded};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = concat!(
    include_str!("style/theme.css"),
    include_str!("style/text.css"),
    include_str!("style/figures.css"),
    include_str!("style/maps.css"),
    include_str!("style/bar.css"),
    include_str!("style/narrow.css"),
);
/// The parts of the script in the order in which they need each other: those that know no page,
/// the page's own data, what pages share, and the page's own parts, which start it.
const SHARED: &str = concat!(
    include_str!("script/shared/dom.js"),
    include_str!("script/shared/axis.js"),
    include_str!("script/shared/color.js"),
    include_str!("script/shared/glob.js"),
    include_str!("script/shared/scaling.js"),
    include_str!("script/shared/pen.js"),
    include_str!("script/shared/heatmap.js"),
    include_str!("script/shared/saving.js"),
    include_str!("script/maps/sources.js"),
);
const PARTS: &str = concat!(
    include_str!("script/page/state.js"),
    include_str!("script/page/tip.js"),
    include_str!("script/page/bar.js"),
    include_str!("script/page/drawings.js"),
    include_str!("script/page/files.js"),
    include_str!("script/page/contents.js"),
    include_str!("script/page/theme.js"),
    include_str!("script/page/start.js"),
    include_str!("script/maps/stage.js"),
    include_str!("script/maps/colors.js"),
    include_str!("script/maps/choices.js"),
    include_str!("script/maps/files.js"),
    include_str!("script/maps/enlarged.js"),
);

/// What a page of one kind adds to the script and the style of all.
pub(super) struct Kind {
    /// The numbers that the script works on, and what a reader chooses.
    data: &'static str,
    /// The rest.
    parts: &'static str,
    style: &'static str,
}

/// The page of a run.
const RUN: Kind = Kind {
    data: include_str!("script/run/data.js"),
    parts: concat!(
        include_str!("script/maps/section.js"),
        include_str!("script/maps/slices.js"),
        include_str!("script/maps/paths.js"),
        include_str!("script/maps/regions.js"),
        include_str!("script/run/start.js"),
    ),
    style: "",
};
/// The page of a comparison.
pub(super) const COMPARISON: Kind = Kind {
    data: include_str!("script/comparison/data.js"),
    parts: concat!(
        include_str!("script/comparison/atlas.js"),
        include_str!("script/comparison/start.js"),
    ),
    style: include_str!("style/comparison.css"),
};

impl Kind {
    fn script(&self) -> String {
        let body = [SHARED, self.data, PARTS, self.parts].concat();
        format!("\"use strict\";\n(() => {{\n{body}}})();\n")
    }

    fn style(&self) -> String {
        [STYLE, self.style].concat()
    }
}

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
        contents: contents(&sections::CONTENTS),
    };
    parts.fill_in(&RUN)
}

/// What differs from page to page.
pub(super) struct Parts {
    /// Its title, as text.
    pub(super) title: String,
    /// One line below the title: where the results are from.
    pub(super) origin: String,
    /// HTML.
    pub(super) sections: String,
    /// What the script works on, as JSON without markup.
    pub(super) data: String,
    /// The list of contents as HTML.
    pub(super) contents: String,
}

impl Parts {
    /// The page.
    pub(super) fn fill_in(&self, kind: &Kind) -> String {
        let (style, script) = (kind.style(), kind.script());
        fill(PAGE, |name| match name {
            "policy" => policy(&style, &script),
            "generator" => GENERATOR.to_owned(),
            "title" => Escaped(&self.title).to_string(),
            "origin" => Escaped(&self.origin).to_string(),
            "style" => style.clone(),
            "script" => script.clone(),
            "data" => self.data.clone(),
            "contents" => self.contents.clone(),
            "sections" => self.sections.clone(),
            other => unreachable!("page.html asks for `{other}`"),
        })
    }
}

fn policy(style: &str, script: &str) -> String {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(script),
        hash(style)
    )
}

/// Fills in `{{name}}`. What is filled in is not looked at again, so names in the data
/// cannot stand for parts of the page.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
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
        for kind in [RUN, COMPARISON] {
            let (script, style) = (kind.script(), kind.style());
            assert!(!script.contains("</") && !script.contains("<!--"));
            assert!(!style.contains("</"));
            assert!(!script.contains("innerHTML"), "names reach the page as text alone");
        }
    }
}
