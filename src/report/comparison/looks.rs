//! How the arms of a comparison are told apart: by color and dash.

use crate::report::figure::curves::Shade;
use crate::report::figure::svg::Stroke;

/// Color, class and dash of the first arms.
const FEW: [(&str, &str, &str); 4] = [
    ("line-corrupted", "#c4500c", ""),
    ("line-test", "#0b5fa5", "5 2"),
    ("line-clean", "#12805c", "2 1.5"),
    ("line-weights", "#8a8f98", "6 2 1 2"),
];

/// The look of an arm.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) class: String,
    pub(super) colour: String,
    pub(super) dash: &'static str,
}

impl Look {
    /// That of an arm among `count`: of more than four a shade by their order.
    pub(super) fn of(index: usize, count: usize) -> Self {
        if let Some((class, colour, dash)) = FEW.get(index).filter(|_| count <= FEW.len())
        {
            return Self { class: (*class).into(), colour: (*colour).into(), dash };
        }
        let Shade { colour, class } = Shade::of(index, count);
        Self { class, colour, dash: "" }
    }

    /// A line of it.
    pub(super) fn stroke(&self, width: f64) -> Stroke<'_> {
        Stroke { class: &self.class, colour: &self.colour, width, dash: self.dash }
    }
}
