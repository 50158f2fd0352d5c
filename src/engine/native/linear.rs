//! Linear layers on tokens, with the normalization or GELU before them and the bias and sum
//! behind them:
//!
//! ```text
//! z = x, LayerNorm(x) or GELU(x)      y = W·z + b (+ another activation)
//! dz = Wᵀ·dy      db = Σ dy      dW = Σ dy·zᵀ (in `linear_weights.rs`)
//! ```
//!
//! One panel of tokens goes through all of it while it is in the first cache: `z` is never
//! written in the forward pass. The kernel keeps a tile of outputs × [`PANEL`] vectors in
//! registers and walks the inputs; weights lie in the order in which it reads them.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::gelu::{gelu, gelu_and_slope};
use super::isa::{Isa, mul_add, sum_lanes, vectors, vectors_mut};
use super::layernorm::{LayerNorm, Three, add_partials};
use super::tensor::Buffer;
use super::tokens::{PANEL, Tokens, Workspaces};

/// Terms that one f32 sum may have before it is added to a total.
const MAX_TERMS: usize = 1024;

/// Weights of one direction, `[tile][input][output of the tile]`; outputs that fill up the
/// last tile have zeros.
#[derive(Debug)]
pub(super) struct Packed {
    inputs: usize,
    outputs: usize,
    /// Outputs in a tile.
    tile: usize,
    values: Buffer,
}

impl Packed {
    pub(super) fn new(isa: Isa, inputs: usize, outputs: usize) -> Self {
        let most = if isa.registers() >= 32 { 8 } else { 4 };
        let tile = outputs.div_ceil(outputs.div_ceil(most));
        Self { inputs, outputs, tile, values: Buffer::default() }
    }

    fn size(&self) -> usize {
        self.outputs.div_ceil(self.tile) * self.tile * self.inputs
    }

    /// Packs weights whose `strides` are the distances between inputs and between outputs.
    pub(super) fn pack(&mut self, weights: &[f32], [input, output]: [usize; 2]) {
        let size = self.size();
        self.values.reserve(size);
        let (tile, outputs) = (self.tile, self.outputs);
        let tiles = self.values.get_mut(size).par_chunks_mut(self.inputs * tile);
        tiles.enumerate().for_each(|(t, values)| {
            for (c, row) in values.chunks_exact_mut(tile).enumerate() {
                for (o, value) in (t * tile..).zip(row) {
                    let inside = o < outputs;
                    *value = if inside { weights[c * input + o * output] } else { 0.0 };
                }
            }
        });
    }

    fn values(&self) -> &[f32] {
        self.values.get(self.size())
    }

    /// Calls `put` with each output's product with a panel.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        simd: S,
        z: &[Three<S>],
        put: impl FnMut(usize, Three<S>),
    ) {
        match self.tile {
            1 => self.tiles::<S, 1>(simd, z, put),
            2 => self.tiles::<S, 2>(simd, z, put),
            3 => self.tiles::<S, 3>(simd, z, put),
            4 => self.tiles::<S, 4>(simd, z, put),
            5 => self.tiles::<S, 5>(simd, z, put),
            6 => self.tiles::<S, 6>(simd, z, put),
            7 => self.tiles::<S, 7>(simd, z, put),
            _ => self.tiles::<S, 8>(simd, z, put),
        }
    }

    #[inline(always)]
    fn tiles<S: Simd, const H: usize>(
        &self,
        simd: S,
        z: &[Three<S>],
        mut put: impl FnMut(usize, Three<S>),
    ) {
        for (t, weights) in self.values().chunks_exact(self.inputs * H).enumerate() {
            let weights = weights.as_chunks::<H>().0;
            let mut sums = [[simd.splat_f32s(0.0); PANEL]; H];
            for (weights, z) in weights.chunks(MAX_TERMS).zip(z.chunks(MAX_TERMS)) {
                let block = sum_terms(simd, weights, z);
                if self.inputs <= MAX_TERMS {
                    sums = block;
                } else {
                    for i in 0..H {
                        for j in 0..PANEL {
                            sums[i][j] = simd.add_f32s(sums[i][j], block[i][j]);
                        }
                    }
                }
            }
            for (o, sum) in (t * H..self.outputs).zip(sums) {
                put(o, sum);
            }
        }
    }
}

