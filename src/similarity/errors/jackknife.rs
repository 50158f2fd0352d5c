//! Standard errors over examples: the delete-one jackknife, in closed form from signatures.
//!
//! Leaving example m out changes an inner product of centred Grams by what row m of their
//! elementwise product sums to, and centring the rest anew by what the same row and the
//! diagonal say. So all n delete-one estimates of all pairs of epochs come from one product
//! [E, n] · [n, E] for each example: as much work as twice the matrix of epochs, and none of
//! the Gram matrices again.

use std::ops::Range;

use rayon::prelude::*;

use crate::similarity::gram::products::{Wanted, add_products};
use crate::similarity::gram::spare;
use crate::similarity::gram::triangle::packed_len;

/// Examples whose rows are unpacked at once; partial sums are one for each such block.
const ROWS: usize = 32;
/// Columns of a packed triangle that become rows at once.
const COLUMNS: usize = 16;
/// Where leaving one example out leaves less than this of an epoch's own product, the rest is
/// the rounding of f32, and the error is undefined.
const NOTHING_BELOW: f64 = 1e-5;

/// How an inner product changes when one example is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Doubly centred Grams.
    Centred,
    /// U-centred Grams, batch by batch, each weighed by 1/(b(b − 3)).
    UCentred,
    /// Triangles without diagonal whose entries have mean 0: the product is a Pearson
    /// correlation of the entries.
    Correlation,
}

/// Packed triangles of some epochs, and their inner products.
pub(crate) struct Triangles<'a> {
    pub rule: Rule,
    /// One packed triangle a batch, one after the other; `[E]` of one length.
    pub signatures: &'a [&'a [f32]],
    pub batches: &'a [Range<usize>],
    /// Inner products of each batch, lower triangles `[E, E]`.
    pub products: &'a [Vec<f64>],
    /// Which of them are there, and which errors are wanted.
    pub wanted: Wanted,
}

