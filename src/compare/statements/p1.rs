//! P1: double descent and the movement of deep layers.

use super::definition::{Definition, KAPPA_VARIANTS, Needs, Reading, Source};
use super::part::Part;
use super::question::Question;
use crate::compare::runs::{Arm, LeftOut, Run};
use crate::compare::sample::{Kind, Pairing};
use crate::findings::movement::{DepthEffect, depth_contrast};
use crate::findings::seeds::{Direction, slope};

const GROUP: &str = "test";
/// Rise and fall together of a descent over which the slope's smallest effect of interest is that
/// of the contrast: what simulations always find (0.04 and 0.06).
const DESCENT: f64 = 0.1;

/// C of a run with double descent less that of one whose descent was removed, in the window of
/// the first; and over noise rates the slope of C on rise and fall, in one window.
pub(super) const P1: Definition = Definition {
    id: "P1",
    text: "deeper layers evolve much more when epoch-wise double descent occurs",
    source: Source::V1,
    direction: Direction::Positive,
    d: Some(0.05),
    unit: "rad",
    pairing: Pairing::Seed,
    needs: Needs { plus: true, minus: true, arms: 3, also: 0 },
    differ: &["noise.rate", "optimizer.lr_scale"],
    variants: KAPPA_VARIANTS,
    condition: |_| None,
    readings: &[(Reading::AsStated, |question| {
        vec![contrast(question), slope_on_descent(question).with_scale(1.0 / DESCENT)]
    })],
    beside: |question| vec![beyond_proportion(question), contrast_of_seeds(question)],
};

/// The window of a run's double descent.
fn window(run: &Run) -> Result<[f64; 2], LeftOut> {
    let descent = run.descent().map_err(|why| LeftOut::new(&run.name, why))?;
    Ok(descent.window)
}

/// A control must not descend twice itself.
fn check_control(run: &Run) -> Result<(), LeftOut> {
    match run.descent() {
        Ok(_) => {
            Err(LeftOut::new(&run.name, "a control with a double descent of its own"))
        }
        Err(_) => Ok(()),
    }
}

fn movement<'a>(
    question: &Question<'a>,
    run: &'a Run,
    window: [f64; 2],
) -> Result<Vec<f64>, LeftOut> {
    let view = question.view(run, GROUP)?;
    view.movement(window).map_err(|why| view.left_out(why))
}

fn contrast(question: &Question<'_>) -> Part {
    let arms = [question.plus(), question.minus()];
    let sample = Question::per_seed(Kind::Differences, &arms, |runs| {
        let window = window(runs[0])?;
        check_control(runs[1])?;
        let c = |run| Ok(Some(depth_contrast(&movement(question, run, window)?)));
        Ok([c(runs[0])?, c(runs[1])?])
    });
    Part::named("depth-contrast", GROUP, sample, 0.0)
}

fn slope_on_descent(question: &Question<'_>) -> Part {
    let arms = [&[question.plus()][..], &question.arms].concat();
    let sample = Question::per_seed(Kind::Values, &arms, |runs| {
        let window = window(runs[0])?;
        let mut points = [vec![], vec![]];
        for run in &runs[1..] {
            let descent = &run.findings.double_descent;
            let (Some(rise), Some(fall)) = (descent.rise, descent.fall) else {
                return Err(LeftOut::new(
                    &run.name,
                    "no rise and fall of its test error",
                ));
            };
            points[0].push(rise + fall);
            points[1].push(depth_contrast(&movement(question, run, window)?));
        }
        let slope = slope(&points[0], &points[1]);
        let equal = || LeftOut::new(&runs[0].name, "rise and fall are equal in all arms");
        Ok([Some(Some(slope).filter(|slope| slope.is_finite()).ok_or_else(equal)?), None])
    });
    Part::named("depth-contrast-on-descent", GROUP, sample, 0.0)
}

/// L: whether deep layers move more beyond a common factor.
fn beyond_proportion(question: &Question<'_>) -> Part {
    let arms = [question.plus(), question.minus()];
    let sample = Question::per_seed(Kind::Values, &arms, |runs| {
        let window = window(runs[0])?;
        check_control(runs[1])?;
        let own = movement(question, runs[0], window)?;
        let control = movement(question, runs[1], window)?;
        Ok([Some(DepthEffect::of(&own, &control).beyond_proportion), None])
    });
    Part::named("depth-contrast-beyond-proportion", GROUP, sample, 0.0)
}

/// C of movements that are shares of each layer's angle between two seeds of its arm.
fn contrast_of_seeds(question: &Question<'_>) -> Part {
    let arms = [question.plus(), question.minus()];
    let sample = Question::per_seed(Kind::Differences, &arms, |runs| {
        let window = window(runs[0])?;
        check_control(runs[1])?;
        let share = |arm: &Arm, run| -> Result<Option<f64>, LeftOut> {
            let view = question.view(run, GROUP)?;
            let shares = view.movement_of_seeds(window, &arm.others(run));
            Ok(Some(depth_contrast(&shares.map_err(|why| view.left_out(why))?)))
        };
        Ok([share(arms[0], runs[0])?, share(arms[1], runs[1])?])
    });
    Part::named("depth-contrast-of-seeds", GROUP, sample, 0.0)
}
