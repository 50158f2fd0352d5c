//! A vertical axis of logarithms: values over orders of magnitude, with ticks at 1, 2, 5 times
//! powers of ten.

use super::axes::LinearAxis;
use super::curves::TICK_GAP;
use super::svg::{Anchor, Area, FRAME, GRID, Svg, TICK};
use super::text::trimmed;
use super::time::TICK_LENGTH;

/// An axis from `least` to `most`, both positive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogAxis {
    /// Of natural logarithms.
    inner: LinearAxis,
}

impl LogAxis {
    /// The axis that stands at the left of an area, upwards.
    ///
    /// # Panics
    /// If an end is not positive.
    pub(crate) fn up(area: Area, (least, most): (f64, f64)) -> Self {
        assert!(least > 0.0 && most > 0.0, "ends of a log axis: {least}, {most}");
        // An axis needs a length, even of values that are all the same.
        let most = most.max(1.5 * least);
        Self { inner: LinearAxis::up(area, least.ln(), most.ln()) }
    }

    /// Where a value lies; NaN where it has no logarithm.
    pub(crate) fn at(&self, value: f64) -> f64 {
        self.inner.at(value.ln())
    }

    /// Powers of ten; with fewer than two of them on the axis also twice and five times those.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        let on_axis = |factors: &[f64]| -> Vec<f64> {
            let powers = (-12..=12).flat_map(|power| {
                factors.iter().map(move |factor| factor * 10_f64.powi(power))
            });
            let is_inside = |value: &f64| {
                (self.inner.from - 1e-9..=self.inner.end + 1e-9).contains(&value.ln())
            };
            powers.filter(is_inside).collect()
        };
        let tens = on_axis(&[1.0]);
        if tens.len() > 1 { tens } else { on_axis(&[1.0, 2.0, 5.0]) }
    }

    /// Grid lines and ticks, with the values that have room.
    pub(crate) fn draw_ticks(&self, svg: &mut Svg, area: Area, labels: bool) {
        let mut last = f64::INFINITY;
        for value in self.ticks() {
            let y = self.at(value);
            if y < area.bottom() - 0.5 && y > area.top + 0.5 {
                svg.line((area.left, y), (area.right(), y), GRID);
            }
            svg.line((area.left - TICK_LENGTH, y), (area.left, y), FRAME);
            // Numbers without room below the next one are left out.
            if labels && last - y >= 7.0 {
                last = y;
                let place = (area.left - TICK_LENGTH - TICK_GAP, y + 2.1);
                svg.text(place, Anchor::End, TICK, &log_label(value));
            }
        }
    }
}

/// 0.001 and 20 plainly, without zeros at the end.
pub(crate) fn log_label(value: f64) -> String {
    let decimals = (-value.log10().floor()).max(0.0) as usize;
    trimmed(value, decimals + 1)
}

/// Least and greatest of positive values; none without one.
pub(crate) fn positive_range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let positive = values.filter(|value| value.is_finite() && *value > 0.0);
    positive.fold(None, |range, value| {
        let (least, most) = range.unwrap_or((value, value));
        Some((f64::min(least, value), f64::max(most, value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area { left: 0.0, top: 0.0, width: 1.0, height: 30.0 };

    #[test]
    fn a_factor_is_a_distance() {
        let axis = LogAxis::up(AREA, (0.001, 1.0));
        assert!((axis.at(1.0) - 0.0).abs() < 1e-12);
        assert!((axis.at(0.1) - 10.0).abs() < 1e-12);
        assert!((axis.at(0.001) - 30.0).abs() < 1e-12);
        assert!(axis.at(-1.0).is_nan());
        assert_eq!(axis.ticks().len(), 4);
    }

    #[test]
    fn a_short_axis_has_ones_twos_and_fives() {
        let labels = |ends| -> Vec<String> {
            LogAxis::up(AREA, ends).ticks().into_iter().map(log_label).collect()
        };
        assert_eq!(labels((0.04, 0.3)), ["0.05", "0.1", "0.2"]);
        assert_eq!(labels((0.5, 0.5)), ["0.5"]);
        assert_eq!(labels((0.9, 120.0)), ["1", "10", "100"]);
    }

    #[test]
    fn ranges_are_of_positive_values_alone() {
        let values = [f64::NAN, 0.0, 3.0, 0.5, -1.0];
        assert_eq!(positive_range(values.into_iter()), Some((0.5, 3.0)));
        assert_eq!(positive_range([0.0].into_iter()), None);
    }
}
