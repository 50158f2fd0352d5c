//! What a terminal can show, and what all its pictures share.

/// What a terminal can show.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Characters in a line.
    pub width: usize,
    /// 24-bit colours; digits where not.
    pub colour: bool,
    /// Braille dots and block characters; plain ASCII where not.
    pub unicode: bool,
}

/// Characters left of a picture: labels of the vertical axis.
pub(super) const MARGIN: usize = 7;
/// Ends a color.
pub(super) const RESET: &str = "\x1b[0m";

/// Labels that begin at their columns; one that would touch its left neighbour is left out,
/// one that would pass the edge is moved left.
pub(super) fn labels(ticks: &[(usize, String)], columns: usize) -> String {
    let mut line = String::new();
    for (column, label) in ticks {
        let start = (*column).min(columns.saturating_sub(label.len()));
        if line.is_empty() || start > line.len() {
            line += &" ".repeat(start - line.len());
            line += label;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_touch_are_left_out_and_the_last_stays_inside() {
        let ticks: Vec<(usize, String)> = [(0, "0"), (1, "1"), (4, "10"), (9, "300")]
            .map(|(c, l)| (c, l.into()))
            .into();
        assert_eq!(labels(&ticks, 10), "0   10 300");
    }
}