/// Σ weight · z for a tile, in f32.
#[inline(always)]
fn sum_terms<S: Simd, const H: usize>(
    simd: S,
    weights: &[[f32; H]],
    z: &[Three<S>],
) -> [Three<S>; H] {
    let mut sums = [[simd.splat_f32s(0.0); PANEL]; H];
    for (weights, z) in weights.iter().zip(z) {
        for i in 0..H {
            let weight = simd.splat_f32s(weights[i]);
            for j in 0..PANEL {
                sums[i][j] = mul_add(simd, weight, z[j], sums[i][j]);
            }
        }
    }
    sums
}

/// What happens to the input first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Before<'a> {
    Nothing,
    Norm(LayerNorm<'a>),
    Gelu,
}

impl Before<'_> {
    /// z of a panel.
    #[inline(always)]
    fn apply<S: Simd>(&self, simd: S, x: &[Three<S>], z: &mut [Three<S>]) {
        match self {
            Before::Nothing => z.copy_from_slice(x),
            Before::Norm(norm) => norm.apply(simd, &norm.moments(simd, x), x, z),
            Before::Gelu => {
                for (x, z) in x.iter().zip(z) {
                    for j in 0..PANEL {
                        z[j] = gelu(simd, x[j]);
                    }
                }
            }
        }
    }

    /// How many channels have sums in the backward pass.
    fn sums(&self) -> usize {
        match self {
            Before::Norm(norm) => norm.gamma.len(),
            _ => 0,
        }
    }
}

/// One linear layer on one batch.
#[derive(Clone, Copy)]
pub(super) struct Linear<'a> {
    pub(super) tokens: Tokens,
    pub(super) before: Before<'a>,
    /// Weights towards the outputs and towards the inputs.
    pub(super) packed: [&'a Packed; 2],
    pub(super) spaces: &'a Workspaces,
}

impl Linear<'_> {
    fn isa(&self) -> Isa {
        self.tokens.isa
    }

    /// Values of a panel of inputs and of outputs.
    fn panels(&self) -> [usize; 2] {
        let Packed { inputs, outputs, .. } = *self.packed[0];
        [inputs, outputs].map(|channels| self.tokens.panel(channels))
    }

    /// Computes `y`; `add` is another activation to add.
    pub(super) fn forward(
        &self,
        x: &[f32],
        bias: Option<&[f32]>,
        add: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let [input, output] = self.panels();
        let tasks = y.par_chunks_mut(output).enumerate();
        tasks.with_min_len(self.tokens.min_tasks(output)).for_each_init(
            || self.spaces.lend([input, 0, 0]),
            |lent, (index, y)| {
                let z = lent.space.buffers[0].get_mut(input);
                let x = &x[index * input..][..input];
                let add = add.map(|add| &add[index * output..][..output]);
                self.isa().run(Forward { of: *self, x, z, bias, add, y });
            },
        );
    }

    /// Writes `z` (unless it is x), adds dx to `dx` or writes it, and writes the gradients
    /// of the bias and of the normalization before.
    pub(super) fn backward(
        &self,
        [x, dy]: [&[f32]; 2],
        z: &mut [f32],
        (dx, accumulate): (&mut [f32], bool),
        gradients: [&mut [f32]; 3],
    ) {
        let [input, output] = self.panels();
        let chunk = self.tokens.chunk();
        let biases = gradients[0].len();
        // At least one, so that there are as many parts as chunks.
        let sums = (biases + 2 * self.before.sums()).max(1);
        let partials = self.tokens.chunks() * sums;
        let mut lent = self.spaces.lend([partials, 0, 0]);
        let partial = lent.space.buffers[0].get_mut(partials);
        // Without an operation before, z stays empty: any length gives enough chunks.
        let z_panel = if z.is_empty() { 0 } else { input };
        let mut z_chunks: Vec<&mut [f32]> = match z_panel {
            0 => vec![],
            _ => z.chunks_mut(chunk * input).collect(),
        };
        z_chunks.resize_with(self.tokens.chunks(), Default::default);
        let tasks = dx.par_chunks_mut(chunk * input).zip(z_chunks);
        tasks.zip(partial.par_chunks_mut(sums)).enumerate().for_each(
            |(index, ((dx, z), partial))| {
                let first = index * chunk;
                let lanes = self.tokens.batch.lanes;
                let mut lent = self.spaces.lend([input, sums * lanes, 0]);
                let [dz, sums_space, _] = &mut lent.space.buffers;
                self.isa().run(Backward {
                    of: *self,
                    accumulate,
                    biases,
                    x: &x[first * input..][..dx.len()],
                    dy: &dy[first * output..][..dx.len() / input * output],
                    z,
                    dx,
                    dz: dz.get_mut(input),
                    sums: sums_space.get_mut(sums * lanes),
                    partial,
                });
            },
        );
        add_partials(partial, gradients);
    }
}

