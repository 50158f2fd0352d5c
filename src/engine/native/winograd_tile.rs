//! One tile of `winograd.rs` and `winograd_weights.rs`: which pixels it reads, and the small
//! transforms.

use pulp::Simd;

/// Positions of a transformed tile.
pub(super) const POSITIONS: usize = 16;

/// Input channels whose chunks one step of the final sum adds.
pub(super) const REDUCE: usize = 8;

/// A tile of an image: one column of a register tile.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Column {
    /// First output pixel.
    pub(super) pixel: u32,
    /// First pixels of the 4 lines that it reads, and the 4 columns; the nearest ones where
    /// it reads outside the image.
    pub(super) reads: [[u32; 4]; 2],
    /// Whether these lines and columns lie inside the image.
    pub(super) inside: [[bool; 4]; 2],
    /// Whether all of them do.
    pub(super) interior: bool,
}

impl Column {
    pub(super) fn new(sides: [usize; 2], tile: [usize; 2]) -> Self {
        let [y, x] = tile.map(|at| 2 * at);
        let width = sides[1];
        let mut column = Self { pixel: (y * width + x) as u32, ..Self::default() };
        for k in 0..4 {
            for (axis, first) in [y, x].into_iter().enumerate() {
                let at = (first + k).clamp(1, sides[axis]);
                column.inside[axis][k] = at == first + k;
                column.reads[axis][k] = ((at - 1) * [width, 1][axis]) as u32;
            }
        }
        column.interior = column.inside == [[true; 4]; 2];
        column
    }
}

/// Bᵀ d of each of the 4 columns of a tile's source pixels `d`.
#[inline(always)]
pub(super) fn interior_lines<S: Simd>(
    simd: S,
    from: &[S::f32s],
    column: &Column,
    width: usize,
) -> [[S::f32s; 4]; 4] {
    let first = (column.reads[0][0] + column.reads[1][0]) as usize;
    let from = &from[first..][..3 * width + 4];
    let [b, c, d] =
        [&from[width..][..4], &from[2 * width..][..4], &from[3 * width..][..4]];
    [
        source_line(simd, [from[0], b[0], c[0], d[0]]),
        source_line(simd, [from[1], b[1], c[1], d[1]]),
        source_line(simd, [from[2], b[2], c[2], d[2]]),
        source_line(simd, [from[3], b[3], c[3], d[3]]),
    ]
}

/// The same at the border, where pixels outside the image are zeros.
#[inline(always)]
pub(super) fn border_lines<S: Simd>(
    simd: S,
    from: &[S::f32s],
    column: &Column,
    zeros: &[S::f32s],
) -> [[S::f32s; 4]; 4] {
    let mut rows = [zeros; 4];
    for k in 0..4 {
        if column.inside[0][k] {
            rows[k] = &from[column.reads[0][k] as usize..][..zeros.len()];
        }
    }
    let mut lines = [[simd.splat_f32s(0.0); 4]; 4];
    for l in 0..4 {
        if column.inside[1][l] {
            let x = column.reads[1][l] as usize;
            let d = [rows[0][x], rows[1][x], rows[2][x], rows[3][x]];
            lines[l] = source_line(simd, d);
        }
    }
    lines
}

/// Bᵀ d.
#[inline(always)]
pub(super) fn source_line<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; 4]) -> [S::f32s; 4] {
    let [sum, difference] = [simd.add_f32s(b, c), simd.sub_f32s(c, b)];
    [simd.sub_f32s(a, c), sum, difference, simd.sub_f32s(b, d)]
}

/// Aᵀ m.
#[inline(always)]
pub(super) fn destination_line<S: Simd>(
    simd: S,
    [a, b, c, d]: [S::f32s; 4],
) -> [S::f32s; 2] {
    let [sum, difference] = [simd.add_f32s(b, c), simd.sub_f32s(b, c)];
    [simd.add_f32s(a, sum), simd.sub_f32s(difference, d)]
}

/// Gᵀ dU G, with the signs that were left out.
#[inline(always)]
pub(super) fn weights_from_transformed(
    all: &[[f64; REDUCE]; POSITIONS],
) -> [[f64; REDUCE]; 9] {
    let mut lines = [[0.0; REDUCE]; 12];
    let mut taps = [[0.0; REDUCE]; 9];
    for i in 0..REDUCE {
        for l in 0..4 {
            let [a, b, c, d] = [all[l][i], all[4 + l][i], all[8 + l][i], all[12 + l][i]];
            lines[l][i] = a + 0.5 * (b + c);
            lines[4 + l][i] = 0.5 * (b - c);
            lines[8 + l][i] = 0.5 * (b + c) - d;
        }
        for k in 0..3 {
            let line = &lines[4 * k..];
            let [a, b, c, d] = [line[0][i], line[1][i], line[2][i], line[3][i]];
            taps[3 * k][i] = a + 0.5 * (b + c);
            taps[3 * k + 1][i] = 0.5 * (b - c);
            taps[3 * k + 2][i] = 0.5 * (b + c) - d;
        }
    }
    taps
}
