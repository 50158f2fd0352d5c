//! Depth contrast: how much each layer moves during a double descent, run and control.

use crate::compare::{ArmFound, Results};
use crate::report::figure::axes::LinearAxis;
use crate::report::figure::curves::{layer_tick, slant_of, value_ticks};
use crate::report::figure::svg::{Anchor, Area, Stroke, Svg, TICK, TITLE};
use crate::report::figure::text::{short, shortened};

/// L in the results: whether deep layers move more beyond a common factor.
const BEYOND: &str = "depth-contrast-beyond-proportion";
/// The curves of the arms' means, as in the curves of errors.
const LOOKS: [Stroke; 4] = [
    Stroke { class: "line-corrupted", colour: "#c4500c", width: 1.7, dash: "" },
    Stroke { class: "line-test", colour: "#0b5fa5", width: 1.7, dash: "5 2" },
    Stroke { class: "line-clean", colour: "#12805c", width: 1.7, dash: "2 1.5" },
    Stroke { class: "line-weights", colour: "#8a8f98", width: 1.7, dash: "6 2 1 2" },
];

/// The movement of an arm's layers, one curve per seed.
struct Line<'a> {
    name: &'a str,
    layers: Vec<&'a str>,
    seeds: Vec<&'a [f64]>,
}

impl Line<'_> {
    fn of(arm: &ArmFound) -> Option<Line<'_>> {
        let with = || arm.seen.iter().filter(|run| run.movement.is_some());
        let first = with().next()?;
        let layers: Vec<&str> =
            first.layers.iter().map(|layer| layer.name.as_str()).collect();
        let seeds: Vec<&[f64]> = with()
            .filter_map(|run| run.movement.as_deref())
            .filter(|values| values.len() == layers.len())
            .collect();
        (!seeds.is_empty()).then_some(Line { name: &arm.name, layers, seeds })
    }

    fn mean(&self) -> Vec<f64> {
        let n = self.seeds.len() as f64;
        let layer =
            |at: usize| self.seeds.iter().map(|values| values[at]).sum::<f64>() / n;
        (0..self.layers.len()).map(layer).collect()
    }
}

/// The drawing and its caption; none where no run has a double descent.
pub(super) fn figure(results: &Results) -> Option<(String, String)> {
    let lines: Vec<Line<'_>> =
        results.arms.iter().filter_map(Line::of).take(LOOKS.len()).collect();
    let longest = lines.iter().max_by_key(|line| line.layers.len())?;
    let names = longest.layers.clone();
    let area = Area { left: 30.0, top: 24.0, width: 320.0, height: 130.0 };
    let all = lines.iter().flat_map(|line| &line.seeds).flat_map(|values| values.iter());
    let most = all.copied().fold(0.0, f64::max);
    let axis = LinearAxis::up(area, 0.0, (1.08 * most).max(1e-6));
    let mut svg = Svg::default();
    svg.text((area.left, 9.0), Anchor::Start, TITLE, "Movement by depth");
    let detail = "mean angle between checkpoints during the double descent, in radians";
    svg.text((area.left, 18.0), Anchor::Start, TICK, detail);
    value_ticks(&mut svg, area, axis, 5, true);
    let same = lines.iter().all(|line| line.layers == names);
    let x = |layer: usize, n: usize| {
        let depth = if n > 1 { layer as f64 / (n - 1) as f64 } else { 0.5 };
        area.left + area.width * (0.04 + 0.92 * depth)
    };
    let short = shortened(&names);
    for (layer, name) in short.iter().enumerate().filter(|_| same) {
        layer_tick(&mut svg, area, x(layer, names.len()), name);
    }
    for (line, look) in lines.iter().zip(LOOKS) {
        draw(&mut svg, line, look, |at, value| {
            (x(at, line.layers.len()), axis.at(value))
        });
    }
    key(&mut svg, &lines, (area.right() + 10.0, area.top + 8.0));
    inset(&mut svg, results, area);
    svg.frame(area);
    let below = if same { slant_of(&short) + 14.0 } else { 10.0 };
    let caption = caption(&lines, same);
    let size = (area.right() + 120.0, area.bottom() + below);
    Some((svg.finish(size, "Movement by depth over seeds", &caption), caption))
}

/// Seeds thin, their mean thick.
fn draw(
    svg: &mut Svg,
    line: &Line<'_>,
    look: Stroke,
    place: impl Fn(usize, f64) -> (f64, f64),
) {
    let points = |values: &[f64]| -> Vec<(f64, f64)> {
        values.iter().enumerate().map(|(at, value)| place(at, *value)).collect()
    };
    for values in &line.seeds {
        svg.polyline(&points(values), Stroke { width: 0.5, dash: "", ..look });
    }
    svg.polyline(&points(&line.mean()), look);
}

fn key(svg: &mut Svg, lines: &[Line<'_>], (left, top): (f64, f64)) {
    for (index, (line, stroke)) in lines.iter().zip(LOOKS).enumerate() {
        let y = top + 11.0 * index as f64;
        svg.line((left, y - 2.0), (left + 18.0, y - 2.0), stroke);
        let text = format!("{} (n = {})", short(line.name), line.seeds.len());
        svg.text((left + 22.0, y), Anchor::Start, TICK, &text);
    }
}

/// L with its interval, where a statement has it.
fn inset(svg: &mut Svg, results: &Results, area: Area) {
    let beside = results.statements.iter().flat_map(|finding| &finding.beside);
    let Some(part) =
        beside.filter(|part| part.endpoint == BEYOND).find(|part| part.n > 0)
    else {
        return;
    };
    let Some(mean) = part.mean else { return };
    let spread = part
        .interval
        .map_or(String::new(), |[low, high]| format!(" ({low:.3} to {high:.3})"));
    let text = format!("L = {mean:+.3}{spread}, n = {}", part.n);
    svg.text((area.left + 6.0, area.top + 10.0), Anchor::Start, TICK, &text);
}

fn caption(lines: &[Line<'_>], same: bool) -> String {
    let counts: Vec<String> =
        lines.iter().map(|line| format!("{} {}", line.seeds.len(), line.name)).collect();
    let depth =
        if same { "" } else { " Layers differ, so they stand at their relative depth." };
    format!(
        "How much each layer moves between the first and the second minimum of the test error, by \
         debiased CKA on test images; a run without a double descent has the window of the first run of \
         its seed that has one. n (runs): {}; thin: seeds, thick: their mean. Unit: radians. Null: the \
         control’s curve. L: how much more deep layers move beyond a factor that all layers share (0: in \
         proportion).{depth}",
        counts.join(", ")
    )
}
