//! Epoch strips: the decision regions of every layer (rows, deepest at the bottom) on one
//! plane over the epochs (columns).

use std::collections::BTreeSet;

use super::panel::{Block, Figure, Panel, Section};
use super::regions::{EpochColumns, numbers, plane_name, ringed};
use crate::report::figure::pixels::png;
use crate::report::figure::plane::{Place, class_key, picture, proportions, rgb};
use crate::report::figure::svg::{Anchor, Svg, TICK, TITLE};
use crate::report::figure::{metrics, text, viridis};
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::Regions;
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "strip",
    title: "Decision regions by layer",
    section: Section::Regions,
    shows: &[RunFile::Regions, RunFile::Phases],
    blocks: |run| {
        let layers = layers(run);
        let figure = |plane: usize| {
            let svg = strip_figure(run, &layers, plane);
            let caption = caption(run, layers[0], plane);
            let figure = Figure::new(format!("{}-{plane}", PANEL.id), svg, caption);
            Block::Figure(figure.with_numbers(numbers(run, layers[0], plane..plane + 1)))
        };
        planes(&layers).into_iter().map(figure).collect()
    },
};

/// The layers that have the epochs and planes of the first.
fn layers(run: &RunResults) -> Vec<&Regions> {
    let alike = |regions: &&Regions| {
        let first = &run.regions[0];
        regions.planes == first.planes
    };
    run.regions.iter().filter(alike).collect()
}

/// The planes that are shown: the first of each source of triplets.
fn planes(layers: &[&Regions]) -> Vec<usize> {
    let Some(first) = layers.first() else { return vec![] };
    let source = |p: usize| first.planes.sources[p];
    let is_first = |p: &usize| (0..*p).all(|earlier| source(earlier) != source(*p));
    (0..first.planes.count()).filter(is_first).collect()
}

/// White pixels between pictures.
const GAP: usize = 6;

/// The strip of one plane as an SVG file with the pictures embedded as PNG. All `layers` have
/// the same epochs and planes, as those that a run holds or one drawing made.
///
/// # Panics
/// If a layer has not that plane.
pub(crate) fn strip_figure(
    run: &RunResults,
    layers: &[&Regions],
    plane: usize,
) -> String {
    let Some(first) = layers.first() else {
        return Svg::default().finish((1.0, 1.0), "Decision regions", "");
    };
    let names: Vec<&str> = layers.iter().map(|regions| regions.layer.as_str()).collect();
    let names = text::shortened(&names);
    let (left, gap) = (metrics::widest(&names, TICK) + 6.0, 4.0);
    let columns = EpochColumns::new(run, first, left, (gap, 110.0));
    let (side, top) = (columns.side, columns.top);
    let step = proportions(first, plane).1 * side + gap;
    let mut svg = Svg::on(run.sheet);
    let title = format!("Decision regions, {}", plane_name(run, first, plane));
    let mut head = title.clone();
    if metrics::width(&title, TITLE) > run.sheet.width - 6.0 {
        head = plane_name(run, first, plane);
    }
    svg.text((3.0, 8.0), Anchor::Start, TITLE, &head);
    columns.heads(&mut svg);
    let mut classes = BTreeSet::new();
    for (column, &k) in columns.epochs.iter().enumerate() {
        for (row, regions) in layers.iter().enumerate() {
            let y = top + row as f64 * step;
            let place = Place { centre: columns.centre(column), top: y, side };
            picture(&mut svg, regions, k, plane, place);
            classes.extend(regions.map(k, plane));
        }
    }
    for (row, name) in names.iter().enumerate() {
        let middle = top + row as f64 * step + (step - gap) / 2.0;
        svg.text((left - 3.0, middle + 2.2), Anchor::End, TICK, name);
    }
    let bottom = top + layers.len() as f64 * step;
    let bottom = class_key(&mut svg, &classes, (left, bottom + 8.0), columns.right());
    svg.finish((columns.right(), bottom + 6.0), &title, &caption(run, first, plane))
}

fn caption(run: &RunResults, first: &Regions, plane: usize) -> String {
    format!(
        "Predictions of linear probes on each layer, and of the net itself (output), on one \
         plane through three images, {}, over the epochs. Colour is the predicted class, \
         paler where the largest softmax probability (temperature 5) is smaller; the discs \
         are the three images with their labels{}. {}",
        plane_name(run, first, plane),
        ringed(first, plane..plane + 1),
        words::seed_words(run)
    )
}

