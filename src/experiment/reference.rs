//! The book's page of all keys, written from their declarations.
//!
//! `STRATAGRAM_SNAPSHOTS=write cargo test --release --lib experiment::reference` rewrites it.

use std::fmt::Write as _;

use super::keys::KEYS;
use crate::setting::{Fallback, Key};

const PAGE: &str = "docs/book/reference/settings.md";

const TOP: &str = "# Every key of an experiment file\n\n\
    Only `data.kind`, `net.kind` and the settings of the network that are marked *required* must be \
    given. Any key can be overridden on the command line: `net.width=8`. What each key means is in \
    [The experiment file](../../FORMAT.md#the-experiment-file).\n\n\
    *Generated from the declarations in `src/experiment/keys.rs` and `src/net/` by \
    `STRATAGRAM_SNAPSHOTS=write cargo test --release --lib experiment::reference`.*\n";

/// The page: a table for each part of the file.
fn page() -> String {
    let mut page = TOP.to_owned();
    let mut part = None;
    for key in KEYS.iter() {
        let of = key.name.split_once('.').map_or("", |(part, _)| part);
        if part != Some(of) {
            part = Some(of);
            let title =
                if of.is_empty() { "At the top".into() } else { format!("`[{of}]`") };
            write!(page, "\n## {title}\n\n{HEADER}").unwrap();
        }
        page.push_str(&row(key));
    }
    page
}

const HEADER: &str = "| key | value | default | only with |\n|---|---|---|---|\n";

fn row(key: &Key) -> String {
    let default = match key.fallback {
        Fallback::Required => "*required*".to_owned(),
        Fallback::Absent => "*absent*".to_owned(),
        Fallback::Toml(value) => format!("`{}`", value.replace('\'', "\"")),
    };
    let with = key.belongs_to.map_or(String::new(), |(other, values)| {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        format!("`{other}` = {}", values.join(", "))
    });
    format!("| `{}` | {} | {default} | {with} |\n", key.name, key.kind.expected())
}

#[test]
fn the_page_of_all_keys_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = page();
    if std::env::var_os("STRATAGRAM_SNAPSHOTS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "{PAGE} is out of date; the comment at the top says how to rewrite it"
    );
}
