//! A convolution by the algorithms that suit its shape.

use super::conv::{Epilogue, Gather, GatherPlan};
use super::conv_weights::WeightGradient;
use super::geometry::Windows;
use super::isa::Isa;
use super::tensor::{Batch, Buffer};
use super::winograd::Winograd;
use super::winograd_weights::WinogradGradient;

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

/// The gradient of the weights.
#[derive(Debug, Clone)]
pub(super) enum WeightPass {
    Direct(WeightGradient),
    Winograd(WinogradGradient),
}

impl WeightPass {
    pub(super) fn new(
        isa: Isa,
        windows: &Windows,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        if WinogradGradient::suits(isa, windows, inputs, outputs) {
            Self::Winograd(WinogradGradient::new(isa, windows.to, inputs, outputs))
        } else {
            Self::Direct(WeightGradient::new(isa, windows, inputs, outputs))
        }
    }

    /// Length of the scratch for a batch of so many blocks.
    pub(super) fn scratch_size(&self, blocks: usize) -> usize {
        match self {
            Self::Direct(direct) => direct.scratch_size(blocks),
            Self::Winograd(winograd) => winograd.scratch_size(blocks),
        }
    }

    /// Writes the gradient in PyTorch's layout, from x and dy.
    pub(super) fn run(
        &self,
        batch: Batch,
        sources: [&[f32]; 2],
        scratch: &mut Buffer,
        gradient: &mut [f32],
    ) {
        match self {
            Self::Direct(direct) => direct.run(batch, sources, scratch, gradient),
            Self::Winograd(winograd) => winograd.run(batch, sources, scratch, gradient),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An activation of numbers between −1 and 1, zeros in lanes without an image.
    fn activation(batch: Batch, channels: usize, pixels: usize, salt: usize) -> Buffer {
        let mut buffer = Buffer::default();
        let size = batch.size(channels, pixels);
        buffer.reserve(size);
        for (i, value) in buffer.get_mut(size).iter_mut().enumerate() {
            let at = i % batch.row(pixels);
            let image = at / (pixels * batch.lanes) * batch.lanes + at % batch.lanes;
            let number = (i * 7919 + salt * 104_729) % 2003;
            *value = if image < batch.n { number as f32 / 1001.0 - 1.0 } else { 0.0 };
        }
        buffer
    }

    fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
        let largest = expected.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let distance = (found - expected).abs();
            assert!(distance <= 1e-5 * largest, "{what}[{i}]: {found}, not {expected}");
        }
    }

    /// What a pass writes for a batch.
    fn output(pass: &Pass, batch: Batch, weights: &[f32], shape: [usize; 3]) -> Vec<f32> {
        let [from, to, pixels] = shape;
        let mut packed = vec![0.0; pass.packed_size()];
        pass.pack(weights, [9, 9 * from], &mut packed);
        let source = activation(batch, from, pixels, 1);
        let source = source.get(batch.size(from, pixels));
        let size = batch.size(to, pixels);
        let mut found = activation(batch, to, pixels, 2);
        let epilogue = Epilogue { accumulate: true, ..Epilogue::default() };
        let plan = pass.plan(batch);
        let out = found.get_mut(size);
        pass.run(plan.as_ref(), batch, [&packed, source], epilogue, out);
        found.get(size).to_vec()
    }

    fn check(isa: Isa, sides: [usize; 2], [inputs, outputs]: [usize; 2], n: usize) {
        let what = format!("{} {sides:?} {inputs}→{outputs} n={n}", isa.name());
        let windows = Windows {
            kernel: [3; 2],
            stride: 1,
            padding: [1; 2],
            from: sides,
            to: sides,
        };
        let pixels = sides[0] * sides[1];
        let batch = Batch::new(isa, n);
        let weight = |i: usize| (i * 31 % 103) as f32 / 51.0 - 1.0;
        let weights: Vec<f32> = (0..inputs * outputs * 9).map(weight).collect();
        let direct = Pass::Direct(Gather::forward(isa, &windows, inputs, outputs));
        let winograd =
            Pass::Winograd(Winograd::new(isa, [inputs, outputs], sides, false));
        let [expected, found] = [&direct, &winograd]
            .map(|pass| output(pass, batch, &weights, [inputs, outputs, pixels]));
        assert_close(&format!("{what} y"), &found, &expected);

        let x = activation(batch, inputs, pixels, 3);
        let dy = activation(batch, outputs, pixels, 4);
        let sources =
            [x.get(batch.size(inputs, pixels)), dy.get(batch.size(outputs, pixels))];
        let passes = [
            WeightPass::Direct(WeightGradient::new(isa, &windows, inputs, outputs)),
            WeightPass::Winograd(WinogradGradient::new(isa, sides, inputs, outputs)),
        ];
        let [expected, found] = passes.map(|pass| {
            let mut scratch = Buffer::default();
            scratch.reserve(pass.scratch_size(batch.blocks));
            let mut gradient = vec![0.0; weights.len()];
            pass.run(batch, sources, &mut scratch, &mut gradient);
            gradient
        });
        assert_close(&format!("{what} dw"), &found, &expected);
    }

    #[test]
    fn winograd_and_the_direct_algorithm_agree_on_every_shape() {
        for isa in Isa::available() {
            for sides in
                [[1, 1], [1, 6], [2, 2], [3, 5], [4, 4], [7, 8], [9, 3], [16, 18]]
            {
                for channels in [[1, 1], [2, 3], [3, 5], [5, 9], [7, 6], [17, 20]] {
                    for n in [1, 7, 33] {
                        check(isa, sides, channels, n);
                    }
                }
            }
        }
    }

    #[test]
    fn few_channels_and_small_maps_stay_direct() {
        let isa = Isa::available()[0];
        let winograd = |side: usize, channels: usize| {
            let sides = [side; 2];
            let windows = Windows {
                kernel: [3; 2],
                stride: 1,
                padding: [1; 2],
                from: sides,
                to: sides,
            };
            let pass = Pass::forward(isa, &windows, channels, channels);
            let weights = WeightPass::new(isa, &windows, channels, channels);
            [
                matches!(pass, Pass::Winograd(_)),
                matches!(weights, WeightPass::Winograd(_)),
            ]
        };
        assert_eq!(winograd(32, 2), [false; 2]);
        assert_eq!(winograd(2, 512), [false; 2]);
        assert_eq!(winograd(32, 64), [true; 2]);
        assert_eq!(winograd(4, 64), [true; 2]);
    }
}
