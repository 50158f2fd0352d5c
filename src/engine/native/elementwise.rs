//! `ReLU` on its own (after anything but BatchNorm or a convolution) and sums of nodes.

use rayon::prelude::*;

/// Values that a task handles.
const CHUNK: usize = 1 << 14;

/// `y = max(x, 0)`, NaN where x is.
pub(super) fn relu(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = if x < 0.0 { 0.0 } else { x };
        }
    });
}

/// Turns dy into dx = dy where y > 0.
pub(super) fn relu_backward(y: &[f32], dy: &mut [f32]) {
    dy.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK)).for_each(|(dy, y)| {
        for (dy, &y) in dy.iter_mut().zip(y) {
            *dy = if y > 0.0 { *dy } else { 0.0 };
        }
    });
}

/// `y = a + b`.
pub(super) fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    let inputs = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
    y.par_chunks_mut(CHUNK).zip(inputs).for_each(|(y, (a, b))| {
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = a + b;
        }
    });
}

/// `to += from`.
pub(super) fn accumulate(from: &[f32], to: &mut [f32]) {
    to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| {
        for (to, &from) in to.iter_mut().zip(from) {
            *to += from;
        }
    });
}
