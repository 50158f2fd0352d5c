//! Inner products of signatures in f64, whose digits f32 sums lack.
//!
//! Products of f32 numbers are exact in f64. What a matrix of similarities shows beside a straight
//! path — its roughness — is a difference of such products, where the rounding of f32 sums
//! (2·10⁻⁸ to 10⁻⁷ of a squared distance) would stand for scatter that is not there.

use faer::MatRef;
use rayon::prelude::*;

use super::dot::product_transposed;
use crate::similarity::Undefined;

/// Entries of the rows that are widened at once.
const COLUMNS: usize = 4096;
/// Blocks of columns whose products are added by one thread, in order.
const BLOCKS: usize = 8;

/// The inner products of all pairs of rows of one length, `[m, m]`.
///
/// Cost m²·len multiply-adds in f64; blocks of fixed size are added in a fixed order.
pub(crate) fn exact_products(rows: &[&[f32]]) -> Vec<f64> {
    let m = rows.len();
    let length = rows.first().map_or(0, |row| row.len());
    let add = |sums: &mut Vec<f64>, part: Vec<f64>| {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    };
    let of_block = |start: usize| {
        let end = (start + COLUMNS).min(length);
        let widen = |row: &&[f32]| -> Vec<f64> {
            row[start..end].iter().map(|&x| f64::from(x)).collect()
        };
        let wide: Vec<f64> = rows.iter().flat_map(widen).collect();
        let wide = MatRef::from_row_major_slice(&wide, m, end - start);
        product_transposed(wide, wide)
    };
    let parts: Vec<Vec<f64>> = (0..length.div_ceil(COLUMNS * BLOCKS))
        .into_par_iter()
        .map(|part| {
            let first = part * COLUMNS * BLOCKS;
            let last = (first + COLUMNS * BLOCKS).min(length);
            let mut sums = vec![0.0; m * m];
            for start in (first..last).step_by(COLUMNS) {
                add(&mut sums, of_block(start));
            }
            sums
        })
        .collect();
    let mut products = vec![0.0; m * m];
    for part in parts {
        add(&mut products, part);
    }
    products
}

/// The cosines of all pairs of signatures with every digit that they have: the matrix of
/// measures that are inner products of signatures, `cka` and `cka-rbf`.
///
/// *Shapes* `signatures: [E]` of one length; result `[E, E]`, NaN where one is undefined.
///
/// # Example
/// ```
/// use stratagram::similarity::exact_cosines;
/// let (x, y) = ([3.0, 4.0], [4.0, 3.0]);
/// assert_eq!(exact_cosines(&[Ok(&x), Ok(&y)]), [1.0, 0.96, 0.96, 1.0]);
/// ```
pub fn exact_cosines(signatures: &[Result<&[f32], Undefined>]) -> Vec<f64> {
    let n = signatures.len();
    let defined: Vec<usize> = (0..n).filter(|&epoch| signatures[epoch].is_ok()).collect();
    let rows: Vec<&[f32]> = signatures.iter().filter_map(|own| own.ok()).collect();
    let products = exact_products(&rows);
    let m = rows.len();
    let mut values = vec![f64::NAN; n * n];
    for (a, &i) in defined.iter().enumerate() {
        values[i * n + i] = 1.0;
        for (b, &j) in defined[..a].iter().enumerate() {
            let norms = (products[a * m + a] * products[b * m + b]).sqrt();
            let cosine = products[a * m + b] / norms;
            (values[i * n + j], values[j * n + i]) = (cosine, cosine);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_exact_and_the_same_at_any_number_of_threads() {
        let length = 3 * COLUMNS * BLOCKS + 77;
        let row = |a: usize| -> Vec<f32> {
            (0..length).map(|k| ((a * 7 + k * 13 + a * k) % 31) as f32).collect()
        };
        let rows: Vec<Vec<f32>> = (0..5).map(row).collect();
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let with = |threads| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| exact_products(&rows))
        };
        let products = with(1);
        for (a, b) in (0..5).flat_map(|a| (0..5).map(move |b| (a, b))) {
            let product = |(x, y): (&f32, &f32)| f64::from(*x) * f64::from(*y);
            let expected: f64 = rows[a].iter().zip(rows[b]).map(product).sum();
            assert_eq!(products[a * 5 + b], expected, "sums of whole numbers");
        }
        assert_eq!(with(3), products);
    }
}
