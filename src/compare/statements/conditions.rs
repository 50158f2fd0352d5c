//! Conditions that several statements share.

use super::question::Question;
use crate::compare::runs::Arm;
use crate::findings::defaults::TOLERANCE;
use crate::findings::series::median;

/// Arms whose median fits are within a factor of 1.5.
pub(super) fn same_fit(question: &Question<'_>) -> Option<String> {
    let time = |arm: &Arm| {
        let fits = arm.runs.iter().filter_map(|run| run.fit_time().ok());
        median(&fits.collect::<Vec<_>>())
    };
    let (plus, minus) = (question.plus(), question.minus());
    let apart = time(plus) - time(minus);
    if apart.is_nan() {
        return Some("an arm does not reach the perfect fit".into());
    }
    (apart.abs() > TOLERANCE).then(|| {
        let [a, b] = [plus, minus].map(|arm| time(arm).exp_m1());
        let names = [&plus.name, &minus.name];
        format!(
            "the median fits differ: epoch {a:.0} in {}, {b:.0} in {}",
            names[0], names[1]
        )
    })
}

/// Label noise of at least a tenth.
pub(super) fn noisy(question: &Question<'_>) -> Option<String> {
    let runs = question.all_arms().into_iter().flat_map(|arm| &arm.runs);
    let mut experiments = runs.filter_map(|run| run.experiment.as_ref());
    let clean = experiments.find(|experiment| experiment.noise.rate < 0.1)?;
    Some(format!("noise.rate is {}, at least 0.1 is needed", clean.noise.rate))
}

/// A learning rate that does not change.
pub(super) fn constant_schedule(question: &Question<'_>) -> Option<String> {
    let mut runs = question.all_arms().into_iter().flat_map(|arm| &arm.runs);
    let scheduled = runs.find(|run| run.has_schedule())?;
    Some(format!("the learning rate changes in {}", scheduled.name))
}

/// The first of several conditions that fails.
pub(super) fn first(conditions: &[Option<String>]) -> Option<String> {
    conditions.iter().flatten().next().cloned()
}