impl Triangles<'_> {
    /// The standard errors of all pairs, `[E, E]`, lower triangle:
    /// `√((n−1)/n · Σ_m (θ₍₋ₘ₎ − mean θ₍₋ₘ₎)²)` for the cosines θ.
    ///
    /// Centred (biased): ⟨K, L⟩₍₋ₘ₎ = T − 2ρ + δ − 2(ρ−δ)/(n−1) + δ/(n−1)², with
    /// T = ⟨K, L⟩, `ρ = Σ_i K_im·L_im` and δ = `K_mm·L_mm`. U-centred (debiased):
    /// ⟨K, L⟩₍₋ₘ₎ = T − 2ρ·(n−2)/(n−3), times b(b−3)/((b−1)(b−4)) where m's batch has b
    /// examples. NaN where fewer than 4 examples stay.
    ///
    /// Cost E²n²/2 multiply-adds.
    pub(crate) fn standard_errors(&self) -> Vec<f64> {
        let m = self.signatures.len();
        let n = self.batches.last().map_or(0, |batch| batch.end);
        if m == 0 || self.batches.iter().any(|batch| batch.len() < 5) {
            return vec![f64::NAN; m * m];
        }
        let total = self.total();
        let mut start = 0;
        let mut blocks = vec![];
        for (k, batch) in self.batches.iter().enumerate() {
            for first in (0..batch.len()).step_by(ROWS) {
                blocks.push((k, start, first));
            }
            start += packed_len(batch.len());
        }
        let parts: Vec<Sums> = blocks
            .into_par_iter()
            .map(|(k, start, first)| self.block(&total, k, start, first))
            .collect();
        let mut sums = Sums::zero(m);
        for part in parts {
            sums.add(&part);
        }
        sums.standard_errors(n)
    }

    /// Inner products over all batches.
    pub(crate) fn total(&self) -> Vec<f64> {
        let m = self.signatures.len();
        let mut total = vec![0.0; m * m];
        for product in self.products {
            total.iter_mut().zip(product).for_each(|(sum, x)| *sum += x);
        }
        total
    }

    /// The deviations of leaving out each of up to [`ROWS`] examples of batch `k`, whose
    /// triangle begins at `start`.
    fn block(&self, total: &[f64], k: usize, start: usize, first: usize) -> Sums {
        let m = self.signatures.len();
        let n = self.batches[k].len();
        let height = ROWS.min(n - first);
        // [E, height, width]
        let width = first + height;
        // Of one length, so that every block finds that of another.
        let mut memory = spare::take::<f32>(m * ROWS * n);
        let lower = &mut memory[..m * height * width];
        for (to, signature) in lower.chunks_exact_mut(height * width).zip(self.signatures)
        {
            unpack_lower(&signature[start..start + packed_len(n)], n, first, to);
        }
        let mut sums = Sums::zero(m);
        let mut without = vec![0.0; m * m];
        for row in 0..height {
            without.fill(0.0);
            let i = first + row;
            let before: Vec<&[f32]> = lower
                .chunks_exact(height * width)
                .map(|of| &of[row * width..][..i])
                .collect();
            let offset = start + packed_len(n) - packed_len(n - i);
            let after: Vec<&[f32]> =
                self.signatures.iter().map(|own| &own[offset..][..n - i]).collect();
            add_products(&before, self.wanted, &mut without);
            add_products(&after, self.wanted, &mut without);
            self.leave_out(total, k, (&before, &after), &mut without);
            sums.add_deviations(total, &without, self.wanted);
        }
        spare::keep(memory);
        sums
    }

    /// Turns the row products of an example of batch `k` into the inner products without it.
    /// Its rows are given up to the diagonal, and from there on.
    ///
    /// *Shapes* `total`, `products`: `[E, E]`; `before`, `after`: `[E, …]`.
    fn leave_out(
        &self,
        total: &[f64],
        k: usize,
        (before, after): (&[&[f32]], &[&[f32]]),
        products: &mut [f64],
    ) {
        let m = self.signatures.len();
        let n = self.batches[k].len() as f64;
        let own = &self.products[k];
        let of_row = |(before, after): (&&[f32], &&[f32])| match self.rule {
            Rule::Centred => f64::from(after[0]),
            Rule::UCentred => 0.0,
            Rule::Correlation => before.iter().chain(*after).map(|&x| f64::from(x)).sum(),
        };
        let values: Vec<f64> = before.iter().zip(after).map(of_row).collect();
        let reweighed = n * (n - 3.0) / ((n - 1.0) * (n - 4.0));
        let left = (n - 1.0) * (n - 2.0) / 2.0;
        for a in 0..m {
            // Of epochs whose errors are known, their own products alone.
            for b in if a < self.wanted.first { a } else { 0 }..=a {
                let at = a * m + b;
                let pair = values[a] * values[b];
                let product = &mut products[a * m + b];
                // Off-diagonal entries of Grams carry √2.
                *product = match self.rule {
                    Rule::Centred => {
                        let rho = f64::midpoint(*product, pair);
                        total[at] - 2.0 * rho + pair - 2.0 * (rho - pair) / (n - 1.0)
                            + pair / (n - 1.0).powi(2)
                    }
                    Rule::UCentred => {
                        let rest = own[at] - *product * (n - 2.0) / (n - 3.0);
                        total[at] - own[at] + reweighed * rest
                    }
                    Rule::Correlation => {
                        // Σ over pairs without i of x·y, less the product of their means.
                        total[at] - *product - pair / left
                    }
                };
            }
        }
    }
}

