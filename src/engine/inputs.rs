//! What an engine is asked to evaluate, as a value: an engine that holds the images makes the
//! inputs where it runs.

use std::ops::Range;

use crate::data::{Data, Split};
use crate::experiment::TokenPolicy;

/// Inputs of an evaluation, in an order.
#[derive(Clone, Copy)]
pub enum Inputs<'a> {
    /// All images of a set.
    Set(Split),
    /// The images of a set at these positions.
    Indices(Split, &'a [usize]),
    /// Points on planes through images of a set.
    Points(Split, &'a dyn Points),
}

/// A node, what is made of its output, and the linear classifiers that read it.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The node's position in the net.
    pub node: usize,
    /// The side that a map is averaged to.
    pub side: Option<usize>,
    /// What tokens become; all of them, one after the other, if absent.
    pub tokens: Option<TokenPolicy>,
    /// How many features a longer vector is averaged to.
    pub features: Option<usize>,
    /// Weights `[classes, features]` and biases; without any, the output's own largest is asked
    /// for.
    pub classifiers: Vec<(&'a [f32], &'a [f32])>,
}

/// What classifiers decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The class of each input, by each classifier.
    pub classes: Vec<Vec<u8>>,
    /// Whether the features of all inputs are finite.
    pub is_finite: bool,
}

/// Points on planes through three images each: as many on every plane, one plane after another.
pub trait Points {
    /// Points on one plane.
    fn per_plane(&self) -> usize;

    /// Positions of the images x₁, x₂, x₃ of each plane.
    fn triplets(&self) -> &[[usize; 3]];

    /// α and β of each point x₁ + α(x₂ − x₁) + β(x₃ − x₁) of one plane.
    fn coefficients(&self, plane: usize) -> Vec<[f64; 2]>;

    /// The points of a range, `[n, height, width, channels]`.
    fn images(&self, range: Range<usize>) -> Vec<f32>;
}

impl Decided {
    /// Appends the classes of further inputs.
    pub(crate) fn add(&mut self, further: Self) {
        for (classes, more) in self.classes.iter_mut().zip(further.classes) {
            classes.extend(more);
        }
        self.is_finite &= further.is_finite;
    }
}

impl Inputs<'_> {
    /// How many there are.
    pub fn len(&self, data: &Data) -> usize {
        match self {
            Self::Set(split) => data.of(*split).len(),
            Self::Indices(_, positions) => positions.len(),
            Self::Points(_, points) => points.triplets().len() * points.per_plane(),
        }
    }

    /// Those of a range, `[n, height, width, channels]`.
    pub(super) fn images(&self, data: &Data, range: Range<usize>) -> Vec<f32> {
        match self {
            Self::Set(split) => data.batch(data.of(*split), &range.collect::<Vec<_>>()),
            Self::Indices(split, positions) => {
                data.batch(data.of(*split), &positions[range])
            }
            Self::Points(_, points) => points.images(range),
        }
    }
}
