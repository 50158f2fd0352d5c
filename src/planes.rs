//! Planes through image triplets: the inputs on which decision regions are compared.
//!
//! Somepalli et al. 2022 (arXiv:2203.08124) compare two classifiers by their predictions on
//! planes through triplets of images; here the two are one layer's probes at two epochs. The
//! planes live in the space of normalized pixels, because the features of two epochs are not
//! comparable. Triplets, basis and grid are those of that paper's public code.

mod files;
mod python_random;

use std::ops::Range;

use rayon::prelude::*;

use crate::data::{Data, Split};
use crate::engine::Points;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, TripletSampling, TripletSource};

pub use files::{PlaneFiles, write_planes};
pub use python_random::PythonRandom;

/// A component of x₃ − x₁ perpendicular to x₂ − x₁ shorter than this fraction of it is
/// rounding: the three images lie on a line.
const COLLINEAR: f64 = 1e-6;

/// The images that triplets are drawn from, and the labels by which their classes are told
/// apart: the data set's own, which for training images are the noisy ones.
pub fn triplet_source(data: &Data, source: TripletSource) -> (Split, &[u8]) {
    match source {
        TripletSource::Test => (Split::Test, &data.test.labels),
        TripletSource::Train | TripletSource::Corrupted => (Split::Train, &data.noisy),
    }
}

/// The planes of an experiment through images of one source: the same for every checkpoint,
/// layer and `seed`.
///
/// # Errors
/// If the images have fewer than three classes, or no label is wrong where one is asked for.
pub fn image_planes(
    experiment: &Experiment,
    data: &Data,
    source: TripletSource,
) -> Result<Vec<ImagePlane>> {
    let config = &experiment.analysis.drs;
    let (split, labels) = triplet_source(data, source);
    let corrupted: Vec<usize> =
        (0..data.noisy.len()).filter(|i| data.is_corrupted(*i)).collect();
    let first = (source == TripletSource::Corrupted).then_some(&corrupted[..]);
    let draw = Draw { labels, distinct: config.distinct, first };
    let image = |i: usize| data.batch(data.of(split), &[i]);
    match config.sampling {
        TripletSampling::Dbviz => {
            draw.planes(config.triplets, experiment.data.seed, image)
        }
    }
}

/// Triplets drawn in vain, because their images lie on a line, before giving up.
const ATTEMPTS: usize = 1000;

/// A plane and the images that it goes through.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagePlane {
    /// Positions of the three images.
    pub triplet: [usize; 3],
    /// The plane.
    pub plane: Plane,
}

/// Planes through triplets of images of three distinct classes, drawn as the public code of
/// Somepalli et al. does: plane r takes Python's `random.Random(data_seed + r)`, draws
/// `randint(0, n − 1)` and accepts an image whose class is not among those accepted. Three
/// images on a line span no plane; the same generator then draws the next triplet.
///
/// `labels[i]` is the class of image i, `image(i)` its normalized pixels.
///
/// # Errors
/// If fewer than three classes have images, or the images lie on one line.
///
/// # Example
/// ```
/// let labels: Vec<u8> = (0..10_000).map(|i| (i % 10) as u8).collect();
/// let image = |i: usize| vec![i as f32, (i * i) as f32];
/// let planes = stratagram::planes::dbviz_planes(&labels, 1, 1, image).unwrap();
/// // Seed 1 draws 2201, 9325, 1033, …; their classes 1, 5, 3 are distinct.
/// assert_eq!(planes[0].triplet, [2201, 9325, 1033]);
/// ```
pub fn dbviz_planes(
    labels: &[u8],
    n_planes: usize,
    data_seed: u64,
    image: impl Fn(usize) -> Vec<f32>,
) -> Result<Vec<ImagePlane>> {
    Draw { labels, distinct: true, first: None }.planes(n_planes, data_seed, image)
}

/// Which triplets are drawn.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// `labels[i]` is the class of image i.
    pub labels: &'a [u8],
    /// Whether the three images are of three classes. The public code of Somepalli et al.
    /// asks for it in its comparisons of nets and not where it counts fragments.
    pub distinct: bool,
    /// Where the first image is drawn from, if not from all: `randint` gives a position in
    /// this list.
    pub first: Option<&'a [usize]>,
}

