//! How much room a text takes in Arimo, the font of PDF and PNG files (`fonts/`), whose advances are
//! those of Arial and Helvetica, which viewers of SVG files may have.

use super::svg::TextStyle;

/// Advances of the characters from space to `~` in thousandths of the size, Arimo Regular.
#[rustfmt::skip]
const REGULAR: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667,
    667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722,
    667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500,
    556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278,
    556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// The same of Arimo Bold.
#[rustfmt::skip]
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722,
    722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722,
    667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556,
    611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, 611, 611, 389, 556, 333,
    611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

/// Of any other character: no accented letter and no sign of figures is wider, but for a few.
const OTHER: u16 = 620;
/// Those few.
const WIDE: &str = "…—▼▲→%";

/// How wide a text is, in the unit of the style's size.
pub(crate) fn width(text: &str, style: TextStyle) -> f64 {
    let table = if style.bold { &BOLD } else { &REGULAR };
    let advance = |character: char| {
        let at = (character as usize).checked_sub(' ' as usize);
        match at.and_then(|at| table.get(at)) {
            Some(&known) => known,
            None if WIDE.contains(character) => 1000,
            None => OTHER,
        }
    };
    text.chars().map(|character| f64::from(advance(character))).sum::<f64>() * style.size
        / 1000.0
}

/// The longest of several texts.
pub(crate) fn widest<T: AsRef<str>>(texts: &[T], style: TextStyle) -> f64 {
    texts.iter().map(|text| width(text.as_ref(), style)).fold(0.0, f64::max)
}

/// The text in lines that are no wider than `room`, broken at blanks.
pub(crate) fn lines(text: &str, style: TextStyle, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = vec![];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), style) <= room => {
                *line += " ";
                *line += word;
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The text, or as much of its end as `room` holds, after an ellipsis.
pub(crate) fn fitted(text: &str, style: TextStyle, room: f64) -> String {
    if width(text, style) <= room {
        return text.to_owned();
    }
    let ends = text.char_indices().skip(1).map(|(at, _)| format!("…{}", &text[at..]));
    ends.into_iter().find(|end| width(end, style) <= room).unwrap_or_else(|| "…".into())
}

#[cfg(test)]
mod tests {
    use super::super::svg::{LABEL, TITLE};
    use super::*;

    #[test]
    fn texts_are_as_wide_as_in_helvetica() {
        // 1000 units: 278 + 722.
        assert!((width(" C", LABEL) - LABEL.size).abs() < 1e-12);
        assert!(width("Wide", TITLE) > width("Wide", TextStyle { bold: false, ..TITLE }));
    }

    #[test]
    fn lines_hold_what_fits() {
        let text = "test images; trained on true labels";
        let room = width("test images; trained", LABEL);
        assert_eq!(lines(text, LABEL, room), ["test images; trained", "on true labels"]);
        assert_eq!(lines(text, LABEL, 1e9), [text]);
        assert_eq!(fitted("abc", LABEL, 1e9), "abc");
        assert_eq!(fitted("layer1.conv", LABEL, width("…conv", LABEL)), "…conv");
    }
}
