//! P7: width.

use super::definition::{Definition, KAPPA_VARIANTS, Reading, Source, two_arms};
use super::part::Part;
use super::question::Question;
use crate::compare::endpoints::{DEPTH_CONTRAST, DEPTH_CONTRAST_OF_SEEDS};
use crate::compare::runs::LeftOut;
use crate::compare::sample::{Kind, Pairing};
use crate::findings::seeds::Direction;

/// C of a narrow net less that of a wide one, each in the window of its own double descent.
pub(super) const P7: Definition = Definition {
    id: "P7",
    text: "the patterns depend on width",
    source: Source::V1,
    direction: Direction::Either,
    d: Some(0.05),
    unit: "rad",
    pairing: Pairing::Seed,
    needs: two_arms(0),
    differ: &["net.width"],
    variants: KAPPA_VARIANTS,
    condition: both_fit,
    readings: &[(Reading::AsStated, |question| {
        vec![Part::either(&DEPTH_CONTRAST, question.sample(&DEPTH_CONTRAST))]
    })],
    beside: |question| {
        vec![Part::above(
            &DEPTH_CONTRAST_OF_SEEDS,
            question.sample(&DEPTH_CONTRAST_OF_SEEDS),
            0.0,
        )]
    },
};

/// Whether most seeds of both arms reach the perfect fit.
fn both_fit(question: &Question<'_>) -> Option<String> {
    let arms = [question.plus(), question.minus()];
    let fits = Question::per_seed(Kind::Values, &arms, |runs| {
        for run in runs {
            run.fit().map_err(|why| LeftOut::new(&run.name, why))?;
        }
        Ok([Some(0.0), None])
    });
    let all = fits.rows.len() + fits.missing;
    (fits.missing * 4 > all)
        .then(|| format!("both arms fit in {} of {all} seeds", fits.rows.len()))
}
