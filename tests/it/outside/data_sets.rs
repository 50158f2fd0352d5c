//! Data sets in files: what is read is what others wrote and read, and damage is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stratagram::array_file::{Array, NamedArrays, npz_bytes, read_npz};
use stratagram::data::{Data, ImageSet, Pixels};
use stratagram::experiment::Experiment;

use crate::support::time::within;

/// The data of an experiment with this `[data]` and these further keys.
fn load(kind: &str, path: &Path, more: &[&str]) -> Result<Data, stratagram::Error> {
    let text = format!(
        "[data]\nkind = '{kind}'\npath = '{}'\n[net]\nkind = 'resnet18'\nwidth = 4\n",
        path.display()
    );
    let more: Vec<String> = more.iter().map(|&key| key.to_owned()).collect();
    Data::load(&Experiment::parse("test", &text, Path::new("/"), &more)?)
}

fn bytes(set: &ImageSet) -> &[u8] {
    match &set.pixels {
        Pixels::U8 { values, .. } => values,
        Pixels::F32(_) => panic!("floats"),
    }
}

/// Asserts that loading is refused soon, in a message that names the file and `part`.
fn refused(kind: &str, path: &Path, part: &str) {
    let read = || load(kind, path, &[]).expect_err("the file is damaged");
    let message = within(Duration::from_secs(2), part, read).to_string();
    assert!(message.contains(part), "{message:?} does not say {part:?}");
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(!message.contains(['\n', '\x1b']), "{message:?}");
}

fn oracle(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/parquet").join(name)
}

/// tests/oracles/parquet/make.py: what pyarrow and Pillow read from the same files.
#[test]
fn parquet_files_hold_what_pyarrow_and_pillow_read() {
    let sets = [
        ("png", 0),
        ("gzip", 0),
        ("float", 0),
        ("cifar100", 0),
        ("jpeg", 8),
        ("plain", 8),
        ("tiny-imagenet", 8),
    ];
    for (name, largest) in sets {
        let data = load("parquet", &oracle(name), &[]).unwrap();
        let expected = read_npz(&oracle(name).join("expected.npz")).unwrap();
        for (set, part) in [(&data.train, "train"), (&data.test, "test")] {
            let images = expected.get(&format!("{part}_images")).unwrap();
            let labels = expected.get(&format!("{part}_labels")).unwrap();
            let found: Vec<i64> = set.labels.iter().map(|&l| i64::from(l)).collect();
            assert_eq!(labels.to_i64().unwrap(), found, "{name}");
            let shape =
                [set.len(), set.shape.channels, set.shape.height, set.shape.width];
            assert_eq!(images.shape, shape, "{name}");
            let pairs = images.to_i64().unwrap().into_iter().zip(bytes(set));
            let apart: Vec<i64> = pairs
                .map(|(expected, &found)| (expected - i64::from(found)).abs())
                .collect();
            // Two JPEG decoders differ in rounding, and in how they enlarge color.
            let mean = apart.iter().sum::<i64>() as f64 / apart.len() as f64;
            let most = *apart.iter().max().unwrap();
            assert!(most <= largest && mean <= 0.5, "{name}: {most} at most, {mean}");
        }
        assert_eq!(data.class_names[3], "class 3");
        assert_eq!(data.name.contains("JPEG"), largest > 0, "{}", data.name);
        let said = "5 gray pictures got three equal channels";
        assert_eq!(
            data.notes.concat() == said,
            name == "tiny-imagenet",
            "{:?}",
            data.notes
        );
    }
}

#[test]
fn parquet_files_lie_as_the_hub_lays_them() {
    let expected = load("parquet", &oracle("png"), &[]).unwrap();
    let [train, other, test] =
        ["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"]
            .map(|name| oracle("png").join(format!("{name}.parquet")));
    for [first, second, third] in [
        ["data/train-0.parquet", "data/train-1.parquet", "data/test-0.parquet"],
        ["train/0000.parquet", "train/0001.parquet", "test/0000.parquet"],
        [
            "default/train/0.parquet",
            "default/train/1.parquet",
            "default/validation/0.parquet",
        ],
        // zh-plus/tiny-imagenet.
        [
            "data/train-00000-of-00002-13.parquet",
            "data/train-00001-of-00002-13.parquet",
            "data/valid-00000-of-00001-70.parquet",
        ],
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (from, to) in [(&train, first), (&other, second), (&test, third)] {
            let to = folder.path().join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, &to).unwrap();
            let hidden = format!("._{}", to.file_name().unwrap().display());
            fs::write(to.with_file_name(hidden), "not a table").unwrap();
        }
        let found = load("parquet", folder.path(), &[]).unwrap();
        assert_eq!(found.sha256, expected.sha256, "{first}");
    }
}

