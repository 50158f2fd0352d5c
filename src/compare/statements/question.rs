//! A statement's arms, looked at in one way: what its parts are computed from.

use crate::compare::endpoints::{Endpoint, Value};
use crate::compare::runs::{Arm, LeftOut, Lens, Run, View, in_order};
use crate::compare::sample::{Kind, Pairing, Sample, SeedValues};

/// Arms, lens and layers.
#[derive(Debug, Clone)]
pub(crate) struct Question<'a> {
    pub(crate) plus: Option<&'a Arm>,
    pub(crate) minus: Option<&'a Arm>,
    pub(crate) arms: Vec<&'a Arm>,
    pub(crate) pairing: Pairing,
    pub(crate) layers: &'a [String],
    pub(crate) lens: Lens,
    /// The last epoch that all runs have; none where all end there.
    pub(crate) end: Option<f64>,
}

/// The values of one seed in the first and the second arm.
pub(crate) type Values = [Option<f64>; 2];

impl<'a> Question<'a> {
    /// The same through another lens.
    pub(crate) fn through(&self, lens: Lens) -> Self {
        Self { lens, ..self.clone() }
    }

    /// The first arm.
    ///
    /// # Panics
    /// If the statement does not need one.
    pub(crate) fn plus(&self) -> &'a Arm {
        self.plus.expect("a comparison file that names `plus`")
    }

    /// The second arm.
    ///
    /// # Panics
    /// If the statement does not need one.
    pub(crate) fn minus(&self) -> &'a Arm {
        self.minus.expect("a comparison file that names `minus`")
    }

    /// All arms: the first, the second, and those of a list, each once.
    pub(crate) fn all_arms(&self) -> Vec<&'a Arm> {
        let mut arms: Vec<&Arm> = vec![];
        for arm in
            self.plus.into_iter().chain(self.minus).chain(self.arms.iter().copied())
        {
            if !arms.iter().any(|other| std::ptr::eq(*other, arm)) {
                arms.push(arm);
            }
        }
        arms
    }

    /// A run on a group of examples.
    ///
    /// # Errors
    /// Why the run is left out.
    pub(crate) fn view(&self, run: &'a Run, group: &'a str) -> Result<View<'a>, LeftOut> {
        View::of(run, (&self.lens, group), self.layers, self.end)
    }

    /// An endpoint in both arms, or in the first where there is no second.
    pub(crate) fn sample(&self, endpoint: &'static Endpoint) -> Sample {
        let value = |arm: &'a Arm, run: &'a Run| self.value(endpoint, arm, run);
        match (self.minus, self.pairing) {
            (None, _) => Self::per_seed(Kind::Values, &[self.plus()], |runs| {
                Ok([Some(value(self.plus(), runs[0])?), None])
            }),
            (Some(minus), Pairing::Seed) => {
                let plus = self.plus();
                Self::per_seed(Kind::Differences, &[plus, minus], |runs| {
                    Ok([Some(value(plus, runs[0])?), Some(value(minus, runs[1])?)])
                })
            }
            (Some(minus), Pairing::None) => groups([self.plus(), minus], value),
        }
    }

    fn value(
        &self,
        endpoint: &'static Endpoint,
        arm: &'a Arm,
        run: &'a Run,
    ) -> Result<f64, LeftOut> {
        let view = self.view(run, endpoint.group)?;
        let value = match endpoint.value {
            Value::OfRun(value) => value(&view),
            Value::AmongSeeds(value) => {
                let others = arm.runs.iter().filter(|other| !std::ptr::eq(*other, run));
                let others: Vec<View<'_>> = others
                    .filter_map(|other| self.view(other, endpoint.group).ok())
                    .collect();
                value(&view, &others)
            }
        };
        let finite = value.and_then(|value| {
            Some(value)
                .filter(|value| value.is_finite())
                .ok_or_else(|| "undefined".into())
        });
        finite.map_err(|why| view.left_out(why))
    }

    /// The values of each seed that all of `arms` have, from its runs in their order.
    pub(crate) fn per_seed(
        kind: Kind,
        arms: &[&'a Arm],
        values: impl Fn(&[&'a Run]) -> Result<Values, LeftOut>,
    ) -> Sample {
        let mut sample = Sample { kind, rows: vec![], left_out: vec![], missing: 0 };
        for seed in in_order(arms.iter().flat_map(|arm| arm.seeds())) {
            let runs: Vec<Option<&Run>> =
                arms.iter().map(|arm| arm.run_of(&seed)).collect();
            let found = match runs.iter().copied().collect::<Option<Vec<&Run>>>() {
                Some(runs) => values(&runs).map_err(|left_out| vec![left_out]),
                None => Err(without_counterpart(&seed, arms, &runs)),
            };
            match found {
                Ok([plus, minus]) => sample.rows.push(SeedValues { seed, plus, minus }),
                Err(left_out) => {
                    sample.missing += 1;
                    sample.left_out.extend(left_out);
                }
            }
        }
        sample
    }
}

/// The runs of a seed that not all arms have, and why those that lack it do.
fn without_counterpart(seed: &str, arms: &[&Arm], runs: &[Option<&Run>]) -> Vec<LeftOut> {
    let mut left_out = vec![];
    for (arm, run) in arms.iter().zip(runs) {
        let absent = arm.absent.iter().find(|absent| absent.seed == seed);
        let lacking = arms.iter().zip(runs).find(|(_, run)| run.is_none());
        match (run, absent, lacking) {
            (Some(run), _, Some((other, _))) => {
                let why = format!("no run of seed {seed} in arm {}", other.name);
                left_out.push(LeftOut::new(&run.name, why));
            }
            (None, Some(absent), _) => left_out.push(absent.left_out.clone()),
            _ => {}
        }
    }
    left_out
}

/// Two groups of runs.
fn groups<'a>(
    arms: [&'a Arm; 2],
    value: impl Fn(&'a Arm, &'a Run) -> Result<f64, LeftOut>,
) -> Sample {
    let mut sample =
        Sample { kind: Kind::Groups, rows: vec![], left_out: vec![], missing: 0 };
    for (at, arm) in arms.into_iter().enumerate() {
        let mut missing = arm.absent.len();
        sample.left_out.extend(arm.absent.iter().map(|absent| absent.left_out.clone()));
        for run in &arm.runs {
            match value(arm, run) {
                Err(left_out) => {
                    missing += 1;
                    sample.left_out.push(left_out);
                }
                Ok(value) => {
                    let mut both = [None; 2];
                    both[at] = Some(value);
                    let [plus, minus] = both;
                    sample.rows.push(SeedValues { seed: run.seed(), plus, minus });
                }
            }
        }
        sample.missing = sample.missing.max(missing);
    }
    sample
}