/// Rows `first…` of a symmetric matrix up to the diagonal, from its packed upper triangle; what
/// follows stands in the triangle side by side.
///
/// *Shapes* `rows: [height, first + height]`, of which row k has `first + k` entries.
fn unpack_lower(triangle: &[f32], n: usize, first: usize, rows: &mut [f32]) {
    let height = ROWS.min(n - first);
    let width = first + height;
    let offset = |i: usize| packed_len(n) - packed_len(n - i);
    // Entries (i, first…) stand side by side: sixteen such columns become rows at a time, so
    // that whole lines of the cache are written.
    let mut block = [[0.0f32; ROWS]; COLUMNS];
    for start in (0..first).step_by(COLUMNS) {
        let count = COLUMNS.min(first - start);
        for (i, column) in (start..start + count).zip(&mut block) {
            column[..height]
                .copy_from_slice(&triangle[offset(i) + first - i..][..height]);
        }
        for (row, to) in rows.chunks_exact_mut(width).enumerate() {
            let to = &mut to[start..start + count];
            to.iter_mut().zip(&block).for_each(|(to, column)| *to = column[row]);
        }
    }
    for row in 0..height {
        let own = &triangle[offset(first + row)..][..height - row];
        for below in row + 1..height {
            rows[below * width + first + row] = own[below - row];
        }
    }
}

/// Sums over left-out examples of θ₍₋ₘ₎ − θ and of its square, lower triangles `[E, E]`.
pub(crate) struct Sums {
    m: usize,
    deviations: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    pub(crate) fn zero(m: usize) -> Self {
        Self { m, deviations: vec![0.0; m * m], squares: vec![0.0; m * m] }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.deviations.iter_mut().zip(&other.deviations).for_each(|(a, b)| *a += b);
        self.squares.iter_mut().zip(&other.squares).for_each(|(a, b)| *a += b);
    }

    /// Adds the deviations of the wanted pairs for one example.
    ///
    /// *Shapes* `total`, `without`: `[m, m]`.
    pub(crate) fn add_deviations(
        &mut self,
        total: &[f64],
        without: &[f64],
        wanted: Wanted,
    ) {
        let m = self.m;
        let (of_total, of_rest): (Vec<f64>, Vec<f64>) = (0..m)
            .map(|a| {
                let (whole, rest) = (total[a * m + a], without[a * m + a]);
                let defined = rest > NOTHING_BELOW * whole;
                let of_rest = if defined { rest.sqrt().recip() } else { f64::NAN };
                (whole.sqrt().recip(), of_rest)
            })
            .unzip();
        for a in wanted.first..m {
            let total = &total[a * m..][..a];
            let without = &without[a * m..][..a];
            let sums =
                self.deviations[a * m..].iter_mut().zip(&mut self.squares[a * m..]);
            for (b, ((sum, square), (t, w))) in
                sums.zip(total.iter().zip(without)).enumerate()
            {
                let deviation =
                    w * (of_rest[a] * of_rest[b]) - t * (of_total[a] * of_total[b]);
                *sum += deviation;
                *square += deviation * deviation;
            }
        }
    }

    pub(crate) fn standard_errors(&self, n: usize) -> Vec<f64> {
        let n = n as f64;
        let error = |(sum, squares): (&f64, &f64)| {
            let spread = squares - sum * sum / n;
            // Of a sum of squares at most its rounding is negative.
            ((n - 1.0) / n * if spread < 0.0 { 0.0 } else { spread }).sqrt()
        };
        self.deviations.iter().zip(&self.squares).map(error).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacked_rows_are_those_of_the_symmetric_matrix() {
        for n in [1, 5, 40, 71] {
            let name = |i: usize, j: usize| (i.min(j) * n + i.max(j)) as f32;
            let triangle: Vec<f32> =
                (0..n).flat_map(|i| (i..n).map(move |j| name(i, j))).collect();
            for first in (0..n).step_by(ROWS) {
                let height = ROWS.min(n - first);
                let width = first + height;
                let mut rows = vec![-1.0; height * width];
                unpack_lower(&triangle, n, first, &mut rows);
                for (k, row) in rows.chunks(width).enumerate() {
                    for (j, &x) in row[..first + k].iter().enumerate() {
                        assert_eq!(x.to_bits(), name(first + k, j).to_bits());
                    }
                }
            }
        }
    }
}
