//! `stratagram data`: the data sets.

use super::output::{print_json, print_result};
use super::progress::Terminal;
use super::table::table;
use crate::data::{
    DataSet, Download, Verified, data_directories, data_sets, fetch, verify,
};
use crate::error::Result;
use crate::shell;

/// Say which data sets this build reads, where it looks for them, and get or check one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    stratagram data list\n  \
    stratagram data fetch fashion-mnist\n  \
    stratagram data verify cifar10 --data /shared/data\n  \
    stratagram data planes experiment.toml --out planes")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the data sets: name, images, where they are, how to get them.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Download a data set, or what is missing of it, and check it.
    Fetch {
        /// Its name, as in `data list`.
        name: String,
        /// Get the files from this address (`http://…/FOLDER`) instead of their authors'.
        #[arg(long, value_name = "URL")]
        from: Option<String>,
    },
    /// Write the points of an experiment's planes, for any program to decide on.
    Planes(super::planes::Arguments),
    /// Read a data set with all checks, and compare its files' checksums.
    Verify {
        /// Its name, as in `data list`.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.action {
        Action::List { json: true } => print_json(&data_sets()),
        Action::List { json: false } => print_result(&list(&data_sets())),
        Action::Planes(arguments) => super::planes::run(arguments),
        Action::Fetch { name, from } => get(name, from.as_deref()),
        Action::Verify { name, json } => {
            let verified = verify(name)?;
            if *json { print_json(&verified) } else { print_result(&describe(&verified)) }
        }
    }
}

/// A table with one data set a line, and where they are looked for.
fn list(sets: &[DataSet]) -> String {
    let row = |set: &DataSet| {
        [set.name, set.status, set.images.as_str(), set.place.as_str()].map(str::to_owned)
    };
    let rows: Vec<_> = sets.iter().map(row).collect();
    let directories: Vec<String> =
        data_directories().iter().map(|path| path.display().to_string()).collect();
    format!(
        "{}\ndata directories, in this order: {}\n\"fetch it\": stratagram data fetch NAME\n",
        table(["NAME", "STATUS", "IMAGES", "WHERE"], &rows),
        directories.join(", ")
    )
}

/// Downloads what is missing, then reads the data set with all checks.
fn get(name: &str, from: Option<&str>) -> Result<()> {
    let terminal = Terminal::new(&fetch_again(name, from));
    for (path, outcome) in fetch(name, from, &terminal)? {
        let done = match outcome {
            Download::There => "was there",
            Download::Got => "downloaded",
        };
        print_result(&format!("{} {done}, SHA-256 as published\n", path.display()))?;
    }
    drop(terminal);
    print_result(&describe(&verify(name)?))
}

fn fetch_again(name: &str, from: Option<&str>) -> String {
    let words = ["data", "fetch", name]
        .into_iter()
        .chain(from.iter().flat_map(|from| ["--from", from]));
    shell::command(&words.map(str::to_owned).collect::<Vec<_>>())
}

fn describe(verified: &Verified) -> String {
    let place = verified.place.as_ref().map_or_else(
        || "in this program".to_owned(),
        |place| place.display().to_string(),
    );
    let files = match verified.original_files.as_slice() {
        [] => {
            "none is the authors' own, bit for bit (another packing or form)".to_owned()
        }
        names => format!("as published: {}", names.join(", ")),
    };
    format!(
        "{}: {}, readable, all checks passed\n\
         where     {place}\n\
         images    {} + {}\n\
         files     {files}\n\
         sha256    {} (pixels and labels)\n",
        verified.name,
        verified.title,
        verified.counts[0],
        verified.counts[1],
        verified.sha256
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_every_set_with_its_status() {
        let sets = data_sets();
        let text = list(&sets);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].split_whitespace().collect::<Vec<_>>().join(" ").starts_with(
                "digits ready 1797 of [1, 8, 8], 10 classes in this program"
            ),
            "{text}"
        );
        for (line, set) in lines[1..].iter().zip(&sets) {
            assert!(line.starts_with(set.name) && line.contains(set.status), "{line}");
        }
        let column =
            |line: &str, word: &str| line[..line.find(word).unwrap()].chars().count();
        assert_eq!(column(lines[0], "WHERE"), column(lines[1], "in this"));
        assert!(text.contains("data directories, in this order: "));
    }
}
