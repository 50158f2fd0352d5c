//! Pictures of decision regions: on a plane through three images every point has the color
//! of its predicted class, paler where the prediction is less certain.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;

use super::pixels::png;
use super::svg::{Anchor, LABEL, Px, Svg, TICK, TextStyle};
use super::{metrics, viridis};
use crate::run_dir::Regions;

/// Confidence is drawn in so many steps, which keeps the pictures small.
const CONFIDENCE_STEPS: f32 = 31.0;

/// The grey of points where the classifier is undefined.
const UNDEFINED: [u8; 3] = [208; 3];

/// Where a picture lies: below the middle of its upper edge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// x of the middle.
    pub(crate) centre: f64,
    /// y of the upper edge.
    pub(crate) top: f64,
    /// Length of the picture's longer side.
    pub(crate) side: f64,
}

/// Width and height of a plane's picture, the longer one 1.
pub(crate) fn proportions(regions: &Regions, p: usize) -> (f64, f64) {
    let [from_a, to_a, from_b, to_b] = regions.planes.corners[p];
    let (a, b) = (to_a - from_a, to_b - from_b);
    let longer = a.max(b);
    // A plane without extent, which no run writes, is drawn square.
    let usable = longer.is_finite() && a > 0.0 && b > 0.0;
    if usable { (a / longer, b / longer) } else { (1.0, 1.0) }
}

/// The picture of epoch index `k` and plane `p`, with the true proportions of the plane, and
/// the three images.
pub(crate) fn picture(
    svg: &mut Svg,
    regions: &Regions,
    k: usize,
    p: usize,
    place: Place,
) {
    let Place { centre, top, side } = place;
    let [from_a, to_a, from_b, _] = regions.planes.corners[p];
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
    for (image, [a, b]) in regions.planes.images[p].into_iter().enumerate() {
        let (x, y) = (left + (a - from_a) * scale, top + height - (b - from_b) * scale);
        disc(
            svg,
            (x, y),
            regions.planes.labels[p][image],
            regions.planes.corrupted[p][image],
        );
    }
}

fn disc(svg: &mut Svg, (x, y): (f64, f64), label: i64, is_wrong: bool) {
    let colour = viridis::class(usize::try_from(label).unwrap_or(0));
    if is_wrong {
        svg.raw(format_args!(
            "<circle cx=\"{}\" cy=\"{}\" r=\"5.8\" fill=\"none\" stroke=\"#16181d\" stroke-width=\"0.9\"/>",
            Px(x),
            Px(y)
        ));
    }
    svg.raw(format_args!(
        "<circle cx=\"{}\" cy=\"{}\" r=\"4.2\" fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"0.9\"/>",
        Px(x),
        Px(y),
        viridis::hex(colour)
    ));
    let class = if viridis::is_light(colour) { "night" } else { "pale" };
    let style = TextStyle { class, bold: true, ..TICK };
    svg.text((x, y + 2.2), Anchor::Middle, style, &label.to_string());
}

/// A picture as PNG.
fn pixels(regions: &Regions, k: usize, p: usize) -> Vec<u8> {
    png((regions.planes.side, regions.planes.side), &rgb(regions, k, p))
}

/// A picture: b⊥ upwards, a to the right; colour mixed with white by confidence.
pub(crate) fn rgb(regions: &Regions, k: usize, p: usize) -> Vec<u8> {
    let side = regions.planes.side;
    let offset = regions.offset(k, p);
    let mut rgb = Vec::with_capacity(3 * side * side);
    for row in 0..side {
        for i in 0..side {
            let j = side - 1 - row;
            let at = offset + i * side + j;
            if regions.confidence[at].is_nan() {
                rgb.extend(UNDEFINED);
                continue;
            }
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

/// A row's name, upwards.
pub(crate) fn row_name(svg: &mut Svg, (x, middle): (f64, f64), name: &str) {
    svg.text_turned(((x, middle), -90), Anchor::Middle, TICK, name);
}

/// The classes that occur, each a swatch with its number,
/// in as many rows as it takes. Returns where they end at the bottom.
pub(crate) fn class_key(
    svg: &mut Svg,
    classes: &BTreeSet<u8>,
    (left, y): (f64, f64),
    right: f64,
) -> f64 {
    svg.text((left, y), Anchor::Start, LABEL, "class");
    let from = left + 22.0;
    let (mut x, mut y) = (from, y);
    let mut swatches = String::new();
    for &class in classes {
        let text = class.to_string();
        let width = 14.0 + metrics::width(&text, TICK);
        if x + width > right + 6.0 {
            (x, y) = (from, y + 8.0);
        }
        let colour = viridis::hex(viridis::class(class.into()));
        let _ = write!(
            swatches,
            "<rect x=\"{}\" y=\"{}\" width=\"6\" height=\"6\" fill=\"{colour}\"/>",
            Px(x),
            Px(y - 5.3)
        );
        svg.text((x + 8.0, y), Anchor::Start, TICK, &text);
        x += width;
    }
    svg.raw(swatches);
    y
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::run_dir::RegionPlanes;

    pub(in crate::report) fn two_by_two() -> Regions {
        Regions {
            layer: "output".into(),
            planes: RegionPlanes {
                steps: vec![0],
                epochs: vec![0.0],
                side: 2,
                sources: vec![0],
                positions: vec![0],
                triplets: vec![[0, 1, 2]],
                labels: vec![[0, 1, 2]],
                corrupted: vec![[true, false, false]],
                corners: vec![[0.0, 1.0, 0.0, 1.0]],
                images: vec![[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]],
            },
            // (i, j): (0,0) class 0, (0,1) class 1, (1,0) class 2, (1,1) class 3
            classes: vec![0, 1, 2, 3],
            confidence: vec![1.0, 1.0, 0.0, 1.0],
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
    fn points_without_a_decision_are_grey() {
        let mut regions = two_by_two();
        regions.confidence[3] = f32::NAN;
        assert_eq!(super::rgb(&regions, 0, 0)[3..6], UNDEFINED);
    }
}
