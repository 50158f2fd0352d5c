//! What the colors of a matrix reach from and to.

use crate::error::Result;
use crate::run_dir::MatrixFile;

/// Which similarities the two ends of the colors stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// 0 and 1.
    #[default]
    Unit,
    /// The least and the greatest of the layer.
    Layer,
    /// Those of all layers, by the same measure on the same examples.
    All,
}

/// What goes by which name, as the page and the command line call them.
pub const RANGES: [(&str, Range); 3] =
    [("unit", Range::Unit), ("layer", Range::Layer), ("all", Range::All)];

impl Range {
    /// The range of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        RANGES.into_iter().find(|(own, _)| *own == name).map(|(_, range)| range)
    }

    /// Its ends for the matrix of a file, among all those of `files` in `root`.
    ///
    /// # Errors
    /// If a matrix cannot be read.
    pub(super) fn ends(
        self,
        file: &MatrixFile,
        files: &[MatrixFile],
        n_epochs: usize,
    ) -> Result<(f64, f64)> {
        let values = match self {
            Self::Unit => return Ok((0.0, 1.0)),
            Self::Layer => file.read(n_epochs)?,
            Self::All => {
                let alike = files.iter().filter(|other| {
                    (&other.measure, &other.group) == (&file.measure, &file.group)
                });
                let all: Result<Vec<Vec<f64>>> =
                    alike.map(|other| other.read(n_epochs)).collect();
                all?.concat()
            }
        };
        let defined = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = defined
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        Ok(if low < high { (low, high) } else { (0.0, 1.0) })
    }
}
