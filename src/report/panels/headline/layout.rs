//! The two arrangements of the headline: one column of a paper, the width of a page.

use super::columns::Column;
use super::errors::Strips;
use super::maps;
use crate::report::figure::heatmap::{EpochMap, colour_bar, define_hatch};
use crate::report::figure::sheet::Sheet;
use crate::report::figure::svg::{Area, Svg};
use crate::report::figure::time::name_below;
use crate::report::model::RunResults;

/// How the headline is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// One column of a paper (84 mm): everything on a single epoch axis.
    Column,
    /// The width of a page (178 mm): the maps side by side, the curves above each, so that
    /// every map has them on its own axis.
    Page,
}

impl Layout {
    /// The page shows the one that fits the reader's screen; on paper one fits the sheet.
    pub(super) fn all(sheet: Sheet) -> Vec<Self> {
        match (sheet.is_paper, sheet.is_narrow()) {
            (false, _) => vec![Self::Column, Self::Page],
            (true, true) => vec![Self::Column],
            (true, false) => vec![Self::Page],
        }
    }

    /// The name of its file, from that of the panel.
    pub(super) fn file(self, panel: &str, sheet: Sheet) -> String {
        match self {
            Self::Page if !sheet.is_paper => format!("{panel}-wide"),
            _ => panel.to_owned(),
        }
    }

    /// Its sizes; on paper what is left of the sheet's width makes the maps, of which a page has
    /// `n_panels` side by side.
    fn sizes(self, sheet: Sheet, n_panels: usize) -> Sizes {
        let (sizes, n_panels) = match self {
            Self::Column => (COLUMN, 1.0),
            Self::Page => (PAGE, n_panels as f64),
        };
        if !sheet.is_paper {
            return sizes;
        }
        let room =
            sheet.width - sizes.left - sizes.right - (n_panels - 1.0) * sizes.gap_across;
        Sizes { side: room / n_panels, ..sizes }
    }
}

/// Sizes of a layout, in points.
#[derive(Clone, Copy)]
struct Sizes {
    left: f64,
    side: f64,
    /// Between maps below each other.
    gap: f64,
    /// Between maps side by side.
    gap_across: f64,
    test: f64,
    train: f64,
    right: f64,
}

const COLUMN: Sizes = Sizes {
    left: 34.0,
    side: 166.0,
    gap: 24.0,
    gap_across: 0.0,
    test: 66.0,
    train: 40.0,
    right: 44.0,
};
const PAGE: Sizes = Sizes {
    left: 34.0,
    side: 139.0,
    gap: 9.0,
    gap_across: 10.0,
    test: 62.0,
    train: 38.0,
    right: 42.0,
};

/// Height of a row of text above a panel.
const ROW: f64 = 11.0;
/// Room below a panel for numbers and the name of its axis.
const BELOW: f64 = 19.0;

/// Draws the headline of a run, black on white, 8 pt and below, ready for a paper. Returns the
/// drawing and its size. `hatch` names its hatching and must differ in one page.
pub(super) fn draw(
    run: &RunResults,
    columns: &[Column],
    layout: Layout,
    hatch: &str,
) -> (Svg, (f64, f64)) {
    let mut svg = Svg::on(run.sheet);
    define_hatch(&mut svg, hatch);
    let timeline = run.timeline();
    let map = |area: Area| EpochMap { timeline, epochs: &run.epochs, area, hatch };
    let size = match layout {
        Layout::Column => draw_column(&mut svg, run, columns, map),
        Layout::Page => draw_page(&mut svg, run, columns, map),
    };
    (svg, size)
}

fn draw_column<'a>(
    svg: &mut Svg,
    run: &RunResults,
    columns: &[Column],
    map: impl Fn(Area) -> EpochMap<'a>,
) -> (f64, f64) {
    let (sizes, timeline) = (Layout::Column.sizes(run.sheet, 1), run.timeline());
    let (left, width) = (sizes.left, sizes.side);
    let test = Area { left, top: ROW + 3.0, width, height: sizes.test };
    let train = Area { left, top: test.bottom() + ROW + 3.0, width, height: sizes.train };
    Strips { run, test, train, first: true }.draw(svg);
    let mut lowest = train;
    for (index, column) in columns.iter().enumerate() {
        let top = lowest.bottom() + sizes.gap;
        let area = Area { left, top, width, height: width };
        maps::title(svg, column, (left, area.top - 7.0), width + 30.0);
        maps::draw(svg, run, column, &map(area));
        timeline.ticks_below(svg, area, index + 1 == columns.len());
        timeline.ticks_left(svg, area, true);
        svg.text_upwards((9.0, area.top + width / 2.0), "epoch");
        if index == 0 {
            colour_bar(svg, area.right() + 13.0, area.top, width);
        }
        lowest = area;
    }
    if columns.is_empty() {
        timeline.ticks_below(svg, train, true);
    }
    name_below(svg, lowest);
    (left + width + sizes.right, lowest.bottom() + BELOW + 1.0)
}

fn draw_page<'a>(
    svg: &mut Svg,
    run: &RunResults,
    columns: &[Column],
    map: impl Fn(Area) -> EpochMap<'a>,
) -> (f64, f64) {
    let n_panels = columns.len().max(1);
    let (sizes, timeline) = (Layout::Page.sizes(run.sheet, n_panels), run.timeline());
    let head = if columns.is_empty() { 0.0 } else { ROW + 4.0 };
    let mut bottom = 0.0;
    for index in 0..n_panels {
        let (left, width) =
            (sizes.left + index as f64 * (sizes.side + sizes.gap_across), sizes.side);
        let test = Area { left, top: head + ROW + 1.0, width, height: sizes.test };
        let top = test.bottom() + ROW + 3.0;
        let train = Area { left, top, width, height: sizes.train };
        Strips { run, test, train, first: index == 0 }.draw(svg);
        bottom = train.bottom();
        let Some(column) = columns.get(index) else {
            timeline.ticks_below(svg, train, true);
            continue;
        };
        let area = Area { left, top: bottom + sizes.gap, width, height: width };
        maps::title(svg, column, (left, 8.0), width);
        maps::draw(svg, run, column, &map(area));
        timeline.ticks_below(svg, area, true);
        timeline.ticks_left(svg, area, index == 0);
        bottom = area.bottom();
        name_below(svg, area);
        if index == 0 {
            svg.text_upwards((9.0, area.top + width / 2.0), "epoch");
        }
        if index + 1 == n_panels {
            colour_bar(svg, area.right() + 12.0, area.top, width);
        }
    }
    let panels = n_panels as f64;
    let width = sizes.left + panels * sizes.side + (panels - 1.0) * sizes.gap_across;
    (width + sizes.right, bottom + BELOW + 1.0)
}