impl Draw<'_> {
    /// Planes through triplets; plane r takes Python's `random.Random(data_seed + r)`, as
    /// [`dbviz_planes`] says.
    ///
    /// # Errors
    /// If there are too few images or classes, or the images lie on one line.
    ///
    /// # Example
    /// ```
    /// use stratagram::planes::Draw;
    /// let labels: Vec<u8> = (0..10_000).map(|i| (i / 2000) as u8).collect();
    /// let image = |i: usize| vec![i as f32, (i * i) as f32];
    /// let draw = Draw { labels: &labels, distinct: false, first: None };
    /// // Seed 2 draws 926, 1500, 1390, …, all of class 0.
    /// assert_eq!(draw.planes(1, 2, image).unwrap()[0].triplet, [926, 1500, 1390]);
    /// ```
    pub fn planes(
        &self,
        n_planes: usize,
        data_seed: u64,
        image: impl Fn(usize) -> Vec<f32>,
    ) -> Result<Vec<ImagePlane>> {
        self.check()?;
        let plane = |r| {
            let mut random = PythonRandom::new(data_seed + r);
            let triplets = (0..ATTEMPTS).map(|_| self.triplet(&mut random));
            let mut planes = triplets.filter_map(|triplet| {
                let [x1, x2, x3] = triplet.map(&image);
                Some(ImagePlane { triplet, plane: Plane::through(&x1, &x2, &x3)? })
            });
            planes.next().ok_or_else(|| {
                Error::usage("`analysis.drs`", "finds no three images that span a plane")
                    .fix("check that the images differ")
            })
        };
        (0..n_planes as u64).map(plane).collect()
    }

    fn check(&self) -> Result<()> {
        if self.first.is_some_and(<[usize]>::is_empty) {
            return Err(Error::usage(
                "`analysis.drs.source`",
                "asks for an image with a wrong label, and there is none",
            )
            .fix("set `noise.rate`, or take \"test\" or \"train\""));
        }
        let mut classes = self.labels.to_vec();
        classes.sort_unstable();
        classes.dedup();
        if self.distinct && classes.len() < 3 {
            return Err(Error::usage(
                "`analysis.drs`",
                format!("draws triplets from images of {} classes", classes.len()),
            )
            .expected("images of at least 3")
            .fix("use more images, or `analysis.drs.distinct = false`"));
        }
        if self.labels.len() < 3 {
            let found = format!("draws triplets from {} images", self.labels.len());
            return Err(Error::usage("`analysis.drs`", found).expected("at least 3"));
        }
        Ok(())
    }

    fn triplet(&self, random: &mut PythonRandom) -> [usize; 3] {
        let mut triplet = vec![];
        if let Some(first) = self.first {
            triplet.push(first[random.below(first.len() as u64) as usize]);
        }
        while triplet.len() < 3 {
            let index = random.below(self.labels.len() as u64) as usize;
            let is_new = |accepted: &usize| self.labels[*accepted] != self.labels[index];
            if !self.distinct || triplet.iter().all(is_new) {
                triplet.push(index);
            }
        }
        [triplet[0], triplet[1], triplet[2]]
    }
}

/// The plane through three images x₁, x₂, x₃: an orthonormal basis a = (x₂ − x₁)/|x₂ − x₁|
/// and b, the rest of x₃ − x₁ perpendicular to a, normalized.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// x₁.
    origin: Vec<f64>,
    /// Direction of the first axis.
    a: Vec<f64>,
    /// Direction of the second axis.
    b: Vec<f64>,
    /// The three images in the plane: (0, 0), (|x₂ − x₁|, 0), (c₁, c₂).
    pub coordinates: [[f64; 2]; 3],
}

