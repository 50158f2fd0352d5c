//! docs/CONFORMANCE.md says what is so.

pub(crate) mod table;

use std::fs;
use std::path::Path;

use crate::architecture::rust_files;

#[test]
fn the_document_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let written = fs::read_to_string(root.join("docs/CONFORMANCE.md")).unwrap();
    let lines = table::lines();
    let now = table::document(&lines);
    let hint = "write it again: cargo run --release --example conformance";
    assert_eq!(written.lines().count(), now.lines().count(), "{hint}");
    let mut checked = lines.iter();
    for (written, now) in written.lines().zip(now.lines()) {
        // Last digits differ from processor to processor; the rest is the same everywhere.
        let cells = |line: &str| -> Vec<String> {
            line.split(" | ").map(str::to_owned).collect()
        };
        let (written, now) = (cells(written), cells(now));
        if now.len() != 5 || now[0].contains("quantity") {
            assert_eq!(written, now, "{hint}");
            continue;
        }
        assert_eq!(written[..3], now[..3], "{hint}");
        assert_eq!(written[4], now[4], "{hint}");
        let line = checked.next().unwrap();
        let stated: f64 = written[3].parse().unwrap();
        assert!(line.difference <= line.tolerance, "{}: {}", now[0], line.difference);
        assert!(stated <= line.tolerance && line.difference <= 100.0 * stated.max(1e-8));
    }
    assert!(checked.next().is_none());
}

#[test]
fn every_test_that_is_named_exists() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let code: String =
        rust_files(&tests).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for (defect, test) in table::DEFECTS {
        assert!(code.contains(&format!("fn {test}()")), "{defect}: {test}");
    }
}
