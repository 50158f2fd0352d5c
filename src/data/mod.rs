//! Labelled images: data sets, label noise, augmentation, batches.
//!
//! [`Data::load`] yields what `[data]` and `[noise]` of an experiment file describe: the
//! training and test images after subset, split and resizing, the normalization, and the
//! training labels with their noise. All randomness is in streams named by their use, so a
//! run that continues draws what it would have drawn.

use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::experiment::{
    Augmentation, DataConfig, DataKind, Experiment, NoiseConfig, Normalize,
};
use crate::net::{NetConfig, Shape, VitConfig};

mod arrays;
mod augment;
mod batches;
mod catalogue;
mod digits;
mod groups;
mod image_set;
mod label_noise;
mod resize;
mod sample;

pub use batches::epoch_batches;
pub use catalogue::{DataSet, data_sets};
pub(crate) use digits::DIGITS_COUNT;
pub use groups::{Groups, analysis_examples};
pub use image_set::{ImageSet, Pixels};

use augment::Placement;
use sample::permutation;

/// The images of one experiment: training and test set after subset, split and resizing, the
/// channel normalization, and the training labels with their noise.
#[derive(Debug, Clone)]
pub struct Data {
    /// Number of classes.
    pub n_classes: usize,
    /// Names of the classes, for figures.
    pub class_names: Vec<String>,
    /// Training images with true labels.
    pub train: ImageSet,
    /// Test images with true labels.
    pub test: ImageSet,
    /// Position of each training image in the data set as stored.
    pub train_index: Vec<usize>,
    /// Position of each test image in the data set as stored.
    pub test_index: Vec<usize>,
    /// Channel means of the training set (0 without normalization).
    pub mean: Vec<f32>,
    /// Channel standard deviations of the training set (1 without normalization).
    pub std: Vec<f32>,
    /// Training labels with noise: what the net is trained on.
    pub noisy: Vec<u8>,
    /// SHA-256 of pixels and labels of the whole data set as stored, in hexadecimal.
    pub sha256: String,
}

/// Images of a data set after subset and split, as they are stored.
struct Chosen {
    train: ImageSet,
    test: ImageSet,
    train_index: Vec<usize>,
    test_index: Vec<usize>,
    sha256: String,
}

impl Data {
    /// Loads what `experiment.data` and `experiment.noise` describe.
    ///
    /// # Errors
    /// If the data set is missing, damaged, or smaller than asked for, or its images do not
    /// suit the net.
    ///
    /// # Example
    /// ```
    /// # use stratagram::{data::Data, experiment::Experiment};
    /// let text = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 16\n\
    ///     [noise]\nkind = 'exact'\nrate = 0.4";
    /// let data = Data::load(&Experiment::parse("example", text, ".".as_ref(), &[])?)?;
    /// assert_eq!((data.train.len(), data.test.len(), data.n_classes), (1000, 797, 10));
    /// assert_eq!((0..1000).filter(|&i| data.is_corrupted(i)).count(), 400);
    /// # Ok::<(), stratagram::Error>(())
    /// ```
    pub fn load(experiment: &Experiment) -> Result<Self> {
        let config = &experiment.data;
        let mut chosen = match config.kind {
            DataKind::Digits => choose_digits(config)?,
            DataKind::Arrays => choose_arrays(config)?,
        };
        if let Some(size) = config.size {
            chosen.train = resize::to_side(chosen.train, size);
            chosen.test = resize::to_side(chosen.test, size);
        }
        let n_classes = check(experiment, &chosen)?;
        let (mean, std) = match config.normalize {
            Normalize::Channel => channel_statistics(&chosen.train)?,
            Normalize::None => {
                let channels = chosen.train.shape.channels;
                (vec![0.0; channels], vec![1.0; channels])
            }
        };
        let noisy = noisy_labels(&chosen, n_classes, &experiment.noise);
        Ok(Self {
            n_classes,
            class_names: (0..n_classes).map(|class| class.to_string()).collect(),
            train: chosen.train,
            test: chosen.test,
            train_index: chosen.train_index,
            test_index: chosen.test_index,
            mean,
            std,
            noisy,
            sha256: chosen.sha256,
        })
    }

    /// Whether the training label of example `i` is wrong.
    pub fn is_corrupted(&self, i: usize) -> bool {
        self.noisy[i] != self.train.labels[i]
    }

