//! What figures are made of, whatever they show: SVG and pixels, axes, colors, curves, maps,
//! pictures of planes. Nothing here knows a panel or a page.
//!
//! More than a dozen files: each is one part of a figure.

pub(crate) mod axes;
pub(crate) mod curves;
pub(crate) mod grid;
pub(crate) mod heatmap;
pub(crate) mod log_axis;
pub(crate) mod matrix;
pub(crate) mod metrics;
pub(crate) mod output;
#[cfg(feature = "figures")]
mod pdf;
pub(crate) mod pixels;
pub(crate) mod plane;
pub(crate) mod sheet;
pub(crate) mod svg;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod viridis;
