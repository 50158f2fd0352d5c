use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::array_file::{Array, NamedArrays, npz_bytes};
use crate::experiment::Group;

fn experiment(overrides: &[&str]) -> Experiment {
    let text = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 4\n";
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    Experiment::parse("test", text, Path::new("/"), &overrides).unwrap()
}

fn load(overrides: &[&str]) -> Data {
    Data::load(&experiment(overrides)).unwrap()
}

/// A file of 7 training and 5 test images of 2×8×10 pixels whose first pixel is their number.
fn arrays(folder: &tempfile::TempDir) -> String {
    let pixels = |n: usize| {
        let value = |i: usize| if i.is_multiple_of(160) { i / 160 } else { i * 7 % 256 };
        (0..n * 160).map(|i| value(i) as u8).collect()
    };
    let members = vec![
        ("train_images".into(), Array::u8(&[7, 2, 8, 10], pixels(7))),
        ("train_labels".into(), Array::i64(&[7], vec![0, 1, 2, 0, 1, 2, 0])),
        ("test_images".into(), Array::u8(&[5, 2, 8, 10], pixels(5))),
        ("test_labels".into(), Array::i64(&[5], vec![0, 1, 2, 3, 0])),
    ];
    let path = folder.path().join("a.npz");
    std::fs::write(&path, npz_bytes(&NamedArrays(members))).unwrap();
    format!("data.path='{}'", path.display())
}

fn bytes(set: &ImageSet) -> &[u8] {
    match &set.pixels {
        Pixels::U8 { values, .. } => values,
        Pixels::F32(_) => panic!("floats"),
    }
}

#[test]
fn the_digits_are_split_without_overlap() {
    let data = load(&[]);
    assert_eq!((data.train.len(), data.test.len(), data.n_classes), (1000, 797, 10));
    let all: BTreeSet<_> = data.train_index.iter().chain(&data.test_index).collect();
    assert_eq!(all.len(), 1797);
    let stored = sets::digits::load();
    for (i, &position) in data.train_index.iter().enumerate() {
        assert_eq!(data.train.labels[i], stored.labels[position]);
        assert_eq!(
            bytes(&data.train)[i * 64..][..64],
            bytes(&stored)[position * 64..][..64]
        );
    }
    let small = load(&["data.n_train=100", "data.n_test=50"]);
    assert_eq!(small.train_index[..], data.train_index[..100]);
    assert_eq!((small.train.len(), small.test.len()), (100, 50));
    assert_ne!(load(&["data.seed=2"]).train_index, data.train_index);
}

#[test]
fn runs_that_differ_in_seed_alone_share_images_labels_and_examples() {
    let (one, two) = (
        experiment(&["noise.rate=0.3", "seed=1"]),
        experiment(&["noise.rate=0.3", "seed=2"]),
    );
    let (first, second) = (Data::load(&one).unwrap(), Data::load(&two).unwrap());
    assert_eq!(first.train, second.train);
    assert_eq!(first.noisy, second.noisy);
    assert_eq!(analysis_examples(&one, &first), analysis_examples(&two, &second));
    assert_ne!(load(&["noise.rate=0.3", "noise.seed=5"]).noisy, first.noisy);
}

#[test]
fn corrupted_are_those_whose_training_label_is_not_the_true_one() {
    let data = load(&["noise.kind=exact", "noise.rate=0.25"]);
    assert_eq!((0..1000).filter(|&i| data.is_corrupted(i)).count(), 250);
    assert!(data.noisy.iter().all(|&label| label < 10));
    let none = load(&[]);
    assert_eq!(none.noisy, none.train.labels);
}

#[test]
fn normalized_training_images_have_mean_0_and_variance_1() {
    let data = load(&[]);
    let all: Vec<usize> = (0..1000).collect();
    let values = data.batch(&data.train, &all);
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    let square =
        values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64;
    assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-6, "{mean} {square}");
    let plain = load(&["data.normalize=none"]);
    let stored = f32::from(bytes(&plain.train)[3 * 64 + 18]) / 16.0; // exact
    assert_eq!(plain.batch(&plain.train, &[3])[18..19], [stored]);
}

