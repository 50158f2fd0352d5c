//! Mutated inputs of every parser, in this process: each is read or refused, without a panic,
//! soon. What a mutation may do is in [`mutate`].

use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stratagram::array_file::{
    Array, NamedArrays, NpyColumns, npy_bytes, npz_bytes, read_npy, read_npz,
    read_npz_member, read_safetensors, safetensors_bytes,
};
use stratagram::data::Data;
use stratagram::experiment::Experiment;
use stratagram::import::{NameMap, read_checkpoint};
use stratagram::phases::Phases;
use stratagram::run_dir::{Recording, RunDir, RunFile, read_curves, read_findings};
use stratagram::sweep::Plan;

use super::bytes::{gzip, idx, png, zlib};
use super::{EXPERIMENT, Random, made, times};
use crate::support::torch::{Pickle, archive, member, zip};

/// A parser: a valid input, the file that it is in, and what reads it; true where it is accepted.
struct Parser {
    name: &'static str,
    file: &'static str,
    seeds: Vec<Vec<u8>>,
    read: Box<dyn Fn(&Path) -> bool>,
}

fn parser(
    name: &'static str,
    file: &'static str,
    seeds: Vec<Vec<u8>>,
    read: impl Fn(&Path) -> bool + 'static,
) -> Parser {
    Parser { name, file, seeds, read: Box::new(read) }
}

/// What mutations put in.
const TOKENS: [&[u8]; 30] = [
    b"nan",
    b"inf",
    b"-1",
    b"1e308",
    b"18446744073709551615",
    b"4294967296",
    b"[",
    b"]",
    b"{",
    b"}",
    b"'",
    b"\"",
    b",",
    b"(",
    b")",
    b"\n",
    b"\0",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\0\0\0\0",
    b"shape",
    b"data_offsets",
    b"True",
    b"<f8",
    b"|O",
    b"PK\x03\x04",
    b"\x80\x02",
    b"*",
    b"=",
    b"1e-320",
    b"\xf0\x9f\x98\x80",
];

/// Changes a valid input at up to six places, mostly near its ends, where headers are.
fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let n = bytes.len();
        let at = match random.below(4) {
            0 => n - 1 - random.below(n.min(300)),
            1 => random.below(n),
            _ => random.below(n.min(400)),
        };
        let end = (at + 1 + random.below(16)).min(n);
        match random.below(9) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 | 4 => {
                let token = TOKENS[random.below(TOKENS.len())];
                let until =
                    if random.below(2) == 0 { at } else { (at + token.len()).min(n) };
                bytes.splice(at..until, token.iter().copied());
            }
            5 => drop(bytes.drain(at..end)),
            6 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            7 => bytes[at] = bytes[at].wrapping_add(1),
            _ => bytes.swap(at, random.below(n)),
        }
    }
    bytes
}

#[test]
#[ignore = "seconds for each parser: scripts/check --all"]
fn mutated_inputs_are_read_or_refused_without_a_panic() {
    let folder = made(&["run f.toml --out r"]);
    let mut wrong = vec![];
    for parser in parsers(folder.path()) {
        wrong.extend(fuzz(&parser, Duration::from_secs(times(5, 60) as u64)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Mutates and reads for some time; the panics, and inputs over ten seconds.
fn fuzz(parser: &Parser, time: Duration) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(parser.file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut random = Random(7);
    let (mut n, mut accepted, mut wrong) = (0, 0, vec![]);
    let mut slowest = Duration::ZERO;
    let began = Instant::now();
    while began.elapsed() < time {
        let bytes = mutate(&mut random, &parser.seeds);
        fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
        let started = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| (parser.read)(&path))) {
            Ok(is_accepted) => accepted += usize::from(is_accepted),
            Err(_) => wrong.push(format!("{}: input {n} panics", parser.name)),
        }
        slowest = slowest.max(started.elapsed());
        n += 1;
    }
    if slowest > Duration::from_secs(10) {
        wrong.push(format!("{}: {slowest:?}", parser.name));
    }
    println!("{}: {n} inputs, {accepted} accepted, slowest {slowest:?}", parser.name);
    wrong
}

fn parsers(made: &Path) -> Vec<Parser> {
    [arrays(), checkpoints(), texts(), data_sets(), run_files(made)]
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
        parser("npy", "x.npy", vec![npy_bytes(&array)], |path| {
            if let Ok(Some(columns)) = NpyColumns::open(path) {
                let (n, k) = columns.shape();
                if n.saturating_mul(k) < 1 << 20 {
                    let _ = columns.read(0..k, &mut vec![0.0; n * k]);
                }
            }
            read_npy(path).is_ok()
        }),
        parser("npz", "x.npz", vec![npz_bytes(&named)], |path| {
            let _ = read_npz_member(path, "a");
            read_npz(path).is_ok()
        }),
        parser("safetensors", "x.safetensors", vec![safetensors_bytes(&named)], |path| {
            read_safetensors(path).is_ok()
        }),
    ]
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
        parser("torch", "x.pt", vec![whole], |path| read_checkpoint(path, None).is_ok()),
        parser("pickle", "x.pkl", vec![pickle], inside),
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
        parser("experiment", "f.toml", vec![EXPERIMENT.into()], experiment),
        parser("sweep", "s.toml", vec![sweep.into()], |path| {
            fs::write(path.with_file_name("f.toml"), EXPERIMENT).unwrap();
            Plan::read(path, &[]).is_ok()
        }),
        parser("names", "n.toml", vec![names.into()], |path| NameMap::read(path).is_ok()),
        parser("log", "log.csv", vec![log.into_bytes()], |path| {
            match read_curves(path) {
                Ok(curves) => {
                    let _ = Phases::of(&curves);
                    true
                }
                Err(_) => false,
            }
        }),
    ]
}

