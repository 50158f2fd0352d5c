//! Pictures of decision regions over the epochs: on each plane through three images, every
//! point has the colour of its predicted class, paler where the prediction is less certain.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;

use crate::report::figure::axes::epoch_label;
use crate::report::figure::svg::{Anchor, LABEL, Px, Svg, TICK, TITLE, TextStyle};
use crate::report::figure::viridis;
use crate::report::model::{Regions, RunResults};
use crate::report::words;

/// More epochs than this do not fit in a row.
const MOST_EPOCHS: usize = 8;
/// More planes than this are not shown.
const MOST_PLANES: usize = 4;
/// Confidence is drawn in so many steps, which keeps the pictures small.
const CONFIDENCE_STEPS: f32 = 31.0;

/// The pictures of the net's own decisions, all planes; every layer's are in the strips.
pub(crate) fn of_output(run: &RunResults) -> Option<&Regions> {
    run.regions.iter().find(|regions| regions.layer == "output")
}

/// One layer's pictures, planes in rows and epochs in columns, as an SVG file with the
/// pictures embedded as PNG.
pub fn regions_figure(run: &RunResults, regions: &Regions) -> String {
    let epochs = chosen(run, regions);
    let planes = regions.n_planes.min(MOST_PLANES);
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
        let name = epoch_name(run, regions.epochs[k]);
        svg.text((centre, top - 3.0), Anchor::Middle, TICK, &name);
        for (p, &top) in tops.iter().take(planes).enumerate() {
            picture(&mut svg, regions, (k, p), ((centre, top), side));
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
    let classes = shown.flat_map(|at| regions.map(at)).copied().collect();
    class_key(&mut svg, &classes, (left, bottom + 8.0));
    let width = left + columns * (side + gap);
    let title = format!("Decision regions of {}", layer_title(regions));
    svg.finish((width, bottom + 14.0), &title, &regions_caption(run, regions))
}

/// The caption of the figure.
pub(crate) fn regions_caption(run: &RunResults, regions: &Regions) -> String {
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
        ringed(regions, 0..regions.n_planes),
        words::seed_words(run)
    )
}

/// A row's name, upwards.
pub(crate) fn row_name(svg: &mut Svg, (x, middle): (f64, f64), name: &str) {
    svg.raw(format_args!(
        "<g transform=\"translate({} {}) rotate(-90)\">",
        Px(x),
        Px(middle)
    ));
    svg.text((0.0, 0.0), Anchor::Middle, TICK, name);
    svg.raw("</g>");
}

