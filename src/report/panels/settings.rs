//! Settings and provenance: every key of the experiment, what run.json holds, how to load
//! the numbers, how to cite.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use super::panel::{Block, Panel, Section};
use crate::report::figure::svg::Escaped;
use crate::report::figure::text::trimmed;
use crate::report::model::RunResults;
use crate::report::words;
use crate::run_dir::RunFile;

/// Keys of run.json that the page shows: what two runs of one experiment share. Times, threads
/// and status differ between them, and the page is to have the same bytes.
const SHOWN: [&str; 13] = [
    "source",
    "model",
    "torch",
    "recording",
    "stratagram",
    "git",
    "format",
    "device",
    "seeds",
    "data",
    "data_sha256",
    "noise_rate",
    "steps_per_epoch",
];

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "settings",
    title: "Settings and provenance",
    section: Section::Settings,
    shows: &[RunFile::Experiment, RunFile::Manifest],
    blocks: |run| vec![Block::Html(html(run))],
};

fn html(run: &RunResults) -> String {
    let mut html = String::from("<div class=\"columns\">\n");
    let experiment = experiment_rows(&run.experiment);
    html += &table("Experiment", RunFile::Experiment, &experiment);
    let mut rows = vec![];
    for key in SHOWN {
        manifest_rows(key, &run.manifest[key], &mut rows);
    }
    html += &table("Run", RunFile::Manifest, &rows);
    html += "</div>\n";
    html += &loading(run);
    html += &citation(run);
    html
}

fn table(title: &str, file: RunFile, rows: &[(String, String)]) -> String {
    let mut html = format!("<div><h3>{title}</h3>\n");
    if rows.is_empty() {
        let file = file.about().pattern;
        let _ = writeln!(html, "<p class=\"absent\">{file} is absent.</p></div>");
        return html;
    }
    let name = title.to_lowercase();
    let _ = writeln!(html, "<table data-file=\"{name}\">");
    for (key, value) in rows {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
            Escaped(key),
            unbroken(value)
        );
    }
    html + "</table></div>\n"
}

/// A value that breaks between its words, and within one only where it is too long for a line, as
/// a checksum is.
fn unbroken(value: &str) -> String {
    let word = |word: &str| {
        let text = Escaped(word).to_string();
        let is_long = word.chars().count() > LONG;
        if is_long { format!("<span class=\"long\">{text}</span>") } else { text }
    };
    value.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

/// Characters that fit in a line of a table on a narrow screen.
const LONG: usize = 30;

/// Dotted keys, as `a.b=value` on the command line has them.
fn experiment_rows(experiment: &toml::Table) -> Vec<(String, String)> {
    let mut rows = vec![];
    for (key, value) in experiment {
        flatten(key, value, &mut rows);
    }
    rows
}

fn flatten(key: &str, value: &toml::Value, rows: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            for (inner, value) in table {
                flatten(&format!("{key}.{inner}"), value, rows);
            }
        }
        toml::Value::String(text) => {
            rows.push((key.to_owned(), without_directories(text)));
        }
        other => rows.push((key.to_owned(), rounded(other))),
    }
}

/// A value of TOML as it is written, numbers without the digits of binary fractions.
fn rounded(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(number) => tidy(*number),
        toml::Value::Array(values) => {
            format!(
                "[{}]",
                values.iter().map(rounded).collect::<Vec<String>>().join(", ")
            )
        }
        other => other.to_string(),
    }
}

/// 0.1 of 0.1 in single precision, which is 0.10000000149011612.
fn tidy(number: f64) -> String {
    let single = (number as f32).to_string();
    let is_single = single
        .parse::<f32>()
        .is_ok_and(|single| f64::from(single).to_bits() == number.to_bits());
    if is_single { single } else { number.to_string() }
}

fn manifest_rows(key: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (inner, value) in object {
                let key =
                    if key.is_empty() { inner.clone() } else { format!("{key}.{inner}") };
                manifest_rows(&key, value, rows);
            }
        }
        Value::Null => {}
        Value::String(text) => rows.push((key.to_owned(), without_directories(text))),
        Value::Number(number) if number.is_f64() => {
            // What is counted and measured needs no more than six decimals.
            let number = number.as_f64().unwrap_or(f64::NAN);
            let text =
                if number.abs() < 1e-3 { tidy(number) } else { trimmed(number, 6) };
            rows.push((key.to_owned(), text));
        }
        Value::Array(values) => {
            // Each value as a row of its own would have, so that lists break between values.
            let mut inner = vec![];
            values.iter().for_each(|value| manifest_rows("", value, &mut inner));
            let texts: Vec<String> = inner
                .into_iter()
                .map(
                    |(key, value)| {
                        if key.is_empty() { value } else { format!("{key} {value}") }
                    },
                )
                .collect();
            rows.push((key.to_owned(), texts.join(", ")));
        }
        other => rows.push((key.to_owned(), without_directories(&other.to_string()))),
    }
}

/// An absolute path by its last part: pages are shared, and home directories name people.
fn without_directories(text: &str) -> String {
    let path = Path::new(text);
    match path.file_name() {
        Some(name) if path.is_absolute() => name.to_string_lossy().into_owned(),
        _ => text.to_owned(),
    }
}

fn loading(run: &RunResults) -> String {
    let Some(set) = run.matrices.first() else { return String::new() };
    let Some(matrix) = set.layers.last() else { return String::new() };
    let n = matrix.n_epochs();
    let line = format!(
        "numpy.load(\"matrices/{}/{}/{}.npy\")  # [{n}, {n}] float32; epochs: matrices/axis.csv",
        set.kind, set.group, matrix.layer
    );
    format!(
        "<h3>The numbers</h3>\n<p>Every matrix is a NumPy file in the run directory; \
         <code>matrices.csv</code> holds the same values with their standard errors and the \
         reasons of undefined cells. Standard errors (se) are over examples, for decision \
         regions over image triplets — never over seeds.</p>\n<pre>{}</pre>\n",
        Escaped(&line)
    )
}

fn citation(run: &RunResults) -> String {
    let text = format!(
        "stratagram {}: how a deep network’s representations evolve over its training. \
         Implements the method named in the abstract of arXiv:2405.17377 (Y. Sharon, \
         Y. Dar); settings the abstract does not name are this program’s and are listed \
         above.",
        words::version(run)
    );
    format!("<h3>How to cite</h3>\n<p>{}</p>\n", Escaped(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_flattened_and_directories_left_out() {
        let manifest = serde_json::json!({
            "version": "0.1.0", "data": {"path": "/home/ada/x.npz"},
        });
        let mut rows = vec![];
        manifest_rows("", &manifest, &mut rows);
        let expected = [("version", "0.1.0"), ("data.path", "x.npz")];
        assert_eq!(rows, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let experiment: toml::Table = "[net]\nwidth = 16\nlist = [1, 2]".parse().unwrap();
        let rows = experiment_rows(&experiment);
        assert_eq!(rows[0], ("net.width".into(), "16".into()));
        assert_eq!(rows[1], ("net.list".into(), "[1, 2]".into()));
    }
}
