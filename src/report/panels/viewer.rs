//! Decision regions at any checkpoint: a viewer that follows the page's cursor. The page's script
//! draws it from pictures of low resolution.

use super::panel::{Block, Panel, Section};
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "regions-viewer",
    title: "Decision regions at any checkpoint",
    section: Section::Regions,
    shows: &[RunFile::Regions],
    blocks: |run| {
        let shown = (!run.regions.is_empty()).then(|| Block::Html(HTML.into()));
        shown.into_iter().collect()
    },
};

const HTML: &str = "
<div id=\"viewer\" hidden>
<h3>Decision regions at any checkpoint</h3>
<p class=\"lede\">A layer’s linear probe beside the net itself (output), on one plane through three \
images, at the epoch of the cursor: the points at which the matrices compare decisions, coarser than \
the figures below.</p>
</div>";
