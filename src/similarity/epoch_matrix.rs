//! The result of a comparison of all epochs.

use rayon::prelude::*;

use super::Undefined;

/// The similarities of all pairs of epochs.
///
/// *Shapes* `values`, `se`, `reasons`: `[n_epochs, n_epochs]`, row-major; symmetric but for
/// PWCCA.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochMatrix {
    /// Number of epochs E.
    pub n_epochs: usize,
    /// The similarities; NaN where undefined.
    pub values: Vec<f64>,
    /// Standard errors over examples or planes, where the measure has them; never over
    /// seeds.
    pub se: Option<Vec<f64>>,
    /// Why a value is undefined; `None` where it is defined.
    pub reasons: Vec<Option<Undefined>>,
}

impl EpochMatrix {
    /// The similarity of epochs `i` and `j`; NaN where undefined.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn value(&self, i: usize, j: usize) -> f64 {
        self.values[self.at(i, j)]
    }

    /// The standard error of the similarity of epochs `i` and `j`, where there is one.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn error(&self, i: usize, j: usize) -> Option<f64> {
        let at = self.at(i, j);
        self.se.as_ref().map(|se| se[at]).filter(|se| !se.is_nan())
    }

    /// Why the similarity of epochs `i` and `j` is undefined; `None` where it is defined.
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn reason(&self, i: usize, j: usize) -> Option<Undefined> {
        self.reasons[self.at(i, j)]
    }

    fn at(&self, i: usize, j: usize) -> usize {
        let n = self.n_epochs;
        assert!(i < n && j < n, "({i}, {j}) of {n}");
        i * n + j
    }

    /// NaN everywhere, with the reasons of undefined signatures; of two that of the earlier.
    pub(super) fn undefined<S>(signatures: &[Result<S, Undefined>]) -> Self {
        let n_epochs = signatures.len();
        let own: Vec<Option<Undefined>> = signatures
            .iter()
            .map(|signature| signature.as_ref().err().copied())
            .collect();
        let mut reasons = vec![None; n_epochs * n_epochs];
        for i in 0..n_epochs {
            for j in 0..n_epochs {
                reasons[i * n_epochs + j] = own[i.min(j)].or(own[i.max(j)]);
            }
        }
        let values = vec![f64::NAN; n_epochs * n_epochs];
        Self { n_epochs, values, se: None, reasons }
    }

    /// Takes away what is said of epochs that are undefined, for these reasons; of two that of
    /// the earlier.
    ///
    /// # Panics
    /// If there is not one for each epoch.
    pub(crate) fn undefine(&mut self, undefined: &[Option<Undefined>]) {
        let n = self.n_epochs;
        assert_eq!(undefined.len(), n, "reasons of epochs");
        for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let reason = undefined[i.min(j)].or(undefined[i.max(j)]);
            if reason.is_some() {
                (self.values[i * n + j], self.reasons[i * n + j]) = (f64::NAN, reason);
                if let Some(se) = &mut self.se {
                    se[i * n + j] = f64::NAN;
                }
            }
        }
    }

    /// Takes the cells of the first epochs from a matrix of them.
    ///
    /// # Panics
    /// If that matrix has more epochs.
    pub(super) fn take_known(&mut self, known: &Self) {
        let (n, m) = (self.n_epochs, known.n_epochs);
        assert!(m <= n, "{m} epochs are known of {n}");
        let copy = |to: &mut [f64], from: &[f64]| {
            for (to, from) in to.chunks_mut(n).zip(from.chunks(m.max(1))) {
                to[..m].copy_from_slice(from);
            }
        };
        copy(&mut self.values, &known.values);
        if let (Some(to), Some(from)) = (&mut self.se, &known.se) {
            copy(to, from);
        }
    }

    /// Compares pair by pair, side by side: `compare` gives a value and its standard error,
    /// NaN where it has none. Cells that are `known` are not compared again.
    pub(super) fn pairwise<S: Copy + Sync>(
        signatures: &[Result<S, Undefined>],
        pairs: Pairs,
        known: Option<&Self>,
        compare: impl Fn(S, S) -> (f64, f64) + Sync,
    ) -> Self {
        let n = signatures.len();
        let mut matrix = Self::undefined(signatures);
        let n_known = known.map_or(0, |known| known.n_epochs);
        let wanted: Vec<(usize, usize)> = (0..n)
            .flat_map(|i| (0..n).map(move |j| (i, j)))
            .filter(|&(i, j)| i.max(j) >= n_known && pairs.contains(i, j))
            .collect();
        let compared: Vec<(usize, usize, f64, f64)> = wanted
            .into_par_iter()
            .filter_map(|(i, j)| {
                let (value, se) = compare(signatures[i].ok()?, signatures[j].ok()?);
                Some((i, j, value, se))
            })
            .collect();
        let mut errors = vec![f64::NAN; n * n];
        for (i, j, value, se) in compared {
            (matrix.values[i * n + j], errors[i * n + j]) = (value, se);
            if pairs == Pairs::Mirrored {
                (matrix.values[j * n + i], errors[j * n + i]) = (value, se);
            }
        }
        let of_known = known.and_then(|known| known.se.as_ref()).into_iter().flatten();
        let has_errors = errors.iter().chain(of_known).any(|se| !se.is_nan());
        matrix.se = has_errors.then_some(errors);
        if let Some(known) = known {
            matrix.take_known(known);
        }
        matrix
    }
}

/// Which pairs of epochs are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// i ≤ j, which stands for (j, i) too.
    Mirrored,
    /// All, each for itself.
    Ordered,
    /// Those before this position with those from it on.
    Across(usize),
}

impl Pairs {
    fn contains(self, i: usize, j: usize) -> bool {
        match self {
            Self::Mirrored => i <= j,
            Self::Ordered => true,
            Self::Across(split) => i < split && split <= j,
        }
    }
}
