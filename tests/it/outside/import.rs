//! Checkpoints of other programs as runs: names, times, both formats of torch.save, and a
//! published ResNet-20 with its accuracy.

mod hub;
mod trainers;

use std::fs;
use std::path::{Path, PathBuf};

use stratagram::array_file::{Array, NamedArrays, safetensors_bytes};
use stratagram::net::{NetConfig, Shape, initial_weights};

use crate::support::runs::{command, succeed, texts};

const DIGITS: Shape = Shape { channels: 1, height: 8, width: 8 };
const SETTINGS: &str = "data.kind=digits data.n_train=200 data.n_test=50 \
                        analysis.n_examples=20 analysis.drs.triplets=2 \
                        analysis.drs.resolution=4";

fn weights(config: &NetConfig, seed: u64) -> NamedArrays {
    initial_weights(&config.build(DIGITS, 10), seed)
}

fn renamed(weights: &NamedArrays, rename: impl Fn(&str) -> String) -> NamedArrays {
    NamedArrays(weights.0.iter().map(|(n, a)| (rename(n), a.clone())).collect())
}

fn save(directory: &Path, name: &str, weights: &NamedArrays) {
    fs::create_dir_all(directory.join("w")).unwrap();
    fs::write(directory.join("w").join(name), safetensors_bytes(weights)).unwrap();
}

fn refused(directory: &Path, arguments: &str) -> String {
    let output = command(directory, arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments}");
    assert!(!directory.join("out").exists(), "nothing is written");
    texts(&output)[1].clone()
}

#[test]
fn a_folder_becomes_a_run_that_is_analysed_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let config = NetConfig::resnet18_post(1);
    for epoch in [0, 3, 10] {
        let theirs = renamed(&weights(&config, epoch), |name| {
            let name = name.replace("shortcut", "downsample").replace("linear", "fc");
            format!("module.{name}")
        });
        save(root, &format!("ckpt_e{epoch:03}.safetensors"), &theirs);
    }
    let import = format!("import w --net resnet18-post net.width=1 {SETTINGS} --out out");
    let [shown, _] = succeed(root, &import);
    assert!(shown.contains("`module.` was taken from all names"), "{shown}");
    assert!(shown.contains("names of torchvision were mapped"), "{shown}");
    succeed(root, "analyze out");
    succeed(root, "report out");
    let history = fs::read_to_string(root.join("out/history.csv")).unwrap();
    let starts: Vec<String> = history
        .lines()
        .skip(1)
        .map(|line| line.split(',').take(3).collect::<Vec<_>>().join(","))
        .collect();
    assert_eq!(starts, ["0,0,", "6,3,", "20,10,"]);
    let [_, again] = succeed(root, &import);
    assert!(again.contains("already"), "{again}");
    for format in ["safetensors", "npz", "csv", "parquet", "tensorboard"] {
        let [files, _] =
            succeed(root, &format!("export out --to {format} --out x/{format}"));
        assert!(files.lines().all(|file| root.join(file).exists()) && !files.is_empty());
    }
}

#[test]
fn what_does_not_fit_is_listed_with_the_nearest_names() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let config = NetConfig::cnn5(2);
    let right = weights(&config, 0);
    let import = format!("import w --net cnn5 net.width=2 {SETTINGS} --out out");
    save(root, "epoch-1.safetensors", &renamed(&right, |n| n.replace("fc.", "fcc.")));
    let message = refused(root, &import);
    assert!(message.contains("`fc.weight` is missing (`fcc.weight`?)"), "{message}");
    save(root, "epoch-1.safetensors", &weights(&NetConfig::cnn5(3), 0));
    let message = refused(root, &import);
    assert!(message.contains("`conv1.weight` has the shape 3×1×3×3, expected 2×1×3×3"));
    let mut more = right.clone();
    more.push("gate.weight", Array::f32(&[1], vec![1.0]));
    save(root, "epoch-1.safetensors", &more);
    assert!(refused(root, &import).contains("`gate.weight` is unexpected"));
    save(root, "epoch-1.safetensors", &right);
    save(root, "model-1.safetensors", &right);
    assert!(refused(root, &import).contains("one checkpoint per step"));
    fs::remove_dir_all(root.join("w")).unwrap();
    save(root, "final.safetensors", &right);
    assert!(refused(root, &import).contains("does not say when"));
    succeed(root, &format!("{import} --epoch 5 --dry-run"));
    assert!(!root.join("out").exists());
    succeed(root, &format!("{import} --epoch 5"));
}

#[test]
fn a_table_of_names_is_applied() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let right = weights(&NetConfig::cnn5(2), 0);
    save(root, "step-000006.safetensors", &renamed(&right, |n| format!("body.{n}.x")));
    fs::write(root.join("names.toml"), "\"body.*.x\" = \"*\"\n").unwrap();
    let import = format!("import w --net cnn5 net.width=2 {SETTINGS} --out out");
    let [shown, _] = succeed(root, &format!("{import} --names names.toml"));
    assert!(shown.contains("names.toml were mapped"), "{shown}");
    assert!(root.join("out/checkpoints/step-000000006.safetensors").exists());
}

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

#[test]
fn the_published_resnet_20_has_its_accuracy() {
    let test = "the_published_resnet_20_has_its_accuracy";
    let Some(net) = shared(test, "resnet20") else { return };
    let Some(data) = shared(test, "cifar10-lossless-subset") else { return };
    for file in ["resnet20-12fca82f.th", "resnet20.safetensors"] {
        let directory = tempfile::tempdir().unwrap();
        let import = format!(
            "import {} --epoch 200 --net resnet-cifar data.kind=cifar10-subset data.path={} \
             evaluation.batchnorm=running --out out \
             data.normalize={{mean=[0.485,0.456,0.406],std=[0.229,0.224,0.225]}}",
            net.join(file).display(),
            data.display()
        );
        succeed(directory.path(), &import);
        let history =
            fs::read_to_string(directory.path().join("out/history.csv")).unwrap();
        let error: f64 =
            history.lines().nth(1).unwrap().split(',').nth(11).unwrap().parse().unwrap();
        // 932 of 1,017 test images: 91.64 %.
        assert!((error - 85.0 / 1017.0).abs() < 1e-9, "{file}: test error {error}");
    }
}
