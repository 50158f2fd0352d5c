//! Labelled images: data sets, label noise, augmentation, batches.
//!
//! [`Data::load`] yields what `[data]` and `[noise]` of an experiment file describe: the
//! training and test images after subset, split and resizing, the normalization, and the
//! training labels with their noise. All randomness is in streams named by their use, so a
//! run that continues draws what it would have drawn.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::experiment::{Augmentation, Experiment, NoiseKind, Normalize};
use crate::net::Shape;

mod augment;
mod batches;
mod choose;
#[cfg(feature = "fetch")]
mod download;
mod files;
mod groups;
mod image_set;
mod label_file;
mod label_noise;
mod resident;
mod resize;
mod sample;
mod sets;
mod verify;

pub use batches::epoch_batches;
pub(crate) use choose::TRAIN_OF_POOL;
#[cfg(feature = "fetch")]
pub(crate) use download::{Address, Response, Wanted, obtain};
#[cfg(feature = "fetch")]
pub use download::{Download, download, fetch};
pub use groups::{Groups, analysis_examples};
pub use image_set::{ImageSet, Pixels};
pub(crate) use sample::indexed_permutation;
pub use sets::directories::{
    chosen_data_directory, data_directories, fetch_directory, use_data_directory,
};
pub use sets::set::RemoteFile;
pub use sets::{DataKind, DataSet, data_sets};
pub(crate) use sets::{NAMES, STORED_NAMES, named};
pub use verify::{Verified, verify};

