//! How to read a map: the matrices of the four toy layers, with what is to be seen in each.

use super::toys::{self, Toy, toys};
use crate::report::figure::heatmap::{EpochMap, colour_bar, define_hatch};
use crate::report::figure::svg::{Anchor, Area, Px, Svg, TICK, TITLE, TextStyle};
use crate::report::figure::time::{Timeline, name_below};
use crate::report::model::RunResults;
use crate::report::panels::numbers::{csv, number};
use crate::report::panels::panel::{Block, Figure, Panel, Section};
use crate::run_dir::RunFile;

/// The panel.
pub(in crate::report::panels) const PANEL: Panel = Panel {
    id: "reading-maps",
    title: "How to read a map",
    section: Section::Layers,
    shows: &[RunFile::Matrix],
    blocks: |run: &RunResults| {
        if run.matrices.is_empty() || run.sheet.is_paper {
            return vec![];
        }
        let figure =
            Figure::new(PANEL.id, drawing(), CAPTION.to_owned()).with_numbers(numbers());
        let blocks = vec![Block::Html(TEXT.into()), Block::Figure(figure)];
        Block::folded("How to read a map", blocks).into_iter().collect()
    },
};

const TEXT: &str = "<p>A cell is the similarity of one layer at two epochs: across the one, up the other. \
The diagonal compares each checkpoint with itself, and both halves say the same. A row (or a column) is \
one checkpoint against all others.</p>
";

const CAPTION: &str = "Matrices of four toy layers, each of which does one thing. A block is a time in which the \
layer stays similar to itself; its edge is a change. Smooth drift on a logarithmic axis looks like blocks, too: \
whether a boundary is more than drift is what the section “What the matrices say” tests. Epochs are on \
ln(1 + epoch), colors from 0 to 1.";

/// The upper triangles, to four decimals.
fn numbers() -> String {
    let epochs = toys::epochs();
    let rounded = |value: f64| number((value * 1e4).round() / 1e4);
    let rows = toys().into_iter().flat_map(|toy| {
        let cells = (0..toys::N).flat_map(|i| (i..toys::N).map(move |j| (i, j)));
        let row = |(i, j)| {
            let [epoch, other] = [i, j].map(|k: usize| rounded(epochs[k]));
            [toy.name.to_owned(), epoch, other, rounded(toy.similarity.at(i, j))]
        };
        cells.map(row).collect::<Vec<_>>()
    });
    csv(["layer", "epoch", "other_epoch", "similarity"], rows)
}

/// What is to be seen at a place of a map, given in shares of its sides.
struct Note {
    place: (f64, f64),
    lines: [&'static str; 2],
}

/// Two notes for each toy, in the order of [`toys`].
const NOTES: [[Note; 2]; 4] = [
    [
        Note {
            place: (0.5, 0.5),
            lines: ["bright near the diagonal:", "neighbors are alike"],
        },
        Note {
            place: (0.1, 0.9),
            lines: ["dark far from it: the layer", "goes on and never returns"],
        },
    ],
    [
        Note {
            place: (0.28, 0.28),
            lines: ["two blocks: before the jump", "and after it"],
        },
        Note { place: (0.6, 0.4), lines: ["their edge is the epoch", "of the jump"] },
    ],
    [
        Note {
            place: (0.5, 0.5),
            lines: ["the diagonal alone is bright:", "neighbors differ"],
        },
        Note {
            place: (0.2, 0.8),
            lines: ["one color elsewhere: it", "shakes and goes nowhere"],
        },
    ],
    [
        Note { place: (0.3, 0.3), lines: ["rough: it shakes while", "it drifts"] },
        Note { place: (0.82, 0.82), lines: ["smooth: the shaking has", "stopped"] },
    ],
];

const SIDE: f64 = 104.0;
const LEFT: f64 = 34.0;
const TOP: f64 = 24.0;
const GAP: f64 = 16.0;

fn drawing() -> String {
    let mut svg = Svg::default();
    let hatch = "hatch-reading-maps";
    define_hatch(&mut svg, hatch);
    let place = |index: usize| {
        let left = LEFT + index as f64 * (SIDE + GAP);
        Area { left, top: TOP, width: SIDE, height: SIDE }
    };
    for (index, (toy, notes)) in toys().iter().zip(&NOTES).enumerate() {
        draw(&mut svg, place(index), (toy, notes), hatch);
    }
    let axis = place(0);
    Timeline { last: toys::LAST, ..Timeline::default() }.ticks_left(&mut svg, axis, true);
    svg.text_upwards((9.0, axis.top + SIDE / 2.0), "epoch");
    let right = place(3).right() + 10.0;
    colour_bar(&mut svg, right, TOP, SIDE);
    svg.finish((right + 34.0, TOP + SIDE + 70.0), PANEL.title, CAPTION)
}

fn draw(svg: &mut Svg, area: Area, (toy, notes): (&Toy, &[Note; 2]), hatch: &str) {
    svg.text((area.left, 9.0), Anchor::Start, TITLE, toy.name);
    svg.text((area.left, 17.5), Anchor::Start, TICK, toy.detail);
    let timeline = Timeline { last: toys::LAST, ..Timeline::default() };
    let map = EpochMap { timeline, epochs: &toys::epochs(), area, hatch };
    map.draw(svg, |i, j| toy.similarity.at(i, j));
    timeline.ticks_below(svg, area, true);
    name_below(svg, area);
    for (number, note) in notes.iter().enumerate() {
        let (u, v) = note.place;
        mark(svg, (area.left + u * SIDE, area.bottom() - v * SIDE), number + 1);
        let top = area.bottom() + 30.0 + 20.0 * number as f64;
        mark(svg, (area.left + 4.0, top - 2.2), number + 1);
        for (line, text) in note.lines.iter().enumerate() {
            let at = (area.left + 11.0, top + 7.5 * line as f64);
            svg.text(at, Anchor::Start, TextStyle { class: "ink", ..TICK }, text);
        }
    }
}

/// A number in a circle, readable on every color.
fn mark(svg: &mut Svg, (x, y): (f64, f64), number: usize) {
    svg.raw(format_args!(
        "<circle class=\"note\" cx=\"{}\" cy=\"{}\" r=\"4.2\" fill=\"#ffffff\" stroke=\"#16181d\" stroke-width=\"0.7\"/>",
        Px(x),
        Px(y)
    ));
    let style = TextStyle { class: "night", bold: true, ..TICK };
    svg.text((x, y + 2.1), Anchor::Middle, style, &number.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_toy_has_its_notes_where_the_matrix_shows_what_they_say() {
        let [drift, burst, jitter, settling] = toys();
        let at = |toy: &Toy, (u, v): (f64, f64)| {
            let [i, j] = [u, v].map(|share| (share * (toys::N - 1) as f64) as usize);
            toy.similarity.at(i, j)
        };
        let place = |toy: usize, note: usize| NOTES[toy][note].place;
        assert!(at(&drift, place(0, 0)) > 0.99 && at(&drift, place(0, 1)) < 0.6);
        assert!(at(&burst, place(1, 0)) > at(&burst, (0.28, 0.8)) + 0.3);
        let shaken = at(&jitter, place(2, 1));
        assert!((0.6..0.95).contains(&shaken), "{shaken}");
        let neighbor = |toy: &Toy, u: f64| at(toy, (u, u + 1.01 / (toys::N - 1) as f64));
        assert!(neighbor(&settling, 0.3) < 0.95 && neighbor(&settling, 0.82) > 0.98);
        let svg = drawing();
        assert_eq!(svg.matches("class=\"note\"").count(), 16);
    }
}