/// "triplet 3 (corrupted)".
pub(crate) fn plane_name(run: &RunResults, regions: &Regions, p: usize) -> String {
    let (position, source) = regions.positions[p];
    match run.triplet_sources().get(source) {
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
pub(crate) fn ringed(
    regions: &Regions,
    mut planes: std::ops::Range<usize>,
) -> &'static str {
    if planes.any(|p| regions.corrupted[p].contains(&true)) {
        "; a ring marks a wrong label"
    } else {
        ""
    }
}

pub(crate) fn epoch_name(run: &RunResults, epoch: f64) -> String {
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
    match names.iter().find(is) {
        Some((_, name)) => format!("epoch {} · {name}", epoch_label(epoch)),
        None => format!("epoch {}", epoch_label(epoch)),
    }
}

/// Indices of the epochs to show: all, or the first, the last, those nearest to the marks,
/// and others spread evenly between.
pub(crate) fn chosen(run: &RunResults, regions: &Regions) -> Vec<usize> {
    let count = regions.epochs.len();
    if count <= MOST_EPOCHS {
        return (0..count).collect();
    }
    let phases = &run.phases;
    let marks = [phases.min, phases.peak, phases.second_min];
    let nearest = |epoch: f64| {
        let distance = |k: &usize| (regions.epochs[*k].ln_1p() - epoch.ln_1p()).abs();
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

/// Width and height of a plane's picture, the longer one 1.
pub(crate) fn proportions(regions: &Regions, p: usize) -> (f64, f64) {
    let [from_a, to_a, from_b, to_b] = regions.corners[p];
    let (a, b) = (to_a - from_a, to_b - from_b);
    let longer = a.max(b);
    // A plane without extent, which no run writes, is drawn square.
    let usable = longer.is_finite() && a > 0.0 && b > 0.0;
    if usable { (a / longer, b / longer) } else { (1.0, 1.0) }
}

/// One picture below its upper edge's middle, with the true proportions of the plane, and
/// the three images.
pub(crate) fn picture(
    svg: &mut Svg,
    regions: &Regions,
    (k, p): (usize, usize),
    ((centre, top), side): ((f64, f64), f64),
) {
    let [from_a, to_a, from_b, _] = regions.corners[p];
    let (width, height) = proportions(regions, p);
    let (width, height) = (width * side, height * side);
    let (left, scale) = (centre - width / 2.0, width / (to_a - from_a));
    svg.raw(format_args!(
        "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" image-rendering=\"pixelated\" href=\"data:image/png;base64,{}\"/>",
        Px(left),
        Px(top),
        Px(width),
        Px(height),
        base64::engine::general_purpose::STANDARD.encode(pixels(regions, k, p))
    ));
    for (image, [a, b]) in regions.images[p].into_iter().enumerate() {
        let (x, y) = (left + (a - from_a) * scale, top + height - (b - from_b) * scale);
        disc(svg, (x, y), regions.labels[p][image], regions.corrupted[p][image]);
    }
}

fn disc(svg: &mut Svg, (x, y): (f64, f64), label: i64, is_wrong: bool) {
    let colour = viridis::class(usize::try_from(label).unwrap_or(0));
    if is_wrong {
        svg.raw(format_args!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"5.4\" fill=\"none\" stroke=\"#16181d\" stroke-width=\"0.9\"/>",
            Px(x),
            Px(y)
        ));
    }
    svg.raw(format_args!(
        "<circle cx=\"{}\" cy=\"{}\" r=\"3.6\" fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"0.9\"/>",
        Px(x),
        Px(y),
        viridis::hex(colour)
    ));
    let class = if viridis::is_light(colour) { "night" } else { "pale" };
    let style = TextStyle { class, size: 5.0, bold: true };
    svg.text((x, y + 1.8), Anchor::Middle, style, &label.to_string());
}

/// A picture as PNG.
fn pixels(regions: &Regions, k: usize, p: usize) -> Vec<u8> {
    png((regions.side, regions.side), &rgb(regions, k, p))
}

/// A picture: b⊥ upwards, a to the right; colour mixed with white by confidence.
pub(crate) fn rgb(regions: &Regions, k: usize, p: usize) -> Vec<u8> {
    let side = regions.side;
    let offset = regions.offset(k, p);
    let mut rgb = Vec::with_capacity(3 * side * side);
    for row in 0..side {
        for i in 0..side {
            let j = side - 1 - row;
            let at = offset + i * side + j;
            let confidence = regions.confidence[at].clamp(0.0, 1.0);
            let alpha = (confidence * CONFIDENCE_STEPS).round() / CONFIDENCE_STEPS;
            let mix = |c: u8| (255.0 + alpha * (f32::from(c) - 255.0)).round() as u8;
            rgb.extend(
                viridis::channels(viridis::class(regions.classes[at].into())).map(mix),
            );
        }
    }
    rgb
}

/// A picture in RGB as a PNG file. Compression is fixed, so that a run gives the same bytes
/// every time.
pub(crate) fn png((width, height): (usize, usize), rgb: &[u8]) -> Vec<u8> {
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().expect("a header for memory cannot fail");
    writer.write_image_data(rgb).expect("the picture has width × height pixels");
    writer.finish().expect("writing to memory cannot fail");
    file
}

/// The classes that occur, each a swatch with its number.
pub(crate) fn class_key(svg: &mut Svg, classes: &BTreeSet<u8>, (left, y): (f64, f64)) {
    svg.text((left, y), Anchor::Start, LABEL, "class");
    let mut x = left + 22.0;
    let mut swatches = String::new();
    for &class in classes {
        let colour = viridis::hex(viridis::class(class.into()));
        let _ = write!(
            swatches,
            "<rect x=\"{}\" y=\"{}\" width=\"6\" height=\"6\" fill=\"{colour}\"/>",
            Px(x),
            Px(y - 5.3)
        );
        let text = class.to_string();
        svg.text((x + 8.0, y), Anchor::Start, TICK, &text);
        x += 14.0 + words::text_width(&text, 6.0, false);
    }
    svg.raw(swatches);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(in crate::report) fn two_by_two() -> Regions {
        Regions {
            layer: "output".into(),
            epochs: vec![0.0],
            n_planes: 1,
            side: 2,
            // (i, j): (0,0) class 0, (0,1) class 1, (1,0) class 2, (1,1) class 3
            classes: vec![0, 1, 2, 3],
            confidence: vec![1.0, 1.0, 0.0, 1.0],
            corners: vec![[0.0, 1.0, 0.0, 1.0]],
            images: vec![[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]],
            labels: vec![[0, 1, 2]],
            corrupted: vec![[true, false, false]],
            positions: vec![(0, 0)],
        }
    }

    #[test]
    fn pictures_have_a_to_the_right_and_b_upwards() {
        let file = pixels(&two_by_two(), 0, 0);
        let decoder = png::Decoder::new(std::io::Cursor::new(file));
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        let class = |index: usize| viridis::channels(viridis::class(index));
        let expected = [class(1), class(3), class(0), [255; 3]].concat();
        assert_eq!(rgb, expected);
    }

    #[test]
    fn many_epochs_keep_first_last_and_the_marks() {
        let mut regions = two_by_two();
        regions.epochs = (0..40).map(f64::from).collect();
        let mut run = RunResults::default();
        run.phases.peak = Some(23.2);
        let kept = chosen(&run, &regions);
        assert_eq!(kept.len(), MOST_EPOCHS);
        assert!(kept.contains(&0) && kept.contains(&39) && kept.contains(&23));
    }
}
