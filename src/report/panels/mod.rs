//! The panels of the page, one file each: its id and title, its figures and captions, what it
//! says where there is nothing to show. Page and figure files go through [`ALL`]; another
//! panel is a file here and a line there.
//!
//! More than a dozen files: one for each panel.

mod collapse;
mod convergence;
mod depth;
mod descent;
mod geometry;
mod headline;
mod maps;
mod movement;
mod numbers;
mod panel;
mod paths;
mod penalty;
mod phase_bars;
mod probes;
mod reading;
mod regions;
mod ridges;
mod settings;
mod slices;
mod strips;
mod verdict;
mod viewer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::model::RunResults;
use crate::error::Result;
use crate::run_dir::{Mark, RunFile};

pub(crate) use headline::leading_matrices;
pub(crate) use numbers::{csv, maybe, number};
pub(crate) use panel::{
    Block, Drawing, Figure, FigureLayout, Folded, Maps, Panel, Section,
};
pub(crate) use penalty::{Penalties, QUANTITIES};
pub(crate) use regions::plane_name;
pub(crate) use strips::{strip_figure, strip_png};

/// All panels in the page's order.
pub(crate) const ALL: [&Panel; 22] = [
    &verdict::PANEL,
    &headline::PANEL,
    &reading::PANEL,
    &phase_bars::PANEL,
    &ridges::PANEL,
    &movement::PANEL,
    &descent::PANEL,
    &reading::maps::PANEL,
    &maps::REPRESENTATIONS,
    &maps::DECISIONS,
    &slices::PANEL,
    &paths::PANEL,
    &convergence::PANEL,
    &collapse::PANEL,
    &probes::PANEL,
    &depth::PANEL,
    &penalty::PANEL,
    &geometry::PANEL,
    &viewer::PANEL,
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
    let mut taken = BTreeSet::new();
    let show = |panel: &&'static Panel| {
        let mut blocks = (panel.blocks)(run);
        for drawing in blocks.iter_mut().flat_map(Block::drawings_mut) {
            name_apart(&mut taken, &mut drawing.file);
        }
        Shown { panel, blocks }
    };
    ALL.iter().map(show).collect()
}

/// The figures among them: name and SVG.
pub(crate) fn drawings(shown: Vec<Shown>) -> impl Iterator<Item = (String, String)> {
    let blocks = shown.into_iter().flat_map(|shown| shown.blocks);
    let drawings = blocks.flat_map(Block::into_figures).flat_map(|f| f.drawings);
    drawings.map(|drawing| (drawing.file, drawing.svg))
}

/// The results that they show.
pub(crate) fn shown_files(run_root: &Path) -> Result<Vec<PathBuf>> {
    let shown: BTreeSet<RunFile> =
        ALL.iter().flat_map(|panel| panel.shows).copied().collect();
    // The state of the work, which changes once more after the page is written, is no result.
    let results = shown.into_iter().filter(|file| !file.is(Mark::Unsteady));
    let lists = results.map(|file| file.list(run_root)).collect::<Result<Vec<_>>>()?;
    Ok(lists.into_iter().flatten().map(|found| found.path).collect())
}

/// Gives a file a name of its own, on disks that do not tell small letters from capitals, too:
/// different names of measures and examples may be the same as those of files.
fn name_apart(taken: &mut BTreeSet<String>, file: &mut String) {
    let name = file.clone();
    let mut count = 1;
    while !taken.insert(file.to_lowercase()) {
        count += 1;
        *file = format!("{name}-{count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_have_names_of_their_own_in_the_order_of_sections() {
        let names: BTreeSet<&str> = ALL.iter().map(|panel| panel.id).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.is_sorted_by_key(|panel| panel.section));
    }

    #[test]
    fn files_have_names_of_their_own() {
        let mut taken = BTreeSet::new();
        let mut files = ["cka-a_b", "cka-A_b", "cka-a_b", "cka-a_b-2"].map(String::from);
        files.iter_mut().for_each(|file| name_apart(&mut taken, file));
        assert_eq!(files, ["cka-a_b", "cka-A_b-2", "cka-a_b-3", "cka-a_b-2-2"]);
    }

    #[test]
    fn together_they_show_the_files_that_are_marked_as_shown() {
        let shown: BTreeSet<RunFile> =
            ALL.iter().flat_map(|panel| panel.shows).copied().collect();
        let marked = RunFile::ALL.into_iter().filter(|file| file.is(Mark::Shown));
        assert_eq!(shown, marked.collect());
    }

    #[test]
    fn the_documentation_lists_them() {
        let format = include_str!("../../../docs/FORMAT.md");
        let rows = ALL.map(|panel| {
            let shows =
                panel.shows.iter().map(|file| format!("`{}`", file.about().pattern));
            let shows: Vec<String> = shows.collect();
            format!("| `{}` | {} | {} |", panel.id, panel.title, shows.join(", "))
        });
        let table = rows.join("\n");
        assert!(format.contains(&table), "docs/FORMAT.md lacks\n{table}");
    }
}
