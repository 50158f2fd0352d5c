//! Checkpoints as trainers leave them: folders of Hugging Face, Lightning's files, timm's and
//! those of PyTorch's examples, and what lies beside the weights.

use std::fs;
use std::path::Path;

use serde_json::json;
use stratagram::array_file::{Array, NamedArrays, safetensors_bytes};
use stratagram::import::{Checkpoint, read_checkpoint};
use stratagram::net::NetConfig;

use super::{SETTINGS, refused, renamed, save, weights};
use crate::support::runs::succeed;
use crate::support::torch::{Pickle, archive, member, zip64};

const IMPORT: &str = "import w --net cnn5 net.width=2 --out out";

fn read(pickle: Pickle, n: usize) -> Checkpoint {
    read_key(pickle, n, None)
}

/// Reads an archive of a pickle and a storage of n values.
fn read_key(pickle: Pickle, n: usize, key: Option<&str>) -> Checkpoint {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.pt");
    fs::write(&path, archive(&pickle.raw(b".").0, &storage(n))).unwrap();
    read_checkpoint(&path, key).unwrap()
}

fn storage(n: usize) -> Vec<u8> {
    (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

fn names(checkpoint: &Checkpoint) -> Vec<&str> {
    checkpoint.weights.names().collect()
}

#[test]
fn archives_of_every_length_of_name_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let pickle = Pickle::one(4, 0, &[2, 2], &[2, 1]);
    for length in 1..=60 {
        let name = "n".repeat(length);
        let bytes = zip64(&[
            member(&format!("{name}/data.pkl"), &pickle),
            member(&format!("{name}/.format_version"), b"1"),
            member(&format!("{name}/byteorder"), b"little"),
            member(&format!("{name}/data/0"), &storage(4)),
            member(&format!("{name}/version"), b"3\n"),
        ]);
        let path = directory.path().join(format!("{name}.pt"));
        fs::write(&path, bytes).unwrap();
        let found = read_checkpoint(&path, None).unwrap();
        let expected = Array::f32(&[2, 2], vec![0.0, 1.0, 2.0, 3.0]);
        assert_eq!(found.weights.get("w"), Some(&expected), "{length}");
    }
}

/// A file of PyTorch 2.9 whose second entry begins where the zip crate looks for the first.
#[test]
fn a_name_of_21_bytes_is_read_as_pytorch_wrote_it() {
    let path = Path::new("tests/reference/torch/checkpoint_epoch_0005.pt");
    let found = read_checkpoint(path, None).unwrap();
    assert!(!found.weights.0.is_empty());
}

#[test]
fn objects_beside_the_weights_are_never_run_and_no_reason_to_refuse() {
    let beside = |p: Pickle| {
        let p = p.text("state_dict").state_dict(&[("conv.weight", 0), ("fc.bias", 1)]);
        let p = p.text("epoch").int(7);
        let p = p.text("args").object("argparse", "Namespace");
        let p = p.text("config").object("omegaconf.dictconfig", "DictConfig");
        let p =
            p.text("path").global("pathlib", "PosixPath").raw(b"(").text("a").raw(b"tR");
        let counter = |p: Pickle| p.int(30).int(1);
        let p = p.text("milestones").global("collections", "Counter");
        let p = p.raw(b"(").dict(counter).raw(b"tR");
        let p = p.text("best").global("numpy.core.multiarray", "scalar");
        let p =
            p.raw(b"(").global("numpy", "dtype").raw(b"(").text("f8").raw(b"\x89\x88tR");
        let p = p.text("bytes").raw(b"tR");
        let p = p.text("set").raw(b"\x8f(K\x01K\x02\x90");
        p.text("run").global("os", "system").raw(b"(").text("touch canary").raw(b"tR")
    };
    let found = read(Pickle::new().dict(beside), 2);
    assert_eq!(names(&found), ["conv.weight", "fc.bias"]);
    assert_eq!((found.key.as_str(), found.beside.epoch), ("state_dict", Some(7.0)));
    let said = found.notes.concat();
    for class in ["argparse.Namespace", "omegaconf.dictconfig.DictConfig", "os.system"] {
        assert!(said.contains(class), "{said}");
    }
}

#[test]
fn lightning_says_its_step_and_its_callbacks_hold_no_weights() {
    let pickle = Pickle::new().dict(|p| {
        let p = p.text("epoch").int(2).text("global_step").int(24);
        let p = p.text("pytorch-lightning_version").text("2.5.0");
        let p = p.text("state_dict").state_dict(&[("model.conv.weight", 0)]);
        let p = p.text("callbacks").dict(|p| {
            let state =
                |p: Pickle| p.text("best_model_score").tensor("0", 1, 0, &[1], &[1]);
            p.text("ModelCheckpoint{'monitor': 'val_loss'}").dict(state)
        });
        let p = p.text("hyper_parameters");
        p.dict(|p| p.text("batch_size").int(64))
    });
    let found = read(pickle, 1);
    assert_eq!(found.key, "state_dict");
    assert_eq!(names(&found), ["model.conv.weight"]);
    let beside = found.beside;
    assert_eq!((beside.step, beside.batch_size), (Some(24), Some(64)));
    assert_eq!(beside.steps_per_epoch(), Some(8.0));
}

#[test]
fn averages_are_taken_by_their_name_alone() {
    let two = |key: Option<&str>| {
        let pickle = Pickle::new().dict(|p| {
            let p =
                p.text("state_dict").dict(|p| p.text("w").tensor("0", 2, 0, &[1], &[1]));
            let p = p.text("state_dict_ema");
            p.dict(|p| p.text("w").tensor("0", 2, 1, &[1], &[1]))
        });
        read_key(pickle, 2, key)
    };
    let plain = two(None);
    assert_eq!(plain.weights.get("w").unwrap().to_f32(), [0.0]);
    assert!(plain.notes.concat().contains("--key state_dict_ema"), "{:?}", plain.notes);
    assert_eq!(two(Some("state_dict_ema")).weights.get("w").unwrap().to_f32(), [1.0]);
}

/// A folder of the Hugging Face Trainer, with what it saves beside the weights.
fn trainer_folder(root: &Path, step: u64, epoch: f64, weights: &NamedArrays) {
    let folder = root.join(format!("w/checkpoint-{step}"));
    fs::create_dir_all(&folder).unwrap();
    let state = json!({ "epoch": epoch, "global_step": step, "train_batch_size": 128 });
    fs::write(folder.join("trainer_state.json"), state.to_string()).unwrap();
    for name in
        ["optimizer.pt", "rng_state.pth", "training_args.bin", "._model.safetensors"]
    {
        fs::write(folder.join(name), "not weights").unwrap();
    }
    fs::write(folder.join("model.safetensors"), safetensors_bytes(weights)).unwrap();
}

#[test]
fn folders_of_hugging_face_are_of_the_step_that_they_say() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let own = weights(&NetConfig::cnn5(2), 0);
    trainer_folder(root, 2, 1.0, &own);
    trainer_folder(root, 4, 2.0, &own);
    // One in two files with an index.
    let folder = root.join("w/checkpoint-4");
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    let mut map = serde_json::Map::new();
    for (at, half) in own.0.chunks(own.0.len().div_ceil(2)).enumerate() {
        let name = format!("model-{:05}-of-00002.safetensors", at + 1);
        fs::write(folder.join(&name), safetensors_bytes(&NamedArrays(half.to_vec())))
            .unwrap();
        map.extend(half.iter().map(|(tensor, _)| (tensor.clone(), json!(name))));
    }
    let index = json!({ "metadata": {}, "weight_map": map });
    let at = folder.join("model.safetensors.index.json");
    fs::write(&at, index.to_string()).unwrap();
    // The last weights, once more.
    fs::write(root.join("w/model.safetensors"), safetensors_bytes(&own)).unwrap();

    let [shown, _] = succeed(root, &format!("{IMPORT} {SETTINGS}"));
    let steps = shown
        .lines()
        .filter(|line| line.contains("checkpoint-"))
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    assert_eq!(steps.collect::<Vec<_>>(), ["1 2", "2 4"], "{shown}");
    assert!(!shown.contains("epochs are counted from steps"), "{shown}");
    let run = fs::read_to_string(root.join("out/run.json")).unwrap();
    assert!(run.contains("checkpoint-4/model.safetensors.index.json"), "{run}");

    let [shown, _] = succeed(root, &format!("{IMPORT}2 {SETTINGS} train.batch_size=10"));
    assert!(shown.contains("a batch size of 128, train.batch_size is 10"), "{shown}");
    fs::remove_file(folder.join("model-00002-of-00002.safetensors")).unwrap();
    let message = refused_elsewhere(root);
    assert!(message.contains("model-00002-of-00002"), "{message}");
}

