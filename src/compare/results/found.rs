//! What a comparison found, in the order of its `findings.json`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::rows::Effect;
use crate::compare::evaluate::Evaluated;
use crate::compare::judge::{direction, judge, same_sign};
use crate::compare::runs::{LeftOut, Lens, RunName};
use crate::compare::sample::{Pairing, Sample, SeedValues};
use crate::compare::seen::SeenRun;
use crate::compare::statements::{Part, Reading, Source};
use crate::findings::seeds::{Direction, Verdict};

/// What was compared and what came of it: `findings.json` of a comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Results {
    /// Version of the format.
    pub format: u32,
    /// The comparison file; none where runs were grouped by a setting.
    pub comparison: Option<Declared>,
    /// The setting that runs were grouped by.
    pub by: Option<String>,
    /// Why no effects were computed, where they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<String>,
    /// The arms.
    pub arms: Vec<ArmFound>,
    /// The settings in which arms differ.
    pub settings: Vec<SettingFound>,
    /// The statements, then exploratory ones.
    pub statements: Vec<Finding>,
    /// The rows of `effects.csv`.
    #[serde(skip)]
    pub effects: Vec<Effect>,
}

/// The file that declared a comparison before its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Declared {
    /// Its path as it was given.
    pub file: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// An arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmFound {
    /// Its name.
    pub name: String,
    /// Its runs.
    pub runs: Vec<RunName>,
    /// Those that are not done.
    pub left_out: Vec<LeftOut>,
    /// All its settings, each with the values of its runs, for the page.
    #[serde(skip)]
    pub settings: Vec<(String, Vec<String>)>,
    /// What figures show of each of its runs.
    #[serde(skip)]
    pub seen: Vec<SeenRun>,
}

/// A setting in which arms differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingFound {
    /// Dotted key.
    pub key: String,
    /// Arms and their values.
    #[serde(serialize_with = "as_map")]
    pub values: Vec<(String, String)>,
}

fn as_map<S: Serializer>(
    pairs: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (key, value) in pairs {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// What was found for one statement, or for one exploratory endpoint.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// `P1` … `P8`, or the endpoint's name.
    pub id: String,
    /// What tells it from another of the same id.
    pub name: Option<String>,
    /// What it says.
    pub text: String,
    /// The abstract it is from; none of exploratory ones.
    pub source: Option<Source>,
    /// What the verdict is about; none of exploratory ones.
    pub reading: Option<Reading>,
    /// Whether there is no verdict.
    pub exploratory: bool,
    /// Whether it claims a sign.
    pub direction: Direction,
    /// The smallest effect of interest.
    pub d: Option<f64>,
    /// The unit of the effect; empty for a pure number.
    pub unit: String,
    /// How runs belong together; none where one arm is looked at.
    pub pairing: Option<Pairing>,
    /// The arm that is claimed to have more.
    pub plus: Option<String>,
    /// The arm that it is compared with.
    pub minus: Option<String>,
    /// The arms over which a slope is taken.
    pub arms: Vec<String>,
    /// The first part's number of seeds.
    pub n: usize,
    /// Its seeds.
    pub seeds: Vec<String>,
    /// Its mean effect.
    pub mean: Option<f64>,
    /// Its 95 % interval; none with fewer than six seeds.
    pub interval: Option<[f64; 2]>,
    /// Its least and greatest value.
    pub range: Option<[f64; 2]>,
    /// How many of its values lie above zero, and how many there are.
    pub above_zero: [usize; 2],
    /// One-sided p-value of the whole claim; of a claim without a sign two-sided.
    pub p_for: Option<f64>,
    /// One-sided p-value against it.
    pub p_against: Option<f64>,
    /// Both after Holm in their families.
    pub adjusted: Option<[f64; 2]>,
    /// The verdict; none of exploratory ones.
    pub verdict: Option<Verdict>,
    /// What decided.
    pub reason: String,
    /// All parts of a statement that has several, each of which must hold.
    pub parts: Vec<PartFound>,
    /// The first part measured in other ways.
    pub variants: Vec<VariantFound>,
    /// Numbers that stand beside it without a verdict.
    pub beside: Vec<PartFound>,
    /// Runs without a value, and why.
    pub left_out: Vec<LeftOut>,
    /// The values of the first part, for figures.
    #[serde(skip)]
    pub values: Vec<SeedValues>,
    /// The effects of the first part, for figures.
    #[serde(skip)]
    pub effects: Vec<f64>,
}

/// One part of a statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartFound {
    /// What is measured.
    pub endpoint: String,
    /// Of a part about one layer.
    pub layer: Option<String>,
    /// Number of seeds.
    pub n: usize,
    /// Mean effect.
    pub mean: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// p-value of the claim; beside a statement only of a test of its own.
    pub p_for: Option<f64>,
    /// p-value against it.
    pub p_against: Option<f64>,
}

