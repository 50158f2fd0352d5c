//! What is derived from the declarations of a run's files and tables: the tables of
//! docs/FORMAT.md, the Python reader's description, what `--fresh` removes, what is exported.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use stratagram::export::FORMATS;
use stratagram::run_dir::tables::TABLES;
use stratagram::run_dir::{Kind, Mark, RunFile, Writer};

use crate::support::runs::{Files, promised, succeed};

const FORMAT: &str = "docs/FORMAT.md";
const PYTHON: &str = "python/stratagram/_tables.py";

/// Small enough for a second; all tables have rows.
const SETTINGS: &str = "net.width=2 data.n_train=60 data.n_test=40 train.epochs=2 noise.rate=0.2 \
    analysis.n_examples=10 analysis.drs.triplets=2 analysis.drs.resolution=4";

/// The cells of the first table below a line, without header.
fn table_below(heading: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(FORMAT).unwrap();
    let lines = text.lines().skip_while(|line| *line != heading);
    let lines = lines.skip_while(|line| !line.starts_with('|'));
    let lines = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &str| {
        let inner = line.trim_matches('|');
        inner.split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    lines.map(cells).collect()
}

#[test]
fn the_documented_files_are_those_that_are_declared() {
    let writer = |file: RunFile| match file.about().writer {
        Writer::Trainer => "train",
        Writer::Analysis => "analyze",
        Writer::Report => "report",
        Writer::Recorder => "recorder",
    };
    let path = |file: RunFile| {
        format!("`{}`", file.about().pattern.replace("<step>", "step-000000336"))
    };
    let declared: Vec<[String; 2]> =
        RunFile::ALL.map(|file| [path(file), writer(file).to_owned()]).into();
    let documented: Vec<[String; 2]> = table_below("# Files of a run directory")
        .into_iter()
        .map(|row| [row[0].clone(), row[1].clone()])
        .collect();
    assert_eq!(documented, declared, "see {FORMAT}");
}

#[test]
fn the_documented_columns_are_those_that_are_declared() {
    let text = fs::read_to_string(FORMAT).unwrap();
    for table in TABLES {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let columns = names.join(",");
        assert!(text.contains(&columns), "{columns} of {:?}", table.file);
    }
}

#[test]
fn the_documented_formats_are_those_that_are_declared() {
    let declared: Vec<[String; 3]> = FORMATS
        .iter()
        .map(|format| {
            let code = |text: &str| format!("`{text}`");
            [code(format.name), format.files.to_owned(), code(format.opened_by)]
        })
        .collect();
    let documented = table_below("## Exports");
    assert_eq!(documented, declared, "see {FORMAT}");
}

/// What stands in quotes in a line.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// Rust files below a folder, but for those of a module.
fn sources(folder: &Path, but: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path != but {
            sources(&path, but, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// One door: no other module builds a path of a run or opens a table.
#[test]
fn only_run_dir_knows_where_the_files_of_a_run_are() {
    let mut names = BTreeSet::new();
    for pattern in RunFile::ALL.map(|file| file.about().pattern) {
        names.insert(pattern);
        names.extend(pattern.rsplit_once('/').map(|(folder, _)| folder));
        // Words that say more than a folder's name stand only in calls of `join`.
        names.extend(pattern.split_once('/').map(|(folder, _)| folder));
    }
    let mut files = vec![];
    sources(Path::new("src"), Path::new("src/run_dir"), &mut files);
    assert!(files.len() > 100);
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().lines();
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            let is_path = |name: &str| {
                names.contains(name) && (name.contains('.') || line.contains("join("))
            };
            let found = literals(line).find(|literal| is_path(literal));
            assert!(found.is_none(), "{}: {line}", file.display());
        }
        // Files of others, and what is printed, are not a run's.
        let is_other = ["label_file.rs", "comparison.rs", "panels/numbers.rs"]
            .iter()
            .any(|f| file.ends_with(f));
        let code = text.split("#[cfg(test)]").next().unwrap();
        let is_reader = ["csv::Reader", "csv::Writer"].iter().any(|c| code.contains(c));
        assert!(is_other || !is_reader, "{} reads a table itself", file.display());
    }
}

/// `RunFile::OptimizerState` as `optimizer_state`.
fn snake(file: RunFile) -> String {
    let mut name = String::new();
    for c in format!("{file:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

/// The list of checksums that a file's line is in.
fn list_of(file: RunFile) -> Option<RunFile> {
    if file.is(Mark::Unsteady) || snake(file).ends_with("_checksums") {
        return None;
    }
    Some(match file.about().writer {
        Writer::Trainer | Writer::Recorder => RunFile::TrainChecksums,
        Writer::Analysis => RunFile::AnalysisChecksums,
        Writer::Report => RunFile::ReportChecksums,
    })
}

/// The text of `_tables.py`.
fn python() -> String {
    let mut text = "\"\"\"The files and tables of a run directory, as the program declares them.\n\n\
        Generated from src/run_dir; `STRATAGRAM_WRITE=1 cargo test the_python_reader` \
        writes it.\n\"\"\"\n\n#: Where each kind of file is.\nFILES = {\n"
        .to_owned();
    for file in RunFile::ALL {
        let pattern = file.about().pattern.replace('<', "{").replace('>', "}");
        writeln!(text, "    \"{}\": \"{pattern}\",", snake(file)).unwrap();
    }
    text += "}\n\n#: The kinds of files that `fresh` leaves in place.\nKEPT = (";
    let kept = RunFile::ALL.into_iter().filter(|file| file.is(Mark::Kept));
    text +=
        &kept.map(|file| format!("\"{}\"", snake(file))).collect::<Vec<_>>().join(", ");
    text += ")\n\n#: The list of checksums that a kind of file stands in; others differ from run to run.\n\
        LISTED = {\n";
    for file in RunFile::ALL {
        if let Some(list) = list_of(file) {
            writeln!(text, "    \"{}\": \"{}\",", snake(file), snake(list)).unwrap();
        }
    }
    text += "}\n\n#: The columns of each table and what they hold.\nTABLES = {\n";
    for table in TABLES {
        writeln!(text, "    \"{}\": {{", snake(table.file)).unwrap();
        for column in table.columns {
            let kind = match column.kind {
                Kind::Whole => "int",
                Kind::Number => "float",
                Kind::Text => "str",
            };
            writeln!(text, "        \"{}\": {kind},", column.name).unwrap();
        }
        text += "    },\n";
    }
    text + "}\n"
}

#[test]
fn the_python_reader_has_the_same_description() {
    if std::env::var_os("STRATAGRAM_WRITE").is_some() {
        fs::write(PYTHON, python()).unwrap();
    }
    let found = fs::read_to_string(PYTHON).unwrap_or_default().replace('\r', "");
    assert!(found == python(), "{PYTHON} is out of date; STRATAGRAM_WRITE=1 writes it");
}

/// Names and contents below a directory, but for what holds times.
fn files(root: &Path) -> Files {
    promised(root)
}

#[test]
fn nothing_of_the_old_run_is_left_after_fresh() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    succeed(
        here,
        &format!("run {SETTINGS} analysis.drs.floor=all --out run-with-a-past"),
    );
    // Recordings have the one; the others take a dozen checkpoints.
    let others = [RunFile::SampleIds, RunFile::Boundaries, RunFile::LayerCurves];
    for table in TABLES.iter().filter(|table| !others.contains(&table.file)) {
        let path = table.file.path(&here.join("run-with-a-past"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().count() > 1, "{}", path.display());
    }
    for mine in [
        "run-with-a-past/notes.txt",
        "run-with-a-past/iou/test/mine.png",
        "run-with-a-past/report/mine.html",
    ] {
        fs::write(here.join(mine), "mine").unwrap();
    }
    let other = format!("{SETTINGS} seed=1 analysis.layers=fc");
    succeed(here, &format!("train {other} --out run-without"));
    succeed(here, &format!("train {other} --fresh --out run-with-a-past"));
    let mut left = files(&here.join("run-with-a-past"));
    let mine = left.extract_if(.., |(_, content)| content == b"mine").count();
    assert_eq!(mine, 3);
    assert!(left == files(&here.join("run-without")), "{:?}", left.iter().map(|f| &f.0));
    // And the page of the new run is that of one that was never anything else.
    let page = |run: &str| {
        succeed(here, &format!("report {run}"));
        let path = RunFile::Page.path(&here.join(run));
        fs::read_to_string(path).unwrap().replace(run, "RUN")
    };
    let (old, new) = (page("run-with-a-past"), page("run-without"));
    let is_other = |(a, b): &(&str, &str)| a != b && !a.contains("created");
    let differs = old.lines().zip(new.lines()).find(is_other);
    assert_eq!(differs, None);
    assert_eq!(old.lines().count(), new.lines().count());
}

#[test]
fn csv_and_parquet_hold_every_table() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    succeed(here, &format!("run {SETTINGS} analysis.drs.floor=all --out run"));
    for to in ["csv", "parquet"] {
        let [listed, _] = succeed(here, &format!("export run --to {to} --out {to}"));
        let name = |line: &str| line.rsplit(['/', '\\']).next().unwrap().to_owned();
        let mut written: Vec<String> = listed.lines().map(name).collect();
        written.sort();
        let mut expected: Vec<String> = TABLES
            .iter()
            .filter(|table| table.file != RunFile::SampleIds)
            .map(|table| {
                let path = table.file.path(Path::new(""));
                let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
                format!("{stem}.{to}")
            })
            .collect();
        expected.sort();
        assert_eq!(written, expected);
    }
    for table in TABLES.iter().filter(|table| table.file != RunFile::SampleIds) {
        let own = table.file.path(&here.join("run"));
        let copy = here.join("csv").join(own.file_name().unwrap());
        assert_eq!(fs::read(own).unwrap(), fs::read(copy).unwrap());
    }
    let checkpoints = |more: &str| {
        succeed(here, &format!("export run --to safetensors --out weights{more}"))[0]
            .lines()
            .count()
    };
    assert_eq!(checkpoints(""), 3);
    assert_eq!(checkpoints("-last --epochs 2"), 1);
}

#[test]
fn a_selection_that_a_format_cannot_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let arguments = ["export", "run", "--to", "csv", "--out", "x", "--layers", "fc"];
    let answer = crate::support::runs::answer(&arguments, here);
    let error = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(2), "{error}");
    assert!(error.contains("does not apply to csv") && error.contains("npz"), "{error}");
}

#[test]
fn recordings_are_exported_but_for_checkpoints() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let run = here.join("run");
    fs::create_dir_all(run.join("recorded")).unwrap();
    let fixture = Path::new("tests/reference/recording/run");
    for folder in ["", "recorded"] {
        for entry in fs::read_dir(fixture.join(folder)).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                fs::copy(&from, run.join(folder).join(from.file_name().unwrap()))
                    .unwrap();
            }
        }
    }
    succeed(here, "analyze run");
    for (to, file) in [
        ("csv", "sample_ids.csv"),
        ("parquet", "matrices.parquet"),
        ("npz", "matrices.npz"),
        ("tensorboard", "events.out.tfevents.0000000000.stratagram"),
    ] {
        succeed(here, &format!("export run --to {to} --out {to}"));
        assert!(here.join(to).join(file).is_file(), "{file}");
    }
    let arguments = ["export", "run", "--to", "safetensors", "--out", "x"];
    let answer = crate::support::runs::answer(&arguments, here);
    let error = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(error.contains("a recording, which has no checkpoints"), "{error}");
}
