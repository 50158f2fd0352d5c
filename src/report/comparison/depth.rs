//! Depth contrast: how much each layer moves during a double descent, run and control.

use super::looks::Look;
use crate::compare::{ArmFound, Results};
use crate::report::figure::axes::LinearAxis;
use crate::report::figure::curves::{
    key_of, layer_ticks, of_layer, slant_of, value_ticks,
};
use crate::report::figure::svg::{Anchor, Area, Stroke, Svg, TICK, TITLE};
use crate::report::figure::text::{short, shortened};
use crate::report::panels::{Figure, csv, number};

/// L in the results: whether deep layers move more beyond a common factor.
const BEYOND: &str = "depth-contrast-beyond-proportion";
/// More arms are not told apart.
const MOST: usize = 12;

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

/// The figure; none where no run has a double descent.
pub(super) fn figure(results: &Results) -> Option<Figure> {
    let lines: Vec<Line<'_>> =
        results.arms.iter().filter_map(Line::of).take(MOST).collect();
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
    if same {
        layer_ticks(&mut svg, area, &short, |layer| x(layer, names.len()));
    }
    for (index, line) in lines.iter().enumerate() {
        let look = Look::of(index, lines.len());
        of_layer(&mut svg, line.name, |svg| {
            draw(svg, line, look.stroke(1.7), |at, value| {
                (x(at, line.layers.len()), axis.at(value))
            });
        });
    }
    key(&mut svg, &lines, (area.right() + 10.0, area.top + 8.0));
    inset(&mut svg, results, area);
    svg.frame(area);
    let below = if same { slant_of(&short) + 14.0 } else { 10.0 };
    let caption = caption(&lines, same);
    let size = (area.right() + 120.0, area.bottom() + below);
    let drawn = svg.finish(size, "Movement by depth over seeds", &caption);
    Some(Figure::new("movement", drawn, caption).with_numbers(numbers(&lines)))
}

fn numbers(lines: &[Line<'_>]) -> String {
    let rows = lines.iter().flat_map(|line| {
        line.seeds.iter().enumerate().flat_map(move |(seed, values)| {
            let cells = line.layers.iter().zip(values.iter());
            cells.map(move |(layer, value)| {
                [
                    line.name.to_owned(),
                    seed.to_string(),
                    (*layer).to_owned(),
                    number(*value),
                ]
            })
        })
    });
    csv(["arm", "curve", "layer", "movement"], rows)
}

/// Seeds thin, their mean thick.
fn draw(
    svg: &mut Svg,
    line: &Line<'_>,
    look: Stroke<'_>,
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
    for (index, line) in lines.iter().enumerate() {
        let y = top + 11.0 * index as f64;
        let look = Look::of(index, lines.len());
        key_of(svg, line.name, |svg| {
            svg.line((left, y - 2.0), (left + 18.0, y - 2.0), look.stroke(1.7));
            let text = format!("{} (n = {})", short(line.name), line.seeds.len());
            svg.text((left + 22.0, y), Anchor::Start, TICK, &text);
        });
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
