//! The comparison file: what is read, and what is refused with file, key, found, expected, fix.

use stratagram::compare::ComparisonFile;

use super::fixture::{Planted, write_file};

const GOOD: &str = "arms = { sgd = 'sgd-*', adam = ['adam-0', 'adam-1'] }\n\
    [[statements]]\nid = 'P3'\nplus = 'sgd'\nminus = 'adam'\n";

fn runs() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for run in ["sgd-0", "sgd-1", "adam-0", "adam-1"] {
        Planted::default().write(&directory.path().join(run));
    }
    directory
}

#[test]
fn mistakes_are_named_with_their_line_and_the_nearest_name() {
    let directory = runs();
    let root = directory.path();
    let cases = [
        ("arms = 3", ":1: `arms` is 3; expected names with run directories", ""),
        ("[statements]\nid = 'P3'", "`arms` is missing", ""),
        ("layer = 'x'", ":1: `layer` is not a known key", "did you mean `layers`?"),
        ("colour = 'x'", "is not a known key; expected one of layers, differ", ""),
        (
            "arms = { sgd = 'sdg-*' }",
            ":1: `arms.sgd` `sdg-*` means no run",
            "relative to",
        ),
        ("arms = { sgd = [] }\nstatements = []", "`statements` is []", ""),
        ("x = ", "comparison.toml:1:", ""),
    ];
    for (text, part, fix) in cases {
        assert_refused(root, text, part, fix);
    }
    let statement = |change: [&str; 2]| GOOD.replace(change[0], change[1]);
    let cases = [
        (
            ["'P3'", "'P9'"],
            ":3: `statements[0].id` names `P9`; expected one of P1, P2",
            "\"P1\"",
        ),
        (["'P3'", "'asynchroni'"], "names `asynchroni`", "did you mean \"asynchrony\"?"),
        (
            ["'sgd'\nminus", "'sdg'\nminus"],
            ":4: `statements[0].plus` names `sdg`",
            "\"sgd\"",
        ),
        (
            ["minus = 'adam'", ""],
            "`statements[0].minus` is missing; expected the name",
            "",
        ),
        (
            ["minus =", "minsu ="],
            ":5: `statements[0].minsu` is not a known key",
            "minus`?",
        ),
        (["id = 'P3'\n", ""], "`statements[0].id` is missing", ""),
        (
            ["id = 'P3'", "id = 'P3'\nd = -1"],
            "`statements[0].d` is -1; expected a number above",
            "",
        ),
        (["id = 'P3'", "id = 'P3'\npair = 'x'"], "expected \"seed\" or \"none\"", ""),
        (["id = 'P3'", "id = 'P3'\nalso = ['sgd']"], "expected pairs of arms", ""),
        (
            ["id = 'P3'", "id = 'P3'\nvariants = 'shpe'"],
            "`statements[0].variants` names `shpe`",
            "did you mean \"shape\"?",
        ),
        (
            ["id = 'P3'", "id = 'P3'\nlayers = 3"],
            "is 3; expected a name or a list of names",
            "",
        ),
    ];
    for (change, part, fix) in cases {
        assert_refused(root, &statement(change), part, fix);
    }
}

#[track_caller]
fn assert_refused(root: &std::path::Path, text: &str, part: &str, fix: &str) {
    let error = ComparisonFile::read(&write_file(root, text)).unwrap_err();
    let found = error.to_string();
    assert!(found.contains("comparison.toml") && found.contains(part), "{found}\n{text}");
    assert!(error.help().unwrap_or_default().contains(fix), "{:?}\n{text}", error.help());
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_good_file_is_read() {
    let directory = runs();
    let file = ComparisonFile::read(&write_file(directory.path(), GOOD));
    assert!(file.is_ok(), "{:?}", file.err());
}

/// The example of docs/FORMAT.md.
#[test]
fn the_documented_example_is_read() {
    let format = std::fs::read_to_string("docs/FORMAT.md").unwrap();
    let section = format.split("## Comparison files").nth(1).unwrap();
    let example = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(example.lines().count() <= 10, "{example}");
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for run in ["rates/a-optimizer-sgd-0", "adam/seed-0", "more-adam/seed-1", "vit/0"] {
        Planted::default().write(&root.join("runs").join(run));
    }
    let read = ComparisonFile::read(&write_file(root, example));
    assert!(read.is_ok(), "{:?}", read.err());
    // All ids are documented.
    for id in stratagram::compare::ids() {
        assert!(section.contains(&format!("`{id}`")), "{id}");
    }
}
