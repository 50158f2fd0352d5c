//! The real data sets, where they are on this machine: a test whose data are absent says so
//! by name. `STRATAGRAM_DATA` names the directory; `shared/data` beside the project or above
//! it is found too.

use std::path::{Path, PathBuf};

use stratagram::array_file::read_npz;
use stratagram::data::{Data, ImageSet, Pixels};
use stratagram::experiment::Experiment;

/// `part` of the data directory; nothing, and a line that says so, where it is absent.
fn shared(test: &str, part: &str) -> Option<PathBuf> {
    let variable = std::env::var_os("STRATAGRAM_DATA").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(1);
    let places =
        variable.into_iter().chain(above.map(|folder| folder.join("shared/data")));
    let found = places.map(|place| place.join(part)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIP {test}: {part} is in no data directory");
    }
    found
}

fn load(kind: &str, path: &Path, more: &[&str]) -> Data {
    let text = format!(
        "[data]\nkind = '{kind}'\npath = '{}'\n[net]\nkind = 'resnet18'\nwidth = 4\n",
        path.display()
    );
    let more: Vec<String> = more.iter().map(|&key| key.to_owned()).collect();
    let experiment = Experiment::parse("test", &text, Path::new("/"), &more).unwrap();
    Data::load(&experiment).unwrap()
}

fn bytes(set: &ImageSet) -> &[u8] {
    match &set.pixels {
        Pixels::U8 { values, .. } => values,
        Pixels::F32(_) => panic!("floats"),
    }
}

/// Sum of the pixels, and sum of (i mod 997)·pixel i: from numpy over the file's bytes.
fn sums(set: &ImageSet) -> [u64; 2] {
    let pixels = || bytes(set).iter().map(|&pixel| u64::from(pixel));
    [pixels().sum(), pixels().enumerate().map(|(i, pixel)| i as u64 % 997 * pixel).sum()]
}

fn counts(labels: &[u8]) -> Vec<usize> {
    let mut counts = vec![0; 10];
    labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts
}

#[test]
fn the_lossless_part_of_cifar10_is_read_as_numpy_reads_it() {
    let test = "the_lossless_part_of_cifar10_is_read_as_numpy_reads_it";
    let Some(path) = shared(test, "cifar10-lossless-subset") else { return };
    let data = load("cifar10-subset", &path, &[]);
    assert_eq!((data.train.len(), data.test.len(), data.n_classes), (8068, 1017, 10));
    assert_eq!(sums(&data.train), LOSSLESS_TRAIN);
    assert_eq!(sums(&data.test), LOSSLESS_TEST);
    assert_eq!(counts(&data.train.labels), LOSSLESS_CLASSES);
    assert_eq!(data.train_index[3999..4002], [3999, 10_000, 10_001]);
    assert_eq!(data.class_names[9], "truck");
}

#[test]
fn jpeg_cifar10_is_near_the_lossless_one() {
    let test = "jpeg_cifar10_is_near_the_lossless_one";
    let Some(jpeg) = shared(test, "cifar10-jpeg-parquet") else { return };
    let data = load("cifar10", &jpeg, &[]);
    assert_eq!(data.name, "CIFAR-10 (JPEG)");
    assert_eq!(counts(&data.train.labels), [5000; 10]);
    assert_eq!(counts(&data.test.labels), [1000; 10]);
    // Pillow's pixels have this sum; decoders differ by a rounding here and there.
    let [sum, _] = sums(&data.test);
    let apart = (sum as f64 - PILLOW_TEST_SUM) / bytes(&data.test).len() as f64;
    assert!(apart.abs() < 0.25, "{apart} levels a pixel");
    let Some(lossless) = shared(test, "cifar10-lossless-subset") else { return };
    let exact = load("cifar10-subset", &lossless, &[]);
    for (i, &position) in exact.train_index.iter().enumerate() {
        assert_eq!(exact.train.labels[i], data.train.labels[position]);
    }
    assert_eq!(exact.test.labels, data.test.labels[..1017]);
    let mut psnr: Vec<f64> = bytes(&exact.test)
        .chunks(3072)
        .zip(bytes(&data.test).chunks(3072))
        .map(|(a, b)| {
            let square = |(a, b): (&u8, &u8)| (f64::from(*a) - f64::from(*b)).powi(2);
            let mean = a.iter().zip(b).map(square).sum::<f64>() / 3072.0;
            10.0 * (255.0f64.powi(2) / mean).log10()
        })
        .collect();
    psnr.sort_by(f64::total_cmp);
    // Its documentation says a median of 30.5 dB.
    let median = psnr[psnr.len() / 2];
    assert!((30.0..31.0).contains(&median), "{median} dB");
}

#[test]
fn human_labels_of_cifar10n_have_their_published_rates() {
    let test = "human_labels_of_cifar10n_have_their_published_rates";
    let Some(labels) = shared(test, "cifar10n/cifar10n.npz") else { return };
    let Some(images) = shared(test, "cifar10-lossless-subset") else { return };
    let file = format!("noise.path={}", labels.display());
    let with = |name: &str| {
        let name = format!("noise.name={name}");
        load("cifar10-subset", &images, &["noise.kind=labels", &file, &name])
    };
    assert!(with("clean_label").noise_rate().abs() < 1e-12);
    let worse = with("worse_label");
    let table = read_npz(&labels).unwrap();
    let table = table.get("worse_label").unwrap().to_i64().unwrap();
    for (label, &position) in worse.noisy.iter().zip(&worse.train_index) {
        assert_eq!(i64::from(*label), table[position]);
    }
    // 40.2 % of all 50,000; the standard deviation of 8,068 of them is half a percent.
    assert!((worse.noise_rate() - 0.402).abs() < 0.02, "{}", worse.noise_rate());
}

#[test]
fn debians_fashion_mnist_is_found_by_its_name() {
    let folder = Path::new("/usr/share/datasets/fashion-mnist");
    if !folder.exists() {
        eprintln!(
            "SKIP debians_fashion_mnist_is_found_by_its_name: {} (package \
             dataset-fashion-mnist) is absent",
            folder.display()
        );
        return;
    }
    let data = load("fashion-mnist", folder, &[]);
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    assert_eq!(counts(&data.train.labels), [6000; 10]);
    assert_eq!(counts(&data.test.labels), [1000; 10]);
    assert_eq!(sums(&data.train), FASHION_TRAIN);
    // The mean and deviation that the data set's users know.
    assert!((data.mean[0] - 0.2860).abs() < 1e-4 && (data.std[0] - 0.3530).abs() < 1e-4);
    let small = load("fashion-mnist", folder, &["data.size=16", "data.n_train=4000"]);
    assert_eq!((small.train.len(), small.train.shape.height), (4000, 16));
}

const LOSSLESS_TRAIN: [u64; 2] = [2998644805, 1492656247977];
const LOSSLESS_CLASSES: [usize; 10] = [810, 777, 808, 783, 856, 782, 808, 799, 835, 810];
const LOSSLESS_TEST: [u64; 2] = [380676608, 190329592976];
/// Pillow 13.0.0.
const PILLOW_TEST_SUM: f64 = 3732740007.0;
const FASHION_TRAIN: [u64; 2] = [3431114169, 1708901694491];
