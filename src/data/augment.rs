//! Augmentation as in torchvision: `RandomCrop` with zero padding, `RandomHorizontalFlip`.

use rand::RngExt;

use crate::experiment::Augmentation;
use crate::net::Shape;
use crate::seed;

/// Where the pixels of an image come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Placement {
    /// Rows by which the window is moved down, possibly negative.
    pub(super) down: isize,
    /// Columns by which the window is moved right, possibly negative.
    pub(super) right: isize,
    /// Whether left and right are exchanged afterwards.
    pub(super) flipped: bool,
}

/// Zeros around an image before a crop: 4 at 32×32 pixels, in proportion at other sizes, at
/// least 1.
fn padding(shape: Shape) -> usize {
    (shape.height.min(shape.width) / 8).max(1)
}

impl Placement {
    /// The placement of image `index` in epoch `epoch`. Each augmentation has its own random
    /// stream for each image and epoch: adding one leaves the others as they are.
    ///
    /// "crop" moves the window by up to [`padding`] pixels each way; "flip" exchanges left
    /// and right with probability 1/2.
    pub(super) fn draw(
        augmentations: &[Augmentation],
        shape: Shape,
        seed: u64,
        epoch: u64,
        index: usize,
    ) -> Self {
        let stream = |name: &str| {
            seed::stream(seed, &format!("augment/{name}/{epoch}"), index as u64)
        };
        let mut placement = Self::default();
        for augmentation in augmentations {
            match augmentation {
                Augmentation::Crop => {
                    let mut rng = stream("crop");
                    let reach = padding(shape) as i64;
                    placement.down = rng.random_range(-reach..=reach) as isize;
                    placement.right = rng.random_range(-reach..=reach) as isize;
                }
                Augmentation::Flip => placement.flipped = stream("flip").random(),
            }
        }
        placement
    }

    /// Writes an image as `[height, width, channels]`: `pixel(channel, row·width + column)`
    /// of the source, and `padding[channel]` (black, normalized) outside of it.
    pub(super) fn write(
        self,
        shape: Shape,
        pixel: impl Fn(usize, usize) -> f32,
        padding: &[f32],
        output: &mut [f32],
    ) {
        let Shape { channels, height, width } = shape;
        let inside = |at: usize, shift: isize, length: usize| {
            at.checked_add_signed(shift).filter(|&source| source < length)
        };
        let mut outputs = output.chunks_exact_mut(channels);
        for row in 0..height {
            let row = inside(row, self.down, height).map(|row| row * width);
            for (column, output) in (0..width).zip(&mut outputs) {
                let column = if self.flipped { width - 1 - column } else { column };
                match row.zip(inside(column, self.right, width)) {
                    Some((row, column)) => {
                        for (channel, output) in output.iter_mut().enumerate() {
                            *output = pixel(channel, row + column);
                        }
                    }
                    None => output.copy_from_slice(padding),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { channels: 2, height: 2, width: 3 };

    /// A 2×3 image of two channels, 0…5 and 10…15, with padding 90 and 91.
    fn written(placement: Placement) -> Vec<f32> {
        let mut output = vec![f32::NAN; 12];
        let pixel = |channel, at| (channel * 10 + at) as f32;
        placement.write(SHAPE, pixel, &[90.0, 91.0], &mut output);
        output
    }

    /// One channel of the written image.
    fn channel(placement: Placement, channel: usize) -> Vec<f32> {
        written(placement).into_iter().skip(channel).step_by(2).collect()
    }

    #[test]
    fn the_default_only_exchanges_axes() {
        assert_eq!(channel(Placement::default(), 0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(
            channel(Placement::default(), 1),
            [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]
        );
    }

    #[test]
    fn a_crop_moves_the_window_over_padding() {
        let placement = Placement { down: 1, right: -1, flipped: false };
        assert_eq!(channel(placement, 0), [90.0, 3.0, 4.0, 90.0, 90.0, 90.0]);
        assert_eq!(channel(placement, 1), [91.0, 13.0, 14.0, 91.0, 91.0, 91.0]);
    }

    #[test]
    fn a_flip_exchanges_left_and_right_of_the_crop() {
        let placement = Placement { down: 0, right: 0, flipped: true };
        assert_eq!(channel(placement, 0), [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        let placement = Placement { down: 1, right: -1, flipped: true };
        assert_eq!(channel(placement, 0), [4.0, 3.0, 90.0, 90.0, 90.0, 90.0]);
    }

    #[test]
    fn all_moves_are_equally_likely_and_independent_of_flips() {
        let shape = Shape { channels: 1, height: 32, width: 32 };
        let both = [Augmentation::Crop, Augmentation::Flip];
        let mut downs = [0; 9];
        let mut flips = 0;
        for index in 0..9000 {
            let placement = Placement::draw(&both, shape, 3, 5, index);
            downs[(placement.down + 4) as usize] += 1;
            flips += usize::from(placement.flipped);
            let alone = Placement::draw(&[Augmentation::Crop], shape, 3, 5, index);
            assert_eq!(Placement { flipped: false, ..placement }, alone);
        }
        // 1000 each, standard deviation 30; 4500 flips, standard deviation 47.
        assert!(downs.iter().all(|n| (880..1120).contains(n)), "{downs:?}");
        assert!((4300..4700).contains(&flips), "{flips}");
    }

    #[test]
    fn padding_is_4_at_32_pixels_in_proportion_and_at_least_1() {
        let square = |side| Shape { channels: 1, height: side, width: side };
        assert_eq!(
            [8, 16, 28, 32, 64].map(|side| padding(square(side))),
            [1, 2, 3, 4, 8]
        );
        assert_eq!(padding(SHAPE), 1);
    }
}
