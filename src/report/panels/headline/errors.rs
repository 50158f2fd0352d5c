//! The two strips of errors over time: the test error above, the train error below.

use crate::report::figure::axes::{LinearAxis, ceiling};
use crate::report::figure::curves::{CurvePanel, value_ticks};
use crate::report::figure::metrics;
use crate::report::figure::svg::{Anchor, Area, Px, Stroke, Svg, TICK, TITLE, TextStyle};
use crate::report::model::{HistoryRow, RunResults, Statistics};

/// Test error with the statistics of the experiment.
const TEST: Stroke =
    Stroke { class: "line-test", colour: "#0b5fa5", width: 1.4, dash: "" };
/// Test error with running statistics.
const RUNNING: Stroke =
    Stroke { class: "line-test", colour: "#0b5fa5", width: 0.9, dash: "1 1.5" };
/// Train error on images whose label is right.
const CLEAN: Stroke =
    Stroke { class: "line-clean", colour: "#12805c", width: 1.2, dash: "" };
/// Train error on images whose label is wrong.
const CORRUPTED: Stroke =
    Stroke { class: "line-corrupted", colour: "#c4500c", width: 1.2, dash: "4 1.6" };
/// Train error where it is not known apart.
const TRAIN: Stroke =
    Stroke { class: "line-clean", colour: "#12805c", width: 1.2, dash: "" };

/// The strips, one below the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Strips<'a> {
    pub(super) run: &'a RunResults,
    pub(super) test: Area,
    pub(super) train: Area,
    /// Whether they are the leftmost: numbers and keys stand there only.
    pub(super) first: bool,
}

impl Strips<'_> {
    /// Draws both.
    pub(super) fn draw(&self, svg: &mut Svg) {
        self.draw_test(svg);
        let split = self.draw_train(svg);
        if self.first {
            self.keys(svg, split);
            self.fit_label(svg);
        }
        let timeline = self.run.timeline();
        timeline.cursor(svg, self.test, None);
        timeline.cursor(svg, self.train, None);
    }

    fn panel(&self, area: Area, end: f64) -> CurvePanel {
        let values = LinearAxis::up(area, 0.0, end);
        CurvePanel { timeline: self.run.timeline(), area, values }
    }

    fn points(&self, value: fn(&HistoryRow) -> f64) -> impl Iterator<Item = (f64, f64)> {
        self.run.history.iter().map(move |row| (row.epoch, value(row)))
    }

    fn draw_test(&self, svg: &mut Svg) {
        let panel = self.panel(self.test, test_limit(self.run));
        value_ticks(svg, self.test, panel.values, 4, self.first);
        panel.timeline.mark_lines(svg, self.test);
        if self.run.statistics() == Statistics::Recomputed {
            panel.curve(svg, self.points(|row| row.test_error_running), RUNNING);
        }
        panel.curve(svg, self.points(|row| row.test_error), TEST);
        self.turns(svg, &panel);
        svg.frame(self.test);
        panel.timeline.ticks_below(svg, self.test, false);
    }

    /// Draws the train error; says whether it is known of clean and corrupted labels apart.
    fn draw_train(&self, svg: &mut Svg) -> bool {
        let panel = self.panel(self.train, 1.0);
        value_ticks(svg, self.train, panel.values, 2, self.first);
        panel.timeline.mark_lines(svg, self.train);
        let split = self.points(|row| row.train_error_corrupted).any(|p| p.1.is_finite());
        if split {
            panel.curve(svg, self.points(|row| row.train_error_corrupted), CORRUPTED);
            panel.curve(svg, self.points(|row| row.train_error_clean), CLEAN);
        } else {
            panel.curve(svg, self.points(|row| row.train_error), TRAIN);
        }
        svg.frame(self.train);
        panel.timeline.ticks_below(svg, self.train, false);
        split
    }

    /// Names of the strips, with a sample of each line beside its name.
    fn keys(&self, svg: &mut Svg, split: bool) {
        let mut key = Key { svg, x: self.test.left, y: self.test.top - 4.0 };
        key.name("Test error", TITLE);
        match self.run.statistics() {
            Statistics::Recorded | Statistics::Absent => {}
            Statistics::Running => {
                key.sample("running BN", TEST);
            }
            Statistics::Recomputed => {
                key.sample("recomputed BN", TEST).sample("running", RUNNING);
            }
        }
        let mut key = Key { svg, x: self.train.left, y: self.train.top - 4.0 };
        key.name("Train error", TITLE);
        if split {
            key.sample("clean", CLEAN).sample("corrupted labels", CORRUPTED);
        }
    }

    /// "perfect fit" beside its line, where there is room: to the right, else to the left.
    fn fit_label(&self, svg: &mut Svg) {
        let timeline = self.run.timeline();
        let Some(epoch) = timeline.perfect_fit else { return };
        let at = timeline.across(self.test).at(epoch);
        // The train strip is empty to the right of perfect fit: errors there are 0.
        let y = self.train.top + self.train.height * 0.34;
        let (anchor, at) = if self.test.right() - at > 40.0 {
            (Anchor::Start, at + 3.0)
        } else {
            (Anchor::End, at - 3.0)
        };
        let style = TextStyle { class: "halo", ..TICK };
        svg.text((at, y), anchor, style, "perfect fit");
    }

    /// Minimum, peak and second minimum where the detector saw them: at the levels of the curve
    /// around those epochs, which single rows of a wild curve leave. Turns on one spot are one.
    fn turn_places(&self, panel: &CurvePanel) -> Vec<Turn> {
        let (x, y) = (panel.timeline.across(self.test), panel.values);
        let mut turns: Vec<Turn> = vec![];
        for (index, epoch) in panel.timeline.turns.into_iter().enumerate() {
            let Some(epoch) = epoch else { continue };
            let level = self.run.phases.errors[index];
            let level = level.unwrap_or_else(|| self.run.test_error_at(epoch));
            let at = (x.at(epoch), y.at(level.min(y.end)));
            if !at.1.is_finite() {
                continue;
            }
            let name = ["min", "peak", "2nd min"][index];
            match turns.last_mut() {
                Some(last) if (last.at.0 - at.0).hypot(last.at.1 - at.1) < 3.0 => {
                    last.name = format!("{}, {name}", last.name);
                }
                _ => turns.push(Turn { at, name: name.into(), is_peak: index == 1 }),
            }
        }
        turns
    }

    /// Circles at the turns, named at the first strip.
    fn turns(&self, svg: &mut Svg, panel: &CurvePanel) {
        let y = panel.values;
        for Turn { at: (at_x, at_y), name, is_peak } in self.turn_places(panel) {
            svg.raw(format_args!(
                "<circle class=\"dot\" cx=\"{}\" cy=\"{}\" r=\"2\" fill=\"#ffffff\" stroke=\"#0b5fa5\" stroke-width=\"1.1\"/>",
                Px(at_x),
                Px(at_y)
            ));
            if self.first {
                let below = at_y + 8.2;
                let above = is_peak || below > y.start - 0.8;
                let label = if above { at_y - 4.5 } else { below };
                turn_name(svg, (at_x, label), self.test, &name);
            }
        }
    }
}

