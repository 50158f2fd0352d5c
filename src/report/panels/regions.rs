//! Pictures of the net's own decision regions over the epochs, a plane in each row.

use std::collections::BTreeSet;

use super::numbers::{csv, number};
use super::panel::{Block, Figure, Panel, Section};
use crate::report::figure::axes::epoch_label;
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
    let epochs = chosen(run, regions);
    let planes = regions.planes.count().min(MOST_PLANES);
    let (left, top, gap) = (19.0, 22.0, 5.0);
    let columns = epochs.len().max(4) as f64;
    let side = ((508.0 - left) / columns - gap).min(96.0);
    // A row is as high as its plane's picture; all pictures of a row are alike.
    let mut tops = vec![top];
    for p in 0..planes {
        tops.push(tops[p] + proportions(regions, p).1 * side + gap);
    }
    let mut svg = Svg::default();
    svg.text((left, 8.0), Anchor::Start, TITLE, &layer_title(regions));
    for (column, &k) in epochs.iter().enumerate() {
        let centre = left + column as f64 * (side + gap) + side / 2.0;
        let name = epoch_name(run, regions.planes.epochs[k]);
        svg.text((centre, top - 3.0), Anchor::Middle, TICK, &name);
        for (p, &top) in tops.iter().take(planes).enumerate() {
            picture(&mut svg, regions, k, p, Place { centre, top, side });
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
    let shown = epochs.iter().flat_map(|&k| (0..planes).map(move |p| (k, p)));
    let classes = shown.flat_map(|(k, p)| regions.map(k, p)).copied().collect();
    class_key(&mut svg, &classes, (left, bottom + 8.0));
    let width = left + columns * (side + gap);
    let title = format!("Decision regions of {}", layer_title(regions));
    svg.finish((width, bottom + 14.0), &title, &caption(run, regions))
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

pub(super) fn epoch_name(run: &RunResults, epoch: f64) -> String {
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
    let names = names.iter().filter(is).map(|(_, name)| format!(" · {name}"));
    format!("epoch {}{}", epoch_label(epoch), names.collect::<String>())
}

/// Indices of the epochs to show: all, or the first, the last, those nearest to the marks,
/// and others spread evenly between.
pub(super) fn chosen(run: &RunResults, regions: &Regions) -> Vec<usize> {
    let count = regions.planes.epochs.len();
    if count <= MOST_EPOCHS {
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
    kept.extend(marks.into_iter().flatten().filter_map(nearest));
    for index in 0..MOST_EPOCHS {
        if kept.len() < MOST_EPOCHS {
            kept.insert(index * (count - 1) / (MOST_EPOCHS - 1));
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
        let kept = chosen(&run, &regions);
        assert_eq!(kept.len(), MOST_EPOCHS);
        assert!(kept.contains(&0) && kept.contains(&39) && kept.contains(&23));
    }
}
