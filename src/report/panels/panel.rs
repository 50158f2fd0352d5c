//! What a panel is: a part of the page that answers one question about a run, with the figures
//! and captions that also become files.

use crate::report::model::RunResults;
use crate::run_dir::RunFile;

/// A panel of the page.
#[derive(Debug)]
pub(crate) struct Panel {
    /// Its name in the documentation and in links.
    pub(crate) id: &'static str,
    /// What it shows, as screen readers say it.
    pub(crate) title: &'static str,
    /// The section of the page that it is in.
    pub(crate) section: Section,
    /// The files whose results it shows: a page older than one of them is out of date.
    pub(crate) shows: &'static [RunFile],
    /// What it shows of a run, from top to bottom: nothing where the run was not asked for it.
    pub(crate) blocks: fn(&RunResults) -> Vec<Block>,
}

/// The sections of the page, from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// Whether the test error descends twice.
    Verdict,
    /// The figure that carries the claim.
    Headline,
    /// What the matrices say: speed, roughness, phases.
    Phases,
    /// Every layer with itself over the epochs.
    Layers,
    /// Linear probes.
    Probes,
    /// Decision regions.
    Regions,
    /// Settings and provenance.
    Settings,
}

/// A piece of a panel.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    /// Why something that a reader may look for is not there.
    Absent(String),
    /// A figure as it is drawn.
    Figure(Figure),
    /// Figures of one kind, one of which is chosen at a time; the page's script draws them.
    Maps(Maps),
    /// Pieces that a reader opens.
    Folded(Folded),
    /// Anything else, as HTML in which every name is escaped.
    Html(String),
}

impl Block {
    /// Why something is not there.
    pub(crate) fn absent(reason: impl Into<String>) -> Self {
        Self::Absent(reason.into())
    }

    /// Pieces that a reader opens; nothing where there are none.
    pub(crate) fn folded(summary: impl Into<String>, blocks: Vec<Self>) -> Option<Self> {
        let summary = summary.into();
        (!blocks.is_empty()).then_some(Self::Folded(Folded { summary, blocks }))
    }

    /// The figures in it.
    pub(crate) fn figures(&self) -> Vec<&Figure> {
        match self {
            Self::Figure(figure) => vec![figure],
            Self::Maps(maps) => maps.sets.iter().map(|set| &set.figure).collect(),
            Self::Folded(folded) => {
                folded.blocks.iter().flat_map(Self::figures).collect()
            }
            Self::Absent(_) | Self::Html(_) => vec![],
        }
    }

    /// Its drawings.
    pub(crate) fn drawings_mut(&mut self) -> Vec<&mut Drawing> {
        match self {
            Self::Figure(figure) => figure.drawings.iter_mut().collect(),
            Self::Maps(maps) => {
                maps.sets.iter_mut().flat_map(|set| &mut set.figure.drawings).collect()
            }
            Self::Folded(folded) => {
                folded.blocks.iter_mut().flat_map(Self::drawings_mut).collect()
            }
            Self::Absent(_) | Self::Html(_) => vec![],
        }
    }

    /// The figures that become files.
    pub(crate) fn into_figures(self) -> Vec<Figure> {
        match self {
            Self::Figure(figure) => vec![figure],
            Self::Maps(maps) => maps.sets.into_iter().map(|set| set.figure).collect(),
            Self::Folded(folded) => {
                folded.blocks.into_iter().flat_map(Self::into_figures).collect()
            }
            Self::Absent(_) | Self::Html(_) => vec![],
        }
    }
}

/// Pieces of a panel behind a line that opens them.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    /// What the line says.
    pub(crate) summary: String,
    /// The pieces.
    pub(crate) blocks: Vec<Block>,
}

/// A figure with its caption.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// How the page lays it out.
    pub(crate) layout: FigureLayout,
    /// The figure in its widths, the narrowest first.
    pub(crate) drawings: Vec<Drawing>,
    /// What is seen, of what, with which errors, from how many seeds.
    pub(crate) caption: String,
    /// Its numbers in CSV, where the page can save them.
    pub(crate) numbers: Option<String>,
}

/// How the page lays a figure out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FigureLayout {
    /// One drawing, scrolled sideways on narrow screens.
    Scrolled,
    /// A drawing for narrow screens and one for wide ones.
    Headline,
}

/// A drawing, which is also the file `report/figures/<file>.svg`.
#[derive(Debug, Clone)]
pub(crate) struct Drawing {
    /// The file's name without its extension.
    pub(crate) file: String,
    /// The drawing.
    pub(crate) svg: String,
}

impl Figure {
    /// A figure of one drawing.
    pub(crate) fn new(file: impl Into<String>, svg: String, caption: String) -> Self {
        let drawings = vec![Drawing { file: file.into(), svg }];
        Self { layout: FigureLayout::Scrolled, drawings, caption, numbers: None }
    }

    /// The figure with its numbers.
    pub(crate) fn with_numbers(self, numbers: String) -> Self {
        Self { numbers: Some(numbers), ..self }
    }
}

/// Maps of the layers, by sets of matrices of which the reader chooses one.
#[derive(Debug, Clone)]
pub(crate) struct Maps {
    /// By which the page's script knows them.
    pub(crate) id: &'static str,
    /// Their heading.
    pub(crate) heading: &'static str,
    /// The sets.
    pub(crate) sets: Vec<MapSet>,
}

/// One set of maps, which the reader chooses by its measure and examples.
#[derive(Debug, Clone)]
pub(crate) struct MapSet {
    /// Its place among the run's matrices.
    pub(crate) index: usize,
    /// The same as a figure.
    pub(crate) figure: Figure,
}
