//! Numbers and names as text, and how much room they take.

/// An error or similarity with three decimals; "undefined" for NaN.
pub(crate) fn error(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { "undefined".into() }
}

/// A number with at most so many decimals.
pub(crate) fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// 1234567 as 1,234,567.
pub(crate) fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

/// "a, b and c".
pub(crate) fn join(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The text with a capital first letter.
pub(crate) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// A name that fits beside a key or a tick.
pub(crate) fn short(name: &str) -> String {
    const MOST: usize = 16;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST - 1).chain(['…']).collect()
}

/// About how wide a text is in Helvetica, in the unit of `size`: layouts that follow a name
/// with another need no more than that.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | '\'' | '|' | '!' => 0.25,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '-' | '1' => 0.34,
        'm' | 'w' | 'M' | 'W' => 0.82,
        'A'..='Z' => 0.68,
        _ => 0.55,
    };
    let factor = if bold { 1.06 } else { 1.0 };
    text.chars().map(of).sum::<f64>() * size * factor
}
