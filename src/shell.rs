//! Commands as a shell reads them back.

use std::path::Path;

/// `stratagram` with these words, quoted where necessary.
pub(crate) fn command(words: &[String]) -> String {
    format!("stratagram {}", self::words(words))
}

/// Words, quoted where necessary.
pub(crate) fn words(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// `stratagram VERB PATH`, the path quoted where necessary.
pub(crate) fn verb_on(verb: &str, path: &Path) -> String {
    format!("stratagram {verb} {}", quoted(&path.display().to_string()))
}

/// A word, quoted where necessary.
pub(crate) fn quoted(word: &str) -> String {
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
        assert_eq!(verb_on("show", "my runs/a".as_ref()), "stratagram show 'my runs/a'");
    }
}
