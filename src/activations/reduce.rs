//! A representation → its signature.

use std::path::Path;

use rayon::prelude::*;

use super::examples::Examples;
use super::inputs::{Features, Item, Reading, read};
use super::options::Options;
use crate::error::{Error, Result};
use crate::similarity::{
    Estimator, Feature, FeatureSignature, MOST_FEATURES, Measure, Settings, Undefined,
    streamed_signature, without,
};

/// With more examples than this, Gram matrices are avoided where there are few features.
const MANY_EXAMPLES: usize = 4096;

/// A representation's signature, or why it has none.
pub(super) type Outcome = std::result::Result<Signature, Undefined>;

/// A representation's signature, and whose it is.
pub(super) struct Reduced {
    pub(super) examples: Examples,
    pub(super) signature: Outcome,
}

/// What comparing takes.
pub(super) enum Signature {
    Numbers(Vec<f32>),
    /// Linear CKA without a Gram matrix.
    Features(Box<FeatureSignature>),
}

/// Examples that stay when dominant ones go.
pub(super) struct Kept {
    /// How many there are in the files.
    pub(super) n: usize,
    pub(super) rows: Vec<usize>,
}

/// How a representation becomes a signature.
#[derive(Clone, Copy)]
pub(super) struct Reduction<'a> {
    measure: Measure,
    settings: &'a Settings,
    /// Gram matrices, however many examples there are: what is left of one without a
    /// confounder has no features.
    whole: bool,
    kept: Option<&'a Kept>,
}

impl<'a> Reduction<'a> {
    pub(super) fn new(options: &'a Options, kept: Option<&'a Kept>) -> Self {
        let Options { measure, ref settings, .. } = *options;
        Self { measure, settings, whole: options.confounder.is_some(), kept }
    }

    /// Reads a representation's features, if they are still on disk, and keeps its signature
    /// alone.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn of(self, mut item: Item) -> Result<Reduced> {
        if let Some(kept) = self.kept {
            item.keep(&kept.rows);
        }
        let Item { examples, features, p } = item;
        let signature = match features {
            Features::F32(values) => self.signature(&values, examples.n, p),
            Features::F64(values) => self.signature(&values, examples.n, p),
            Features::Stream(mut columns) => {
                let signature = streamed_signature(&mut columns, self.settings.estimator);
                let cannot =
                    |error| Error::io(&examples.origin.file, "cannot be read", error);
                signature.map_err(cannot)?.map(Signature::Numbers)
            }
        };
        Ok(Reduced { examples, signature })
    }

    fn signature<T: Feature>(self, features: &[T], n: usize, p: usize) -> Outcome {
        let Self { measure, settings, whole, .. } = self;
        let batches = matches!(settings.estimator, Estimator::Minibatch { .. });
        let few = !batches && !whole && p <= MOST_FEATURES;
        if measure == Measure::Cka && few && n > MANY_EXAMPLES {
            let signature = FeatureSignature::of(features, n, p, settings.estimator)?;
            return Ok(Signature::Features(Box::new(signature)));
        }
        measure.signature(features, n, p, settings).map(Signature::Numbers)
    }

    /// The one representation of the confounder's file.
    ///
    /// # Errors
    /// If it cannot be read, holds several arrays, or one that explains nothing.
    pub(super) fn confounder(self, file: &Path, reading: Reading) -> Result<Reduced> {
        let mut items = read(file, reading)?;
        let (Some(item), None) = (items.pop(), items.pop()) else {
            return Err(Error::data(file, "holds several arrays")
                .expected("one, the confounder of all representations"));
        };
        let reduced = self.of(item)?;
        if let Err(reason) = reduced.signature {
            return Err(Error::data(file, format!("explains nothing: {reason}"))
                .expected("activations that vary over the examples"));
        }
        Ok(reduced)
    }
}

/// Leaves in each signature what the confounder does not explain.
pub(super) fn take_out(confounder: &[f32], signatures: &mut [Outcome]) {
    signatures.par_iter_mut().for_each(|signature| {
        if let Ok(Signature::Numbers(own)) = signature {
            *signature = without(own, confounder).map(Signature::Numbers);
        }
    });
}
