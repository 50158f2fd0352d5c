//! Double descent of the test error with images as the unit (section 6): the epochs are
//! chosen on one half of the test images and the error is measured on the other.

mod double_descent;
mod measure;
mod readout;

pub use double_descent::{DoubleDescent, HALVINGS, Method};
pub use measure::{
    MeanOverImages, PerImage, Wrong, halvings, peak_of, points_of, rise_and_fall,
};
pub use readout::{ProbeAnswers, Readout};
