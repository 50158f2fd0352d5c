//! A run as characters: what `stratagram show` prints.

mod against;
mod curves;
mod look;
mod matrices;
mod matrix;
mod overview;
mod range;
mod summary;

pub use against::against;
pub(super) use against::named;
pub use look::Look;
pub use matrices::{Question, matrices};
pub use overview::overview;
pub use range::{RANGES, Range};
pub use summary::{Outcome, State, Summary};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::array_file::{Array, npy_bytes};
    use crate::experiment::Experiment;
    use crate::run_dir::{RunDir, write_atomic};

    const TABLE: &str = "\
layer,measure,estimator,group,step_i,step_j,epoch_i,epoch_j,value,se,reason
relu1,cka,debiased,test,0,16,0,2,0.25,,
fc,cka,debiased,test,0,16,0,2,0.25,,
";

    pub(super) const LOOK: Look = Look { width: 60, colour: false, unicode: true };

    pub(super) fn run(root: &Path) -> RunDir {
        let text = "[data]\nkind = 'digits'\nn_train = 1000\n[noise]\nrate = 0.2\n\
                    [net]\nkind = 'cnn5'\nwidth = 4\n";
        let experiment = Experiment::parse("test", text, ".".as_ref(), &[]).unwrap();
        let run = RunDir::create_or_open(root, &experiment, false).unwrap();
        let history = "step,epoch,train_error,test_error\n0,0,0.9,0.9\n8,1,0.4,0.3\n\
                       16,2,0.0,0.2\n";
        write_atomic(&run.history(), history.as_bytes()).unwrap();
        run
    }

    pub(super) fn with_matrices(root: &Path) -> RunDir {
        let run = run(root);
        write_atomic(&run.axis_table(), b"step,epoch\n0,0\n16,2\n").unwrap();
        write_atomic(&run.matrices_table(), TABLE.as_bytes()).unwrap();
        let matrix = Array::f32(&[2, 2], vec![1.0, 0.25, 0.25, f32::NAN]);
        for (measure, layer) in [("cka", "fc"), ("cka", "relu1"), ("drs", "output")] {
            let path = run.matrix(measure, "test", layer);
            write_atomic(&path, &npy_bytes(&matrix)).unwrap();
        }
        run
    }
}
