//! One row of every map, at the epoch of the page's cursor. The page's script draws it from the
//! matrices and shows it where there are any.

use super::panel::{Block, Panel, Section};
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "slices",
    title: "Similarity to one epoch",
    section: Section::Layers,
    shows: &[RunFile::Axis, RunFile::Matrix, RunFile::Phases],
    blocks: |_| vec![Block::Html(HTML.into())],
};

const HTML: &str = "
<div id=\"slices\" hidden>
<h3>Similarity to one epoch</h3>
<p class=\"lede\">One row of every map: how similar each layer, at each epoch, is to itself at \
the epoch of the cursor.</p>
<div class=\"slices\"></div>
</div>";
