//! The maps of the headline: one layer with itself over the epochs, CKA above the diagonal,
//! the similarity of decision regions (DRS) below it.

use super::columns::Column;
use crate::report::figure::heatmap::EpochMap;
use crate::report::figure::svg::{Anchor, LABEL, Svg, TITLE, TextStyle};
use crate::report::figure::{metrics, viridis};
use crate::report::model::RunResults;

/// The layer's name in bold, then its place if there is room.
pub(super) fn title(svg: &mut Svg, column: &Column, (left, y): (f64, f64), room: f64) {
    let name = metrics::fitted(column.layer, TITLE, room);
    svg.text((left, y), Anchor::Start, TITLE, &name);
    let after = metrics::width(&name, TITLE) + 4.0;
    let style = TextStyle { class: "soft", ..LABEL };
    if after + metrics::width(&column.place, style) <= room {
        svg.text((left + after, y), Anchor::Start, style, &column.place);
    }
}

/// One map; where one measure is missing the other fills both triangles.
pub(super) fn draw(svg: &mut Svg, run: &RunResults, column: &Column, map: &EpochMap) {
    let (upper, lower) = match (column.cka, column.drs) {
        (Some(cka), Some(drs)) => (cka, drs),
        (Some(one), None) | (None, Some(one)) => (one, one),
        (None, None) => return,
    };
    let value = |i: usize, j: usize| {
        let matrix = if j >= i { upper } else { lower };
        matrix.value(i, j)
    };
    map.draw(svg, value);
    let (area, n) = (map.area, run.epochs.len());
    if n > 2 {
        let inset = 5.0;
        let name = if column.cka.is_some() { "CKA" } else { "DRS" };
        let corner = (area.left + inset, area.top + inset + 5.5);
        corner_name(svg, corner, Anchor::Start, value(0, n - 1), name);
        if column.cka.is_some() && column.drs.is_some() {
            let corner = (area.right() - inset, area.bottom() - inset);
            corner_name(svg, corner, Anchor::End, value(n - 1, 0), "DRS");
        }
    }
    map.timeline.cursor(svg, area, Some(column.layer));
}

/// The name of a triangle in its corner, dark on light cells and white on dark ones.
fn corner_name(svg: &mut Svg, place: (f64, f64), anchor: Anchor, value: f64, name: &str) {
    let light = value.is_nan() || viridis::is_light(viridis::colour(value));
    let class = if light { "night" } else { "pale" };
    svg.text(place, anchor, TextStyle { class, ..TITLE }, name);
}
