//! Decision regions for the page's viewer, at all checkpoints whose signatures are there, else at
//! those of the run's pictures: a picture for each layer, in which checkpoints are rows and planes
//! are columns.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::report::figure::pixels::palette_png;
use crate::report::figure::plane::proportions;
use crate::report::figure::viridis;
use crate::report::model::RunResults;
use crate::report::panels::plane_name;
use crate::run_dir::Regions;

/// Points of all pictures together, more than which are not embedded: about 3 MB of the page.
const MOST_POINTS: usize = 12_000_000;
/// The most and the fewest points along a side.
const SIDES: [usize; 2] = [40, 8];
/// Steps of confidence, as many as a palette of 256 colors has room for.
const MOST_STEPS: usize = 12;

/// The viewer's pictures, null where the run has none.
pub(super) fn pictures(run: &RunResults) -> Value {
    let has_confidence = run.decisions.is_empty();
    let all = if has_confidence { &run.regions } else { &run.decisions };
    let Some(first) = all.first() else { return Value::Null };
    let layers: Vec<&Regions> =
        all.iter().filter(|regions| regions.planes == first.planes).collect();
    let planes = &first.planes;
    let pictures = layers.len() * planes.epochs.len() * planes.count();
    let fitting = (MOST_POINTS / pictures.max(1)).isqrt();
    let side = fitting.clamp(SIDES[1], SIDES[0]).min(planes.side);
    let classes = classes(&layers);
    let palette = Palette::of(&classes);
    let layer = |regions: &&Regions| {
        let picture = palette.picture(regions, side);
        let picture = base64::engine::general_purpose::STANDARD.encode(picture);
        json!({ "name": regions.layer, "picture": picture })
    };
    let hue = |class: &u8| json!({ "index": class, "color": viridis::hex(viridis::class((*class).into())) });
    json!({
        "side": side,
        "confidence": has_confidence,
        "epochs": planes.epochs,
        "planes": (0..planes.count()).map(|p| plane(run, first, p)).collect::<Vec<Value>>(),
        "classes": classes.iter().map(hue).collect::<Vec<Value>>(),
        "layers": layers.iter().map(layer).collect::<Vec<Value>>(),
    })
}

/// The classes that are predicted anywhere.
fn classes(layers: &[&Regions]) -> Vec<u8> {
    let mut occurs = [false; 256];
    for class in layers.iter().flat_map(|regions| &regions.classes) {
        occurs[usize::from(*class)] = true;
    }
    (0..=u8::MAX).filter(|class| occurs[usize::from(*class)]).collect()
}

/// What a plane is called, how wide and high it is, and the images on it: coordinates in shares of
/// the plane.
fn plane(run: &RunResults, regions: &Regions, p: usize) -> Value {
    let planes = &regions.planes;
    let (width, height) = proportions(regions, p);
    let [from_a, to_a, from_b, to_b] = planes.corners[p];
    let image = |at: usize| {
        let [a, b] = planes.images[p][at];
        let label = planes.labels[p][at];
        let hue = viridis::class(usize::try_from(label).unwrap_or(0));
        json!({
            "x": share(a, from_a, to_a),
            "y": share(b, from_b, to_b),
            "label": label,
            "color": viridis::hex(hue),
            "wrong": planes.corrupted[p][at],
        })
    };
    json!({
        "name": plane_name(run, regions, p),
        "width": width,
        "height": height,
        "extent": [[from_a, to_a], [from_b, to_b]],
        "images": (0..3).map(image).collect::<Vec<Value>>(),
    })
}

fn share(value: f64, from: f64, to: f64) -> f64 {
    let share = (value - from) / (to - from);
    if share.is_finite() { (share * 1e4).round() / 1e4 } else { 0.5 }
}

/// The colors of the pictures: undefined, then each class in steps of confidence.
struct Palette {
    steps: usize,
    /// The first color of each class.
    first: [usize; 256],
    rgb: Vec<u8>,
}

impl Palette {
    fn of(classes: &[u8]) -> Self {
        let steps = (255 / classes.len().max(1)).clamp(1, MOST_STEPS);
        let mut first = [0; 256];
        let mut rgb = vec![208; 3];
        for (order, &class) in classes.iter().enumerate() {
            first[usize::from(class)] = (1 + order * steps).min(256 - steps);
            for step in 0..steps {
                let alpha = (step + 1) as f64 / steps as f64;
                let mix = |c: u8| (255.0 + alpha * (f64::from(c) - 255.0)).round() as u8;
                rgb.extend(viridis::channels(viridis::class(class.into())).map(mix));
            }
        }
        rgb.truncate(3 * 256);
        Self { steps, first, rgb }
    }

    /// The color of a point.
    fn at(&self, class: u8, confidence: f32) -> u8 {
        if confidence.is_nan() {
            return 0;
        }
        let step = (confidence.clamp(0.0, 1.0) * self.steps as f32).ceil() as usize;
        (self.first[usize::from(class)] + step.max(1) - 1) as u8
    }

    /// All pictures of a layer as PNG: a to the right and b upwards within each.
    fn picture(&self, regions: &Regions, side: usize) -> Vec<u8> {
        let (own, planes) = (regions.planes.side, regions.planes.count());
        let from = |at: usize| (2 * at + 1) * own / (2 * side);
        let mut points =
            Vec::with_capacity(regions.planes.epochs.len() * planes * side * side);
        for k in 0..regions.planes.epochs.len() {
            for row in 0..side {
                let j = from(side - 1 - row);
                for p in 0..planes {
                    let offset = regions.offset(k, p);
                    points.extend((0..side).map(|column| {
                        let at = offset + from(column) * own + j;
                        self.at(regions.classes[at], regions.confidence[at])
                    }));
                }
            }
        }
        let size = (planes * side, regions.planes.epochs.len() * side);
        palette_png(size, &self.rgb, &points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::plane::tests::two_by_two;

    #[test]
    fn a_picture_has_its_planes_colors_with_a_to_the_right_and_b_upwards() {
        let regions = two_by_two();
        let palette = Palette::of(&classes(&[&regions]));
        let file = palette.picture(&regions, 2);
        let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut rgb).unwrap();
        let class = |index: usize| viridis::channels(viridis::class(index));
        assert_eq!(rgb[..9], [class(1), class(3), class(0)].concat());
        // A class without confidence is nearly white.
        assert!(rgb[9..].iter().all(|channel| *channel > 225), "{rgb:?}");
    }

    #[test]
    fn undefined_points_are_grey_and_many_classes_have_a_color_each() {
        let mut regions = two_by_two();
        regions.confidence[0] = f32::NAN;
        let all: Vec<u8> = (0..=254).collect();
        let palette = Palette::of(&all);
        assert_eq!((palette.steps, palette.rgb.len()), (1, 3 * 256));
        assert_eq!(palette.at(3, f32::NAN), 0);
        assert_eq!((palette.at(0, 1.0), palette.at(254, 0.1)), (1, 255));
        assert_eq!(pictures(&RunResults::default()), Value::Null);
    }
}
