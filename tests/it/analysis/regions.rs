//! Planes, decisions and their comparison against independent computations: numpy, scipy,
//! scikit-learn and scikit-image (`tests/reference/make_regions_fixture.py`), and areas of
//! polygons in closed form.

use serde::Deserialize;
use stratagram::planes::{Draw, ImagePlane, Plane};
use stratagram::probe::Probe;
use stratagram::similarity::drs;
use stratagram::similarity::geometry::{Map, Pieces};
use stratagram::similarity::regions::{Comparison, Points, Similarity};

#[derive(Deserialize)]
struct Fixture {
    images: Vec<Vec<f32>>,
    labels: Vec<u8>,
    first: Vec<usize>,
    seed: u64,
    margin: f64,
    side: usize,
    n_classes: usize,
    nets: [Net; 2],
    triplets: Vec<[usize; 3]>,
    triplets_any_class: Vec<[usize; 3]>,
    triplets_first: Vec<[usize; 3]>,
    coordinates: Vec<[[f64; 2]; 3]>,
    point_7: Vec<f64>,
    classes: [Vec<u8>; 2],
    agreement: f64,
    se: f64,
    kappa: f64,
    iou: f64,
    class_iou: Vec<Option<f64>>,
    inside: f64,
    outside: f64,
    maps: Vec<ClassMap>,
}