/// A turn of the test error in the drawing.
struct Turn {
    at: (f64, f64),
    name: String,
    is_peak: bool,
}

/// The name of a turn; one at the right edge would run into the next panel.
fn turn_name(svg: &mut Svg, (x, y): (f64, f64), area: Area, name: &str) {
    let right = area.right() - 1.0;
    let (x, anchor) =
        if x + 11.0 > right { (right, Anchor::End) } else { (x, Anchor::Middle) };
    svg.text((x, y), anchor, TextStyle { class: "halo", ..TICK }, name);
}

/// A line of names and line samples, written from left to right.
struct Key<'a> {
    svg: &'a mut Svg,
    x: f64,
    y: f64,
}

impl Key<'_> {
    fn name(&mut self, name: &str, style: TextStyle) -> &mut Self {
        self.svg.text((self.x, self.y), Anchor::Start, style, name);
        self.x += metrics::width(name, style) + 6.0;
        self
    }

    fn sample(&mut self, name: &str, stroke: Stroke) -> &mut Self {
        let y = self.y - 2.2;
        self.svg.line((self.x, y), (self.x + 11.0, y), stroke);
        self.x += 13.0;
        self.name(name, TextStyle { class: "ink", ..TICK })
    }
}

/// What a rise after the fall from chance must exceed to be looked at alone.
const VISIBLE_RISE: f64 = 0.01;

/// The upper end of the test error's axis: what comes before the curve first gets as low as
/// one and a half times its later maximum (the fall from chance) may leave the panel, unless it is
/// all that there is to see.
fn test_limit(run: &RunResults) -> f64 {
    let lowest =
        run.history.iter().map(|row| row.test_error).fold(f64::INFINITY, f64::min);
    let settled = run.phases.min.or_else(|| {
        let low = |row: &&HistoryRow| row.test_error <= lowest * 1.5 + 0.02;
        run.history.iter().find(low).map(|row| row.epoch)
    });
    let later = run.history.iter().filter(|row| Some(row.epoch) >= settled);
    let largest = |row: &HistoryRow| {
        if run.statistics() == Statistics::Recomputed {
            row.test_error.max(row.test_error_running)
        } else {
            row.test_error
        }
    };
    let highest = later.map(largest).filter(|v| v.is_finite()).fold(0.0, f64::max);
    if highest - lowest <= VISIBLE_RISE {
        return ceiling(run.history.iter().map(|row| row.test_error).fold(0.0, f64::max));
    }
    ceiling(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(test_errors: &[f64]) -> f64 {
        let row = |(epoch, &test_error): (usize, &f64)| HistoryRow {
            epoch: epoch as f64,
            train_error: f64::NAN,
            train_error_clean: f64::NAN,
            train_error_corrupted: f64::NAN,
            test_error,
            test_error_running: f64::NAN,
        };
        let history = test_errors.iter().enumerate().map(row).collect();
        test_limit(&RunResults { history, ..RunResults::default() })
    }

    #[test]
    fn a_fall_without_a_rise_after_it_stays_in_the_panel() {
        assert_eq!(limit(&[0.515, 0.515, 0.235, 0.0, 0.0, 0.0]), ceiling(0.515));
        assert_eq!(limit(&[0.515, 0.515, 0.235, 0.0, 0.005, 0.0]), ceiling(0.515));
    }

    #[test]
    fn a_fall_leaves_the_panel_to_what_comes_after() {
        assert_eq!(limit(&[0.9, 0.5, 0.04, 0.12, 0.08]), ceiling(0.12));
        assert_eq!(limit(&[0.9, 0.5, 0.02, 0.06, 0.03]), ceiling(0.06));
    }
}
