//! The committed experiment files: all are read, the paper's say whose each setting is, and
//! those of the laptop run in small.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stratagram::experiment::{DataKind, Experiment};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments").join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

/// Sweeps and comparison files hold no experiment of their own.
fn is_experiment(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap();
    !text.contains("[axes]") && !text.contains("[arms]")
}

fn read(path: &Path) -> Experiment {
    Experiment::read(path, &[]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn all_experiment_files_are_read() {
    let folders = ["", "paper", "laptop", "statements", "cluster"];
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder)).collect();
    assert!(all.len() > 60, "{} files", all.len());
    for path in all.iter().filter(|path| is_experiment(path)) {
        read(path);
    }
}

/// Names say net, width, optimizer and noise; the settings agree.
#[test]
fn the_papers_runs_are_what_their_names_say() {
    let mut n_read = 0;
    for path in files("paper") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let experiment = read(&path);
        n_read += 1;
        let noise: f64 = name.rsplit("noise").next().unwrap().parse().unwrap();
        assert!((100.0 * experiment.noise.rate - noise).abs() < 1e-9, "{name}");
        assert_eq!(experiment.data.kind, DataKind::Cifar10, "{name}");
        let toml = experiment.to_toml();
        let optimizer = if name.contains("-adam-") { "adam" } else { "sgd" };
        assert!(toml.contains(&format!("[optimizer]\nkind = \"{optimizer}\"")), "{name}");
        let parts: Vec<&str> = name.split('-').collect();
        if let Ok(width) = parts[1].parse::<usize>() {
            assert!(
                toml.contains(&format!("kind = \"{}\"\nwidth = {width}\n", parts[0]))
            );
        }
    }
    assert!(n_read >= 40, "{n_read}");
}

#[test]
fn every_setting_of_the_paper_says_whose_it_is() {
    for path in files("paper") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().nth(4).unwrap().starts_with("# Cost"), "{}", path.display());
        let vit = text.contains("kind = \"vit\"");
        let mut above = false;
        for line in text.lines() {
            let is_setting = line.contains(" = ") && !line.starts_with('#');
            // The table of ViT4 has one source for all its lines.
            let of_vit = vit
                && ["dim", "depth", "heads", "head_dim", "mlp_dim", "pool", "dropout"]
                    .iter()
                    .any(|key| line.starts_with(&format!("{key} = ")));
            assert!(
                !is_setting || above || of_vit || line.contains("# "),
                "{}: `{line}` has no source",
                path.display()
            );
            above = line.starts_with("# ");
        }
    }
}

#[test]
fn sweeps_of_the_laptop_are_planned() {
    // Their data may be absent: embedded ones stand in, a few steps each.
    let small = [
        "data.kind=digits",
        "data.n_train=64",
        "data.n_test=40",
        "train.epochs=1",
        "analysis.n_examples=8",
        "analysis.drs.triplets=2",
        "analysis.drs.resolution=3",
        "data.size=8",
    ];
    let counts = [
        ("sweep.toml", 36),
        ("sweep-cnn5.toml", 6),
        ("sweep-vit.toml", 12),
        ("widths.toml", 42),
    ];
    for (file, count) in counts {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/laptop").join(file);
        let output = Command::new(env!("CARGO_BIN_EXE_stratagram"))
            .args(["sweep", path.to_str().unwrap(), "--dry-run"])
            .args(small)
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let last = stdout.lines().last().unwrap();
        assert!(last.starts_with(&format!("{count} runs, ")), "{last}");
    }
}
