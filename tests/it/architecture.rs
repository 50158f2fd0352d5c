//! The dependency rule of docs/DESIGN.md: a module uses only what stands to its left.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Levels from left to right; modules of one level may use each other.
const LEVELS: &[&[&str]] = &[
    &["error", "seed", "observer"],
    &["array_file"],
    &["similarity", "phases", "findings"],
    &["net"],
    &["data", "experiment"],
    &["engine"],
    &["run_dir"],
    &["represent", "probe", "planes", "train"],
    &["analyze", "import", "activations"],
    &["estimate"],
    &["report"],
    &["export"],
    &["sweep"],
    &["cli"],
];

/// Names re-exported at the crate's root, with their modules.
const ROOT: &[(&str, &str)] =
    &[("Error", "error"), ("ErrorKind", "error"), ("RunDir", "run_dir")];

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The top-level modules that the code (not the comments or tests) of `text` names.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let mut used = BTreeSet::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let root = ROOT.iter().find(|(item, _)| *item == name);
            used.insert(root.map_or(name, |(_, module)| (*module).to_string()));
        }
    }
    used
}

#[test]
fn modules_use_only_what_stands_to_their_left() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![];
    rust_files(&source, &mut files);
    let mut wrong = vec![];
    for file in files {
        let relative = file.strip_prefix(&source).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = module.trim_end_matches(".rs");
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let own = level(module).unwrap_or_else(|| panic!("`{module}` has no level"));
        for used in used_modules(&fs::read_to_string(&file).unwrap()) {
            if level(&used).is_none_or(|other| other > own) {
                wrong.push(format!("{} uses crate::{used}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the dependency rule:\n{}", wrong.join("\n"));
}

#[test]
fn the_rule_can_fail() {
    assert!(used_modules("use crate::cli::main;").contains("cli"));
    assert!(used_modules("// crate::cli").is_empty());
    assert!(level("cli") > level("similarity"));
}

/// docs/PAPER.md leads from definitions to files, functions and tests: all of them exist.
#[test]
fn the_names_in_paper_md_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![];
    rust_files(&root.join("src"), &mut files);
    rust_files(&root.join("tests"), &mut files);
    let code: String =
        files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let paper = fs::read_to_string(root.join("docs/PAPER.md")).unwrap();
    let mut n_files = 0;
    let mut missing = vec![];
    for name in paper.split('`').skip(1).step_by(2) {
        let is_word = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if Path::new(name).extension().is_some_and(|e| e == "rs") {
            n_files += 1;
            if !root.join(name).exists() && !root.join("src").join(name).exists() {
                missing.push(name);
            }
        } else if is_word && name.matches('_').count() >= 3 {
            // A name of this length is a test's.
            if !code.contains(&format!("fn {name}(")) {
                missing.push(name);
            }
        }
    }
    assert!(n_files > 20, "only {n_files} files are named");
    assert!(missing.is_empty(), "docs/PAPER.md names what is not there: {missing:?}");
}
