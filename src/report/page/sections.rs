//! The sections of the page: their headings, and the panels in each.

use super::blocks;
use crate::report::panels::{Section, Shown};

const ALL: [Section; 7] = [
    Section::Verdict,
    Section::Headline,
    Section::Phases,
    Section::Layers,
    Section::Probes,
    Section::Regions,
    Section::Settings,
];

/// How a section begins: its element, heading and introduction.
fn opening(section: Section) -> &'static str {
    match section {
        Section::Verdict => {
            r#"<section id="verdict" aria-label="Verdict">
"#
        }
        Section::Headline => {
            r#"<section id="headline" aria-label="Headline figure">
"#
        }
        Section::Phases => {
            r#"<section id="phases">
<h2>What the matrices say</h2>
<p class="lede">A block in a map may be nothing but smooth drift. So each layer is first reduced to two curves: its <em>speed</em>, how fast it goes somewhere new, and its <em>roughness</em>, how much it shakes without going anywhere. A phase ends where the layer moves clearly faster than before and after (a burst) or where the shaking stops (a settling).</p>
"#
        }
        Section::Layers => {
            r#"<section id="layers">
<h2>Every layer with itself over the epochs</h2>
<p class="lede">Each map compares one layer at every checkpoint with the same layer at every other. Blocks are phases in which the layer hardly changes; the epoch cursor (slider below, or point at any panel) marks one epoch everywhere.</p>
<noscript><p class="absent">The maps need the page’s script; the same figures are in report/figures as SVG.</p></noscript>
"#
        }
        Section::Probes => {
            r#"<section id="probes">
<h2>What a linear probe finds in each layer</h2>
"#
        }
        Section::Regions => {
            r#"<section id="regions">
<h2>Decision regions</h2>
"#
        }
        Section::Settings => {
            r#"<section id="settings">
<h2>Settings and provenance</h2>
"#
        }
    }
}

/// All sections with their panels.
pub(super) fn html(shown: &[Shown]) -> String {
    let section = |section: Section| {
        let panels = shown.iter().filter(|shown| shown.panel.section == section);
        let html: String = panels.map(part).collect();
        format!("{}{html}\n</section>", opening(section))
    };
    ALL.map(section).join("\n")
}

/// A panel, which the list of contents and links name by its id.
fn part(Shown { panel, blocks }: &Shown) -> String {
    let html: String = blocks.iter().map(|block| blocks::html(panel, block)).collect();
    if html.is_empty() {
        return html;
    }
    format!("<div id=\"panel-{}\">\n{html}</div>\n", panel.id)
}

/// The sections in the list of contents.
pub(super) const CONTENTS: [(&str, &str); 8] = [
    ("headline", "Errors and maps"),
    ("phases", "What the matrices say"),
    ("layers", "Every layer"),
    ("slices", "Similarity to one epoch"),
    ("paths", "Paths"),
    ("probes", "Probes"),
    ("regions", "Decision regions"),
    ("settings", "Settings"),
];
