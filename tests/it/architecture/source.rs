//! Source files as the rules read them: code alone, without comments, strings and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the library with the path of its module, `["analyze", "reduce", "rows"]`.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) module: Vec<String>,
    /// A folder's `mod.rs`, or a file beside the folder of its children.
    pub(super) is_parent: bool,
    pub(super) code: String,
}

impl Source {
    pub(super) fn name(&self) -> String {
        self.module.join("::")
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below a folder, sorted.
pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The library's files but for its tests, `lib.rs` and `main.rs`.
pub(super) fn library() -> Vec<Source> {
    let source = root().join("src");
    let mut sources = vec![];
    for path in rust_files(&source) {
        let relative = path.strip_prefix(&source).unwrap().with_extension("");
        let mut module: Vec<String> = relative
            .components()
            .map(|part| part.as_os_str().to_str().unwrap().to_owned())
            .collect();
        let is_test =
            module.iter().any(|part| part == "tests" || part.ends_with("_tests"));
        if is_test || module == ["lib"] || module == ["main"] {
            continue;
        }
        let is_folder = module.last().unwrap() == "mod";
        if is_folder {
            module.pop();
        }
        let is_parent = is_folder || path.with_extension("").is_dir();
        let code = without_tests(&code_of(&fs::read_to_string(&path).unwrap()));
        sources.push(Source { module, is_parent, code });
    }
    sources
}

/// The text with comments, strings and character literals blanked out, line by line as it was.
pub(super) fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_literal(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(
                chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        }
    }
    code
}

/// Where the comment, string or character that begins at `at` ends; `at` if none does.
fn end_of_literal(chars: &[char], at: usize) -> usize {
    let follows =
        |text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let starts_word =
        at == 0 || !(chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if follows("//") {
        return (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len());
    }
    if follows("/*") {
        return end_of_block_comment(chars, at);
    }
    if starts_word
        && (follows("r\"") || follows("r#\"") || follows("br\"") || follows("r##\""))
    {
        return end_of_raw_string(chars, at);
    }
    match chars[at] {
        '"' => end_of_quoted(chars, at, '"'),
        // A lifetime has no second quote after one character.
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
            end_of_quoted(chars, at, '\'')
        }
        _ => at,
    }
}

fn end_of_block_comment(chars: &[char], at: usize) -> usize {
    let (mut i, mut depth) = (at + 2, 1);
    while depth > 0 && i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
            ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
    }
    i
}

fn end_of_raw_string(chars: &[char], at: usize) -> usize {
    let open = (at..chars.len()).find(|&i| chars[i] == '"').unwrap();
    let hashes = chars[at..open].iter().filter(|&&c| c == '#').count();
    let closes = |i: usize| {
        chars[i] == '"' && (1..=hashes).all(|h| chars.get(i + h) == Some(&'#'))
    };
    (open + 1..chars.len()).find(|&i| closes(i)).map_or(chars.len(), |i| i + 1 + hashes)
}

fn end_of_quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut i = at + 1;
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Code without the items behind `#[cfg(test)]`.
pub(super) fn without_tests(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::new();
    while let Some(start) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..start]);
        let item = &rest[start..];
        let end = item.find([';', '{']).unwrap_or(item.len() - 1);
        let length = if item[end..].starts_with('{') {
            end + length_of_group(&item[end..], '{', '}')
        } else {
            end + 1
        };
        kept.extend(item[..length].chars().filter(|&c| c == '\n'));
        rest = &item[length..];
    }
    kept + rest
}

/// Bytes of the bracketed group that `code` begins with.
pub(super) fn length_of_group(code: &str, open: char, close: char) -> usize {
    let mut depth = 0;
    for (at, c) in code.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return at + c.len_utf8();
            }
        }
    }
    code.len()
}

#[test]
fn code_has_no_comments_strings_characters_or_tests() {
    let text =
        "a /* x /* y */ z */ \"s\\\"//\" r#\"q\"\"# '{' '\\'' b'x'\n&'a str // c\nd";
    let code = code_of(text);
    let words: Vec<&str> = code.split_whitespace().collect();
    assert_eq!(words, ["a", "b", "&'a", "str", "d"]);
    assert_eq!(code.lines().count(), 3);
    let code =
        "x\n#[cfg(test)]\nmod tests;\ny\n#[cfg(test)]\nmod inner { fn f() { {} } }\nz";
    let kept = without_tests(code);
    assert_eq!(kept.split_whitespace().collect::<Vec<_>>(), ["x", "y", "z"]);
    assert_eq!(kept.lines().count(), code.lines().count());
}
