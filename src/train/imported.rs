//! Records of checkpoints that another program trained: their rows of the history, and a state
//! at the last one, so that the run is complete and nothing trains it over.

use super::history::Evaluator;
use super::labels::training_labels;
use super::state::Records;
use super::{Plan, record_device, record_start, write_labels};
use crate::array_file::NamedArrays;
use crate::data::Data;
use crate::engine::Device;
use crate::error::Result;
use crate::experiment::Experiment;
use crate::observer::Observer;
use crate::run_dir::{RunDir, RunFile, Status, finish};

/// Writes checkpoints, history and state of a run whose weights at each of `steps` (rising) are
/// given by `weights`; rates are unknown, so `lr` is empty.
///
/// # Errors
/// The first of `weights`; if they do not fit the net or are not finite, or the operating system
/// refuses.
pub fn record_imported(
    experiment: &Experiment,
    data: &Data,
    run: &RunDir,
    (steps, mut weights): (&[u64], impl FnMut(usize) -> Result<NamedArrays>),
    observer: &dyn Observer,
) -> Result<()> {
    let plan = Plan::new(experiment, data, None);
    record_start(run, data, &plan)?;
    data.notes.iter().for_each(|note| observer.note(note));
    let net = experiment.net.build(data.train.shape, data.n_classes);
    let mut records = Records::open(run, &plan, None)?;
    let evaluator = Evaluator::new(experiment, data);
    let labels = training_labels(experiment, data);
    let device = Device::open(&experiment.engine, data, labels)?;
    record_device(run, &device.title()?, experiment, 0, observer)?;
    write_labels(experiment, data, run)?;
    for (at, &step) in steps.iter().enumerate() {
        let mut session =
            device.start((data, labels), &net, &weights(at)?, (&[], &[]))?;
        let row = evaluator.evaluate(&mut session)?;
        for loss in [row.train_loss.0, row.test_loss.0] {
            plan.check_finite("the loss", loss, step)?;
        }
        records.write_checkpoint(step, &session)?;
        records.append_row(step, f64::NAN, &row)?;
        observer.progress(&records.progress(step));
        if at + 1 == steps.len() {
            records.save_state(step, &session)?;
        }
    }
    finish(run.root(), RunFile::TrainChecksums)?;
    run.set_status(Status::Trained)
}
