//! Writes docs/CONFORMANCE.md: `cargo run --release --example conformance`.

#[path = "../tests/it/conformance/table.rs"]
mod table;

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFORMANCE.md");
    std::fs::write(path, table::document(&table::lines()))
}