impl Plane {
    /// The plane through three images, each a flat vector of normalized pixels in any one
    /// order; `None` if they lie on a line, as two equal images do with any third.
    ///
    /// # Panics
    /// If the images differ in size.
    ///
    /// # Example
    /// ```
    /// use stratagram::planes::Plane;
    /// let plane = Plane::through(&[0., 1., 2., 3.], &[2., 0., 1., 5.], &[1., 4., 0., 2.]);
    /// let [_, [length, _], [c1, c2]] = plane.unwrap().coordinates;
    /// assert!((length - 3.16227766).abs() < 1e-8);
    /// assert!((c1 + 0.316227766).abs() < 1e-8 && (c2 - 3.860051813).abs() < 1e-8);
    /// ```
    pub fn through(x1: &[f32], x2: &[f32], x3: &[f32]) -> Option<Self> {
        assert!(x1.len() == x2.len() && x1.len() == x3.len(), "images differ in size");
        let difference = |x: &[f32]| -> Vec<f64> {
            x.iter().zip(x1).map(|(x, x1)| f64::from(*x) - f64::from(*x1)).collect()
        };
        let mut a = difference(x2);
        let mut b = difference(x3);
        let length = norm(&a);
        let distance = norm(&b);
        scale(&mut a, 1.0 / length);
        let c1 = dot(&a, &b);
        b.iter_mut().zip(&a).for_each(|(b, a)| *b -= c1 * a);
        let c2 = norm(&b);
        // Written so that NaN, from an image with NaN or two equal images, is refused too.
        if !(length > 0.0 && c2 > COLLINEAR * distance) {
            return None;
        }
        scale(&mut b, 1.0 / c2);
        let origin = x1.iter().map(|x| f64::from(*x)).collect();
        Some(Self { origin, a, b, coordinates: [[0.0, 0.0], [length, 0.0], [c1, c2]] })
    }

    /// The grid of `resolution`² points on the box of the three images, enlarged by the
    /// fraction `margin` of its sides at each end.
    ///
    /// # Panics
    /// If the resolution is below 2.
    pub fn grid(&self, resolution: usize, margin: f64) -> Grid {
        assert!(resolution >= 2, "a grid of {resolution} points a side");
        let axis = |k: usize| {
            let values = self.coordinates.map(|point| point[k]);
            let low = values.into_iter().fold(f64::INFINITY, f64::min);
            let high = values.into_iter().fold(f64::NEG_INFINITY, f64::max);
            let extra = margin * (high - low);
            let (low, high) = (low - extra, high + extra);
            let step = (high - low) / (resolution - 1) as f64;
            let mut values: Vec<f64> =
                (0..resolution).map(|i| low + i as f64 * step).collect();
            values[resolution - 1] = high;
            values
        };
        Grid { plane: self.clone(), first: axis(0), second: axis(1) }
    }
}

/// The points of a grid on a plane; point `i·resolution + j` is x₁ + first\[i\]·a +
/// second\[j\]·b.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    plane: Plane,
    /// Coordinates along a, rising.
    pub first: Vec<f64>,
    /// Coordinates along b, rising.
    pub second: Vec<f64>,
}

impl Grid {
    /// The number of points.
    pub fn len(&self) -> usize {
        self.first.len() * self.second.len()
    }

    /// Whether there are no points; there always are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of pixels of a point.
    pub fn dimension(&self) -> usize {
        self.plane.origin.len()
    }

    /// Whether each point lies in the triangle of the three images, its edges included.
    pub fn inside(&self) -> Vec<bool> {
        let [_, [length, _], [c1, c2]] = self.plane.coordinates;
        let row = |u: &f64| {
            let u = *u;
            self.second.iter().map(move |v| {
                // At height v both sides have come this part of the way to the third image.
                let part = v / c2;
                (0.0..=1.0).contains(&part)
                    && u >= part * c1
                    && u <= length + part * (c1 - length)
            })
        };
        self.first.iter().flat_map(row).collect()
    }

    /// The points nearest to the three images.
    pub fn nearest_to_images(&self) -> [usize; 3] {
        let nearest = |axis: &[f64], x: f64| {
            let last = axis.len() - 1;
            let step = (axis[last] - axis[0]) / last as f64;
            (((x - axis[0]) / step).round() as usize).min(last)
        };
        self.plane.coordinates.map(|[u, v]| {
            nearest(&self.first, u) * self.second.len() + nearest(&self.second, v)
        })
    }

