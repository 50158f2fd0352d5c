//! `--engine` and `--device`, of the verbs that compute networks.

use crate::error::Result;
use crate::experiment::Experiment;
use crate::run_dir::RunDir;

/// What computes the network, and where.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct EngineArguments {
    /// What computes the network: this program itself, or PyTorch, for GPUs [default: the
    /// experiment's `engine.kind`, native]. Results are the same but for rounding.
    #[arg(long, value_name = "native|torch", value_parser = ["native", "torch"])]
    engine: Option<String>,
    /// PyTorch's name of the device, such as cuda:1 or cpu [default: cuda]; `engine.precision`,
    /// `engine.compile` and others are settings of the experiment.
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
}

impl EngineArguments {
    /// As changes to an experiment.
    pub(super) fn changes(&self) -> Vec<String> {
        let change = |key: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("engine.{key}='{value}'"))
        };
        let all = [change("kind", &self.engine), change("device", &self.device)];
        all.into_iter().flatten().collect()
    }

    /// As words of the command line.
    pub(super) fn words(&self) -> Vec<String> {
        let word = |flag: &str, value: &Option<String>| {
            value.as_ref().map(|value| [flag.to_owned(), value.clone()])
        };
        let all = [word("--engine", &self.engine), word("--device", &self.device)];
        all.into_iter().flatten().flatten().collect()
    }

    /// Computes the run's network as asked for, whatever its experiment says.
    pub(super) fn apply(&self, run: &mut RunDir) -> Result<()> {
        let changes = self.changes();
        if changes.is_empty() {
            return Ok(());
        }
        let text = run.experiment().to_toml();
        let changed = Experiment::parse("--engine", &text, ".".as_ref(), &changes)?;
        run.compute_with(changed.engine);
        Ok(())
    }
}