/// y = second · tanh(first · x).
#[derive(Deserialize)]
struct Net {
    first: Vec<Vec<f64>>,
    second: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct ClassMap {
    side: usize,
    classes: Vec<u8>,
    components: usize,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../reference/regions.json")).unwrap()
}

fn times(matrix: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| row.iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

impl Net {
    fn class(&self, pixels: &[f32]) -> u8 {
        let pixels: Vec<f64> = pixels.iter().map(|x| f64::from(*x)).collect();
        let hidden: Vec<f64> =
            times(&self.first, &pixels).into_iter().map(f64::tanh).collect();
        let logits = times(&self.second, &hidden);
        (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap() as u8
    }
}

fn planes(fixture: &Fixture, distinct: bool, first: Option<&[usize]>) -> Vec<ImagePlane> {
    let draw = Draw { labels: &fixture.labels, distinct, first };
    let image = |i: usize| fixture.images[i].clone();
    draw.planes(fixture.triplets.len(), fixture.seed, image).unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn triplets_of_every_kind_are_those_of_the_definition() {
    let fixture = fixture();
    let drawn = |distinct, first| -> Vec<[usize; 3]> {
        planes(&fixture, distinct, first).iter().map(|plane| plane.triplet).collect()
    };
    assert_eq!(drawn(true, None), fixture.triplets);
    assert_eq!(drawn(false, None), fixture.triplets_any_class);
    assert_eq!(drawn(true, Some(&fixture.first)), fixture.triplets_first);
    assert_ne!(fixture.triplets, fixture.triplets_any_class);
}

#[test]
fn regions_and_their_comparison_are_those_of_the_definition() {
    let fixture = fixture();
    let planes = planes(&fixture, true, None);
    let (mut classes, mut inside) = ([vec![], vec![]], vec![]);
    for (plane, expected) in planes.iter().zip(&fixture.coordinates) {
        for (found, expected) in plane.plane.coordinates.iter().zip(expected) {
            close(found[0], expected[0]);
            close(found[1], expected[1]);
        }
        let grid = plane.plane.grid(fixture.side, fixture.margin);
        inside.extend(grid.inside());
        let mut pixels = vec![0.0; fixture.images[0].len()];
        for k in 0..grid.len() {
            grid.point(k, &mut pixels);
            for (classes, net) in classes.iter_mut().zip(&fixture.nets) {
                classes.push(net.class(&pixels));
            }
        }
    }
    let mut pixels = vec![0.0; fixture.images[0].len()];
    planes[0].plane.grid(fixture.side, fixture.margin).point(7, &mut pixels);
    for (found, expected) in pixels.iter().zip(&fixture.point_7) {
        assert!((f64::from(*found) - expected).abs() < 1e-6);
    }
    assert_eq!(classes, fixture.classes);
    let per_plane = fixture.side.pow(2);
    let matrix = drs::matrix(&[&classes[0], &classes[1]], per_plane);
    close(matrix.value(0, 1), fixture.agreement);
    close(matrix.error(0, 1).unwrap(), fixture.se);
    let points = Points::new(&inside, per_plane, fixture.n_classes);
    let found = &points.pairs(&[&classes[0]], &[&classes[1]])[0];
    let get = |similarity| found.get(similarity).0;
    close(get(Similarity::Agreement), fixture.agreement);
    close(found.get(Similarity::Agreement).1, fixture.se);
    close(get(Similarity::Kappa), fixture.kappa);
    close(get(Similarity::Iou), fixture.iou);
    close(get(Similarity::Inside), fixture.inside);
    close(get(Similarity::Outside), fixture.outside);
    for (found, expected) in found.class_iou.iter().zip(&fixture.class_iou) {
        match expected {
            Some(expected) => close(*found, *expected),
            None => assert!(found.is_nan()),
        }
    }
}

#[test]
fn fragments_are_those_of_scipy_and_scikit_image() {
    let fixture = fixture();
    assert_eq!(fixture.maps.len(), 5);
    for ClassMap { side, classes, components } in &fixture.maps {
        let pieces = Pieces::of(Map { classes, side: *side });
        assert_eq!(pieces.sizes.len(), *components, "side {side}");
        assert_eq!(pieces.sizes.iter().sum::<usize>(), side * side);
    }
}

type Point = [f64; 2];

/// The part of a convex polygon where `w·x + b ≥ 0` (Sutherland and Hodgman).
fn clipped(polygon: &[Point], (w, b): (Point, f64)) -> Vec<Point> {
    let height = |p: &Point| w[0] * p[0] + w[1] * p[1] + b;
    let mut kept = vec![];
    for (k, here) in polygon.iter().enumerate() {
        let next = &polygon[(k + 1) % polygon.len()];
        let (h, n) = (height(here), height(next));
        if h >= 0.0 {
            kept.push(*here);
        }
        if (h >= 0.0) != (n >= 0.0) {
            let part = h / (h - n);
            kept.push([0, 1].map(|axis| here[axis] + part * (next[axis] - here[axis])));
        }
    }
    kept
}

fn area(polygon: &[Point]) -> f64 {
    let edges =
        (0..polygon.len()).map(|k| (polygon[k], polygon[(k + 1) % polygon.len()]));
    edges.map(|(p, q)| p[0] * q[1] - p[1] * q[0]).sum::<f64>().abs() / 2.0
}

/// The part of a polygon to which a linear probe gives a class.
fn cell(polygon: &[Point], probe: &Probe, class: usize) -> Vec<Point> {
    let weight = |c: usize, axis: usize| f64::from(probe.weight[2 * c + axis]);
    let mut cell = polygon.to_vec();
    for other in (0..probe.n_classes).filter(|other| *other != class) {
        let w = [0, 1].map(|axis| weight(class, axis) - weight(other, axis));
        let b = f64::from(probe.bias[class]) - f64::from(probe.bias[other]);
        cell = clipped(&cell, (w, b));
    }
    cell
}

/// In two dimensions a plane is all there is, regions of linear probes are polygons, and every
/// similarity is a ratio of their areas.
#[test]
fn linear_probes_in_two_dimensions_agree_as_their_polygons_do() {
    const SIDE: usize = 700;
    let (images, margin) = ([[0.0, 0.0], [3.0, 1.0], [1.0, 2.0]], 0.1);
    let plane = Plane::through(&images[0], &images[1], &images[2]).unwrap();
    let grid = plane.grid(SIDE, margin);
    let probe = |weight: [f32; 6], bias: [f32; 3]| Probe {
        n_classes: 3,
        n_features: 2,
        weight: weight.into(),
        bias: bias.into(),
    };
    let probes = [
        probe([1.0, 0.2, -0.5, 0.9, -0.3, -1.0], [-0.8, 0.1, 0.9]),
        probe([0.9, 0.4, -0.2, 1.0, -0.6, -0.8], [-1.1, -0.2, 1.0]),
    ];
    let mut pixels = vec![0.0; 2 * grid.len()];
    for (k, point) in pixels.chunks_mut(2).enumerate() {
        grid.point(k, point);
    }
    let classes = probes.each_ref().map(|probe| probe.predict(&pixels, grid.len()));
    let points = Points::new(&grid.inside(), grid.len(), 3);
    let found: &Comparison = &points.pairs(&[&classes[0]], &[&classes[1]])[0];

    let corner = |k: usize| [pixels[2 * k], pixels[2 * k + 1]].map(f64::from);
    let last = SIDE - 1;
    let the_box = [0, last * SIDE, last * SIDE + last, last].map(corner);
    let triangle = images.map(|image| image.map(f64::from));
    let both = |polygon: &[Point], class: usize| {
        area(&cell(&cell(polygon, &probes[0], class), &probes[1], class))
    };
    let of = |k: usize, class: usize| area(&cell(&the_box, &probes[k], class));
    let whole = area(&the_box);
    let agreement = (0..3).map(|class| both(&the_box, class)).sum::<f64>() / whole;
    let chance = (0..3).map(|c| of(0, c) / whole * of(1, c) / whole).sum::<f64>();
    let iou = |c: usize| both(&the_box, c) / (of(0, c) + of(1, c) - both(&the_box, c));
    let inside = (0..3).map(|c| both(&triangle, c)).sum::<f64>();
    let expected = [
        (Similarity::Agreement, agreement),
        (Similarity::Chance, chance),
        (Similarity::Kappa, (agreement - chance) / (1.0 - chance)),
        (Similarity::Iou, (iou(0) + iou(1) + iou(2)) / 3.0),
        (Similarity::Inside, inside / area(&triangle)),
        (Similarity::Outside, (agreement * whole - inside) / (whole - area(&triangle))),
    ];
    assert!((0.6..0.95).contains(&agreement), "{agreement}");
    for (similarity, expected) in expected {
        let found = found.get(similarity).0;
        // A grid's fractions are areas up to a cell along each boundary.
        let tolerance = 4.0 / SIDE as f64;
        assert!(
            (found - expected).abs() < tolerance,
            "{similarity:?}: {found}, {expected}"
        );
    }
}
