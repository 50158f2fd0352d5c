//! What figures are made of: SVG and pixels, axes, colours, curves and maps.

pub(crate) mod axes;
pub(crate) mod canvas;
pub(crate) mod curves;
pub(crate) mod heatmap;
pub(crate) mod matrix;
pub(crate) mod svg;
pub(crate) mod viridis;
