//! `--color`: when output is colored.

use std::ffi::{OsStr, OsString};

use clap::{ColorChoice, ValueEnum};

/// What the command line asks for, before it is parsed: the parser's own messages follow it.
pub(super) fn asked(arguments: impl IntoIterator<Item = OsString>) -> ColorChoice {
    let mut arguments = arguments.into_iter().take_while(|word| word != "--");
    let mut found = ColorChoice::Auto;
    while let Some(word) = arguments.next() {
        let value = match word.to_str().and_then(|word| word.strip_prefix("--color")) {
            Some("") => arguments.next(),
            Some(rest) => rest.strip_prefix('=').map(OsString::from),
            None => None,
        };
        let value = value.as_deref().and_then(OsStr::to_str);
        let choice = value.map(|value| ColorChoice::from_str(value, false));
        found = choice.and_then(std::result::Result::ok).unwrap_or(found);
    }
    found
}

/// Uses this choice for all that is printed from here on. `auto` heeds `NO_COLOR`, `TERM` and
/// whether the reader is a terminal.
pub(super) fn apply(choice: ColorChoice) {
    let choice = match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}

/// Whether what is written to stdout may be colored.
pub(super) fn is_on() -> bool {
    let choice = anstream::AutoStream::choice(&std::io::stdout());
    !matches!(choice, anstream::ColorChoice::Never)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_choice_counts_and_others_are_left_to_the_parser() {
        let asked = |words: &str| asked(words.split(' ').map(OsString::from));
        assert_eq!(asked("x show run"), ColorChoice::Auto);
        assert_eq!(asked("x --color never show run"), ColorChoice::Never);
        assert_eq!(asked("x show --color=never run --color=always"), ColorChoice::Always);
        assert_eq!(asked("x show --color=blue"), ColorChoice::Auto);
        assert_eq!(asked("x show --colorful"), ColorChoice::Auto);
        assert_eq!(asked("x show -- --color=never"), ColorChoice::Auto);
    }
}
