//! Pictures of the net's own decision regions over the epochs, a plane in each row.

use std::collections::BTreeSet;

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::report::figure::axes::epoch_label;
use crate::report::figure::metrics;
use crate::report::figure::plane::{Place, class_key, picture, proportions, row_name};
use crate::report::figure::svg::{Anchor, Svg, TICK, TITLE};
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::Regions;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "regions-output",
    title: "Decision regions",
    section: Section::Regions,
    shows: &[RunFile::Regions, RunFile::Phases],
    blocks: |run| {
        if run.regions.is_empty() {
            return vec![Block::absent(if run.is_recorded() {
                "A recording holds no pictures of decision regions."
            } else {
                "regions/ is absent: no decision regions were recorded in this run."
            })];
        }
        // Every layer's are in the strips.
        let of_output = run.regions.iter().find(|regions| regions.layer == "output");
        let figure = |regions| {
            Figure::new(PANEL.id, drawing(run, regions), caption(run, regions))
                .with_numbers(numbers(run, regions, 0..regions.planes.count()))
        };
        of_output.map(|regions| Block::Figure(figure(regions))).into_iter().collect()
    },
};

/// More epochs than this do not fit in a row.
const MOST_EPOCHS: usize = 8;
/// More planes than this are not shown.
const MOST_PLANES: usize = 4;
/// One layer's pictures, planes in rows and epochs in columns, embedded as PNG.
fn drawing(run: &RunResults, regions: &Regions) -> String {
    let (left, gap) = (19.0, 5.0);
    let columns = EpochColumns::new(run, regions, left, (gap, 96.0));
    let (side, top) = (columns.side, columns.top);
    let planes = regions.planes.count().min(MOST_PLANES);
    // A row is as high as its plane's picture and as its name is long; all pictures of a row are
    // alike.
    let mut tops = vec![top];
    for p in 0..planes {
        let name = plane_name(run, regions, p);
        let lines: Vec<&str> = name.split(" (").collect();
        let height =
            (proportions(regions, p).1 * side).max(metrics::widest(&lines, TICK));
        tops.push(tops[p] + height + gap);
    }
    let mut svg = Svg::on(run.sheet);
    svg.text((left, 8.0), Anchor::Start, TITLE, &layer_title(regions));
    columns.heads(&mut svg);
    for (column, &k) in columns.epochs.iter().enumerate() {
        for (p, &top) in tops.iter().take(planes).enumerate() {
            let place = Place { centre: columns.centre(column), top, side };
            picture(&mut svg, regions, k, p, place);
        }
    }
    for p in 0..planes {
        let middle = f64::midpoint(tops[p], tops[p + 1] - gap);
        // In two lines: the picture of a flat plane is lower than the whole name is long.
        let name = plane_name(run, regions, p);
        let (position, source) = name.split_once(" (").unwrap_or((&name, ""));
        row_name(&mut svg, (7.0, middle), position);
        row_name(&mut svg, (14.0, middle), source.trim_end_matches(')'));
    }
    let bottom = tops[planes];
    let shown = columns.epochs.iter().flat_map(|&k| (0..planes).map(move |p| (k, p)));
    let classes = shown.flat_map(|(k, p)| regions.map(k, p)).copied().collect();
    let place = (left, bottom + 8.0);
    let bottom = class_key(&mut svg, &classes, place, columns.right());
    let title = format!("Decision regions of {}", layer_title(regions));
    svg.finish((columns.right(), bottom + 6.0), &title, &caption(run, regions))
}

fn caption(run: &RunResults, regions: &Regions) -> String {
    let what = if regions.layer == "output" {
        "the net itself".to_owned()
    } else {
        format!("the linear probe on {}", regions.layer)
    };
    format!(
        "Predictions of {what} on planes through three images of different classes (rows), \
         over the epochs (columns). Colour is the predicted class, paler where the largest \
         softmax probability (temperature 5) is smaller; the discs are the three images with \
         their labels{}. Axes have one scale in both directions. {}",
        ringed(regions, 0..regions.planes.count()),
        words::seed_words(run)
    )
}

/// The planes: the images that they go through, and where these are.
pub(super) fn numbers(
    run: &RunResults,
    regions: &Regions,
    planes: std::ops::Range<usize>,
) -> String {
    let planes_of = &regions.planes;
    let rows = planes.flat_map(|p| {
        (0..3).map(move |image| {
            let [a, b] = planes_of.images[p][image].map(number);
            let wrong = planes_of.corrupted[p][image].to_string();
            let index = planes_of.triplets[p][image].to_string();
            let label = planes_of.labels[p][image].to_string();
            [plane_name(run, regions, p), index, label, wrong, a, b]
        })
    });
    csv(["plane", "image", "label", "wrong_label", "a", "b"], rows)
}

/// "triplet 3 (corrupted)".
pub(crate) fn plane_name(run: &RunResults, regions: &Regions, p: usize) -> String {
    let (position, source) = (regions.planes.positions[p], regions.planes.sources[p]);
    match run.triplet_sources().get(source as usize) {
        Some(source) => format!("triplet {position} ({source})"),
        None => format!("triplet {position}"),
    }
}

