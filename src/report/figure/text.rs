//! Numbers and names as text.

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

/// Characters that fit beside a key or a tick.
const MOST: usize = 16;

/// A name that fits beside a key or a tick: its end, which tells names of one net apart.
pub(crate) fn short(name: &str) -> String {
    let length = name.chars().count();
    if length <= MOST {
        return name.to_owned();
    }
    let fits = |at: &usize| name[*at..].chars().count() < MOST;
    let parts = name.match_indices(['.', '/']).map(|(at, _)| at + 1).find(fits);
    let end = parts.filter(|at| *at < name.len()).map_or_else(
        || name.chars().skip(length + 1 - MOST).collect(),
        |at| name[at..].to_owned(),
    );
    format!("…{end}")
}

/// Names that fit beside keys and ticks and differ where the names do.
pub(crate) fn shortened(names: &[&str]) -> Vec<String> {
    let short: Vec<String> = names.iter().map(|name| short(name)).collect();
    let is_alone =
        |text: &String| short.iter().filter(|other| *other == text).count() == 1;
    let both_ends = |name: &str| {
        let characters: Vec<char> = name.chars().collect();
        let [head, tail] =
            [&characters[..MOST / 2 - 1], &characters[characters.len() - MOST / 2..]];
        head.iter().chain(&['…']).chain(tail).collect::<String>()
    };
    let of = |(name, text): (&&str, &String)| {
        if is_alone(text) || *name == text { text.clone() } else { both_ends(name) }
    };
    let told_apart: Vec<String> = names.iter().zip(&short).map(of).collect();
    // What still is the same stays whole.
    let count = |text: &String| told_apart.iter().filter(|other| *other == text).count();
    let whole = |(name, text): (&&str, &String)| match count(text) {
        1 => text.clone(),
        _ => (*name).to_owned(),
    };
    names.iter().zip(&told_apart).map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_the_end_that_tells_them_apart() {
        let names = ["conv1", "encoder.layer1.0.conv1", "encoder.layer1.0.conv2"];
        assert_eq!(shortened(&names), ["conv1", "…layer1.0.conv1", "…layer1.0.conv2"]);
        let names = ["first.very_long_block.conv", "second.very_long_block.conv"];
        let short = shortened(&names);
        assert_ne!(short[0], short[1]);
        assert!(short.iter().all(|name| name.chars().count() <= MOST), "{short:?}");
        let twins = ["a.b.c.d.e.f.middle1.g.h.i.j.k", "a.b.c.d.e.f.middle2.g.h.i.j.k"];
        assert_eq!(shortened(&twins), twins, "ends alone do not tell them apart");
        assert_eq!(shortened(&["fc", "fc"]), ["fc", "fc"]);
        assert_eq!(shortened(&["ééééééééééééééééééé"]), ["…ééééééééééééééé"]);
    }
}
