//! One run, from an experiment to its page.

use std::path::{Path, PathBuf};

use crate::analyze;
use crate::data::Data;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::observer::Observer;
use crate::planes::image_planes;
use crate::report;
use crate::represent;
use crate::run_dir::RunDir;
use crate::train::{self, Fork, check_start};

/// One run to work on.
#[derive(Debug, Clone, Copy)]
pub struct OneRun<'a> {
    /// The run directory.
    pub out: &'a Path,
    /// What is trained.
    pub experiment: &'a Experiment,
    /// What [`Data::load`] gives for it.
    pub data: &'a Data,
    /// Where it starts, if not at the first step.
    pub fork: Option<&'a Fork>,
    /// Whether a run that is there is replaced.
    pub fresh: bool,
}

impl OneRun<'_> {
    /// Trains, or continues; what the analysis would refuse is refused first, before a
    /// directory is made.
    ///
    /// # Errors
    /// If layers, planes, fork or directory do not suit the experiment, or training fails.
    pub fn train(&self, observer: &dyn Observer) -> Result<RunDir> {
        let Self { out, experiment, data, fork, fresh } = *self;
        let net = experiment.net.build(data.train.shape, data.n_classes);
        let analysis = &experiment.analysis;
        represent::layers(&net, &analysis.layers, analysis.tokens)?;
        for source in analysis.drs.source.list() {
            image_planes(experiment, data, *source)?;
        }
        check_start(fork, out, experiment, data)?;
        let run = RunDir::create_or_open(out, experiment, fresh)?;
        if let Some(fork) = fork {
            fork.begin(experiment, data, &run, observer)?;
        }
        train::train(experiment, data, &run, observer)?;
        Ok(run)
    }

    /// Trains, analyzes and reports; returns the page's path.
    ///
    /// # Errors
    /// As [`OneRun::train`]; if the analysis or the report fails.
    ///
    /// # Panics
    /// If the report wrote no page.
    pub fn complete(&self, observer: &dyn Observer) -> Result<PathBuf> {
        let run = self.train(observer)?;
        analyze::analyze(&run, self.data, false, observer)?;
        let written = report::write(run.root())?;
        Ok(written.into_iter().next().expect("the page is written first"))
    }
}
