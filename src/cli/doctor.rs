//! `stratagram doctor`: what this build and machine can do; and the long form of the version.

use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::output::print_result;
use crate::data::{data_directories, data_sets};
use crate::engine::{isa_name, torch_devices};
use crate::error::Result;
use crate::experiment::OptimizerKind;
use crate::net;
use crate::similarity::{Estimator, Measure};
use crate::version::{COMMIT, VERSION};

/// Say what this build and this machine can do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> Result<()> {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let ready: Vec<&str> = data_sets()
        .iter()
        .filter(|set| set.status == "ready")
        .map(|set| set.name)
        .collect();
    let directories: Vec<String> =
        data_directories().iter().map(|path| path.display().to_string()).collect();
    let estimators = Estimator::NAMES.join(", ");
    let rows = [
        ("stratagram", VERSION.to_owned()),
        ("commit", COMMIT.unwrap_or("not recorded").to_owned()),
        ("kernels", format!("{} (STRATAGRAM_ISA chooses others)", isa_name()?)),
        ("threads", format!("{} of {available} cores", rayon::current_num_threads())),
        ("nets", net::NAMES.join(", ")),
        ("optimizers", OptimizerKind::NAMES.join(", ")),
        ("measures", format!("drs, {} (cka: {estimators})", Measure::NAMES.join(", "))),
        ("data ready", format!("{} (all: stratagram data list)", ready.join(", "))),
        ("data from", directories.join(", ")),
        ("python", python_package()),
        ("engines", format!("native; {}", pytorch())),
    ];
    let lines = rows.map(|(name, value)| format!("{name:<11} {value}\n"));
    print_result(&lines.concat())
}

/// Version, commit and instruction set, for `--version`.
pub(super) fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let kernels = isa_name().map_or_else(|error| error.to_string(), str::to_owned);
        let commit = COMMIT.unwrap_or("not recorded");
        format!("{VERSION}\ncommit      {commit}\nkernels     {kernels}")
    });
    &TEXT
}

/// What the PyTorch engine runs on, or why it does not.
fn pytorch() -> String {
    torch_devices().unwrap_or_else(|error| {
        let text = error.to_string();
        let missing = ["No module named", "cannot be imported", "finds no Python"];
        if missing.iter().any(|words| text.contains(words)) {
            return "PyTorch is not there (pip install 'stratagram[torch]')".to_owned();
        }
        text.lines().next().unwrap_or_default().to_owned()
    })
}

/// Version and place of the Python package that `python3` imports.
fn python_package() -> String {
    // Not from the working directory, which need not be trusted.
    const CODE: &str = "import sys; sys.path = [p for p in sys.path if p]\n\
                        import stratagram\n\
                        print(stratagram.__version__, stratagram.__file__)";
    let output = Command::new("python3")
        .args(["-c", CODE])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Err(_) => "no python3 on PATH".to_owned(),
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        Ok(_) => "the package stratagram is not installed in python3".to_owned(),
    }
}