fn refused_elsewhere(root: &Path) -> String {
    fs::remove_dir_all(root.join("out")).unwrap();
    refused(root, &format!("{IMPORT} {SETTINGS}"))
}

#[test]
fn the_best_and_the_last_lie_beside_epochs() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let own = weights(&NetConfig::cnn5(2), 0);
    for name in ["checkpoint-1", "checkpoint-2", "best_88.02", "last", "._checkpoint-3"] {
        save(root, &format!("{name}.safetensors"), &own);
    }
    let [shown, _] = succeed(root, &format!("{IMPORT} {SETTINGS} --dry-run"));
    for name in ["best_88.02", "last"] {
        let said = format!("`{name}.safetensors` does not say when it was saved");
        assert!(shown.contains(&said), "{shown}");
    }
    assert_eq!(shown.lines().filter(|line| line.contains("w/")).count(), 2, "{shown}");
    save(root, "other.safetensors", &own);
    let message = refused(root, &format!("{IMPORT} {SETTINGS}"));
    assert!(message.contains("other.safetensors does not say when"), "{message}");
}

#[test]
fn prefixes_are_stripped_beside_other_tensors_that_a_table_drops() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let own = weights(&NetConfig::cnn5(2), 0);
    for prefix in ["model.", "backbone.", "_orig_mod.module.", "lit.trunk.", ""] {
        save(root, "epoch-1.safetensors", &renamed(&own, |n| format!("{prefix}{n}")));
        let [shown, _] = succeed(root, &format!("{IMPORT} {SETTINGS} --dry-run"));
        assert_eq!(shown.contains("was taken from all names"), !prefix.is_empty());
    }
    let mut more = renamed(&own, |n| format!("model.{n}"));
    more.push("criterion.weight", Array::f32(&[10], vec![1.0; 10]));
    save(root, "epoch-1.safetensors", &more);
    let import = format!("{IMPORT} {SETTINGS}");
    let message = refused(root, &import);
    assert!(message.contains("`criterion.weight` is unexpected"), "{message}");
    assert!(message.contains("\"criterion.*\" = \"\""), "{message}");
    fs::write(root.join("names.toml"), "\"criterion.*\" = \"\"\n").unwrap();
    let [shown, _] = succeed(root, &format!("{import} --names names.toml"));
    assert!(shown.contains("1 tensors are left out, as names.toml says"), "{shown}");
    assert!(shown.contains("`model.` was taken from all names"), "{shown}");
}

#[test]
fn quantization_aware_training_is_refused_in_its_words() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut own = weights(&NetConfig::cnn5(2), 0);
    own.push("conv1.weight_fake_quant.scale", Array::f32(&[1], vec![1.0]));
    save(root, "epoch-1.safetensors", &own);
    let message = refused(root, &format!("{IMPORT} {SETTINGS}"));
    assert!(message.contains("quantization-aware training"), "{message}");
}
