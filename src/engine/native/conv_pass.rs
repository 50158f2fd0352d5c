//! One direction of a convolution by the algorithm that suits its shape.

use super::conv::{Epilogue, Gather, GatherPlan};
use super::geometry::Windows;
use super::isa::Isa;
use super::tensor::Batch;
use super::winograd::Winograd;

/// The forward direction or the gradient of the input.
#[derive(Debug, Clone)]
pub(super) enum Pass {
    Direct(Gather),
    Winograd(Winograd),
}

impl Pass {
    /// The forward direction.
    pub(super) fn forward(
        isa: Isa,
        windows: &Windows,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        if Winograd::suits(isa, windows, [inputs, outputs]) {
            Self::Winograd(Winograd::new(isa, [inputs, outputs], windows.to, false))
        } else {
            Self::Direct(Gather::forward(isa, windows, inputs, outputs))
        }
    }

    /// The gradient of the input.
    pub(super) fn backward(
        isa: Isa,
        windows: &Windows,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        if Winograd::suits(isa, windows, [outputs, inputs]) {
            Self::Winograd(Winograd::new(isa, [outputs, inputs], windows.from, true))
        } else {
            Self::Direct(Gather::backward(isa, windows, inputs, outputs))
        }
    }

    /// What the direct algorithm prepares for batches of one number of blocks.
    pub(super) fn plan(&self, batch: Batch) -> Option<GatherPlan> {
        match self {
            Self::Direct(gather) => Some(gather.plan(batch)),
            Self::Winograd(_) => None,
        }
    }

    /// Length of the packed weights.
    pub(super) fn packed_size(&self) -> usize {
        match self {
            Self::Direct(gather) => gather.packed_size(),
            Self::Winograd(winograd) => winograd.packed_size(),
        }
    }

    /// Lays weights out as the kernel reads them; `strides` are the distances between source
    /// channels and between destination channels in PyTorch's layout.
    pub(super) fn pack(&self, weights: &[f32], strides: [usize; 2], packed: &mut [f32]) {
        match self {
            Self::Direct(gather) => gather.pack(weights, strides, packed),
            Self::Winograd(winograd) => winograd.pack(weights, strides, packed),
        }
    }

    /// Computes the whole destination from packed weights and the source.
    pub(super) fn run(
        &self,
        plan: Option<&GatherPlan>,
        batch: Batch,
        sources: [&[f32]; 2],
        epilogue: Epilogue<'_>,
        to: &mut [f32],
    ) {
        match self {
            Self::Direct(gather) => {
                let plan = plan.expect("was planned for such batches");
                gather.run(plan, batch, sources, epilogue, to);
            }
            Self::Winograd(winograd) => winograd.run(batch, sources, epilogue, to),
        }
    }
}