    /// Normalized images `indices` of `set`: (x − mean)/std of its channel.
    ///
    /// *Shapes* result: `[indices.len(), height, width, channels]`.
    ///
    /// # Panics
    /// If an index is past the end, or `set` has other channels than the training set.
    pub fn batch(&self, set: &ImageSet, indices: &[usize]) -> Vec<f32> {
        self.placed_batch(set, indices, |_| Placement::default())
    }

    /// Normalized and augmented training images for a step of epoch `epoch`. What happens to
    /// an image depends on `seed`, `epoch` and its index alone.
    ///
    /// *Shapes* result: `[indices.len(), height, width, channels]`.
    ///
    /// # Panics
    /// If an index is past the end.
    pub fn training_batch(
        &self,
        indices: &[usize],
        epoch: u64,
        seed: u64,
        augmentations: &[Augmentation],
    ) -> Vec<f32> {
        let shape = self.train.shape;
        self.placed_batch(&self.train, indices, |i| {
            Placement::draw(augmentations, shape, seed, epoch, i)
        })
    }

    fn placed_batch(
        &self,
        set: &ImageSet,
        indices: &[usize],
        placement: impl Fn(usize) -> Placement + Sync,
    ) -> Vec<f32> {
        assert_eq!(set.shape.channels, self.mean.len(), "channels of images and means");
        let size = set.shape.size();
        let plane = set.shape.height * set.shape.width;
        let normal =
            |channel: usize, x: f32| (x - self.mean[channel]) / self.std[channel];
        let padding: Vec<f32> =
            (0..set.shape.channels).map(|channel| normal(channel, 0.0)).collect();
        let mut images = vec![0.0; indices.len() * size];
        let outputs = images.par_chunks_mut(size).zip(indices);
        match &set.pixels {
            Pixels::F32(values) => outputs.for_each(|(output, &i)| {
                let image = &values[i * size..][..size];
                let pixel = |channel, at| normal(channel, image[channel * plane + at]);
                placement(i).write(set.shape, pixel, &padding, output);
            }),
            Pixels::U8 { values, scale } => {
                // All normalized values of a byte, `[channels, 256]`.
                let table: Vec<f32> = (0..set.shape.channels)
                    .flat_map(|channel| (0..=255u8).map(move |byte| (channel, byte)))
                    .map(|(channel, byte)| normal(channel, f32::from(byte) * scale))
                    .collect();
                outputs.for_each(|(output, &i)| {
                    let image = &values[i * size..][..size];
                    let pixel = |channel: usize, at: usize| {
                        table[channel * 256 + usize::from(image[channel * plane + at])]
                    };
                    placement(i).write(set.shape, pixel, &padding, output);
                });
            }
        }
        images
    }
}

/// The split of the digits: all are shuffled, the first are for training, the next for
/// testing.
fn choose_digits(config: &DataConfig) -> Result<Chosen> {
    let all = digits::load();
    let n_train = config.n_train.unwrap_or(1000);
    let n_test = config.n_test.unwrap_or(DIGITS_COUNT.saturating_sub(n_train));
    if n_train + n_test > DIGITS_COUNT {
        return Err(Error::usage("`data.n_train`", format!("is {n_train}")).expected(
            format!("with {n_test} test images at most {DIGITS_COUNT} digits together"),
        ));
    }
    let mut order = permutation(config.seed, "data/split", DIGITS_COUNT);
    order.truncate(n_train + n_test);
    let test_index = order.split_off(n_train);
    Ok(Chosen {
        train: all.select(&order),
        test: all.select(&test_index),
        train_index: order,
        test_index,
        sha256: checksum(&[&all]),
    })
}

/// The stored sets, or shuffled subsets of them.
fn choose_arrays(config: &DataConfig) -> Result<Chosen> {
    let path = config.path.as_deref().ok_or_else(|| {
        Error::usage("`data.path`", "is missing").expected("an .npz file")
    })?;
    let (train, test) = arrays::load(path)?;
    let sha256 = checksum(&[&train, &test]);
    let (train, train_index) = subset(train, config.n_train, config.seed, "train", path)?;
    let (test, test_index) = subset(test, config.n_test, config.seed, "test", path)?;
    Ok(Chosen { train, test, train_index, test_index, sha256 })
}

