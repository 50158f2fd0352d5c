//! A layer's probe in a file: `weight` and `bias` as of a `torch.nn.Linear`; all NaN, with the
//! reason's code in `undefined`, where there is none.

use super::part::LayerProbe;
use super::reasons::{coded, decoded};
use crate::array_file::NamedArrays;
use crate::error::Result;
use crate::probe::Probe;

/// The member that says why there is no probe.
const UNDEFINED: &str = "undefined";

/// A probe of so many classes and features as arrays.
pub(crate) fn arrays(
    probe: &LayerProbe,
    [n_classes, n_features]: [usize; 2],
) -> NamedArrays {
    match probe {
        Ok(probe) => probe.to_arrays(),
        Err(undefined) => {
            let weight = vec![f32::NAN; n_classes * n_features];
            let bias = vec![f32::NAN; n_classes];
            let mut arrays = Probe { n_classes, n_features, weight, bias }.to_arrays();
            arrays.push(UNDEFINED, coded(*undefined));
            arrays
        }
    }
}

/// Reads what [`arrays`] made.
///
/// # Errors
/// If `weight` or `bias` is missing, not f32, or their shapes do not match.
pub(crate) fn read(arrays: &NamedArrays) -> Result<LayerProbe> {
    let probe = Probe::from_arrays(arrays)?;
    Ok(arrays.get(UNDEFINED).and_then(decoded).map_or(Ok(probe), Err))
}
