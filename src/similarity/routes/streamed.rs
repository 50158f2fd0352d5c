//! Linear CKA signatures of representations that stay on disk: features come panel by panel.

use std::io;
use std::ops::Range;

use crate::similarity::gram::batches::batches_of;
use crate::similarity::gram::centred::Centred;
use crate::similarity::gram::matrix::{Gram, PANEL};
use crate::similarity::measures::cka::finish;
use crate::similarity::measures::kernel;
use crate::similarity::{Estimator, Undefined};

/// A representation `[n, p]` whose columns can be read.
pub trait Columns: Send {
    /// Numbers of examples and of features.
    fn shape(&self) -> (usize, usize);

    /// Reads the features `columns` of all examples.
    ///
    /// *Shapes* `panel: [n, columns.len()]`.
    ///
    /// # Errors
    /// If they cannot be read.
    fn read(&mut self, columns: Range<usize>, panel: &mut [f32]) -> io::Result<()>;
}

/// The signature that [`crate::similarity::measures::cka::signature`] gives for the same features, bit for bit,
/// where no feature is so small beside the largest that its f32 products underflow.
///
/// Two panels of 4,096 features are held at a time, one of them centred too, and the Gram
/// matrix in f64: about 50,000·n + 4n² bytes. Where U-centring takes nearly all of the Gram matrix away, the
/// features are read a second time.
///
/// Cost n²p/2 multiply-adds.
///
/// # Errors
/// If features cannot be read; inside, as [`crate::similarity::measures::cka::signature`].
///
/// # Panics
/// On minibatches, whose batches are short enough to be read whole.
pub fn streamed_signature(
    source: &mut dyn Columns,
    estimator: Estimator,
) -> io::Result<Result<Vec<f32>, Undefined>> {
    assert!(
        !matches!(estimator, Estimator::Minibatch { .. }),
        "batches are not streamed"
    );
    let (n, _) = source.shape();
    let gram = match gram_of::<f32>(source)? {
        Ok(gram) => gram,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut failed = None;
    let piece = finish(gram, estimator, || match gram_of::<f64>(source) {
        Ok(Ok(gram)) => gram,
        Ok(Err(_)) => Gram::zero(n),
        Err(error) => {
            failed = Some(error);
            Gram::zero(n)
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let batches = batches_of(n, estimator);
    Ok(piece.and_then(|piece| kernel::to_signature(&[piece], &batches)))
}

/// The Gram matrix of centred features.
fn gram_of<F>(source: &mut dyn Columns) -> io::Result<Result<Gram, Undefined>>
where
    F: crate::similarity::Feature + faer::traits::ComplexField,
{
    let mut gram = Gram::zero(source.shape().0);
    let read = panels(source, |panel, factor| gram.add::<f32, F>(panel, factor))?;
    Ok(read.map(|()| gram))
}

/// Reads a representation panel by panel, and gives each panel that is not dead, with the
/// factor that brings its products to the scale of the first. While one is worked on the next
/// is read.
pub(crate) fn panels(
    source: &mut dyn Columns,
    mut work: impl FnMut(&Centred<'_, f32>, f64) + Send,
) -> io::Result<Result<(), Undefined>> {
    let (n, p) = source.shape();
    if n < 4 {
        return Ok(Err(Undefined::TooFewExamples { n }));
    }
    let (mut panel, mut next) = (vec![], vec![]);
    let mut read = |first: usize, panel: &mut Vec<f32>| {
        let columns = first..(first + PANEL).min(p);
        panel.truncate(n * columns.len());
        if panel.len() < n * columns.len() {
            *panel = vec![0.0; n * columns.len()];
        }
        if columns.is_empty() { Ok(()) } else { source.read(columns, panel) }
    };
    let mut scale = None;
    let mut work = |panel: &[f32]| {
        match Centred::of(panel, n, panel.len() / n) {
            Ok(centred) => {
                // Powers of two, whose quotients are exact.
                let unit = *scale.get_or_insert(centred.scale);
                work(&centred, (unit / centred.scale).powi(2));
            }
            Err(Undefined::DeadLayer) => {}
            Err(reason) => return Err(reason),
        }
        Ok(())
    };
    read(0, &mut panel)?;
    for first in (0..p).step_by(PANEL) {
        let after = (first + PANEL).min(p);
        let (result, worked) = rayon::join(|| read(after, &mut next), || work(&panel));
        result?;
        if let Err(reason) = worked {
            return Ok(Err(reason));
        }
        std::mem::swap(&mut panel, &mut next);
    }
    Ok(if scale.is_some() { Ok(()) } else { Err(Undefined::DeadLayer) })
}