#[test]
fn pages_that_are_not_read_are_named() {
    for (name, said) in
        [("lz4", "compressed with LZ4"), ("brotli", "compressed with Brotli")]
    {
        refused("parquet", &oracle(name), said);
    }
}

/// What is said of an `.npz` whose training labels are these.
fn notes(labels: [u8; 10]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = arrays(folder.path());
    let mut members = read_npz(&path).unwrap();
    members.0[1].1 = Array::u8(&[10, 1], labels.to_vec());
    fs::write(&path, npz_bytes(&members)).unwrap();
    load("arrays", &path, &[]).unwrap().notes.concat()
}

#[test]
fn classes_without_an_image_are_said() {
    assert_eq!(notes([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]), "");
    let from_one = notes([1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
    assert!(from_one.contains("labels begin at 1"), "{from_one}");
    let sparse = notes([0, 9, 0, 9, 0, 9, 0, 9, 4, 4]);
    assert!(sparse.contains("7 of 10 classes have no training image (1 2 3"), "{sparse}");
    let folder = image_folder();
    fs::create_dir(folder.path().join("train/bee")).unwrap();
    let data = load("folder", folder.path(), &[]).unwrap();
    let said = "the folder `train/bee` holds no picture: class 1 has none";
    assert_eq!((data.notes.concat().as_str(), data.n_classes), (said, 3));
}

#[test]
fn damaged_parquet_files_are_named_with_their_offset() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["png", "jpeg", "gzip"] {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        for entry in fs::read_dir(oracle(name)).unwrap() {
            let file = entry.unwrap().path();
            fs::copy(&file, path.join(file.file_name().unwrap())).unwrap();
        }
        let file = path.join("train-00000-of-00002.parquet");
        let whole = fs::read(&file).unwrap();
        let with = |bytes: &[u8], part: &str| {
            fs::write(&file, bytes).unwrap();
            refused("parquet", &path, part);
        };
        with(b"", "at byte 0: no mark");
        with(b"\x89HDF....................", "at byte 0: no mark");
        with(&whole[..whole.len() / 2], "no mark `PAR1` at the end");
        let mut long = whole.clone();
        let at = whole.len() - 8;
        long[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        with(&long, "metadata of 4294967295 bytes");
        // Any damaged byte is an error or changes a picture, soon and without a panic.
        for at in (0..whole.len()).step_by(whole.len() / 150 + 1) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            fs::write(&file, &damaged).unwrap();
            let what = format!("byte {at}");
            let read = || load("parquet", &path, &[]);
            if let Err(error) = within(Duration::from_secs(2), &what, read) {
                assert!(error.to_string().contains(".parquet"), "{what}: {error}");
            }
        }
        for end in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            with(&whole[..end], "no mark `PAR1`");
        }
    }
}

/// A gray PNG of one value.
fn png(value: u8, side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let pixels = vec![value; (side * side) as usize];
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// `train/` and `val/` with two classes, pictures of values that tell them apart.
fn image_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (set, class, values) in [
        ("train", "zebra", &[10, 20][..]),
        ("train", "ant", &[30, 40, 50]),
        ("val", "ant", &[60]),
        ("val", "zebra", &[70]),
    ] {
        let path = folder.path().join(set).join(class);
        fs::create_dir_all(&path).unwrap();
        for value in values {
            fs::write(path.join(format!("{value}.png")), png(*value, 8)).unwrap();
        }
    }
    folder
}