fn layer_title(regions: &Regions) -> String {
    if regions.layer == "output" {
        "output".into()
    } else {
        format!("{} (probe)", regions.layer)
    }
}

/// What a ring means, where there is one on these planes.
pub(super) fn ringed(
    regions: &Regions,
    mut planes: std::ops::Range<usize>,
) -> &'static str {
    if planes.any(|p| regions.planes.corrupted[p].contains(&true)) {
        "; a ring marks a wrong label"
    } else {
        ""
    }
}

/// Between an epoch and what it is.
const MARK: &str = " · ";

fn epoch_name(run: &RunResults, epoch: f64) -> String {
    let phases = &run.phases;
    let names = [
        (phases.min, "min"),
        (phases.peak, "peak"),
        (phases.second_min, "2nd min"),
        (phases.perfect_fit, "perfect fit"),
    ];
    let is = |marked: &&(Option<f64>, &str)| {
        marked.0.is_some_and(|marked| (marked - epoch).abs() < 1e-9)
    };
    let names = names.iter().filter(is).map(|(_, name)| format!("{MARK}{name}"));
    format!("epoch {}{}", epoch_label(epoch), names.collect::<String>())
}

/// Columns of pictures, one per epoch, with their names above.
pub(super) struct EpochColumns {
    /// Indices of the epochs.
    pub(super) epochs: Vec<usize>,
    /// Length of a picture's side.
    pub(super) side: f64,
    /// Where the pictures begin.
    pub(super) top: f64,
    left: f64,
    gap: f64,
    /// How many have room: no fewer than four on the page.
    room_for: usize,
    /// The names in lines.
    names: Vec<Vec<String>>,
}

/// The least side of a picture.
const LEAST_SIDE: f64 = 42.0;

impl EpochColumns {
    /// As many as fit between `left` and the sheet's end, `gap` apart, of sides up to `most`.
    pub(super) fn new(
        run: &RunResults,
        regions: &Regions,
        left: f64,
        (gap, most): (f64, f64),
    ) -> Self {
        let room = run.sheet.width - left;
        let fit = ((room / (LEAST_SIDE + gap)) as usize).clamp(1, MOST_EPOCHS);
        let epochs = chosen(run, regions, fit);
        let columns = if run.sheet.is_paper { epochs.len() } else { epochs.len().max(4) };
        let side = (room / columns.max(1) as f64 - gap).min(most);
        let name = |&k: &usize| {
            let name = epoch_name(run, regions.planes.epochs[k]);
            if metrics::width(&name, TICK) <= side + gap - 3.0 {
                return vec![name];
            }
            name.split(MARK).map(str::to_owned).collect()
        };
        let names: Vec<Vec<String>> = epochs.iter().map(name).collect();
        let lines = names.iter().map(Vec::len).max().unwrap_or(1);
        let top = 15.0 + 7.0 * lines as f64;
        Self { epochs, side, top, left, gap, room_for: columns, names }
    }

    /// x of the middle of a column.
    pub(super) fn centre(&self, column: usize) -> f64 {
        self.left + column as f64 * (self.side + self.gap) + self.side / 2.0
    }

    /// Where the last one ends.
    pub(super) fn right(&self) -> f64 {
        self.left + self.room_for as f64 * (self.side + self.gap)
    }

    /// The names.
    pub(super) fn heads(&self, svg: &mut Svg) {
        for (column, lines) in self.names.iter().enumerate() {
            for (line, text) in lines.iter().rev().enumerate() {
                let place = (self.centre(column), self.top - 3.0 - 7.0 * line as f64);
                svg.text(place, Anchor::Middle, TICK, text);
            }
        }
    }
}

/// Indices of at most `most` epochs to show: all, or the first, the last, those nearest to the marks,
/// and others spread evenly between.
fn chosen(run: &RunResults, regions: &Regions, most: usize) -> Vec<usize> {
    let count = regions.planes.epochs.len();
    if count <= most {
        return (0..count).collect();
    }
    let phases = &run.phases;
    let marks = [phases.min, phases.peak, phases.second_min];
    let nearest = |epoch: f64| {
        let distance =
            |k: &usize| (regions.planes.epochs[*k].ln_1p() - epoch.ln_1p()).abs();
        (0..count).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    };
    let mut kept: BTreeSet<usize> = [0, count - 1].into();
    for epoch in marks.into_iter().flatten().filter_map(nearest) {
        if kept.len() < most {
            kept.insert(epoch);
        }
    }
    for index in 0..most {
        if kept.len() < most {
            kept.insert(index * (count - 1) / (most - 1).max(1));
        }
    }
    kept.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::plane::tests::two_by_two;

    #[test]
    fn many_epochs_keep_first_last_and_the_marks() {
        let mut regions = two_by_two();
        regions.planes.epochs = (0..40).map(f64::from).collect();
        let mut run = RunResults::default();
        run.phases.peak = Some(23.2);
        let kept = chosen(&run, &regions, MOST_EPOCHS);
        assert_eq!(kept.len(), MOST_EPOCHS);
        assert!(kept.contains(&0) && kept.contains(&39) && kept.contains(&23));
    }
}
