//! The parsers, each with a valid input.

use std::fs;
use std::path::{Path, PathBuf};

use stratagram::array_file::{
    Array, NamedArrays, NpyColumns, npy_bytes, npz_bytes, read_npy, read_npz,
    read_npz_member, read_safetensors, safetensors_bytes,
};
use stratagram::data::Data;
use stratagram::experiment::Experiment;
use stratagram::import::{NameMap, read_checkpoint};
use stratagram::phases::Phases;
use stratagram::report::RunResults;
use stratagram::run_dir::{Recording, RunDir, RunFile, read_curves, read_findings};
use stratagram::sweep::Plan;

use super::{Parser, parser, sealed};
use crate::campaign::EXPERIMENT;
use crate::campaign::bytes::{gzip, idx, png, with_right_checksums, zlib};
use crate::support::torch::{Pickle, archive, member, zip};

pub(super) fn all(made: &Path) -> Vec<Parser> {
    [
        arrays(),
        checkpoints(),
        texts(),
        data_sets(),
        parquet(),
        pictures(),
        run_files(made),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn arrays() -> Vec<Parser> {
    let array = Array::f32(&[3, 4], (0..12).map(|i| i as f32 / 7.0).collect());
    let named = NamedArrays(vec![
        ("a".into(), array.clone()),
        ("labels".into(), Array::i64(&[3], vec![0, 1, 2])),
    ]);
    vec![
        parser("npy", "x.npy", npy_bytes(&array), |path| {
            if let Ok(Some(columns)) = NpyColumns::open(path) {
                let (n, k) = columns.shape();
                if n.saturating_mul(k) < 1 << 20 {
                    let _ = columns.read(0..k, &mut vec![0.0; n * k]);
                }
            }
            read_npy(path).is_ok()
        }),
        sealed(parser("npz", "x.npz", npz_bytes(&named), read_archive)),
        parser("npz, inside", "a.npy", npy_bytes(&array), |path| {
            let file = path.with_extension("npz");
            let members =
                ["a.npy", "b.npy"].map(|name| member(name, &fs::read(path).unwrap()));
            fs::write(&file, zip(&members)).unwrap();
            read_archive(&file)
        }),
        parser("safetensors", "x.safetensors", safetensors_bytes(&named), |path| {
            read_safetensors(path).is_ok()
        }),
    ]
}

fn read_archive(path: &Path) -> bool {
    let _ = read_npz_member(path, "a");
    read_npz(path).is_ok()
}

fn checkpoints() -> Vec<Parser> {
    let pickle = Pickle::new().state_dict(&[("w", 0), ("b", 1)]).raw(b".").0;
    let storage = [1.0_f32, 2.0].map(f32::to_le_bytes).concat();
    let whole = archive(&pickle, &storage);
    // The archive is right, the pickle in it is not.
    let inside = move |path: &Path| {
        let pickle = fs::read(path).unwrap();
        let file = path.with_extension("pt");
        let storage = [1.0_f32, 2.0].map(f32::to_le_bytes).concat();
        let members = [member("a/data.pkl", &pickle), member("a/data/0", &storage)];
        fs::write(&file, zip(&members)).unwrap();
        read_checkpoint(&file, None).is_ok()
    };
    vec![
        sealed(parser("torch", "x.pt", whole, |path| {
            read_checkpoint(path, None).is_ok()
        })),
        parser("pickle", "x.pkl", pickle, inside),
    ]
}

fn texts() -> Vec<Parser> {
    let experiment = |path: &Path| Experiment::read(path, &[]).is_ok();
    let log = (0..40).fold("epoch,train_error,test_error\n".to_owned(), |text, at| {
        text + &format!(
            "{at},{},{}\n",
            1.0 / f64::from(1 + at),
            0.3 + f64::from(at % 7) / 50.0
        )
    });
    let sweep = "experiment = 'f.toml'\n[axes]\nseed = '0..2'\n'net.width' = [2, 4]\n";
    let names = "\"theirs.*\" = \"ours.*\"\n\"criterion.*\" = \"\"\n";
    vec![
        parser("experiment", "f.toml", EXPERIMENT.into(), experiment),
        parser("sweep", "s.toml", sweep.into(), |path| {
            fs::write(path.with_file_name("f.toml"), EXPERIMENT).unwrap();
            Plan::read(path, &[]).is_ok()
        }),
        parser("names", "n.toml", names.into(), |path| NameMap::read(path).is_ok()),
        parser("log", "log.csv", log.into_bytes(), |path| match read_curves(path) {
            Ok(curves) => {
                let _ = Phases::of(&curves);
                true
            }
            Err(_) => false,
        }),
    ]
}

/// Loads a data set of two images and two more to test.
fn load(kind: &str, path: &Path) -> Result<Data, stratagram::Error> {
    let text = format!(
        "data = {{ kind = '{kind}', path = '{}', n_train = 2, n_test = 2, normalize = 'none' }}\n\
         net = {{ kind = 'cnn5', width = 2 }}\nanalysis.drs.distinct = false\n",
        path.display()
    );
    let experiment = Experiment::parse("x", &text, Path::new("."), &[]).unwrap();
    Data::load(&experiment)
}

fn data_sets() -> Vec<Parser> {
    let images = idx(0x803, &[2, 28, 28], &[9; 1568]);
    let labels = idx(0x801, &[2], &[0, 1]);
    let packed = gzip(&images, 0);
    let own = images.clone();
    // Files that can be read are refused in the end: MNIST has more images.
    let beside = move |path: &Path| {
        let folder = path.parent().unwrap();
        for (name, bytes) in [
            ("train-labels-idx1-ubyte", &labels),
            ("t10k-images-idx3-ubyte", &own),
            ("t10k-labels-idx1-ubyte", &labels),
        ] {
            fs::write(folder.join(name), bytes).unwrap();
        }
        let error = load("mnist", folder).unwrap_err().to_string();
        error.contains("holds 2 + 2 images")
    };
    let inside = {
        let beside = beside.clone();
        move |path: &Path| {
            let file = path.with_file_name("train-images-idx3-ubyte.gz");
            fs::write(file, gzip(&fs::read(path).unwrap(), 0)).unwrap();
            beside(path)
        }
    };
    let pixels = || Array::u8(&[2, 1, 8, 8], vec![7; 128]);
    let arrays = NamedArrays(vec![
        ("train_images".into(), pixels()),
        ("train_labels".into(), Array::i64(&[2], vec![0, 1])),
        ("test_images".into(), pixels()),
        ("test_labels".into(), Array::i64(&[2], vec![0, 1])),
    ]);
    let own_arrays = |path: &Path| {
        let labels = npy_bytes(&Array::i64(&[2], vec![0, 1]));
        let images = npy_bytes(&Array::u8(&[2, 1, 8, 8], vec![7; 128]));
        let members = [
            member("train_images.npy", &fs::read(path).unwrap()),
            member("train_labels.npy", &labels),
            member("test_images.npy", &images),
            member("test_labels.npy", &labels),
        ];
        let file = path.with_extension("npz");
        fs::write(&file, zip(&members)).unwrap();
        load("arrays", &file).is_ok()
    };
    let unpacked = "d/train-images-idx3-ubyte";
    let is_read = |path: &Path| load("arrays", path).is_ok();
    vec![
        parser("idx", unpacked, images.clone(), beside.clone()),
        sealed(parser("idx.gz", "d/train-images-idx3-ubyte.gz", packed, beside)),
        parser("idx.gz, inside", "d/images", images, inside),
        sealed(parser("arrays", "x.npz", npz_bytes(&arrays), is_read)),
        parser("arrays, inside", "x.npy", npy_bytes(&pixels()), own_arrays),
    ]
}

/// Files that pyarrow wrote, of pictures and of numbers.
fn parquet() -> Vec<Parser> {
    let of = |name: &'static str, folder: &str, first: &str| {
        let folder = Path::new("tests/oracles/parquet").join(folder);
        let seed = fs::read(folder.join(first)).unwrap();
        let test = fs::read(folder.join("test-00000-of-00001.parquet")).unwrap();
        parser(name, "d/train.parquet", seed, move |path| {
            let folder = path.parent().unwrap();
            fs::write(folder.join("test.parquet"), &test).unwrap();
            load("parquet", folder).is_ok()
        })
    };
    vec![
        of("parquet", "plain", "train-00000-of-00002.parquet"),
        of("parquet of PNG", "png", "train-00000-of-00002.parquet"),
        of("parquet of JPEG", "jpeg", "train-00000-of-00002.parquet"),
        of("parquet, gzip", "gzip", "train-00000-of-00002.parquet"),
        of("parquet of floats", "float", "train-00000-of-00002.parquet"),
    ]
}

fn pictures() -> Vec<Parser> {
    let rows = [vec![0], [7, 8, 9].repeat(8)].concat().repeat(8);
    let picture = png([8, 8], &zlib(&rows, 1), b"");
    let own = picture.clone();
    let beside = move |path: &Path| {
        let root = path.ancestors().nth(3).unwrap();
        for place in ["train/b", "test/a", "test/b"] {
            fs::create_dir_all(root.join(place)).unwrap();
            fs::write(root.join(place).join("0.png"), &own).unwrap();
        }
        load("folder", root).is_ok()
    };
    let [chunks, pixels] = [beside.clone(), beside.clone()];
    vec![
        sealed(parser("picture", "d/train/a/1.png", picture.clone(), beside)),
        parser("picture, chunks", "d/train/a/1.png", picture, move |path| {
            let mutated = fs::read(path).unwrap();
            fs::write(path, with_right_checksums(&mutated)).unwrap();
            chunks(path)
        }),
        parser("picture, inside", "d/train/a/1.png", rows, move |path| {
            let mutated = fs::read(path).unwrap();
            fs::write(path, png([8, 8], &zlib(&mutated, 1), b"")).unwrap();
            pixels(path)
        }),
    ]
}

/// Files of a run, read in a copy of it that has no checksums.
fn run_files(made: &Path) -> Vec<Parser> {
    let root = made.join("r");
    let _ = fs::remove_dir_all(root.join("checksums"));
    let manifest = RunFile::Manifest.path(&root);
    let mut json: serde_json::Value =
        serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    json.as_object_mut().unwrap().remove("checksum");
    fs::write(&manifest, serde_json::to_vec_pretty(&json).unwrap()).unwrap();
    let of = |name: &'static str, file: PathBuf, read: fn(&Path) -> bool| {
        let seed = fs::read(&file).unwrap();
        let root = made.join("r");
        parser(name, "x", seed.clone(), move |path| {
            fs::copy(path, &file).unwrap();
            let is_accepted = read(&root);
            fs::write(&file, &seed).unwrap();
            is_accepted
        })
    };
    let page = |root: &Path| RunResults::read(root).is_ok();
    vec![
        of("matrices.csv", RunFile::Matrices.path(&root), page),
        of("history.csv", RunFile::History.path(&root), page),
        of("axis.csv", RunFile::Axis.path(&root), page),
        of("geometry.csv", RunFile::Geometry.path(&root), page),
        of("findings", RunFile::Findings.path(&root), |root| read_findings(root).is_ok()),
        of("run.json", manifest, |root| {
            Recording::open(root).is_ok() && RunDir::open(root).is_ok()
        }),
    ]
}
