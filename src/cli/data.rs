//! `stratagram data`: the data sets.

use super::print_result;
use crate::data::{DataSet, data_sets};
use crate::error::Result;

/// Say which data sets this build reads, and where it looks for them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram data list\n  \
    stratagram data list --json")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the data sets: name, images, where they are looked for, whether they are there.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let Action::List { json } = arguments.action;
    let sets = data_sets();
    if json {
        let text =
            serde_json::to_string_pretty(&sets).expect("plain text has a JSON form");
        return print_result(&(text + "\n"));
    }
    print_result(&list(&sets))
}

/// A table with one data set a line.
fn list(sets: &[DataSet]) -> String {
    let head = ["NAME", "STATUS", "IMAGES", "WHERE"];
    let row =
        |set: &DataSet| [set.name, set.status, &set.images, set.place].map(str::to_owned);
    let rows: Vec<_> =
        std::iter::once(head.map(str::to_owned)).chain(sets.iter().map(row)).collect();
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &[String; 4]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_every_set_with_its_status() {
        let text = list(&data_sets());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines[1].starts_with("digits  ready         1797 of [1, 8, 8]"),
            "{text}"
        );
        let column =
            |line: &str, word: &str| line[..line.find(word).unwrap()].chars().count();
        assert_eq!(column(lines[0], "WHERE"), column(lines[2], "`data.path`"));
    }
}