struct Forward<'a> {
    of: Linear<'a>,
    x: &'a [f32],
    z: &'a mut [f32],
    bias: Option<&'a [f32]>,
    add: Option<&'a [f32]>,
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let x = vectors::<S>(self.x).as_chunks::<PANEL>().0;
        let z = vectors_mut::<S>(self.z).as_chunks_mut::<PANEL>().0;
        let z = match self.of.before {
            Before::Nothing => x,
            before => {
                before.apply(simd, x, z);
                z
            }
        };
        let add = vectors::<S>(self.add.unwrap_or(&[])).as_chunks::<PANEL>().0;
        let y = vectors_mut::<S>(self.y).as_chunks_mut::<PANEL>().0;
        self.of.packed[0].multiply(simd, z, |o, mut sums| {
            if let Some(bias) = self.bias {
                let bias = simd.splat_f32s(bias[o]);
                for sum in &mut sums {
                    *sum = simd.add_f32s(*sum, bias);
                }
            }
            if !add.is_empty() {
                for j in 0..PANEL {
                    sums[j] = simd.add_f32s(sums[j], add[o][j]);
                }
            }
            y[o] = sums;
        });
    }
}

/// The panels of a chunk.
struct Backward<'a> {
    of: Linear<'a>,
    accumulate: bool,
    /// Outputs with a bias: all or none.
    biases: usize,
    x: &'a [f32],
    dy: &'a [f32],
    z: &'a mut [f32],
    dx: &'a mut [f32],
    dz: &'a mut [f32],
    /// Sums that stay in the lanes: of each output, then two of each normalized input.
    sums: &'a mut [f32],
    partial: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Packed { inputs, outputs, .. } = *self.of.packed[0];
        self.sums.fill(0.0);
        let (bias, scales) = vectors_mut::<S>(self.sums).split_at_mut(self.biases);
        let scales = scales.as_chunks_mut::<2>().0;
        let xs = vectors::<S>(self.x).as_chunks::<PANEL>().0.chunks(inputs);
        let dys = vectors::<S>(self.dy).as_chunks::<PANEL>().0.chunks(outputs);
        let dxs = vectors_mut::<S>(self.dx).as_chunks_mut::<PANEL>().0;
        let mut zs =
            vectors_mut::<S>(self.z).as_chunks_mut::<PANEL>().0.chunks_mut(inputs);
        let dz = vectors_mut::<S>(self.dz).as_chunks_mut::<PANEL>().0;
        for ((x, dy), dx) in xs.zip(dys).zip(dxs.chunks_mut(inputs)) {
            for (sum, dy) in bias.iter_mut().zip(dy) {
                for j in 0..PANEL {
                    *sum = simd.add_f32s(*sum, dy[j]);
                }
            }
            self.of.packed[1].multiply(simd, dy, |c, sums| dz[c] = sums);
            match self.of.before {
                Before::Nothing => {}
                Before::Norm(norm) => {
                    let z = zs.next().expect("holds every panel");
                    norm.apply(simd, &norm.moments(simd, x), x, z);
                    norm.backward(simd, x, dz, scales);
                }
                Before::Gelu => {
                    let z = zs.next().expect("holds every panel");
                    for ((x, z), dz) in x.iter().zip(z).zip(&mut *dz) {
                        for j in 0..PANEL {
                            let [y, slope] = gelu_and_slope(simd, x[j]);
                            z[j] = y;
                            dz[j] = simd.mul_f32s(dz[j], slope);
                        }
                    }
                }
            }
            for (dx, dz) in dx.iter_mut().zip(&*dz) {
                for j in 0..PANEL {
                    dx[j] =
                        if self.accumulate { simd.add_f32s(dx[j], dz[j]) } else { dz[j] };
                }
            }
        }
        let (bias_out, scales_out) = self.partial.split_at_mut(self.biases);
        for (out, &sum) in bias_out.iter_mut().zip(&*bias) {
            *out = sum_lanes::<S>(sum) as f32;
        }
        let channels = scales.len();
        for (channel, sums) in scales.iter().enumerate() {
            for (part, &sum) in sums.iter().enumerate() {
                scales_out[part * channels + channel] = sum_lanes::<S>(sum) as f32;
            }
        }
    }
}
