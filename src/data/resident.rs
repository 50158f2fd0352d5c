//! What a device holds of a set of images, from which it makes the batches that [`Data`] would:
//! pixels as they are stored, what they become, and where those of an augmented image come from.

use super::augment::Placement;
use super::{Data, ImageSet, Pixels};
use crate::array_file::{Array, NamedArrays, Values};
use crate::experiment::Augmentation;

impl Data {
    /// A set as arrays: `images` `[n, channels, height, width]`, as bytes with the `table`
    /// `[channels, 256]` of their normalized values, or normalized; and `padding` `[channels]`,
    /// the normalized value of black.
    pub(crate) fn resident(&self, set: &ImageSet) -> NamedArrays {
        let (n, shape) = (set.len(), set.shape);
        let channels = shape.channels;
        let dims = [n, channels, shape.height, shape.width];
        let mut arrays = NamedArrays::default();
        match &set.pixels {
            Pixels::U8 { values, scale } => {
                let table = Array::f32(&[channels, 256], self.table(*scale));
                arrays.push("images", Array::u8(&dims, values.clone()));
                arrays.push("table", table);
            }
            Pixels::F32(values) => {
                let plane = shape.height * shape.width;
                let channel = |at: usize| at / plane % channels;
                let normal = |(at, x): (usize, &f32)| self.normal(channel(at), *x);
                let values = values.iter().enumerate().map(normal).collect();
                arrays.push("images", Array::f32(&dims, values));
            }
        }
        let padding = (0..channels).map(|channel| self.normal(channel, 0.0)).collect();
        arrays.push("padding", Array::f32(&[channels], padding));
        arrays
    }

    /// Where the pixels of training images come from in an epoch, as [`Data::training_batch`]
    /// draws it: rows `down`, columns `right` and whether they are `flipped`, `[n]` each; nothing
    /// without augmentation.
    pub(crate) fn placements(
        &self,
        indices: &[usize],
        epoch: u64,
        seed: u64,
        augmentations: &[Augmentation],
    ) -> NamedArrays {
        let mut arrays = NamedArrays::default();
        if augmentations.is_empty() {
            return arrays;
        }
        let shape = self.train.shape;
        let draw = |&i: &usize| Placement::draw(augmentations, shape, seed, epoch, i);
        let drawn: Vec<Placement> = indices.iter().map(draw).collect();
        let mut add = |name: &str, of: &dyn Fn(&Placement) -> i64| {
            let values = Values::I64(drawn.iter().map(of).collect());
            arrays.push(name, Array::new(&[indices.len()], values));
        };
        add("down", &|placement| placement.down as i64);
        add("right", &|placement| placement.right as i64);
        add("flipped", &|placement| i64::from(placement.flipped));
        arrays
    }
}