/// The strip of one plane as a PNG file, one pixel a point: layers in rows, epochs in
/// columns, the images marked as discs of their labels' colours with a white rim, a black one
/// where the label is wrong.
///
/// # Panics
/// If a layer has not that plane, or another resolution than the first.
pub(crate) fn strip_png(layers: &[&Regions], plane: usize) -> Vec<u8> {
    let Some(first) = layers.first() else { return png((1, 1), &[255; 3]) };
    let (side, columns) = (first.planes.side, first.planes.epochs.len());
    let step = side + GAP;
    let (width, height) = (columns * step - GAP, layers.len() * step - GAP);
    let mut canvas = vec![255; 3 * width * height];
    for (row, regions) in layers.iter().enumerate() {
        for column in 0..columns {
            let mut pixels = rgb(regions, column, plane);
            mark_images(&mut pixels, regions, plane);
            for (y, line) in pixels.chunks_exact(3 * side).enumerate() {
                let at = 3 * ((row * step + y) * width + column * step);
                canvas[at..at + 3 * side].copy_from_slice(line);
            }
        }
    }
    png((width, height), &canvas)
}

/// Paints the three images onto a square picture.
fn mark_images(pixels: &mut [u8], regions: &Regions, p: usize) {
    let side = regions.planes.side;
    let last = (side - 1) as f64;
    let [from_a, to_a, from_b, to_b] = regions.planes.corners[p];
    let radius = (last / 30.0).max(2.0);
    for (image, [a, b]) in regions.planes.images[p].into_iter().enumerate() {
        let x = (a - from_a) / (to_a - from_a) * last;
        let y = last - (b - from_b) / (to_b - from_b) * last;
        let label = usize::try_from(regions.planes.labels[p][image]).unwrap_or(0);
        let rim = if regions.planes.corrupted[p][image] { [0; 3] } else { [255; 3] };
        for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let away = ((at % side) as f64 - x).hypot((at / side) as f64 - y);
            if away <= radius {
                pixel.copy_from_slice(&viridis::channels(viridis::class(label)));
            } else if away <= 1.4 * radius {
                pixel.copy_from_slice(&rim);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::plane::tests::two_by_two;

    #[test]
    fn pictures_stand_in_rows_and_columns() {
        let mut one = two_by_two();
        one.planes.images = vec![[[-99.0, 0.0]; 3]];
        let file = strip_png(&[&one, &one], 0);
        let decoder = png::Decoder::new(std::io::Cursor::new(file));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels.len(), 3 * 2 * (2 + GAP + 2));
        let picture = rgb(&one, 0, 0);
        assert_eq!(pixels[..12], picture);
        assert_eq!(pixels[pixels.len() - 12..], picture);
        assert!(pixels[12..pixels.len() - 12].iter().all(|white| *white == 255));
    }

    #[test]
    fn images_are_marked_with_their_labels_colours() {
        let mut regions = two_by_two();
        regions.planes.side = 61;
        regions.planes.images = vec![[[0.5, 0.5], [0.0, 0.0], [1.0, 1.0]]];
        regions.classes = vec![3; 61 * 61];
        regions.confidence = vec![1.0; 61 * 61];
        let mut pixels = rgb(&regions, 0, 0);
        mark_images(&mut pixels, &regions, 0);
        let at = |x: usize, y: usize| &pixels[3 * (y * 61 + x)..][..3];
        let class = |label| viridis::channels(viridis::class(label));
        assert_eq!([at(30, 30), at(0, 60), at(60, 0)], [&class(0), &class(1), &class(2)]);
        // The first label is wrong.
        assert_eq!([at(32, 31), at(58, 1), at(15, 15)], [&[0; 3], &[255; 3], &class(3)]);
    }

    #[test]
    fn the_figure_has_a_row_for_each_layer() {
        let run = RunResults::default();
        let (output, mut probe) = (two_by_two(), two_by_two());
        probe.layer = "pool4".into();
        let svg = strip_figure(&run, &[&probe, &output], 0);
        assert!(svg.contains(">pool4<") && svg.contains(">output<"));
        assert_eq!(svg.matches("<image").count(), 2);
        assert!(svg.contains("a ring marks a wrong label"));
    }
}