/// A shuffled subset of `n` images, or all in stored order; with their positions.
fn subset(
    set: ImageSet,
    n: Option<usize>,
    seed: u64,
    name: &str,
    path: &Path,
) -> Result<(ImageSet, Vec<usize>)> {
    let Some(n) = n else {
        let all = (0..set.len()).collect();
        return Ok((set, all));
    };
    if n > set.len() {
        return Err(Error::usage(format!("`data.n_{name}`"), format!("is {n}"))
            .expected(format!(
                "at most the {} images of {}",
                set.len(),
                path.display()
            )));
    }
    let mut index = permutation(seed, &format!("data/{name}"), set.len());
    index.truncate(n);
    Ok((set.select(&index), index))
}

/// What can be checked only when the data is there; gives the number of classes.
fn check(experiment: &Experiment, chosen: &Chosen) -> Result<usize> {
    let shape = chosen.train.shape;
    let Shape { height, width, .. } = shape;
    let net = &experiment.net;
    if height.min(width) < 8 {
        return Err(Error::usage(
            "`data`",
            format!("has images of {height}×{width} pixels"),
        )
        .expected("at least 8×8")
        .fix("enlarge them with `data.size`"));
    }
    if matches!(net, NetConfig::Cnn5 { .. }) && height != width {
        return Err(Error::usage(
            "`data`",
            format!("has images of {height}×{width} pixels"),
        )
        .expected("square images for the net \"cnn5\"")
        .fix("make them square with `data.size`, or take another net"));
    }
    if let NetConfig::Vit(VitConfig { patch, .. }) = net
        && (!height.is_multiple_of(*patch) || !width.is_multiple_of(*patch))
    {
        return Err(Error::usage(
            "`data`",
            format!("has images of {height}×{width} pixels"),
        )
        .expected(format!("sides that `net.patch` = {patch} divides"))
        .fix("change `net.patch`, or resize the images with `data.size`"));
    }
    let largest = chosen.train.labels.iter().chain(&chosen.test.labels).max();
    let n_classes = match experiment.data.kind {
        DataKind::Digits => 10,
        DataKind::Arrays => largest.map_or(0, |&label| usize::from(label) + 1),
    };
    if n_classes < 2 {
        return Err(Error::usage("`data`", "has a single class").expected("two or more"));
    }
    let n_train = chosen.train.len();
    if n_train < 2 || chosen.test.len() == 0 {
        let found =
            format!("has {n_train} training and {} test images", chosen.test.len());
        return Err(Error::usage("`data`", found).expected("at least 2 and 1"));
    }
    experiment.check_epochs(n_train, |key| format!("`{key}`"))?;
    Ok(n_classes)
}

fn noisy_labels(chosen: &Chosen, n_classes: usize, noise: &NoiseConfig) -> Vec<u8> {
    label_noise::corrupt(&chosen.train.labels, &chosen.train_index, n_classes, noise)
}

/// Mean and population standard deviation of each channel over all images and positions, in
/// f64.
fn channel_statistics(set: &ImageSet) -> Result<(Vec<f32>, Vec<f32>)> {
    let plane = set.shape.height * set.shape.width;
    let count = (set.len() * plane) as f64;
    let mut means = vec![];
    let mut stds = vec![];
    for channel in 0..set.shape.channels {
        // Sums of an image are added in the images' order: the same at any thread count.
        let total = |term: &(dyn Fn(f64) -> f64 + Sync)| -> f64 {
            let of_image =
                |i: usize| set.channel(i, channel).map(f64::from).map(term).sum::<f64>();
            let sums: Vec<f64> = (0..set.len()).into_par_iter().map(of_image).collect();
            sums.iter().sum()
        };
        let mean = total(&|x| x) / count;
        let variance = total(&|x| (x - mean).powi(2)) / count;
        if variance == 0.0 {
            let found =
                format!("is \"channel\", but channel {channel} is {mean} everywhere");
            return Err(Error::usage("`data.normalize`", found)
                .expected("\"none\" for data with a constant channel"));
        }
        means.push(mean as f32);
        stds.push(variance.sqrt() as f32);
    }
    Ok((means, stds))
}

/// SHA-256 of shapes, pixels and labels.
fn checksum(sets: &[&ImageSet]) -> String {
    let mut hash = Sha256::new();
    for set in sets {
        set.hash(&mut hash);
    }
    let hexadecimal: Vec<String> =
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    hexadecimal.concat()
}

#[cfg(test)]
mod tests;
