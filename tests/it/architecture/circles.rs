//! Imports between the files of one module, and the circles in them.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::paths;
use super::source::Source;

pub(super) type Imports = BTreeMap<String, BTreeSet<String>>;

/// Which file of the module uses which. What a parent re-exports counts for the file that it
/// comes from, and the re-export itself for none.
pub(super) fn imports(files: &[Source]) -> Imports {
    let by_name: BTreeMap<String, &Source> =
        files.iter().map(|file| (file.name(), file)).collect();
    let mut imports = Imports::new();
    for file in files {
        let children = children(file, files);
        let used = imports.entry(file.name()).or_default();
        for path in paths(&without_reexports(&file.code), &children) {
            let path = absolute(&path, file, &children);
            used.extend(target(&path, &by_name).filter(|name| *name != file.name()));
        }
    }
    imports
}

/// Names of the files below a parent.
fn children<'a>(parent: &Source, files: &'a [Source]) -> Vec<&'a str> {
    let depth = parent.module.len();
    let below = files.iter().filter(|file| {
        parent.is_parent
            && file.module.len() == depth + 1
            && file.module.starts_with(&parent.module)
    });
    below.map(|file| file.module[depth].as_str()).collect()
}

/// A path from the crate's root on.
fn absolute(path: &[String], file: &Source, children: &[&str]) -> Vec<String> {
    let own = &file.module;
    if children.contains(&path[0].as_str()) {
        return [own, path].concat();
    }
    match path[0].as_str() {
        "self" => [own, &path[1..]].concat(),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            [&own[..own.len().saturating_sub(up)], &path[up..]].concat()
        }
        _ => path[1..].to_vec(),
    }
}

/// The file that holds what the path names.
fn target(path: &[String], files: &BTreeMap<String, &Source>) -> Option<String> {
    let length =
        (1..=path.len()).rev().find(|&n| files.contains_key(&path[..n].join("::")))?;
    let name = path[..length].join("::");
    let (file, item) = (files[&name], path.get(length)?);
    let of_child = reexports(file).into_iter().find(|path| path.last() == Some(item));
    match of_child {
        Some(path) if path.first() != Some(item) => {
            target(&[&file.module, &path[..]].concat(), files)
        }
        _ => Some(name),
    }
}

/// Paths of the items of children that a file re-exports.
fn reexports(file: &Source) -> Vec<Vec<String>> {
    let uses = use_items(&file.code).filter(|(text, _)| is_reexport(text));
    uses.flat_map(|(text, _)| {
        let tree = text.split_once("use ").unwrap().1.trim_start_matches("self::");
        paths(&format!("self::{tree}"), &[])
    })
    .map(|path| path[1..].iter().filter(|part| *part != "self").cloned().collect())
    .collect()
}

fn without_reexports(code: &str) -> String {
    let mut kept = code.to_owned();
    for (text, _) in use_items(code).filter(|(text, _)| is_reexport(text)) {
        kept = kept.replace(text, "");
    }
    kept
}

fn is_reexport(text: &str) -> bool {
    let tree = text.split_once("use ").unwrap().1;
    text.starts_with("pub")
        && !tree.starts_with("crate::")
        && !tree.starts_with("super::")
}

/// Items `use …;` with their visibility, and where each begins.
fn use_items(code: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut at = 0;
    code.split_inclusive(';').filter_map(move |part| {
        let start = at;
        at += part.len();
        let item = part.trim_start();
        let line = item.rsplit("\n\n").next().unwrap();
        let line = line.rsplit_once("]\n").map_or(line, |(_, line)| line).trim_start();
        let is_use = line.starts_with("use ")
            || (line.starts_with("pub")
                && line.lines().next().unwrap().contains(" use "));
        is_use.then_some((line, start))
    })
}

/// For each set of files of which each leads to each other, the imports among them; none is
/// best.
pub(super) fn circles(imports: &Imports) -> Vec<Vec<String>> {
    let reach: Imports =
        imports.keys().map(|name| (name.clone(), reached(name, imports))).collect();
    let circle = |name: &String| -> Vec<String> {
        let with =
            |other: &&String| reach.get(*other).is_some_and(|back| back.contains(name));
        reach[name].iter().filter(with).cloned().collect()
    };
    let all: BTreeSet<Vec<String>> = imports.keys().map(circle).collect();
    let edges = |circle: Vec<String>| {
        let of_file = |from: &String| {
            let inside = imports[from].iter().filter(|to| circle.contains(to));
            inside.map(|to| format!("{from} → {to}")).collect::<Vec<_>>()
        };
        circle.iter().flat_map(of_file).collect()
    };
    all.into_iter().filter(|circle| circle.len() > 1).map(edges).collect()
}

/// What a file uses, and what that uses, and so on.
fn reached(name: &str, imports: &Imports) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        for next in imports.get(&name).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

#[test]
fn circles_are_found_through_super_crate_and_reexports() {
    let source = |module: &str, is_parent: bool, code: &str| Source {
        module: module.split("::").map(str::to_owned).collect(),
        is_parent,
        code: code.to_owned(),
    };
    let files = |b: &str| {
        vec![
            source(
                "m",
                true,
                "mod a;\nmod b;\nmod c;\n\npub use a::{A, other};\npub(crate) use c::C;\n",
            ),
            source("m::a", false, "use super::b::B;\nstruct A;"),
            source("m::b", false, b),
            source("m::c", false, "fn f(x: super::A) {}"),
        ]
    };
    let found = |b: &str| circles(&imports(&files(b)));
    assert!(found("struct B; fn f() { std::f() }").is_empty());
    let two = [vec!["m::a → m::b".to_owned(), "m::b → m::a".to_owned()]];
    assert_eq!(found("use super::A;"), two);
    assert_eq!(found("fn f() { crate::m::a::g() }"), two);
    let three = ["m::a → m::b", "m::b → m::c", "m::c → m::a"];
    assert_eq!(found("use crate::m::{C, D};"), [three]);
}
