//! P2: the perfect fit as a transition of all encoder blocks.

use std::cell::RefCell;
use std::f64::consts::LN_2;

use super::conditions::constant_schedule;
use super::definition::{Definition, Needs, Reading, Source};
use super::part::Part;
use super::question::Question;
use crate::compare::runs::{LayerView, LeftOut, Run, View, layers_of};
use crate::compare::sample::{Kind, Pairing, Sample};
use crate::findings::seeds::{Direction, slope, tracking as tracking_of};

const GROUP: &str = "test";
/// The gain of own fits over permuted ones.
const PERMUTED: &str = "settling-offset-permuted";
/// Fits over which a slope is taken.
const FEWEST_FITS: usize = 4;
/// Log time over which they are spread at least.
const LEAST_SPREAD: f64 = 1.0;
/// What a block must settle by, beyond the weights.
const BEYOND_WEIGHTS: f64 = 0.2;

/// Over arms that fit at different times: the slope of the time of settling on that of the fit,
/// and the fall of each block's roughness there.
pub(super) const P2: Definition = Definition {
    id: "P2",
    text: "in vision transformers the perfect fit creates a transition in all encoder blocks",
    source: Source::V1,
    direction: Direction::Positive,
    d: None,
    unit: "",
    pairing: Pairing::Seed,
    needs: Needs { plus: false, minus: false, arms: FEWEST_FITS, also: 0 },
    differ: &["optimizer.*"],
    variants: &["drs", "cka-biased", "every-other", "without-dominant"],
    condition: constant_schedule,
    readings: &[
        (Reading::AsStated, |question| {
            let mut parts = vec![Part::one("settling-on-fit", GROUP, tracking(question))];
            parts.extend(each_block(question, "drop-at-fit", LN_2, |view, layer| {
                Ok(-layer.drops().at(view.run.fit_time()?))
            }));
            parts
        }),
        (Reading::BeyondWeights, |question| {
            each_block(question, "excess-settling", BEYOND_WEIGHTS, |view, layer| {
                Ok(-layer.excess_settling(view.run.fit()?[1])?)
            })
        }),
    ],
    beside: |question| vec![permuted(question)],
};

/// Slope of the mean time of settling on the time of the fit, per seed.
fn tracking(question: &Question<'_>) -> Sample {
    Question::per_seed(Kind::Values, &question.arms, |runs| {
        let mut fits = vec![];
        let mut settlings: Vec<Vec<f64>> = vec![];
        for run in runs {
            let out = |why: String| LeftOut::new(&run.name, why);
            fits.push(run.fit_time().map_err(out)?);
            let view = question.view(run, GROUP)?;
            settlings.push(view.each(|layer| Ok(layer.drops().steepest())).map_err(out)?);
        }
        check_spread(&fits, runs[0])?;
        let blocks = settlings[0].len();
        let of_block = |block: usize| {
            let times: Vec<f64> = settlings.iter().map(|times| times[block]).collect();
            slope(&fits, &times)
        };
        Ok([Some((0..blocks).map(of_block).sum::<f64>() / blocks as f64), None])
    })
}

/// Fits at about the same time tell nothing.
fn check_spread(fits: &[f64], run: &Run) -> Result<(), LeftOut> {
    let least = fits.iter().copied().fold(f64::INFINITY, f64::min);
    let most = fits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most - least < LEAST_SPREAD {
        let why = format!("the fits are within {:.2} of log time", most - least);
        return Err(LeftOut::new(&run.name, why));
    }
    Ok(())
}

/// Whether the layers settle nearer to their own arm's fit than to other arms': the gain of each
/// seed, and the p-value of a permutation of the fits over arms.
fn permuted(question: &Question<'_>) -> Part {
    // Of each seed that all arms have: times and fits of the arms.
    let seeds = RefCell::new(vec![]);
    let mut sample = Question::per_seed(Kind::Values, &question.arms, |runs| {
        seeds.borrow_mut().push(settled(question, runs)?);
        Ok([Some(0.0), None])
    });
    let seeds = seeds.into_inner();
    let Some(arms) = seeds.first().map(|(times, _)| times.len()) else {
        return Part::named(PERMUTED, GROUP, sample, 0.0);
    };
    let each = |of: fn(&Settled) -> &Vec<f64>| -> Vec<Vec<f64>> {
        (0..arms).map(|arm| seeds.iter().map(|own| of(own)[arm]).collect()).collect()
    };
    let found = tracking_of(&each(|own| &own.0), &each(|own| &own.1));
    for (row, gain) in sample.rows.iter_mut().zip(&found.gain) {
        row.plus = Some(*gain);
    }
    Part::named(PERMUTED, GROUP, sample, 0.0).tested(found.p)
}

/// Of each arm the mean time of settling over layers, and the time of the fit.
type Settled = (Vec<f64>, Vec<f64>);

fn settled(question: &Question<'_>, runs: &[&Run]) -> Result<Settled, LeftOut> {
    let (mut times, mut fits) = (vec![], vec![]);
    for run in runs {
        let out = |why: String| LeftOut::new(&run.name, why);
        fits.push(run.fit_time().map_err(out)?);
        let view = question.view(run, GROUP)?;
        times.push(view.mean(|layer| Ok(layer.drops().steepest())).map_err(out)?);
    }
    check_spread(&fits, runs[0])?;
    Ok((times, fits))
}

/// One part per block: the mean over arms of `value` exceeds `null`.
fn each_block(
    question: &Question<'_>,
    endpoint: &str,
    null: f64,
    value: impl Fn(&View<'_>, &LayerView<'_>) -> Result<f64, String>,
) -> Vec<Part> {
    let first = question.arms.iter().find_map(|arm| arm.runs.first());
    let blocks = first.map_or(vec![], |run| layers_of(run, question.layers));
    let of_block = |(at, block): (usize, &String)| {
        let sample = Question::per_seed(Kind::Values, &question.arms, |runs| {
            let of_run = |run: &&'_ Run| {
                let view = question.view(run, GROUP)?;
                value(&view, &view.layers[at]).map_err(|why| view.left_out(why))
            };
            let values =
                runs.iter().map(of_run).collect::<Result<Vec<f64>, LeftOut>>()?;
            Ok([Some(values.iter().sum::<f64>() / values.len() as f64), None])
        });
        Part::named(endpoint, GROUP, sample, null).without_scale().of_layer(block)
    };
    blocks.iter().enumerate().map(of_block).collect()
}
