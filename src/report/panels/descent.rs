//! Double descent with test images as the unit: how much the error rises and falls, and
//! whether a probe of the last layer does the same.

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::findings::halves::{DoubleDescent, MeanOverImages, Readout};
use crate::report::figure::axes::LinearAxis;
use crate::report::figure::metrics;
use crate::report::figure::sheet::Sheet;
use crate::report::figure::svg::{
    Anchor, Area, FRAME, GRID, LABEL, Px, Stroke, Svg, TICK, TITLE, TextStyle,
};
use crate::report::figure::text::trimmed;
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "double-descent",
    title: "Rise and fall of the test error",
    section: Section::Phases,
    shows: &[RunFile::Findings],
    blocks: |run| {
        let Some(found) = run.findings.as_ref().map(|found| &found.double_descent) else {
            return vec![];
        };
        let rows = rows(found);
        if rows.is_empty() {
            return vec![Block::absent(if run.is_recorded() {
                "Rise and fall of the test error are not measured on halves of the test examples: \
                 no answer per example is stored. Given test=…, the recorder stores them."
            } else {
                "Rise and fall of the test error are not measured on halves of the test images: \
                 no answer per image is stored."
            })];
        }
        let caption = caption(run, found);
        let figure = Figure::new(PANEL.id, drawing(run.sheet, &rows, &caption), caption);
        vec![Block::Figure(figure.with_numbers(numbers(&rows)))]
    },
};

/// A line of the figure.
struct Row {
    name: String,
    mean: f64,
    interval: [f64; 2],
    /// What stands at its right.
    words: String,
    is_probe: bool,
}

/// Rise, then fall: of the net, then of the probe.
fn rows(found: &DoubleDescent) -> Vec<Row> {
    let measured = [
        ("rise", found.rise, found.interval_rise),
        ("fall", found.fall, found.interval_fall),
    ];
    let mut rows = vec![];
    for (what, mean, interval) in measured {
        let (Some(mean), Some(interval)) = (mean, interval) else { continue };
        let name = format!("{what}, net");
        rows.push(Row { name, mean, interval, words: String::new(), is_probe: false });
        rows.extend(found.readout.as_ref().map(|readout| of_probe(what, readout)));
    }
    rows
}

fn of_probe(what: &str, readout: &Readout) -> Row {
    let (mean, se, share) = match what {
        "rise" => (
            readout.rise,
            readout.rise_se,
            readout.share_rise.zip(readout.interval_share_rise),
        ),
        _ => (
            readout.fall,
            readout.fall_se,
            readout.share_fall.zip(readout.interval_share_fall),
        ),
    };
    let words = share.map_or(String::new(), |(share, [low, high])| {
        format!("share {share:.2} ({low:.2} to {high:.2})")
    });
    let interval = MeanOverImages { mean, se }.interval();
    Row {
        name: format!("{what}, probe of {}", readout.layer),
        mean,
        interval,
        words,
        is_probe: true,
    }
}

/// Height of a row; of one whose words stand above its bar.
const STEP: f64 = 17.0;
const HIGH_STEP: f64 = 25.0;

fn drawing(sheet: Sheet, rows: &[Row], caption: &str) -> String {
    let step = if sheet.is_paper { HIGH_STEP } else { STEP };
    let height = step * rows.len() as f64;
    let (left, width) =
        if sheet.is_paper { (6.0, sheet.width - 12.0) } else { (96.0, 240.0) };
    let area = Area { left, top: 18.0, width, height };
    let ends = || rows.iter().flat_map(|row| row.interval).chain([0.0]);
    let (least, most) =
        (ends().fold(f64::INFINITY, f64::min), ends().fold(0.0, f64::max));
    let room = 0.06 * (most - least).max(1e-6);
    let axis = LinearAxis {
        from: least - room,
        end: most + room,
        start: area.left,
        length: area.width,
    };
    let mut svg = Svg::on(sheet);
    svg.text((area.left, 10.0), Anchor::Start, TITLE, PANEL.title);
    for tick in axis.ticks(6) {
        let x = axis.at(tick);
        svg.line((x, area.top), (x, area.bottom()), GRID);
        svg.line((x, area.bottom()), (x, area.bottom() + 2.5), FRAME);
        let place = (x, area.bottom() + 8.5);
        svg.text(place, Anchor::Middle, TICK, &trimmed(tick, 3));
    }
    let zero = Stroke { class: "fit", colour: "#16181d", width: 0.8, dash: "3 2" };
    svg.line((axis.at(0.0), area.top), (axis.at(0.0), area.bottom()), zero);
    for (index, row) in rows.iter().enumerate() {
        let top = area.top + step * index as f64;
        let y = if sheet.is_paper { top + step - 6.0 } else { top + step / 2.0 };
        let words = if sheet.is_paper { words_above } else { words_beside };
        words(&mut svg, row, area, y);
        draw_bar(&mut svg, row, axis, y);
    }
    svg.frame(area);
    let name = (area.left + area.width / 2.0, area.bottom() + 18.0);
    svg.text(name, Anchor::Middle, LABEL, "difference of the test error");
    svg.finish((area.right() + 176.0, area.bottom() + 22.0), PANEL.title, caption)
}

