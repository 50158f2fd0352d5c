//! A small SVG writer. Text and attributes are escaped here and nowhere else.
//!
//! Looks are presentation attributes, so that a figure is right when opened alone (black on
//! white, for a paper); each mark also has a class, by which the page's style sheet recolours
//! it for dark screens. No figure holds a `style` attribute: the page's content security
//! policy forbids them.

use std::fmt::{self, Display, Write};

use super::sheet::{LETTERS, Sheet};

/// A drawing under construction. Lengths are units of its sheet (on the page points, 1/72 inch), y
/// runs downwards.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    body: String,
    sheet: Sheet,
}

/// How text is placed against its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A text's look: class, size in points and weight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    pub(crate) class: &'static str,
    pub(crate) size: f64,
    pub(crate) bold: bool,
}

/// Text of panel titles.
pub(crate) const TITLE: TextStyle = TextStyle { class: "ink", size: LETTERS, bold: true };
/// Text of axis names and keys.
pub(crate) const LABEL: TextStyle =
    TextStyle { class: "ink", size: LETTERS, bold: false };
/// Numbers at ticks: of 7 points where names are of 8.
pub(crate) const TICK: TextStyle = TextStyle { class: "soft", size: 6.13, bold: false };

/// A line's look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stroke<'a> {
    pub(crate) class: &'a str,
    pub(crate) colour: &'a str,
    pub(crate) width: f64,
    /// Lengths of dashes and gaps; empty for a solid line.
    pub(crate) dash: &'a str,
}

/// Frames and ticks.
pub(crate) const FRAME: Stroke =
    Stroke { class: "frame", colour: "#8a8f98", width: 0.5, dash: "" };
/// Lines of a grid.
pub(crate) const GRID: Stroke =
    Stroke { class: "grid", colour: "#e6e8eb", width: 0.5, dash: "" };

const FONT: &str = "Helvetica, Arial, 'Liberation Sans', Arimo, sans-serif";
const INK: &str = "#16181d";
const SOFT: &str = "#4d535e";

impl Svg {
    /// An empty drawing for a sheet.
    pub(crate) fn on(sheet: Sheet) -> Self {
        Self { body: String::new(), sheet }
    }

    /// Text at a point; y is the baseline.
    pub(crate) fn text(
        &mut self,
        (x, y): (f64, f64),
        anchor: Anchor,
        style: TextStyle,
        text: &str,
    ) {
        let place = format!("x=\"{}\" y=\"{}\"", Px(x), Px(y));
        self.write_text(&place, anchor, style, text);
    }

    /// Text turned about its point by so many degrees, clockwise.
    pub(crate) fn text_turned(
        &mut self,
        ((x, y), degrees): ((f64, f64), i32),
        anchor: Anchor,
        style: TextStyle,
        text: &str,
    ) {
        let place =
            format!("transform=\"translate({} {}) rotate({degrees})\"", Px(x), Px(y));
        self.write_text(&place, anchor, style, text);
    }

    fn write_text(&mut self, place: &str, anchor: Anchor, style: TextStyle, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let fill = match style.class {
            "soft" => SOFT,
            "pale" => "#ffffff",
            _ => INK,
        };
        // A white rim keeps a label readable on a curve.
        let rim = match style.class {
            "halo" => {
                " paint-order=\"stroke\" stroke=\"#ffffff\" stroke-width=\"2\" stroke-linejoin=\"round\""
            }
            _ => "",
        };
        let weight = if style.bold { " font-weight=\"600\"" } else { "" };
        self.raw(format_args!(
            "<text class=\"{}\" {place} font-size=\"{}\" fill=\"{fill}\"{weight}{anchor}{rim}>{}</text>",
            style.class,
            Px(style.size),
            Escaped(text)
        ));
    }

    /// The name of a vertical axis, upwards, centered at its point.
    pub(crate) fn text_upwards(&mut self, at: (f64, f64), text: &str) {
        self.text_turned((at, -90), Anchor::Middle, LABEL, text);
    }

    /// A straight line.
    pub(crate) fn line(
        &mut self,
        (x1, y1): (f64, f64),
        (x2, y2): (f64, f64),
        stroke: Stroke,
    ) {
        let path = format!("M{} {}L{} {}", Px(x1), Px(y1), Px(x2), Px(y2));
        self.path(&path, stroke);
    }

