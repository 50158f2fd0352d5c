//! What figures are made of, whatever they show: SVG and pixels, axes, colors, curves, maps,
//! pictures of planes. Nothing here knows a panel or a page.

pub(crate) mod axes;
pub(crate) mod canvas;
pub(crate) mod curves;
pub(crate) mod heatmap;
pub(crate) mod log_axis;
pub(crate) mod matrix;
pub(crate) mod plane;
pub(crate) mod svg;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod viridis;