#[test]
fn image_folders_are_read_in_the_order_of_names() {
    let folder = image_folder();
    fs::write(folder.path().join("train/ant/.hidden.png"), b"").unwrap();
    fs::write(folder.path().join("train/ant/notes.txt"), b"").unwrap();
    let data = load("folder", folder.path(), &[]).unwrap();
    assert_eq!(data.class_names, ["ant", "zebra"]);
    assert_eq!(data.train.labels, [0, 0, 0, 1, 1]);
    assert_eq!(data.test.labels, [0, 1]);
    let values: Vec<u8> = bytes(&data.train).iter().step_by(64).copied().collect();
    assert_eq!(values, [30, 40, 50, 10, 20]);
    // One picture of another size needs `data.size`.
    fs::write(folder.path().join("val/ant/61.png"), png(61, 16)).unwrap();
    refused("folder", folder.path(), "61.png has 16×16 pixels; expected 8×8");
    let data = load("folder", folder.path(), &["data.size=8"]).unwrap();
    assert_eq!((data.test.len(), data.test.shape.height), (3, 8));
    let all = data.batch(&data.test, &[0, 1, 2]);
    let value = |x: f32| x * data.std[0] + data.mean[0];
    assert!((value(all[64]) - 61.0 / 255.0).abs() < 1e-5, "{}", value(all[64]));
}

#[test]
fn damaged_image_folders_are_named() {
    let folder = image_folder();
    let file = folder.path().join("train/ant/30.png");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused("folder", folder.path(), "30.png is a PNG that cannot be decoded");
    fs::write(&file, b"not a picture").unwrap();
    refused("folder", folder.path(), "30.png is neither a JPEG nor a PNG");
    fs::remove_file(&file).unwrap();
    fs::create_dir(folder.path().join("val/cat")).unwrap();
    refused(
        "folder",
        folder.path(),
        "has a folder `cat`; expected the classes of `train`",
    );
    fs::remove_dir_all(folder.path().join("val")).unwrap();
    refused("folder", folder.path(), "does not hold `train` and `val`");
}

/// Ten images of five classes as arrays, and labels for them.
fn arrays(folder: &Path) -> PathBuf {
    let images = |n: usize| (0..n * 64).map(|i| (i * 7 % 251) as u8).collect();
    let members = vec![
        ("train_images".into(), Array::u8(&[10, 1, 8, 8], images(10))),
        ("train_labels".into(), Array::u8(&[10], (0..10).map(|i| i % 5).collect())),
        ("test_images".into(), Array::u8(&[5, 1, 8, 8], images(5))),
        ("test_labels".into(), Array::u8(&[5], vec![0, 1, 2, 3, 4])),
    ];
    let path = folder.join("a.npz");
    fs::write(&path, npz_bytes(&NamedArrays(members))).unwrap();
    path
}

#[test]
fn labels_come_from_npz_npy_and_csv() {
    let folder = tempfile::tempdir().unwrap();
    let path = arrays(folder.path());
    let human = [0, 1, 2, 3, 4, 1, 1, 2, 3, 3];
    let wide: Vec<i64> = human.iter().map(|&label| i64::from(label)).collect();
    let npz = npz_bytes(&NamedArrays(vec![
        ("clean".into(), Array::u8(&[10], (0..10).map(|i| i % 5).collect())),
        ("worse".into(), Array::i64(&[10], wide.clone())),
    ]));
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        format!("noise.path={}", file.display())
    };
    let npz = write("n.npz", &npz);
    let npy = write(
        "n.npy",
        &stratagram::array_file::npy_bytes(&Array::i64(&[10], wide.clone())),
    );
    let lines: String = human.iter().map(|label| format!("{label}\n")).collect();
    let rows: String = human.iter().map(|label| format!("x,{label}\n")).collect();
    let csv = write("n.csv", lines.as_bytes());
    let table = write("t.csv", format!("file,worse\n{rows}").as_bytes());
    let kind = "noise.kind=labels";
    for keys in [
        vec![kind, &npz, "noise.name=worse"],
        vec![kind, &npy],
        vec![kind, &csv],
        vec![kind, &table, "noise.name=worse"],
    ] {
        let data = load("arrays", &path, &keys).unwrap();
        assert_eq!(data.noisy, human, "{keys:?}");
        assert!((data.noise_rate() - 0.2).abs() < 1e-12);
        assert_eq!(data.noisy_test, data.test.labels);
        // A subset takes the labels of its images.
        let few =
            load("arrays", &path, &[&keys[..], &["data.n_train=6"]].concat()).unwrap();
        for (label, &position) in few.noisy.iter().zip(&few.train_index) {
            assert_eq!(*label, human[position]);
        }
    }
    let message = |keys: &[&str]| load("arrays", &path, keys).unwrap_err().to_string();
    assert!(message(&[kind, &npz]).contains("expected one of the arrays"));
    assert!(message(&[kind, &npz, "noise.name=x"]).contains("clean, worse"));
    assert!(message(&[kind]).contains("`noise.path` is missing"));
    assert!(message(&[kind, &csv, "noise.rate=0.2"]).contains("`noise.rate` belongs to"));
    let short = write("s.csv", b"0\n1\n");
    assert!(message(&[kind, &short]).contains("holds 2 labels; expected 10, one for"));
    let text = write("x.csv", b"0\n1\nzwei\n");
    assert!(message(&[kind, &text]).contains("line 3: `zwei`; expected a whole number"));
    let past = write("p.csv", lines.replace('4', "5").as_bytes());
    assert!(message(&[kind, &past]).contains("holds 5 for image 4; expected classes"));
}