    /// A path without filling; `data` are SVG path commands.
    pub(crate) fn path(&mut self, data: &str, stroke: Stroke) {
        let dash = if stroke.dash.is_empty() {
            String::new()
        } else {
            format!(" stroke-dasharray=\"{}\"", stroke.dash)
        };
        self.raw(format_args!(
            "<path class=\"{}\" d=\"{data}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"{dash}/>",
            Escaped(stroke.class),
            Escaped(stroke.colour),
            Px(stroke.width)
        ));
    }

    /// A line through points; a point that is not finite breaks it, and a point between two
    /// such gaps is drawn as a dot of no length (round caps make it visible).
    pub(crate) fn polyline(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let mut data = String::new();
        for run in points.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
            for (index, (x, y)) in run.iter().enumerate() {
                let command = if index == 0 { 'M' } else { 'L' };
                let _ = write!(data, "{command}{} {}", Px(*x), Px(*y));
            }
            if run.len() == 1 {
                data.push_str("h0");
            }
        }
        if !data.is_empty() {
            // Round caps make a point without neighbours visible.
            let cap =
                if stroke.dash.is_empty() { " stroke-linecap=\"round\"" } else { "" };
            self.raw(format_args!("<g stroke-linejoin=\"round\"{cap}>"));
            self.path(&data, stroke);
            self.raw("</g>");
        }
    }

    /// A rectangle's outline.
    pub(crate) fn frame(&mut self, area: Area) {
        let data = format!(
            "M{} {}h{}v{}h{}z",
            Px(area.left),
            Px(area.top),
            Px(area.width),
            Px(area.height),
            Px(-area.width)
        );
        self.path(&data, FRAME);
    }

    /// Anything else, already valid SVG.
    pub(crate) fn raw(&mut self, text: impl Display) {
        let _ = writeln!(self.body, "{text}");
    }

    /// The whole drawing, on paper as wide as the sheet. `description` is its caption: shown by
    /// viewers, read by screen readers.
    pub(crate) fn finish(
        self,
        (width, height): (f64, f64),
        title: &str,
        description: &str,
    ) -> String {
        let Sheet { scale, is_paper, .. } = self.sheet;
        let width = if is_paper { self.sheet.width } else { width };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}pt\" height=\"{}pt\" viewBox=\"0 0 {w} {h}\" role=\"img\" font-family=\"{FONT}\">\n\
             <title>{}</title>\n<desc>{}</desc>\n\
             <rect class=\"paper\" width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            Px(width * scale),
            Px(height * scale),
            Escaped(title),
            Escaped(description),
            self.body,
            w = Px(width),
            h = Px(height),
        )
    }
}

/// A rectangle of the drawing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    /// x of the right edge.
    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }

    /// y of the lower edge.
    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// A length with at most two decimals and no trailing zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Px(pub(crate) f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(if text == "-0" { "0" } else { text })
    }
}

/// Text for XML and HTML, in content and in quoted attributes. Characters that XML forbids
/// are replaced, so that no name can make a figure unreadable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(character)?,
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                    f.write_char('\u{fffd}')?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_in_content_and_attributes() {
        let hostile = "<script>\"&'</text>\u{0}";
        assert_eq!(
            Escaped(hostile).to_string(),
            "&lt;script&gt;&quot;&amp;&#39;&lt;/text&gt;\u{fffd}"
        );
        let mut svg = Svg::default();
        svg.text((1.0, 2.0), Anchor::End, LABEL, hostile);
        let text = svg.finish((10.0, 10.0), hostile, hostile);
        assert!(!text.contains("<script"));
    }

    #[test]
    fn lengths_are_short() {
        let text = |value| Px(value).to_string();
        assert_eq!(
            [text(1.0), text(-0.001), text(2.345_6), text(10.5)],
            ["1", "0", "2.35", "10.5"]
        );
    }

    #[test]
    fn undefined_points_break_a_line() {
        let mut svg = Svg::default();
        let points = [(0.0, 0.0), (1.0, f64::NAN), (2.0, 2.0), (3.0, 3.0)];
        svg.polyline(&points, FRAME);
        assert!(svg.body.contains("d=\"M0 0h0M2 2L3 3\""), "{}", svg.body);
    }
}
