//! The page: one HTML file that needs no network. A content security policy admits only the
//! page's own script and style, by their hashes; data is JSON in an element of its own, and
//! every name is escaped.

mod payload;

use std::fmt::Write;

use base64::Engine as _;
use sha2::{Digest, Sha256};

use crate::report::figure::svg::Escaped;
use crate::report::model::{MatrixSet, RunResults};
use crate::report::panels::depth::{depth_caption, depth_figure};
use crate::report::panels::geometry::{geometry_caption, geometry_figure};
use crate::report::panels::headline::{Layout, headline_figure};
use crate::report::panels::penalty::Penalties;
use crate::report::panels::probes::{probes_caption, probes_figure};
use crate::report::panels::regions::{of_output, regions_caption, regions_figure};
use crate::report::panels::settings;
use crate::report::panels::strips::{strip_caption, strip_figure};
use crate::report::words;
use payload::payload;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// What wrote a page, in its head.
pub(crate) const GENERATOR: &str = concat!(
    "<meta name=\"generator\" content=\"stratagram ",
    env!("CARGO_PKG_VERSION"),
    "\">"
);

/// The whole page.
pub(crate) fn page(run: &RunResults) -> String {
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    fill(PAGE, |name| match name {
        "policy" => policy.clone(),
        "generator" => GENERATOR.to_owned(),
        "title" => Escaped(&words::title(run)).to_string(),
        "origin" => Escaped(&settings::origin(run)).to_string(),
        "style" => STYLE.to_owned(),
        "script" => SCRIPT.to_owned(),
        "data" => payload(run),
        "verdict" => verdict(&words::verdict(run)),
        "warnings" => warnings(run),
        "headline" => headline(run),
        "layers" => layers(run),
        "probes" => probes(run),
        "regions" => regions(run),
        "settings" => settings::section(run),
        other => unreachable!("page.html asks for `{other}`"),
    })
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

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("sha256-{}", base64::engine::general_purpose::STANDARD.encode(digest))
}

/// The verdict's first sentence large, the others below it.
fn verdict(sentences: &[String]) -> String {
    let Some((lead, more)) = sentences.split_first() else { return String::new() };
    let mut html = format!("<p class=\"lead\">{}</p>\n", Escaped(lead));
    if !more.is_empty() {
        let _ = writeln!(html, "<p class=\"more\">{}</p>", Escaped(&more.join(" ")));
    }
    html
}

fn warnings(run: &RunResults) -> String {
    let mut html = String::new();
    for warning in words::warnings(run) {
        let _ = writeln!(html, "<p class=\"warning\">{}</p>", Escaped(&warning));
    }
    html
}

/// Why a section is empty.
fn absence(reason: &str) -> String {
    format!("<p class=\"absent\">{}</p>\n", Escaped(reason))
}

/// A drawing inside the page: without the title, which would pop up as a tooltip, but with
/// a name for screen readers.
fn inline(svg: &str, name: &str) -> String {
    let label = format!("role=\"img\" aria-label=\"{}\"", Escaped(name));
    let svg = svg.replacen("role=\"img\"", &label, 1);
    match (svg.find("<title>"), svg.find("</desc>")) {
        (Some(from), Some(to)) => format!("{}{}", &svg[..from], &svg[to + 7..]),
        _ => svg,
    }
}

/// A figure with its caption; `file` is where the same figure lies as SVG.
fn figure(class: &str, drawing: &str, caption: &str, files: &[&str]) -> String {
    let names: Vec<String> =
        files.iter().map(|file| format!("<code>{}</code>", Escaped(file))).collect();
    format!(
        "<figure class=\"{class}\">\n<div class=\"drawing\">{drawing}</div>\n<figcaption>{} <span class=\"file\">{}</span></figcaption>\n</figure>\n",
        Escaped(caption),
        names.join(" ")
    )
}

fn headline(run: &RunResults) -> String {
    if run.history.is_empty() && run.epochs.is_empty() {
        return absence("There is neither a history nor a matrix to show.");
    }
    let mut html = String::new();
    if run.history.is_empty() {
        html += &absence("history.csv is absent or empty: there are no error curves.");
    }
    if crate::report::headline_layers(run).is_empty() {
        html += &absence(
            "There are no matrices yet, so only the errors are shown; `stratagram analyze` \
             writes them.",
        );
    }
    let name = "Errors over the epochs, and similarity of layers with themselves";
    let wide = inline(&headline_figure(run, Layout::Page), name);
    let narrow = inline(&headline_figure(run, Layout::Column), name);
    let drawing =
        format!("<div class=\"wide\">{wide}</div><div class=\"narrow\">{narrow}</div>");
    let files = ["figures/headline-wide.svg", "figures/headline.svg"];
    html + &figure("headline", &drawing, &words::headline_caption(run), &files)
}

