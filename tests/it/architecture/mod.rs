//! The rules of docs/DESIGN.md and CONTRIBUTING.md that a program can check: a module uses only
//! what stands to its left, files of a module do not import each other in a circle, functions
//! are short, parameters are few, folders are small.

mod circles;
mod functions;
mod lists;
mod paths;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use lists::{LEVELS, LONG_FUNCTIONS, ROOT};
pub(crate) use source::rust_files;
use source::{library, root};

/// Lines of code in a function's body, unless [`LONG_FUNCTIONS`] says why it has more.
const FUNCTION_LINES: usize = 40;

/// Source files in a folder beside its `mod.rs`.
const FOLDER_FILES: usize = 12;

/// How the line of a `mod.rs` begins that says why its folder holds more.
const FOLDER_REASON: &str = "//! More than a dozen files: ";

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

/// The top-level modules that code names.
fn used_modules(code: &str) -> BTreeSet<String> {
    let of_path = |path: Vec<String>| {
        let name = (path[0] == "crate").then(|| path.get(1).cloned())??;
        let of_root = ROOT.iter().find(|(item, _)| *item == name);
        Some(of_root.map_or(name, |(_, module)| (*module).to_owned()))
    };
    paths::paths(code, &[]).into_iter().filter_map(of_path).collect()
}

#[test]
fn modules_use_only_what_stands_to_their_left() {
    let mut wrong = vec![];
    for source in library() {
        let module = &source.module[0];
        let own = level(module).unwrap_or_else(|| panic!("`{module}` has no level"));
        for used in used_modules(&source.code) {
            if level(&used).is_none_or(|other| other > own) {
                wrong.push(format!("{} uses crate::{used}", source.name()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the dependency rule:\n{}", wrong.join("\n"));
}

#[test]
fn the_rule_can_fail() {
    assert!(used_modules("use crate::{cli::main, Error};").contains("cli"));
    assert!(used_modules("use super::cli;").is_empty());
    assert!(level("cli") > level("similarity"));
}

/// The order in docs/DESIGN.md, in words, is the one that is checked.
#[test]
fn the_order_is_the_one_in_design_md() {
    let design = fs::read_to_string(root().join("docs/DESIGN.md")).unwrap();
    let words: Vec<&str> = design.split_whitespace().collect();
    let start = words.windows(2).position(|w| w == ["error", "seed"]).unwrap();
    let listed: Vec<&str> =
        words[start..].split_inclusive(|word| *word == "cli").next().unwrap().to_vec();
    let expected: Vec<String> = LEVELS.iter().map(|level| level.join(" ")).collect();
    assert_eq!(listed.join(" "), expected.join(" < "));
}

#[test]
fn files_of_a_module_import_each_other_in_no_circle() {
    let mut modules: BTreeMap<String, Vec<source::Source>> = BTreeMap::new();
    for source in library() {
        modules.entry(source.module[0].clone()).or_default().push(source);
    }
    let mut wrong = vec![];
    for (module, files) in &modules {
        let found = circles::circles(&circles::imports(files));
        match (found.is_empty(), lists::CIRCLES.contains(&module.as_str())) {
            (false, false) => wrong.push(found.concat().join("\n")),
            (true, true) => wrong.push(format!("{module} is listed and has no circle")),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "imports in a circle:\n{}", wrong.join("\n\n"));
}

#[test]
fn functions_over_40_lines_are_listed_with_their_reason() {
    let mut longest: BTreeMap<(String, String), usize> = BTreeMap::new();
    for source in library() {
        for function in functions::functions(&source.code) {
            let lines =
                longest.entry((source.module[0].clone(), function.name)).or_default();
            *lines = function.lines.max(*lines);
        }
    }
    longest.retain(|_, lines| *lines > FUNCTION_LINES);
    let mut wrong = vec![];
    for &(module, name, lines, reason) in LONG_FUNCTIONS {
        assert!(reason.split(' ').count() >= 3, "{module} {name}: {reason}");
        match longest.remove(&(module.to_owned(), name.to_owned())) {
            None => wrong.push(format!("{module} {name} is listed and no longer long")),
            Some(found) if found > lines => {
                wrong.push(format!("{module} {name} grew from {lines} to {found} lines"));
            }
            Some(_) => {}
        }
    }
    wrong.extend(
        longest.iter().map(|((module, name), n)| format!("{module} {name}: {n} lines")),
    );
    assert!(
        wrong.is_empty(),
        "functions over {FUNCTION_LINES} lines:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_parameter_is_three_in_a_tuple() {
    let mut wrong = vec![];
    for source in library() {
        for function in functions::functions(&source.code) {
            if function.parameters.iter().any(|p| functions::is_wide_tuple(p)) {
                wrong.push(format!("{} {}", source.module[0], function.name));
            }
        }
    }
    let mut allowed = lists::WIDE_TUPLES.to_vec();
    wrong.sort_unstable();
    allowed.sort_unstable();
    assert_eq!(
        wrong, allowed,
        "tuples in place of a struct (left: found, right: listed)"
    );
}

#[test]
fn folders_hold_a_dozen_files_or_say_why() {
    let mut counts: BTreeMap<_, usize> = BTreeMap::new();
    for folder in ["src", "tests/it"] {
        for file in rust_files(&root().join(folder)) {
            if !["mod.rs", "lib.rs", "main.rs"].iter().any(|name| file.ends_with(name)) {
                *counts.entry(file.parent().unwrap().to_owned()).or_default() += 1;
            }
        }
    }
    for (folder, count) in counts {
        let text = fs::read_to_string(folder.join("mod.rs")).unwrap_or_default();
        let place = folder.strip_prefix(root()).unwrap().to_str().unwrap();
        let says_why = text.lines().any(|line| line.starts_with(FOLDER_REASON))
            || lists::FULL_FOLDERS.contains(&place);
        if count > FOLDER_FILES {
            assert!(says_why, "{place} holds {count} files; its mod.rs does not say why");
        } else {
            assert!(
                !says_why,
                "{place} holds {count} files: the reason is no longer needed"
            );
        }
    }
}

/// docs/PAPER.md leads from definitions to files, functions and tests: all of them exist.
#[test]
fn the_names_in_paper_md_exist() {
    let root = root();
    let code: String = ["src", "tests"]
        .iter()
        .flat_map(|folder| rust_files(&root.join(folder)))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let paper = fs::read_to_string(root.join("docs/PAPER.md")).unwrap();
    let mut n_files = 0;
    let mut missing = vec![];
    for name in paper.split('`').skip(1).step_by(2) {
        let is_word = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if std::path::Path::new(name).extension().is_some_and(|e| e == "rs") {
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
