//! Panels of one size in rows, each with its heading, and the key of layers beside or below them.

use super::curves::{layer_key, layer_key_below};
use super::metrics::lines;
use super::sheet::Sheet;
use super::svg::{Anchor, Area, Svg, TICK, TITLE};

/// Height of a line of a heading.
const LINE: f64 = 7.0;
/// Above the lines that explain a panel: its title.
const HEAD: f64 = 17.0;
/// Of a panel's width on the page, the least that it has on paper.
const LEAST: f64 = 0.54;

/// Where the panels lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    sheet: Sheet,
    per_row: usize,
    left: f64,
    gap: f64,
    /// Width and height of a panel.
    size: (f64, f64),
    /// Lines of the longest explanation.
    lines: usize,
    n_panels: usize,
    /// Above the first row.
    top: f64,
    /// Below a panel.
    below: f64,
}

impl Grid {
    /// Below a panel: ticks, their numbers and the name of the axis.
    pub(crate) const BELOW: f64 = 21.0;

    /// Panels with these explanations, `left` of each the numbers of its axis. On the page they are
    /// in one row and of this size; on paper in as many rows as it takes for each to be readable.
    pub(crate) fn new(
        sheet: Sheet,
        details: &[&str],
        left: f64,
        (width, height): (f64, f64),
        gap: f64,
    ) -> Self {
        let count = details.len().max(1);
        let mut grid = Self {
            sheet,
            per_row: count,
            left,
            gap,
            size: (width, height),
            lines: 1,
            n_panels: count,
            top: 0.0,
            below: Self::BELOW,
        };
        if sheet.is_paper {
            let room = sheet.width - left - 6.0 + gap;
            let most = (room / (LEAST * width + gap)).floor().clamp(1.0, count as f64);
            // Rows of one length.
            let rows = count.div_ceil(most as usize);
            grid.per_row = count.div_ceil(rows);
            let width = room / grid.per_row as f64 - gap;
            grid.size = (width, height.min(0.9 * width));
        }
        let height = |detail: &&str| grid.broken(detail).len();
        grid.lines = details.iter().map(height).max().unwrap_or(1);
        grid
    }

    /// The lines of an explanation; they may reach into the gap, at the right end of a sheet into
    /// the margin.
    fn broken(&self, detail: &str) -> Vec<String> {
        let over = if self.sheet.is_paper { 4.0 } else { self.gap - 5.0 };
        lines(detail, TICK, self.size.0 + over)
    }

    /// Height of a row with its heading, and what a panel needs below it.
    fn row(&self) -> f64 {
        HEAD + LINE * self.lines as f64 + self.size.1 + self.below
    }

    /// The area of a panel.
    pub(crate) fn area(&self, index: usize) -> Area {
        let (row, column) = (index / self.per_row, index % self.per_row);
        Area {
            left: self.left + column as f64 * (self.size.0 + self.gap),
            top: self.top + HEAD + LINE * self.lines as f64 + row as f64 * self.row(),
            width: self.size.0,
            height: self.size.1,
        }
    }

    /// The grid, so much lower.
    pub(crate) fn moved(self, down: f64) -> Self {
        Self { top: self.top + down, ..self }
    }

    /// Title and explanation above a panel.
    pub(crate) fn head(&self, svg: &mut Svg, index: usize, title: &str, detail: &str) {
        self.head_above(svg, index, (title, detail), 0.0);
    }

    /// The same, so much higher.
    pub(crate) fn head_above(
        &self,
        svg: &mut Svg,
        index: usize,
        (title, detail): (&str, &str),
        up: f64,
    ) {
        let area = self.area(index);
        let lines = self.broken(detail);
        let first = area.top - up - 5.0 - LINE * (self.lines - 1) as f64;
        svg.text((area.left, first - 9.0), Anchor::Start, TITLE, title);
        for (at, line) in lines.iter().enumerate() {
            let place = (area.left, first + LINE * at as f64);
            svg.text(place, Anchor::Start, TICK, line);
        }
    }

    /// The same panels below these, each with `more` room below it. On the page they have no
    /// headings of their own.
    pub(crate) fn below(&self, more: f64) -> Self {
        let heads =
            if self.sheet.is_paper { 4.0 } else { 6.0 - HEAD - LINE * self.lines as f64 };
        Self { top: self.bottom() + heads, below: self.below + more, ..*self }
    }

    /// Where a figure without a key ends at the right.
    pub(crate) fn right(&self) -> f64 {
        self.area(self.per_row - 1).right()
    }

    /// Where it ends at the bottom.
    pub(crate) fn bottom(&self) -> f64 {
        self.area(self.n_panels - 1).bottom() + self.below
    }

    /// The key of layers: beside the panels on the page, below them on paper. Returns where the
    /// figure ends, whose panels end at `bottom`.
    pub(crate) fn layer_key(
        &self,
        svg: &mut Svg,
        layers: &[&str],
        bottom: f64,
    ) -> (f64, f64) {
        if self.sheet.is_paper {
            let ends = [3.0, self.sheet.width - 3.0];
            return (self.sheet.width, layer_key_below(svg, layers, bottom + 8.0, ends));
        }
        let left = self.right() + 14.0;
        (layer_key(svg, layers, left, self.area(0)).max(left + 66.0), bottom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_fill_the_sheet_in_rows_of_one_length() {
        let sheet = Sheet::paper(205.0, 7.0);
        let grid = Grid::new(sheet, &["a"; 5], 26.0, (94.0, 60.0), 20.0);
        assert_eq!(grid.per_row, 2);
        assert!((grid.right() - (205.0 - 6.0)).abs() < 1e-9);
        assert!(grid.area(3).top > grid.area(1).bottom() + Grid::BELOW);
        let page = Grid::new(Sheet::PAGE, &["a"; 5], 26.0, (94.0, 60.0), 20.0);
        assert_eq!((page.per_row, page.size), (5, (94.0, 60.0)));
    }

    #[test]
    fn long_explanations_get_lines_of_their_own() {
        let detail = "test images; trained on the true labels";
        let grid = Grid::new(Sheet::PAGE, &[detail, "a"], 26.0, (60.0, 60.0), 20.0);
        assert_eq!(grid.lines, 2);
        assert!((grid.area(0).top - (HEAD + 2.0 * LINE)).abs() < 1e-12);
    }
}