    /// Least and greatest coordinate along a, then along b.
    pub fn corners(&self) -> [f64; 4] {
        let last = self.first.len() - 1;
        [self.first[0], self.first[last], self.second[0], self.second[last]]
    }

    /// α and β of each point x₁ + α(x₂ − x₁) + β(x₃ − x₁).
    pub(crate) fn coefficients(&self) -> Vec<[f64; 2]> {
        let [_, [length, _], [c1, c2]] = self.plane.coordinates;
        let of = |u: f64, v: f64| [(u - v / c2 * c1) / length, v / c2];
        let row = |u: &f64| {
            let u = *u;
            self.second.iter().map(move |v| of(u, *v))
        };
        self.first.iter().flat_map(row).collect()
    }

    /// Writes point `k` in the order of pixels of the three images. Nothing is clamped to
    /// the range of valid pixels.
    ///
    /// # Panics
    /// If `k` is out of range or `pixels` is not of the images' size.
    pub fn point(&self, k: usize, pixels: &mut [f32]) {
        let Plane { origin, a, b, .. } = &self.plane;
        assert_eq!(pixels.len(), origin.len(), "pixels of a point");
        let (u, v) =
            (self.first[k / self.second.len()], self.second[k % self.second.len()]);
        for (((pixel, x), a), b) in pixels.iter_mut().zip(origin).zip(a).zip(b) {
            *pixel = (x + u * a + v * b) as f32;
        }
    }
}

/// The points of grids of equal size, one grid after the other.
pub(crate) struct PlanePoints<'a> {
    /// Positions of the images that each grid's plane goes through.
    pub(crate) triplets: &'a [[usize; 3]],
    pub(crate) grids: &'a [Grid],
}