fn layers(run: &RunResults) -> String {
    let (regions, others): (Vec<_>, Vec<_>) =
        run.matrices.iter().enumerate().partition(|(_, set)| set.is_regions());
    let mut html = String::new();
    if others.is_empty() {
        html += &absence(
            "There are no CKA matrices: matrices/cka is absent. `stratagram analyze` writes it.",
        );
    } else {
        html += &maps("cka", "Representations: CKA", run, &others);
    }
    if regions.is_empty() && run.is_recorded() {
        html += &absence(
            "No decisions were recorded: given planes=…, the recorder compares the decision \
             regions of the output.",
        );
    } else if regions.is_empty() {
        html += &absence(
            "There are no matrices of decision regions: matrices/drs is absent. `stratagram \
             analyze` writes it.",
        );
    } else {
        html += &maps("drs", "Decision regions: DRS", run, &regions);
    }
    html
}

/// The maps of one kind of measure: a choice of sets, the grid that the script fills, and
/// the captions, of which one is visible.
fn maps(id: &str, title: &str, run: &RunResults, sets: &[(usize, &MatrixSet)]) -> String {
    let mut html = format!("<div class=\"maps\" data-maps=\"{id}\">\n<h3>{title}</h3>\n");
    if sets.len() > 1 {
        let _ = writeln!(html, "<fieldset class=\"choice\"><legend>examples</legend>");
        let one_measure = sets.iter().all(|(_, set)| set.measure == sets[0].1.measure);
        for (order, (index, set)) in sets.iter().enumerate() {
            let checked = if order == 0 { " checked" } else { "" };
            let name = if one_measure {
                set.group.clone()
            } else {
                format!("{}, {}", words::measure_name(set), set.group)
            };
            let _ = writeln!(
                html,
                "<label><input type=\"radio\" name=\"set-{id}\" value=\"{index}\"{checked}><span>{}</span></label>",
                Escaped(&name)
            );
        }
        html += "</fieldset>\n";
    }
    let _ = writeln!(html, "<div class=\"grid\" data-first=\"{}\"></div>", sets[0].0);
    for (order, (index, set)) in sets.iter().enumerate() {
        let hidden = if order == 0 { "" } else { " hidden" };
        let (_, caption) = words::layers_caption(run, set);
        let file = format!("figures/{}", crate::report::matrix_file(set));
        let _ = writeln!(
            html,
            "<p class=\"caption\" data-set=\"{index}\"{hidden}>{} <span class=\"file\"><code>{}</code></span></p>",
            Escaped(&caption),
            Escaped(&file)
        );
    }
    html + "</div>\n"
}

fn probes(run: &RunResults) -> String {
    let depth = depth_figure(run).map_or_else(String::new, |svg| {
        let drawing = inline(&svg, "Prediction depth");
        let files = ["figures/prediction-depth.svg"];
        figure("scroll", &drawing, &depth_caption(run), &files)
    });
    let probes = match probes_figure(run) {
        Some(svg) => {
            let drawing = inline(&svg, "Accuracy of linear probes");
            figure("scroll", &drawing, &probes_caption(run), &["figures/probes.svg"])
        }
        None if run.is_recorded() => absence(
            "No probes were recorded: given probes=…, the recorder fits a linear probe of each layer.",
        ),
        None => {
            absence("probes.csv is absent or empty: no probe was trained in this run.")
        }
    };
    let penalties = Penalties::of(run).map_or_else(String::new, |found| found.html());
    probes + &depth + &penalties
}

fn regions(run: &RunResults) -> String {
    let mut html = String::new();
    if let Some(svg) = geometry_figure(run) {
        let drawing = inline(&svg, "Shape of decision regions");
        let file = "figures/geometry.svg";
        html += &figure("scroll", &drawing, &geometry_caption(run), &[file]);
    }
    if run.regions.is_empty() {
        let reason = if run.is_recorded() {
            "A recording holds no pictures of decision regions."
        } else {
            "regions/ is absent: no decision regions were recorded in this run."
        };
        return html + &absence(reason);
    }
    if let Some(regions) = of_output(run) {
        let drawing = inline(&regions_figure(run, regions), "Decision regions");
        let file = "figures/regions-output.svg";
        html += &figure("scroll", &drawing, &regions_caption(run, regions), &[file]);
    }
    for (p, layers) in crate::report::strips(run) {
        let drawing = inline(&strip_figure(run, &layers, p), "Decision regions by layer");
        let file = format!("figures/{}", crate::report::strip_file(p));
        html += &figure("scroll", &drawing, &strip_caption(run, layers[0], p), &[&file]);
    }
    html
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