fn load(kind: &str, path: &Path) -> bool {
    let text = format!(
        "data = {{ kind = '{kind}', path = '{}' }}\nnet = {{ kind = 'cnn5', width = 2 }}\n",
        path.display()
    );
    let experiment = Experiment::parse("x", &text, Path::new("."), &[]).unwrap();
    Data::load(&experiment).is_ok()
}

fn data_sets() -> Vec<Parser> {
    let images = idx(0x803, &[2, 8, 8], &[9; 128]);
    let labels = idx(0x801, &[2], &[0, 1]);
    let packed = gzip(&images, 0);
    let beside = move |path: &Path| {
        let folder = path.parent().unwrap();
        for (name, bytes) in [
            ("train-labels-idx1-ubyte", &labels),
            ("t10k-images-idx3-ubyte", &images),
            ("t10k-labels-idx1-ubyte", &labels),
        ] {
            fs::write(folder.join(name), bytes).unwrap();
        }
        load("mnist", folder)
    };
    let images = idx(0x803, &[2, 8, 8], &[9; 128]);
    let arrays = NamedArrays(vec![
        ("train_images".into(), Array::u8(&[2, 1, 8, 8], vec![7; 128])),
        ("train_labels".into(), Array::i64(&[2], vec![0, 1])),
        ("test_images".into(), Array::u8(&[2, 1, 8, 8], vec![7; 128])),
        ("test_labels".into(), Array::i64(&[2], vec![0, 1])),
    ]);
    let picture = png([8, 8], &zlib(&[7; 25], 8), b"");
    let mut parsers = vec![
        parser("idx", "d/train-images-idx3-ubyte", vec![images], beside.clone()),
        parser("idx.gz", "d/train-images-idx3-ubyte.gz", vec![packed], beside),
        parser("arrays", "x.npz", vec![npz_bytes(&arrays)], |path| load("arrays", path)),
    ];
    let parquet = fs::read("tests/python/small.parquet").unwrap();
    parsers.push(parser("parquet", "d/train.parquet", vec![parquet], |path| {
        let folder = path.parent().unwrap();
        fs::copy("tests/python/small.parquet", folder.join("test.parquet")).unwrap();
        load("parquet", folder)
    }));
    let own = picture.clone();
    parsers.push(parser("picture", "d/train/a/1.png", vec![picture], move |path| {
        let root = path.ancestors().nth(3).unwrap();
        for place in ["train/b", "test/a", "test/b"] {
            fs::create_dir_all(root.join(place)).unwrap();
            fs::write(root.join(place).join("0.png"), &own).unwrap();
        }
        load("folder", root)
    }));
    parsers
}

/// Files of a run, read in a copy of it that has no checksums.
fn run_files(made: &Path) -> Vec<Parser> {
    let root = made.join("r");
    let _ = fs::remove_dir_all(root.join("checksums"));
    let of = |name: &'static str, file: PathBuf, read: fn(&Path) -> bool| {
        let seed = fs::read(&file).unwrap();
        let root = made.join("r");
        parser(name, "x", vec![seed], move |path| {
            fs::copy(path, &file).unwrap();
            read(&root)
        })
    };
    vec![
        of("page", RunFile::Matrices.path(&root), |root| {
            stratagram::report::RunResults::read(root).is_ok()
        }),
        of("findings", RunFile::Findings.path(&root), |root| read_findings(root).is_ok()),
        of("run.json", RunFile::Manifest.path(&root), |root| {
            Recording::open(root).is_ok() && RunDir::open(root).is_ok()
        }),
    ]
}
