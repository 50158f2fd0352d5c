//! Decision regions of whole runs: what the tables say against the stored decisions, several
//! sources of triplets, other seeds, pictures.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::runs::{assert_same, command, promised, succeed, texts};
use stratagram::array_file::{Values, read_npy, read_npz};
use stratagram::similarity::geometry::{Map, Pieces};

const EXPERIMENT: &str = "
data = { kind = 'digits', n_train = 200, n_test = 100, seed = 4 }
noise = { kind = 'exact', rate = 0.3 }
net = { kind = 'cnn5', width = 2 }
optimizer = { lr = 0.05 }
train = { epochs = 4, batch_size = 32, checkpoints = 'every' }
[analysis]
n_examples = 20
layers = ['relu2', 'fc']
drs = { triplets = 5, resolution = 9, source = ['test', 'corrupted'], distinct = false }
";
const POINTS: usize = 81;
const LAYERS: [&str; 3] = ["relu2", "fc", "output"];

type Table = BTreeMap<Vec<String>, (f64, Option<f64>)>;

/// A table's rows: value and error by the fields before them.
fn table(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap();
    let row = |line: &str| {
        let mut fields: Vec<String> =
            line.split(',').map(|f| f.trim_matches('"').to_owned()).collect();
        let se = fields.pop().unwrap().parse().ok();
        (fields.clone(), (fields.pop().unwrap().parse().unwrap(), se))
    };
    text.lines()
        .skip(1)
        .map(row)
        .map(|(mut key, cell)| {
            key.pop();
            (key, cell)
        })
        .collect()
}

/// Stored classes of a layer at each checkpoint.
fn decisions(root: &Path, measure: &str, group: &str, layer: &str) -> Vec<Vec<u8>> {
    let path = root.join(format!("signatures/{measure}/{group}/{layer}.npy"));
    let array = read_npy(&path).unwrap();
    let Values::U8(values) = array.values else { panic!("classes are u8") };
    values.chunks(array.shape[1]).map(<[u8]>::to_vec).collect()
}

fn agreement(a: &[u8], b: &[u8]) -> f64 {
    a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len() as f64
}

fn key(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

#[test]
fn tables_say_what_the_stored_decisions_do() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("experiment.toml"), EXPERIMENT).unwrap();
    succeed(directory.path(), "run experiment.toml --out a --threads 1");
    let root = directory.path().join("a");
    let labels = read_npz(&root.join("labels.npz")).unwrap();
    let corrupted = labels.get("corrupted").unwrap().to_f64();
    let triplets = labels.get("triplets_corrupted").unwrap().to_i64().unwrap();
    assert!(triplets.chunks(3).all(|triplet| corrupted[triplet[0] as usize] > 0.5));
    let geometry = table(&root.join("geometry.csv"));
    let layers = table(&root.join("layers.csv"));
    for group in ["test", "corrupted"] {
        let rows = LAYERS.map(|layer| decisions(&root, "drs", group, layer));
        let at_images = LAYERS.map(|layer| decisions(&root, "drs-images", group, layer));
        for (epoch, step) in ["0", "7", "14", "21", "28"].into_iter().enumerate() {
            let time = epoch.to_string();
            for (layer, rows) in LAYERS.iter().zip(&rows) {
                let pieces = rows[epoch].chunks(POINTS).map(|classes| {
                    Pieces::of(Map { classes, side: 9 }).sizes.len() as f64
                });
                let mean = pieces.sum::<f64>() / 5.0;
                let (found, se) =
                    geometry[&key(&[layer, step, &time, group, "fragments"])];
                assert!((found - mean).abs() < 1e-12 && se.is_some());
                let island = key(&[layer, step, &time, group, "memorized-island"]);
                assert_eq!(geometry.contains_key(&island), group == "corrupted");
            }
            let start = ["relu2", step, &time, group, "output"];
            let cell = |measure: &str| layers[&key(&[&start[..], &[measure]].concat())].0;
            let expected = agreement(&rows[0][epoch], &rows[2][epoch]);
            assert!((cell("drs") - expected).abs() < 1e-12);
            let expected = agreement(&at_images[0][epoch], &at_images[2][epoch]);
            assert!((cell("drs-images") - expected).abs() < 1e-12);
            let (a, e) = (cell("drs"), cell("drs-chance"));
            assert!((cell("drs-kappa") - (a - e) / (1.0 - e)).abs() < 1e-12);
        }
    }
    let floor = table(&root.join("floor.csv"));
    let mut epochs: Vec<&str> = floor.keys().map(|key| key[2].as_str()).collect();
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs, ["0", "1", "3"]);
    assert!(floor.keys().all(|key| key[0] != "output"), "the net has no probe");
    let noise = fs::read_to_string(root.join("noise.csv")).unwrap();
    assert!(noise.contains("\nfc,drs,,corrupted,"), "{noise}");
    for measure in ["drs-kappa", "drs-iou", "drs-inside", "drs-outside", "drs-images"] {
        let path = root.join(format!("matrices/{measure}/corrupted/output.npy"));
        assert_eq!(read_npy(&path).unwrap().shape, [5, 5]);
    }
    let iou = read_npy(&root.join("iou/test/fc.npy")).unwrap();
    assert_eq!(iou.shape, [10, 5, 5]);
    let page = fs::read_to_string(root.join("report/index.html")).unwrap();
    assert!(page.contains("Memorized islands") && page.contains("figures/strip-2.svg"));

    // A part that is done again at another number of threads has the same bytes.
    let expected = promised(&root);
    succeed(directory.path(), "analyze a --force --threads 3");
    succeed(directory.path(), "report a");
    assert_same(&root, &expected, "analysed again");
}

