//! Closed sets of the library as choices of a flag, by the names that the library gives them.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::activations::{Maps, Tokens};
use crate::experiment::TripletSource;
use crate::similarity::{Estimator, Measure, Setting};

pub(super) fn measures() -> impl TypedValueParser<Value = Measure> {
    let value = |measure: &Measure| {
        PossibleValue::new(measure.name()).help(measure.properties().summary)
    };
    let known = |name: String| Measure::from_name(&name).expect("a listed name");
    PossibleValuesParser::new(Measure::ALL.iter().map(value)).map(known)
}

/// Help on a setting, with the measures that read it.
pub(super) fn of_setting(setting: Setting, text: &str) -> String {
    format!("{text} ({})", Measure::that_read(setting))
}

pub(super) fn estimators() -> impl TypedValueParser<Value = Estimator> {
    let known = |name: String| Estimator::from_name(&name).expect("a listed name");
    PossibleValuesParser::new(Estimator::ALL.map(Estimator::name)).map(known)
}

pub(super) fn triplet_sources() -> impl TypedValueParser<Value = TripletSource> {
    let all = [TripletSource::Test, TripletSource::Train, TripletSource::Corrupted];
    PossibleValuesParser::new(all.map(TripletSource::name)).map(move |name| {
        let named = all.into_iter().find(|source| source.name() == name);
        named.expect("a listed name")
    })
}

impl ValueEnum for Maps {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.about()))
    }
}

impl ValueEnum for Tokens {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.about()))
    }
}
