//! The span of the examples in feature space, where there are more features than examples.

use faer::linalg::householder;
use faer::linalg::solvers::Qr;
use faer::{Conj, Mat, MatRef, Par};

use super::product::{Columns, LANES};

/// The orthonormal columns Q of Xᵀ = Q·R, as Householder reflections, in f64.
#[derive(Debug)]
pub(super) struct Rotation(Qr<f64>);

impl Rotation {
    /// The rotation for standardized features X `[n, d]`, n ≤ d.
    pub(super) fn of(features: &[f64], n: usize, d: usize) -> Self {
        // [n, d] by rows is [d, n] by columns.
        Self(MatRef::from_column_major_slice(features, d, n).qr())
    }

    /// Coordinate j of example i, Rⱼᵢ; 0 for j > i.
    pub(super) fn coordinate(&self, i: usize, j: usize) -> f64 {
        self.0.R()[(j, i)]
    }

    /// Q·v for v `[n, LANES]`: `[d, LANES]`.
    pub(super) fn apply(&self, v: &[[f64; LANES]]) -> Mat<f64> {
        let basis = self.0.Q_basis();
        let mut out = Mat::<f64>::zeros(basis.nrows(), LANES);
        for (i, row) in v.iter().enumerate() {
            for (lane, &value) in row.iter().enumerate() {
                out[(i, lane)] = value;
            }
        }
        let coefficients = self.0.Q_coeff();
        let scratch =
            householder::apply_block_householder_sequence_on_the_left_in_place_scratch::<
                f64,
            >(basis.nrows(), coefficients.nrows(), LANES);
        householder::apply_block_householder_sequence_on_the_left_in_place_with_conj(
            basis,
            coefficients,
            Conj::No,
            out.as_mut(),
            Par::Seq,
            faer::dyn_stack::MemStack::new(&mut faer::dyn_stack::MemBuffer::new(scratch)),
        );
        out
    }

    /// Qᵀ·w for w `[d, LANES]`: `[n, LANES]`.
    pub(super) fn apply_transposed(&self, w: &[[f64; LANES]]) -> Columns {
        let basis = self.0.Q_basis();
        let mut out = Mat::<f64>::from_fn(w.len(), LANES, |i, lane| w[i][lane]);
        let coefficients = self.0.Q_coeff();
        let scratch =
            householder::apply_block_householder_sequence_transpose_on_the_left_in_place_scratch::<f64>(
                basis.nrows(),
                coefficients.nrows(),
                LANES,
            );
        householder::apply_block_householder_sequence_transpose_on_the_left_in_place_with_conj(
            basis,
            coefficients,
            Conj::No,
            out.as_mut(),
            Par::Seq,
            faer::dyn_stack::MemStack::new(&mut faer::dyn_stack::MemBuffer::new(scratch)),
        );
        (0..basis.ncols()).map(|i| std::array::from_fn(|lane| out[(i, lane)])).collect()
    }
}