#[test]
fn test_labels_are_noisy_only_on_request() {
    let digits = |keys: &[&str]| {
        let text = "[data]\nkind = 'digits'\n[noise]\nrate = 0.4\n\
            [net]\nkind = 'cnn5'\nwidth = 4\n";
        let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        Data::load(&Experiment::parse("test", text, Path::new("/"), &keys).unwrap())
            .unwrap()
    };
    let clean = digits(&[]);
    assert_eq!(clean.noisy_test, clean.test.labels);
    let noisy = digits(&["noise.test=true"]);
    assert_eq!(noisy.test.labels, clean.test.labels);
    assert_eq!(noisy.noisy, clean.noisy);
    let pairs = noisy.noisy_test.iter().zip(&noisy.test.labels);
    let wrong = pairs.filter(|(noisy, label)| noisy != label).count();
    // 797·0.4 = 319, standard deviation 14.
    assert!((263..375).contains(&wrong), "{wrong}");
}

#[test]
fn asymmetric_noise_needs_the_classes_of_cifar10() {
    let folder = tempfile::tempdir().unwrap();
    let path = arrays(folder.path());
    let error = load("arrays", &path, &["noise.kind=asymmetric"]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("a map of CIFAR-10's classes"), "{error}");
}

/// The noise of test labels changes what errors are measured against, and nothing else.
#[test]
fn the_history_measures_against_noisy_test_labels_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = "[data]\nkind = 'digits'\nn_train = 64\nn_test = 200\n[noise]\n\
        rate = 0.5\n[net]\nkind = 'cnn5'\nwidth = 2\n[train]\nepochs = 2\n";
    fs::write(folder.path().join("e.toml"), experiment).unwrap();
    let history = |out: &str, key: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_stratagram"))
            .args(["train", "e.toml", key, "--out", out])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text =
            fs::read_to_string(folder.path().join(out).join("history.csv")).unwrap();
        let last: Vec<String> =
            text.lines().last().unwrap().split(',').map(str::to_owned).collect();
        (last[..10].to_vec(), last[10..].to_vec())
    };
    let (clean, noisy) =
        (history("a", "noise.test=false"), history("b", "noise.test=true"));
    assert_eq!(clean.0, noisy.0);
    for (clean, noisy) in clean.1.iter().zip(&noisy.1) {
        assert_ne!(clean, noisy);
    }
    let labels = read_npz(&folder.path().join("b/labels.npz")).unwrap();
    let of = |name: &str| labels.get(name).unwrap().to_i64().unwrap();
    assert_ne!(of("test"), of("test_noisy"));
    assert!(
        read_npz(&folder.path().join("a/labels.npz"))
            .unwrap()
            .get("test_noisy")
            .is_none()
    );
    let run = fs::read_to_string(folder.path().join("b/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["data"], "digits");
    let corrupted = of("corrupted").iter().sum::<i64>() as f64 / 64.0;
    assert!((run["noise_rate"].as_f64().unwrap() - corrupted).abs() < 1e-12);
}
