//! The paths that code names, spelled out: `use super::{a, b::c}` are two.

/// Paths that begin with `crate`, `self`, `super` or one of `names`.
pub(super) fn paths(code: &str, names: &[&str]) -> Vec<Vec<String>> {
    let tokens = tokens(code);
    let mut found = vec![];
    let mut at = 0;
    while at < tokens.len() {
        let starts = ["crate", "self", "super"].contains(&tokens[at])
            || names.contains(&tokens[at]);
        let is_whole = at == 0 || !["::", ".", "fn", "mod"].contains(&tokens[at - 1]);
        if starts && is_whole && tokens.get(at + 1) == Some(&"::") {
            at = tree(&tokens, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one tree of paths from `at` on and returns where it ends.
fn tree(
    tokens: &[&str],
    mut at: usize,
    prefix: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while at < tokens.len() && tokens[at] != "}" {
                    at = tree(tokens, at, &path, found);
                    if tokens.get(at) == Some(&"as") {
                        at += 2;
                    }
                    if tokens.get(at) == Some(&",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some(token) if is_word(token) => path.push((*token).to_owned()),
            // A glob, a macro, the end of a file.
            _ => {
                found.push(path);
                return at + 1;
            }
        }
        at += 1;
        if tokens.get(at) != Some(&"::") {
            found.push(path);
            return at;
        }
        at += 1;
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::`, and single characters.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = vec![];
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_word(rest) {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

#[test]
fn paths_are_spelled_out() {
    let code = "use super::{a, b::{self, c as d}, e::*}; crate::x::<T>(y::z); pub(crate) fn f() {}";
    let found: Vec<String> =
        paths(code, &["y"]).iter().map(|path| path.join("::")).collect();
    let expected =
        ["super::a", "super::b::self", "super::b::c", "super::e", "crate::x", "y::z"];
    assert_eq!(found, expected);
}