use augment::Placement;
use choose::Chosen;

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
    /// Test labels that errors are measured against: the true ones, or with noise where
    /// `noise.test` asks for it.
    pub noisy_test: Vec<u8>,
    /// What the images are, such as "CIFAR-10 (JPEG)".
    pub name: String,
    /// SHA-256 of pixels and labels of the whole data set as stored, in hexadecimal.
    pub sha256: String,
    /// What there is to be said of the files, such as classes without an image.
    pub notes: Vec<String>,
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
        let mut chosen = choose::choose(config)?;
        check_signals(experiment, chosen.train.shape)?;
        if let Some(size) = config.size {
            chosen.train = resize::to_side(chosen.train, size);
            chosen.test = resize::to_side(chosen.test, size);
        }
        let n_classes = check(experiment, &chosen)?;
        let (mean, std) = match &config.normalize {
            Normalize::Channel => channel_statistics(&chosen.train)?,
            Normalize::None => {
                let channels = chosen.train.shape.channels;
                (vec![0.0; channels], vec![1.0; channels])
            }
            Normalize::Given { mean, std } => given_statistics(mean, std, &chosen.train)?,
        };
        let noisy = noisy_labels(experiment, &chosen, n_classes)?;
        let noisy_test = noisy_test_labels(experiment, &chosen, n_classes);
        let mut class_names = chosen.class_names;
        class_names.extend((class_names.len()..n_classes).map(|class| class.to_string()));
        Ok(Self {
            n_classes,
            class_names,
            train: chosen.train,
            test: chosen.test,
            train_index: chosen.train_index,
            test_index: chosen.test_index,
            mean,
            std,
            noisy,
            noisy_test,
            name: chosen.name,
            sha256: chosen.sha256,
            notes: chosen.notes,
        })
    }

    /// Whether the training label of example `i` is wrong.
    pub fn is_corrupted(&self, i: usize) -> bool {
        self.noisy[i] != self.train.labels[i]
    }

    /// The fraction of training labels that are wrong: what `noise.rate` became.
    pub fn noise_rate(&self) -> f64 {
        let wrong = (0..self.noisy.len()).filter(|&i| self.is_corrupted(i)).count();
        wrong as f64 / self.noisy.len() as f64
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
        let normal = |channel: usize, x: f32| self.normal(channel, x);
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
                let table = self.table(*scale);
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

    /// A channel's value x, normalized.
    fn normal(&self, channel: usize, x: f32) -> f32 {
        (x - self.mean[channel]) / self.std[channel]
    }

    /// All normalized values of a byte that is read as byte·scale, `[channels, 256]`.
    fn table(&self, scale: f32) -> Vec<f32> {
        (0..self.mean.len())
            .flat_map(|channel| (0..=255u8).map(move |byte| (channel, byte)))
            .map(|(channel, byte)| self.normal(channel, f32::from(byte) * scale))
            .collect()
    }

    /// One of the two sets.
    pub(crate) fn of(&self, split: Split) -> &ImageSet {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

/// Training or test images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Split {
    Train,
    Test,
}

impl Split {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Train, Self::Test];

    /// Its name in requests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// That nothing is asked of signals, images of one row, that is for pictures.
fn check_signals(experiment: &Experiment, shape: Shape) -> Result<()> {
    if shape.height != 1 {
        return Ok(());
    }
    let of_pictures = |key: &str, found: &str, fix: &str| {
        Err(Error::usage(format!("`{key}`"), found)
            .expected(format!("pictures, not signals of 1×{} points", shape.width))
            .fix(fix))
    };
    if experiment.data.size.is_some() {
        return of_pictures("data.size", "resizes pictures", "leave it out");
    }
    if !experiment.data.augment.is_empty() {
        return of_pictures("data.augment", "moves pictures", "leave it out");
    }
    Ok(())
}

/// What can be checked only when the data is there; gives the number of classes.
fn check(experiment: &Experiment, chosen: &Chosen) -> Result<usize> {
    let shape = chosen.train.shape;
    let Shape { height, width, .. } = shape;
    let sides = if height == 1 { [8, width] } else { [height, width] };
    if sides.into_iter().any(|side| side < 8) {
        return Err(Error::usage(
            "`data`",
            format!("has images of {height}×{width} pixels"),
        )
        .expected("at least 8×8, or signals of 1×8")
        .fix("enlarge images with `data.size`"));
    }
    experiment.net.check_input(shape)?;
    let largest = chosen.train.labels.iter().chain(&chosen.test.labels).max();
    let n_labels = largest.map_or(0, |&label| usize::from(label) + 1);
    let n_classes = n_labels.max(chosen.class_names.len());
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

/// The training labels with the experiment's noise.
fn noisy_labels(
    experiment: &Experiment,
    chosen: &Chosen,
    n_classes: usize,
) -> Result<Vec<u8>> {
    let noise = &experiment.noise;
    match noise.kind {
        NoiseKind::Labels => {
            let path = noise.path.as_deref().ok_or_else(|| {
                Error::usage("`noise.path`", "is missing").expected("a file of labels")
            })?;
            let n = chosen.n_positions;
            let labels = label_file::load(path, noise.name.as_deref(), n, n_classes)?;
            return Ok(chosen.train_index.iter().map(|&i| labels[i]).collect());
        }
        NoiseKind::Asymmetric => check_asymmetric(experiment.data.kind, n_classes)?,
        _ => {}
    }
    let (labels, index) = (&chosen.train.labels, &chosen.train_index);
    Ok(label_noise::corrupt(labels, index, n_classes, noise))
}

/// The test labels that errors are measured against.
fn noisy_test_labels(
    experiment: &Experiment,
    chosen: &Chosen,
    n_classes: usize,
) -> Vec<u8> {
    let (labels, noise) = (&chosen.test.labels, &experiment.noise);
    if !noise.test {
        return labels.clone();
    }
    label_noise::corrupt_test(labels, &chosen.test_index, n_classes, noise)
}

/// That the classes may be those of CIFAR-10, which the map of `asymmetric` is about.
fn check_asymmetric(kind: DataKind, n_classes: usize) -> Result<()> {
    if kind.set().may_have_classes_of_cifar10() && n_classes == 10 {
        return Ok(());
    }
    Err(Error::usage("`noise.kind`", "is \"asymmetric\", a map of CIFAR-10's classes")
        .expected("a data set with these ten classes")
        .fix("take \"pair-flip\" (y → y+1), or another kind"))
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

/// Means and standard deviations of the experiment file, one of each channel of `set`.
fn given_statistics(
    mean: &[f64],
    std: &[f64],
    set: &ImageSet,
) -> Result<(Vec<f32>, Vec<f32>)> {
    let channels = set.shape.channels;
    if mean.len() != channels {
        let found = format!("has means of {} channels", mean.len());
        return Err(Error::usage("`data.normalize`", found)
            .expected(format!("{channels}, those of the images")));
    }
    let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
    Ok((single(mean), single(std)))
}

#[cfg(test)]
mod tests;
