//! Loops over the rows of Gram matrices, compiled for the vector registers of this machine;
//! nothing is fused or reordered, so the numbers are those of plain code.
#![allow(clippy::inline_always)]

use pulp::{Simd, WithSimd};

use crate::similarity::Feature;

/// Σ x and Σ x², each in eight interleaved parts.
pub(crate) struct Sums<'a, S> {
    pub row: &'a [S],
}

impl<T: Feature> WithSimd for Sums<'_, T> {
    type Output = (f64, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f64, f64) {
        let (mut sums, mut squares) = ([0.0; 8], [0.0; 8]);
        let (chunks, rest) = self.row.as_chunks::<8>();
        for chunk in chunks {
            for ((sum, square), &x) in sums.iter_mut().zip(&mut squares).zip(chunk) {
                let x: f64 = x.into();
                *sum += x;
                *square += x * x;
            }
        }
        let rest = rest.iter().map(|&x| -> f64 { x.into() });
        (
            sums.iter().sum::<f64>() + rest.clone().sum::<f64>(),
            squares.iter().sum::<f64>() + rest.map(|x| x * x).sum::<f64>(),
        )
    }
}

/// Adds each term to its sum.
pub(crate) struct AddTo<'a, T> {
    pub sum: &'a mut [f64],
    pub terms: &'a [T],
}

impl<T: Feature> WithSimd for AddTo<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.sum.iter_mut().zip(self.terms).for_each(|(sum, &x)| *sum += x.into());
    }
}

/// Adds the products over one block of features, and their sum over others, times a factor.
pub(crate) struct AddRow<'a, F, T> {
    pub product: &'a [F],
    pub others: Option<&'a [f64]>,
    pub factor: f64,
    pub row: &'a mut [T],
}

impl<F: Feature, T: Feature> WithSimd for AddRow<'_, F, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let factor = self.factor;
        let row = self.row.iter_mut().zip(self.product);
        let Some(others) = self.others else {
            row.for_each(|(k, &x)| *k = T::nearest((*k).into() + factor * x.into()));
            return;
        };
        for ((k, &x), sum) in row.zip(others) {
            *k = T::nearest((*k).into() + factor * (sum + x.into()));
        }
    }
}

/// A row of a signature: entries, less the sum of the two means if there are any, times a
/// factor.
pub(crate) struct WriteRow<'a, T> {
    /// The entries right of the diagonal.
    pub from: &'a [T],
    /// The row's own mean, and those of the columns.
    pub means: Option<&'a [f64]>,
    pub factor: f64,
    pub to: &'a mut [f32],
}

impl<T: Feature> WithSimd for WriteRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let factor = self.factor;
        let entries = self.to.iter_mut().zip(self.from);
        let Some((own, means)) = self.means.and_then(<[f64]>::split_first) else {
            entries.for_each(|(to, &from)| *to = (from.into() * factor) as f32);
            return;
        };
        for ((to, &from), mean) in entries.zip(means) {
            *to = ((from.into() - (own + mean)) * factor) as f32;
        }
    }
}
