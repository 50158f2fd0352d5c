//! The `stratagram` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    stratagram::cli::main()
}