/// The difference and its interval in numbers.
fn in_numbers(row: &Row) -> String {
    let [from, to] = row.interval;
    format!("{:+.3} ({from:.3} to {to:.3})", row.mean)
}

/// The name at the left, the numbers at the right.
fn words_beside(svg: &mut Svg, row: &Row, area: Area, y: f64) {
    svg.text((area.left - 5.0, y + 2.2), Anchor::End, LABEL, &row.name);
    let place =
        (area.right() + 8.0, if row.words.is_empty() { y + 2.2 } else { y - 1.2 });
    svg.text(place, Anchor::Start, TICK, &in_numbers(row));
    svg.text((place.0, y + 6.2), Anchor::Start, TICK, &row.words);
}

/// The same above the bar: of a probe what its part is, as there is no room for more.
fn words_above(svg: &mut Svg, row: &Row, area: Area, y: f64) {
    let words = if row.words.is_empty() { in_numbers(row) } else { row.words.clone() };
    let room = area.width - metrics::width(&words, TICK) - 12.0;
    let name = metrics::fitted(&row.name, LABEL, room);
    // They may lie on the line of no difference.
    let [label, tick] = [LABEL, TICK].map(|style| TextStyle { class: "halo", ..style });
    svg.text((area.left + 3.0, y - 8.0), Anchor::Start, label, &name);
    svg.text((area.right() - 3.0, y - 8.0), Anchor::End, tick, &words);
}

fn draw_bar(svg: &mut Svg, row: &Row, axis: LinearAxis, y: f64) {
    let line = Stroke { class: "line-ink", colour: "#16181d", width: 1.1, dash: "" };
    let [low, high] = row.interval.map(|end| axis.at(end));
    svg.line((low, y), (high, y), line);
    for end in [low, high] {
        svg.line((end, y - 2.5), (end, y + 2.5), line);
    }
    let (class, fill) =
        if row.is_probe { ("hollow", "#ffffff") } else { ("solid", "#16181d") };
    svg.raw(format_args!(
        "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"2.6\" fill=\"{fill}\" stroke=\"#16181d\" stroke-width=\"0.9\"/>",
        Px(axis.at(row.mean)),
        Px(y)
    ));
}

fn numbers(rows: &[Row]) -> String {
    let row = |row: &Row| {
        let [low, high] = row.interval.map(number);
        [row.name.clone(), number(row.mean), low, high]
    };
    csv(["what", "difference", "low", "high"], rows.iter().map(row))
}

fn caption(run: &RunResults, found: &DoubleDescent) -> String {
    let verdict = match found.measured {
        Some(true) => {
            "a measured double descent: both exceed 0.01 and both intervals lie above 0"
        }
        _ => {
            "no measured double descent, which needs both above 0.01 with intervals above 0"
        }
    };
    let agrees = match found.agrees {
        Some(true) => " The verdict on the curve says the same.",
        Some(false) => " The verdict on the curve says otherwise.",
        None => "",
    };
    let readout = found.readout.as_ref().map_or(String::new(), |readout| {
        format!(
            " Hollow: a linear probe of {}, fitted to its optimum on {} labels at each checkpoint, at \
             the net’s own epochs; share: its part of the net’s. A share near 0 puts the change in \
             the readout, one of 0.5 or more in the representation.",
            readout.layer, readout.labels
        )
    });
    let image = |count: Option<usize>| count.unwrap_or(0);
    format!(
        "How much the test error rises from its first minimum to its peak and falls to its second \
         minimum; {verdict}. n: {} test images, which are the unit; epochs are chosen on one half of \
         them and the error is measured on the other ({} halvings). Bars: 95 % intervals. Null: no \
         difference (dashed).{agrees}{readout} Nothing here says how other seeds would come out. {}",
        image(found.n),
        image(found.halvings),
        words::seed_words(run)
    )
}
