//! The page: one HTML file that needs no network. A content security policy admits only the
//! page's own script and style, by their hashes; data is JSON in an element of its own, and
//! every name is escaped.

mod blocks;
mod payload;
mod sections;

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::figure::svg::Escaped;
use super::model::RunResults;
use super::panels::Shown;
use super::words;

const PAGE: &str = include_str!("page.html");
pub(super) const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
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
        data: payload::payload(run),
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
