//! The path of each layer through its checkpoints, linked to the page's cursor. The page's script
//! computes it from the matrices and shows it where there are any.

use super::panel::{Block, Panel, Section};
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "paths",
    title: "Path of each layer through its epochs",
    section: Section::Layers,
    shows: &[RunFile::Axis, RunFile::Matrix],
    blocks: |_| vec![Block::Html(HTML.into())],
};

const HTML: &str = "
<div id=\"paths\" hidden>
<h3>Path of each layer through its epochs</h3>
<p class=\"lede\">Each dot is a checkpoint, dark to light in time; distances are as near as a plane \
can have them to the angles arccos S between checkpoints (classical scaling). The ring is the epoch \
of the cursor. Only distances mean something: axes have no names, and each layer has its own scale.</p>
<div class=\"paths\"></div>
</div>";
