//! The upper triangle of a symmetric matrix, packed row by row: row i holds columns i..n.

/// Rows of one unit of parallel work, whatever the number of threads: high enough for fast
/// products, low enough that there are several.
fn strip_height(n: usize) -> usize {
    match n {
        ..=512 => 128,
        513..=2048 => 256,
        _ => 512,
    }
}

/// The number of entries of the packed upper triangle of an n × n matrix.
pub(crate) fn packed_len(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Consecutive rows of a packed triangle.
pub(crate) struct Strip<S> {
    /// The first row, which is also the column of its first entry.
    pub first: usize,
    /// The rows, one after the other.
    pub entries: S,
    n: usize,
}

impl<S> Strip<S> {
    /// The number of rows.
    pub(crate) fn n_rows(&self) -> usize {
        strip_height(self.n).min(self.n - self.first)
    }

    /// The length of the first row.
    pub(crate) fn width(&self) -> usize {
        self.n - self.first
    }
}

impl<T> Strip<&mut [T]> {
    /// The rows from the diagonal on, the first being row `first`.
    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        let (n_rows, width) = (self.n_rows(), self.width());
        let mut rest = &mut *self.entries;
        (0..n_rows).map(move |row| {
            let (row, after) = std::mem::take(&mut rest).split_at_mut(width - row);
            rest = after;
            row
        })
    }
}

impl<T> Strip<&[T]> {
    /// The rows from the diagonal on, the first being row `first`.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[T]> {
        let (n_rows, width) = (self.n_rows(), self.width());
        let mut rest = self.entries;
        (0..n_rows).map(move |row| {
            let (row, after) = rest.split_at(width - row);
            rest = after;
            row
        })
    }
}

/// Cuts a packed triangle into strips.
pub(crate) fn strips<T>(n: usize, packed: &[T]) -> Vec<Strip<&[T]>> {
    assert_eq!(packed.len(), packed_len(n), "packed triangle of {n} rows");
    let mut rest = packed;
    cuts(n)
        .map(|(first, len)| {
            let (entries, after) = rest.split_at(len);
            rest = after;
            Strip { first, entries, n }
        })
        .collect()
}

/// Cuts a packed triangle into strips that can be written.
pub(crate) fn strips_mut<T>(n: usize, packed: &mut [T]) -> Vec<Strip<&mut [T]>> {
    assert_eq!(packed.len(), packed_len(n), "packed triangle of {n} rows");
    let mut rest = packed;
    cuts(n)
        .map(|(first, len)| {
            let (entries, after) = std::mem::take(&mut rest).split_at_mut(len);
            rest = after;
            Strip { first, entries, n }
        })
        .collect()
}

/// First row and number of entries of each strip.
fn cuts(n: usize) -> impl Iterator<Item = (usize, usize)> {
    let height = strip_height(n);
    (0..n).step_by(height).map(move |first| {
        let after = n - (first + height).min(n);
        (first, packed_len(n - first) - packed_len(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_hold_every_row_from_its_diagonal_on() {
        for n in [1, 4, 127, 128, 129, 391, 512, 513, 777] {
            let mut packed: Vec<(usize, usize)> =
                (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).collect();
            let mut next = 0;
            for mut strip in strips_mut(n, &mut packed) {
                assert_eq!(strip.first, next);
                for row in strip.rows_mut() {
                    assert_eq!(row.len(), n - next);
                    assert!(
                        row.iter().enumerate().all(|(k, &at)| at == (next, next + k))
                    );
                    next += 1;
                }
            }
            assert_eq!(next, n);
            let rows: usize =
                strips(n, &packed).iter().map(|strip| strip.rows().count()).sum();
            assert_eq!(rows, n);
        }
    }
}
