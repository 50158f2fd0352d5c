//! The exact GELU, `y = x·Φ(x)`, `dx = dy·(Φ(x) + x·φ(x))`, Φ and φ the normal distribution
//! and its density.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::{Isa, mul_add, vectors, vectors_mut};
use super::special::normal;

/// Values that a task handles.
const CHUNK: usize = 1 << 13;

/// y.
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, normal(simd, x)[0])
}

/// y and dy/dx.
#[inline(always)]
pub(super) fn gelu_and_slope<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    /// 1/√(2π).
    const PEAK: f32 = 0.398_942_3;
    let [phi, bell] = normal(simd, x);
    let density = simd.mul_f32s(bell, simd.splat_f32s(PEAK));
    [simd.mul_f32s(x, phi), mul_add(simd, x, density, phi)]
}

/// A GELU that is a step of its own.
pub(super) fn forward(isa: Isa, x: &[f32], y: &mut [f32]) {
    let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    chunks.for_each(|(y, x)| isa.run(Forward { x, y }));
}

/// Turns dy into dx.
pub(super) fn backward(isa: Isa, x: &[f32], dy: &mut [f32]) {
    let chunks = dy.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK));
    chunks.for_each(|(dy, x)| isa.run(Backward { x, dy }));
}

struct Forward<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (y, &x) in vectors_mut::<S>(self.y).iter_mut().zip(vectors::<S>(self.x)) {
            *y = gelu(simd, x);
        }
    }
}

struct Backward<'a> {
    x: &'a [f32],
    dy: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (dy, &x) in vectors_mut::<S>(self.dy).iter_mut().zip(vectors::<S>(self.x)) {
            *dy = simd.mul_f32s(*dy, gelu_and_slope(simd, x)[1]);
        }
    }
}