#[test]
fn arrays_are_taken_in_stored_order_or_as_a_shuffled_subset() {
    let folder = tempfile::tempdir().unwrap();
    let path = arrays(&folder);
    let file = ["data.kind=arrays", path.as_str(), "net.kind=resnet18"];
    let data = load(&file);
    assert_eq!(data.train_index, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(data.n_classes, 4); // of both sets
    assert_eq!(data.mean.len(), 2);
    let subset = load(&[&file[..], &["data.n_train=5", "data.n_test=2"]].concat());
    assert_eq!((subset.train.len(), subset.test.len()), (5, 2));
    for (i, &position) in subset.train_index.iter().enumerate() {
        assert_eq!(usize::from(bytes(&subset.train)[i * 160]), position);
        assert_eq!(usize::from(subset.train.labels[i]), position % 3);
    }
    assert_eq!(subset.sha256, data.sha256);
}

#[test]
fn batches_are_rows_columns_channels() {
    let folder = tempfile::tempdir().unwrap();
    let path = arrays(&folder);
    let data =
        load(&["data.kind=arrays", &path, "net.kind=resnet18", "data.normalize=none"]);
    let batch = data.batch(&data.test, &[4, 2]);
    for (i, image) in [4, 2].into_iter().enumerate() {
        for (channel, row, column) in [(0, 0, 0), (1, 0, 0), (0, 3, 9), (1, 7, 2)] {
            let stored =
                bytes(&data.test)[image * 160 + channel * 80 + row * 10 + column];
            let found = batch[i * 160 + (row * 10 + column) * 2 + channel];
            assert!((found - f32::from(stored) / 255.0).abs() < 1e-7);
        }
    }
}

#[test]
fn training_batches_depend_on_seed_epoch_and_image_alone() {
    let data = load(&[]);
    let both = [Augmentation::Crop, Augmentation::Flip];
    let batch =
        |indices: &[usize], epoch, seed| data.training_batch(indices, epoch, seed, &both);
    let first = batch(&[5, 6, 7], 3, 1);
    assert_eq!(batch(&[6], 3, 1), first[64..128]);
    let many: Vec<usize> = (0..50).collect();
    assert_ne!(batch(&many, 3, 1), batch(&many, 4, 1));
    assert_ne!(batch(&many, 3, 1), batch(&many, 3, 2));
    assert_eq!(data.training_batch(&many, 3, 1, &[]), data.batch(&data.train, &many));
}

#[test]
fn crops_are_padded_with_black_before_normalization() {
    let data = load(&["data.augment=[crop]"]);
    let black = -data.mean[0] / data.std[0];
    // Of 200 images some have a bright pixel moved out and black moved in; no value is new.
    let batch =
        data.training_batch(&(0..200).collect::<Vec<_>>(), 0, 0, &[Augmentation::Crop]);
    let allowed: Vec<f32> =
        (0..=16).map(|v| (v as f32 / 16.0 - data.mean[0]) / data.std[0]).collect();
    assert!(batch.iter().all(|value| allowed.contains(value)));
    assert!(batch.contains(&black));
}

#[test]
fn resized_images_are_normalized_by_their_own_statistics() {
    let data = load(&["data.size=16"]);
    assert_eq!(data.train.shape, Shape { channels: 1, height: 16, width: 16 });
    // Doubling repeats every pixel: the statistics stay.
    assert!((data.mean[0] - load(&[]).mean[0]).abs() < 1e-7);
}

#[test]
fn data_that_does_not_suit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = arrays(&folder);
    let refused = |overrides: &[&str]| {
        let file = ["data.kind=arrays", path.as_str()];
        let error =
            Data::load(&experiment(&[&file[..], overrides].concat())).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    assert!(refused(&[]).contains("8×10 pixels; expected square images"));
    let resnet = "net.kind=resnet18";
    let message = refused(&[resnet, "data.n_train=8"]);
    assert!(
        message.starts_with("`data.n_train` is 8; expected at most the 7"),
        "{message}"
    );
    let late = ["train.steps=3", "train.checkpoints=[4]"];
    let message = refused(&[resnet, late[0], late[1]]);
    assert!(message.contains("`train.checkpoints` names epoch 4; expected at most 3"));
    let missing = experiment(&["data.kind=arrays", "data.path=/nowhere.npz"]);
    assert_eq!(Data::load(&missing).unwrap_err().exit_code(), 1);
}

#[test]
fn a_constant_channel_cannot_be_normalized() {
    let folder = tempfile::tempdir().unwrap();
    let images = |n: usize| Array::f32(&[n, 1, 8, 8], vec![0.5; n * 64]);
    let members = vec![
        ("train_images".into(), images(2)),
        ("train_labels".into(), Array::i64(&[2], vec![0, 1])),
        ("test_images".into(), images(1)),
        ("test_labels".into(), Array::i64(&[1], vec![0])),
    ];
    let path = folder.path().join("c.npz");
    std::fs::write(&path, npz_bytes(&NamedArrays(members))).unwrap();
    let path = format!("data.path='{}'", path.display());
    let file = ["data.kind=arrays", path.as_str()];
    let message = Data::load(&experiment(&file)).unwrap_err().to_string();
    assert!(message.contains("channel 0 is 0.5 everywhere"), "{message}");
    let plain = load(&[file[0], file[1], "data.normalize=none"]);
    assert_eq!(plain.batch(&plain.test, &[0]), [0.5; 64]);
}

#[test]
fn groups_have_equal_numbers_of_their_own_examples() {
    let noisy =
        experiment(&["noise.kind=exact", "noise.rate=0.4", "analysis.n_examples=300"]);
    let data = Data::load(&noisy).unwrap();
    let groups = analysis_examples(&noisy, &data);
    assert_eq!(groups.notes, Vec::<String>::new());
    let names: Vec<&str> = groups.members.iter().map(|(group, _)| group.name()).collect();
    assert_eq!(names, ["test", "train-clean", "train-corrupted"]);
    for (group, examples) in &groups.members {
        assert_eq!(examples.len(), 300);
        assert!(examples.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(*examples.last().unwrap() < group.set(&data).len());
        for &i in examples.iter().filter(|_| *group != Group::Test) {
            assert_eq!(data.is_corrupted(i), *group == Group::TrainCorrupted);
        }
    }
}

#[test]
fn small_groups_shrink_the_others_and_empty_ones_are_left_out() {
    let few = experiment(&["noise.kind=exact", "noise.rate=0.01"]);
    let groups = analysis_examples(&few, &Data::load(&few).unwrap());
    assert!(groups.members.iter().all(|(_, examples)| examples.len() == 10));
    let note = "every group has 10 examples instead of 512: train-corrupted has no more";
    assert_eq!(groups.notes, [note]);
    let none = experiment(&[]);
    let groups = analysis_examples(&none, &Data::load(&none).unwrap());
    assert_eq!(groups.members.len(), 2);
    assert!(groups.members.iter().all(|(_, examples)| examples.len() == 512));
    let note = "group train-corrupted is left out: it has 0 examples, fewer than 4";
    assert_eq!(groups.notes, [note]);
}

#[test]
fn the_checksum_is_of_the_stored_data_alone() {
    let whole = load(&[]).sha256;
    assert_eq!(whole.len(), 64);
    assert_eq!(load(&["data.n_train=100", "data.size=16", "data.seed=9"]).sha256, whole);
}