#[test]
fn another_seed_and_pictures_are_asked_of_show() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("experiment.toml"), EXPERIMENT).unwrap();
    for run in ["--out a", "seed=1 --out b", "data.seed=5 --out c"] {
        succeed(directory.path(), &format!("run experiment.toml {run}"));
    }
    let rows = ["a", "b"]
        .map(|run| decisions(&directory.path().join(run), "drs", "corrupted", "fc"));
    let [text, _] = succeed(directory.path(), "show a fc --group corrupted --against b");
    for (epoch, line) in text.lines().skip(2).enumerate() {
        let fields: Vec<f64> =
            line.split_whitespace().map(|f| f.parse().unwrap()).collect();
        let expected = agreement(&rows[0][epoch], &rows[1][epoch]);
        assert!((fields[1] - expected).abs() < 5.1e-4, "epoch {epoch}: {line}");
    }
    assert_eq!(text.lines().count(), 7);
    let refused = |arguments: &str| {
        let output = command(directory.path(), arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments}");
        texts(&output)[1].clone()
    };
    assert!(refused("show a fc --against c").contains("other planes"));
    assert!(refused("show a fc7 --against b").contains("fc7"));

    succeed(directory.path(), "show a f* --regions --epoch 2 --epoch 4 --out x.svg");
    let svg = fs::read_to_string(directory.path().join("x.svg")).unwrap();
    assert_eq!(svg.matches("<image").count(), 2);
    succeed(
        directory.path(),
        "show a output --regions --epoch 3 --group corrupted --triplet 4 --resolution 31 \
         --out x.png",
    );
    let file = fs::File::open(directory.path().join("x.png")).unwrap();
    let reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (31, 31));
    assert!(refused("show a fc --regions --out x.gif").contains(".svg or .png"));
    let late = "show a fc --regions --epoch 9 --out x.png";
    assert!(
        succeed(directory.path(), late)[1].contains("the nearest, at epoch 4, is shown")
    );
    assert!(refused("show a no --regions --out x.png").contains("relu2 fc output"));
    assert!(refused("show a --regions --triplet 5 --out x.png").contains("below 5"));
    assert!(
        refused("show a --regions --group train --out x.png").contains("test corrupted")
    );
}

#[test]
fn a_source_without_wrong_labels_is_refused_before_training() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("experiment.toml"), EXPERIMENT).unwrap();
    let arguments = "run experiment.toml noise.rate=0 --out a";
    let output = command(directory.path(), arguments).output().unwrap();
    assert!(!output.status.success());
    assert!(texts(&output)[1].contains("noise.rate"), "{}", texts(&output)[1]);
    assert!(!directory.path().join("a").exists());
}
