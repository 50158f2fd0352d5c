//! What a figure is laid out for: the page, or the column of a paper.
//!
//! Layouts count in units in which the letters of names have the size 7. On the page such a
//! unit is a point. On paper it is what makes letters as large as asked, and the sheet has the fewer
//! units the larger the letters: a figure is arranged again, never shrunk.

/// Size of the names of axes and keys in units.
pub(crate) const LETTERS: f64 = 7.0;

/// The room that a figure has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sheet {
    /// Its width in units.
    pub(crate) width: f64,
    /// Points of a unit.
    pub(crate) scale: f64,
    /// Whether the figure is for a paper: exactly as wide as the sheet.
    pub(crate) is_paper: bool,
}

impl Default for Sheet {
    fn default() -> Self {
        Self::PAGE
    }
}

impl Sheet {
    /// The page of a run.
    pub(crate) const PAGE: Self = Self { width: 508.0, scale: 1.0, is_paper: false };

    /// A column of a paper, its width and the size of its letters in points.
    pub(crate) fn paper(width: f64, font: f64) -> Self {
        let scale = font / LETTERS;
        Self { width: width / scale, scale, is_paper: true }
    }

    /// Whether panels stand below each other rather than side by side.
    pub(crate) fn is_narrow(&self) -> bool {
        self.width < 330.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_letters_leave_less_room() {
        let small = Sheet::paper(234.0, 7.0);
        assert!((small.width - 234.0).abs() < 1e-12 && small.is_narrow());
        assert!((Sheet::paper(234.0, 14.0).width - 117.0).abs() < 1e-12);
    }
}