impl Points for PlanePoints<'_> {
    fn per_plane(&self) -> usize {
        self.grids.first().map_or(0, Grid::len)
    }

    fn triplets(&self) -> &[[usize; 3]] {
        self.triplets
    }

    fn coefficients(&self, plane: usize) -> Vec<[f64; 2]> {
        self.grids[plane].coefficients()
    }

    fn images(&self, range: Range<usize>) -> Vec<f32> {
        let (size, per_grid) = (self.grids[0].dimension(), self.per_plane());
        let mut points = vec![0.0; range.len() * size];
        points.par_chunks_mut(size).zip(range).for_each(|(point, k)| {
            self.grids[k / per_grid].point(k % per_grid, point);
        });
        points
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn norm(x: &[f64]) -> f64 {
    dot(x, x).sqrt()
}

fn scale(x: &mut [f64], factor: f64) {
    x.iter_mut().for_each(|x| *x *= factor);
}

#[cfg(test)]
mod tests {
    use super::*;

    const X1: [f32; 4] = [0., 1., 2., 3.];
    const X2: [f32; 4] = [2., 0., 1., 5.];
    const X3: [f32; 4] = [1., 4., 0., 2.];

    fn assert_close(actual: &[f64], expected: &[f64]) {
        assert_eq!(actual.len(), expected.len());
        for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
            assert!((a - e).abs() < 1e-8, "{i}: {a} is not {e}");
        }
    }

    #[test]
    fn the_plane_is_the_golden_one() {
        let plane = Plane::through(&X1, &X2, &X3).unwrap();
        assert_close(&plane.a, &[0.632455532, -0.316227766, -0.316227766, 0.632455532]);
        assert_close(&plane.b, &[0.310876656, 0.751285252, -0.544034148, -0.207251104]);
        let grid = plane.grid(5, 0.1);
        let first = [-0.664078309, 0.379473319, 1.423024947, 2.466576575, 3.510128203];
        let second = [-0.386005181, 0.772010363, 1.930025906, 3.088041450, 4.246056994];
        assert_close(&grid.first, &first);
        assert_close(&grid.second, &second);
        let mut pixels = [0.0; 4];
        grid.point(7, &mut pixels);
        assert_close(
            &pixels.map(f64::from).map(|x| (x * 1e6).round() / 1e6),
            &[0.84, 2.33, 0.83, 2.84],
        );
    }

    #[test]
    fn the_images_are_where_their_coordinates_say() {
        let plane = Plane::through(&X1, &X2, &X3).unwrap();
        for (image, [u, v]) in [X1, X2, X3].iter().zip(plane.coordinates) {
            for (i, x) in image.iter().enumerate() {
                let there = plane.origin[i] + u * plane.a[i] + v * plane.b[i];
                assert!((there - f64::from(*x)).abs() < 1e-12, "{there} is not {x}");
            }
        }
    }

    #[test]
    fn images_on_a_line_span_no_plane() {
        let third = [0, 1, 2, 3].map(|i| X1[i] + 2.0 * (X2[i] - X1[i]));
        assert_eq!(Plane::through(&X1, &X2, &third), None);
        assert_eq!(Plane::through(&X1, &X1, &X2), None);
        assert_eq!(Plane::through(&X1, &X2, &X1), None);
        assert_eq!(Plane::through(&[f32::NAN; 4], &X2, &X1), None);
    }

    #[test]
    fn triplets_are_of_distinct_classes_and_two_classes_are_refused() {
        let labels: Vec<u8> = (0..500).map(|i| (i * i % 7) as u8).collect();
        let image = |i: usize| vec![i as f32, (i * i) as f32];
        for plane in dbviz_planes(&labels, 200, 5, image).unwrap() {
            let [a, b, c] = plane.triplet;
            assert!(labels[a] != labels[b] && labels[a] != labels[c]);
            assert!(labels[b] != labels[c]);
        }
        assert!(dbviz_planes(&[0, 1, 0, 1], 1, 1, image).is_err());
    }

    #[test]
    fn a_third_of_the_box_or_so_is_inside_and_images_are_near_their_points() {
        let plane = Plane::through(&X1, &X2, &X3).unwrap();
        let grid = plane.grid(400, 0.1);
        let share = grid.inside().iter().filter(|inside| **inside).count() as f64
            / grid.len() as f64;
        // Half of base times height, of the box 1.2 times as wide and as high.
        let [from_u, to_u, from_v, to_v] = grid.corners();
        let [_, [length, _], [_, c2]] = plane.coordinates;
        let area = length * c2 / 2.0 / ((to_u - from_u) * (to_v - from_v));
        assert!((share - area).abs() < 0.005, "{share} is not {area}");
        for (point, [u, v]) in grid.nearest_to_images().into_iter().zip(plane.coordinates)
        {
            assert!((grid.first[point / 400] - u).abs() < 0.01);
            assert!((grid.second[point % 400] - v).abs() < 0.01);
        }
    }

    #[test]
    fn the_first_image_comes_from_its_list_and_classes_may_repeat() {
        let labels: Vec<u8> = (0..500).map(|i| (i % 2) as u8).collect();
        let image = |i: usize| vec![i as f32, (i * i) as f32];
        let first: Vec<usize> = (0..500).step_by(50).collect();
        let draw = Draw { labels: &labels, distinct: false, first: Some(&first) };
        for plane in draw.planes(50, 3, image).unwrap() {
            assert!(first.contains(&plane.triplet[0]));
        }
        assert!(Draw { distinct: true, ..draw }.planes(1, 3, image).is_err());
        assert!(Draw { first: Some(&[]), ..draw }.planes(1, 3, image).is_err());
    }

    #[test]
    fn images_on_a_line_are_drawn_again_or_refused() {
        let labels: Vec<u8> = (0..30).map(|i| i / 3).collect();
        let on_line = |i: usize| vec![i as f32, 2.0 * i as f32];
        assert!(dbviz_planes(&labels, 1, 1, on_line).is_err());
        let mostly = |i: usize| vec![i as f32, if i == 4 { 7.0 } else { 0.0 }];
        for plane in dbviz_planes(&labels, 20, 1, mostly).unwrap() {
            assert!(plane.triplet.contains(&4), "{:?}", plane.triplet);
        }
    }
}
