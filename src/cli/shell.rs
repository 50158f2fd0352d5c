//! Commands as a shell reads them back.

/// `stratagram` with these words, quoted where necessary.
pub(super) fn command(words: &[String]) -> String {
    let words = words.iter().map(|word| quoted(word));
    std::iter::once("stratagram".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_other_characters_are_quoted() {
        let words = ["run", "a=[0,1]", "it's", ""].map(str::to_owned);
        assert_eq!(command(&words), r"stratagram run 'a=[0,1]' 'it'\''s' ''");
    }
}