/// A statement's first part measured in another way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantFound {
    /// The measure, `every-other` or `without-dominant`.
    pub name: String,
    /// Number of seeds.
    pub n: usize,
    /// Mean effect.
    pub mean: Option<f64>,
    /// Its 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Whether its mean has the sign of the statement's.
    pub same_sign: Option<bool>,
}

impl PartFound {
    fn each(parts: &[Part], are_tested: bool) -> Vec<Self> {
        parts.iter().map(|part| Self::of(part, are_tested)).collect()
    }

    fn of(part: &Part, is_tested: bool) -> Self {
        let has_p = is_tested || part.is_test;
        Self {
            endpoint: part.endpoint.clone(),
            layer: part.layer.clone(),
            n: part.sample.n(),
            mean: part.sample.mean(),
            interval: part.sample.interval(),
            p_for: has_p.then_some(part.p_for),
            p_against: has_p.then_some(part.p_against),
        }
    }
}

impl Finding {
    /// Of what was evaluated, with p-values corrected in its family.
    pub(crate) fn of(evaluated: &Evaluated<'_>, adjusted: Option<[f64; 2]>) -> Self {
        let asked = evaluated.asked;
        let source = asked.subject.source();
        let judged = adjusted.map(|adjusted| judge(evaluated, adjusted));
        let [p_for, p_against] = evaluated.p();
        let none = Sample::default();
        let first = evaluated.parts.first().map_or(&none, |part| &part.sample);
        let several = if evaluated.parts.len() > 1 { &evaluated.parts[..] } else { &[] };
        Self {
            id: asked.subject.id().into(),
            name: asked.name.clone(),
            text: asked.subject.text().into(),
            source,
            reading: evaluated.reading,
            exploratory: source.is_none(),
            direction: direction(evaluated),
            d: asked.smallest(),
            unit: asked.subject.unit().into(),
            pairing: (evaluated.arms.len() > 1).then(|| asked.pairing()),
            plus: asked.plus.clone(),
            minus: asked.minus.clone(),
            arms: asked.arms.clone(),
            n: first.n(),
            seeds: first.rows.iter().map(|row| row.seed.clone()).collect(),
            mean: first.mean(),
            interval: first.interval(),
            range: first.extremes(),
            above_zero: first.above_zero(),
            p_for: source.map(|_| p_for),
            p_against: source.map(|_| p_against),
            adjusted,
            verdict: judged.as_ref().map(|judged| judged.verdict),
            reason: judged.map_or_else(|| "exploratory".into(), |judged| judged.reason),
            parts: PartFound::each(several, true),
            variants: variants(evaluated),
            beside: PartFound::each(&evaluated.beside, false),
            left_out: left_out(evaluated),
            values: first.rows.clone(),
            effects: first.values(),
        }
    }

    /// What it is called: its id, with its name where it has one.
    pub fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("{} ({name})", self.id),
            None => self.id.clone(),
        }
    }
}

fn variants(evaluated: &Evaluated<'_>) -> Vec<VariantFound> {
    let variant = |(lens, part): &(Lens, Part)| VariantFound {
        name: lens.name().into(),
        n: part.sample.n(),
        mean: part.sample.mean(),
        interval: part.sample.interval(),
        same_sign: same_sign(evaluated, part),
    };
    evaluated.variants.iter().map(variant).collect()
}

/// Runs that lack a part, each with its first reason.
fn left_out(evaluated: &Evaluated<'_>) -> Vec<LeftOut> {
    let mut reasons: BTreeMap<&str, &LeftOut> = BTreeMap::new();
    for left_out in evaluated.parts.iter().flat_map(|part| &part.sample.left_out) {
        reasons.entry(&left_out.run).or_insert(left_out);
    }
    reasons.into_values().cloned().collect()
}
