//! What evaluation keeps from call to call.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use super::conv::GatherPlan;
use super::plan::Program;
use super::tensor::Buffer;

/// Plans, memory and where packed weights are.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// By wanted nodes and number of blocks.
    pub(super) plans: BTreeMap<(Vec<usize>, usize), Plan>,
    /// Memory that no chunk uses at the moment.
    pub(super) free: Mutex<Vec<Buffer>>,
    /// Where each convolution's packed weights are in the memory that training uses in its
    /// turn; empty if they have to be packed.
    pub(super) weights: Vec<Range<usize>>,
}

impl Cache {
    /// Has the weights packed again.
    pub(super) fn forget_weights(&mut self) {
        self.weights.clear();
    }
}

/// What evaluation needs for batches of one number of blocks.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) program: Program,
    pub(super) gathers: Vec<Option<GatherPlan>>,
}
