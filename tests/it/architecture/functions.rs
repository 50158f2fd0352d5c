//! Functions: how many lines of code their bodies have, and what their parameters are.

use super::source::length_of_group;

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    /// Lines of code between the braces.
    pub(super) lines: usize,
    pub(super) parameters: Vec<String>,
}

/// All functions of a file's code that have a body, inner ones too.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let starts = code.match_indices("fn ").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || c == '_'))
    });
    starts.filter_map(|(at, _)| function(&code[at + "fn ".len()..])).collect()
}

fn function(code: &str) -> Option<Function> {
    let name: String =
        code.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let open = after_generics(code, name.len())?;
    let length = length_of_group(&code[open..], '(', ')');
    let parameters = split(&code[open + 1..open + length - 1]);
    let rest = &code[open + length..];
    // In a result like `[f64; 3]` no body ends.
    let mut depth = 0;
    let body = rest.char_indices().find_map(|(at, c)| {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            '{' if depth == 0 => return Some(Some(at)),
            ';' if depth == 0 => return Some(None),
            _ => {}
        }
        None
    })??;
    let body = &rest[body..][..length_of_group(&rest[body..], '{', '}')];
    let inner = body.trim_start_matches('{').trim_end_matches('}');
    let lines = inner.lines().filter(|line| !line.trim().is_empty()).count();
    (!name.is_empty()).then_some(Function { name, lines, parameters })
}

/// Where the parameters open: behind the generics, whose `Fn(A) -> B` has brackets too.
fn after_generics(code: &str, start: usize) -> Option<usize> {
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in code[start..].char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            '(' if depth == 0 => return Some(start + at),
            _ if depth == 0 && !c.is_whitespace() => return None,
            _ => {}
        }
        before = c;
    }
    None
}

/// Parts between the commas that stand in no brackets.
fn split(list: &str) -> Vec<String> {
    let (mut parts, mut depth, mut before) = (vec![String::new()], 0, ' ');
    for c in list.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(c);
        }
        before = c;
    }
    parts
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// A parameter that is itself three or more in a tuple.
pub(super) fn is_wide_tuple(parameter: &str) -> bool {
    let colon = parameter.match_indices(':').find(|(at, _)| {
        let bytes = parameter.as_bytes();
        bytes.get(at + 1) != Some(&b':') && (*at == 0 || bytes[at - 1] != b':')
    });
    let Some((colon, _)) = colon else { return false };
    let kind =
        parameter[colon + 1..].trim().trim_start_matches('&').trim_start_matches("mut ");
    let whole = kind.starts_with('(') && length_of_group(kind, '(', ')') == kind.len();
    whole && split(&kind[1..kind.len() - 1]).len() >= 3
}

#[test]
fn functions_are_read_with_their_lines_and_parameters() {
    let code = "impl X {\n fn a<F: Fn(u8) -> u8>(&self, f: F, (x, y, z): (u8, u8, u8)) -> [u8; 2] {\n\
                 one;\n\n   if two {\n }\n }\n fn no_body(&self);\n}\nfn b() {}\n";
    let found = functions(code);
    let names: Vec<(&str, usize)> =
        found.iter().map(|f| (f.name.as_str(), f.lines)).collect();
    assert_eq!(names, [("a", 3), ("b", 0)]);
    assert_eq!(found[0].parameters.len(), 3);
    assert!(is_wide_tuple(&found[0].parameters[2]));
    assert!(!is_wide_tuple("pair: (usize, usize)") && !is_wide_tuple("&self"));
    assert!(!is_wide_tuple("rows: &[(usize, usize, f64)]"));
    assert!(is_wide_tuple("(a, b, c): &mut (A, B<C, D>, E)"));
}
