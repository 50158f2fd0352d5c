//! The panels of the page, one file each: its id and title, its figures and captions, what it
//! says where there is nothing to show. Page and figure files go through [`ALL`]; another
//! panel is a file here and a line there. The folder may therefore hold more than a dozen.

mod depth;
mod geometry;
mod headline;
mod maps;
mod panel;
mod penalty;
mod probes;
mod regions;
mod settings;
mod slices;
mod strips;
mod verdict;

use super::model::RunResults;

pub(crate) use headline::leading_matrices;
pub(crate) use panel::{Block, Drawing, Figure, FigureLayout, Maps, Panel, Section};
pub use penalty::{Penalties, QUANTITIES};
pub use strips::{strip_figure, strip_png};

/// All panels in the page's order.
pub(crate) const ALL: [&Panel; 12] = [
    &verdict::PANEL,
    &headline::PANEL,
    &maps::REPRESENTATIONS,
    &maps::DECISIONS,
    &slices::PANEL,
    &probes::PANEL,
    &depth::PANEL,
    &penalty::PANEL,
    &geometry::PANEL,
    &regions::PANEL,
    &strips::PANEL,
    &settings::PANEL,
];

/// A panel with what it shows of one run.
pub(crate) struct Shown {
    /// The panel.
    pub(crate) panel: &'static Panel,
    /// Its pieces.
    pub(crate) blocks: Vec<Block>,
}

/// What all panels show of a run.
pub(crate) fn shown(run: &RunResults) -> Vec<Shown> {
    ALL.iter().map(|panel| Shown { panel, blocks: (panel.blocks)(run) }).collect()
}
