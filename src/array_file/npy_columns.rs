//! Columns of a large `.npy` matrix, read where they are needed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::element::Element;
use super::npy_header::{Descr, header_of};
use crate::error::Result;

/// Rows that one thread reads with one open file.
const ROWS: usize = 64;

/// An f32 array `[n, …]` in row-major order in a `.npy` file, seen as `[n, p]`, that stays on
/// disk.
#[derive(Debug)]
pub struct NpyColumns {
    path: PathBuf,
    offset: u64,
    n: usize,
    p: usize,
}

impl NpyColumns {
    /// Opens a file whose elements are f32 in row-major order, at least one axis; `None` for
    /// other element types and orders, which [`super::read_npy`] reads.
    ///
    /// # Errors
    /// As [`super::read_npy`].
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let (header, offset) = header_of(path)?;
        let Some((&n, rest)) = header.shape.split_first() else { return Ok(None) };
        let f32s = Descr::Numbers { element: Element::F32, is_big_endian: false };
        let plain = header.descr == f32s && !header.fortran_order;
        let p = rest.iter().product();
        Ok(plain.then(|| Self { path: path.to_owned(), offset, n, p }))
    }

    /// n and p.
    pub fn shape(&self) -> (usize, usize) {
        (self.n, self.p)
    }

    /// Reads the columns `columns` of all rows.
    ///
    /// *Shapes* `panel: [n, columns.len()]`.
    ///
    /// # Errors
    /// If the file can no longer be read, or has become shorter.
    ///
    /// # Panics
    /// If the panel has another size, or columns lie beyond p.
    pub fn read(&self, columns: Range<usize>, panel: &mut [f32]) -> std::io::Result<()> {
        let width = columns.len();
        assert!(columns.end <= self.p, "columns {columns:?} of {}", self.p);
        assert_eq!(panel.len(), self.n * width, "panel of [{}, {width}]", self.n);
        panel.par_chunks_mut(ROWS * width.max(1)).enumerate().try_for_each(
            |(chunk, rows)| {
                let mut file = File::open(&self.path)?;
                let mut bytes = vec![0; width * 4];
                for (row, to) in rows.chunks_exact_mut(width).enumerate() {
                    let at = (chunk * ROWS + row) * self.p + columns.start;
                    file.seek(SeekFrom::Start(self.offset + at as u64 * 4))?;
                    file.read_exact(&mut bytes)?;
                    for (to, from) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
                        *to = f32::from_le_bytes(*from);
                    }
                }
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_file::{Array, npy_bytes};

    #[test]
    fn columns_are_those_of_the_whole_array() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.npy");
        let (n, p) = (150, 12);
        let values: Vec<f32> = (0..n * p).map(|k| k as f32 / 7.0).collect();
        std::fs::write(&path, npy_bytes(&Array::f32(&[n, 3, 4], values.clone())))
            .unwrap();
        let columns = NpyColumns::open(&path).unwrap().unwrap();
        assert_eq!(columns.shape(), (n, p));
        for range in [0..p, 3..8, 11..12, 5..5] {
            let mut panel = vec![0.0; n * range.len()];
            columns.read(range.clone(), &mut panel).unwrap();
            let expected: Vec<f32> =
                values.chunks(p).flat_map(|row| row[range.clone()].to_vec()).collect();
            assert_eq!(panel, expected);
        }
        // Cut after it was opened.
        std::fs::write(&path, &std::fs::read(&path).unwrap()[..1000]).unwrap();
        assert!(columns.read(0..p, &mut vec![0.0; n * p]).is_err());
        std::fs::write(&path, npy_bytes(&Array::f64(&[1, 1], vec![1.0]))).unwrap();
        assert!(NpyColumns::open(&path).unwrap().is_none());
        std::fs::write(&path, b"\x93NUMPY").unwrap();
        assert!(NpyColumns::open(&path).is_err());
    }
}
