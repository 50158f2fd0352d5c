//! What an analysis says at its end of classifiers that are undefined at some checkpoints.

use std::collections::BTreeMap;

use super::table::Join;

/// Notes which of the new rows of decisions are undefined, and why.
pub(super) fn say(join: &Join) {
    let epochs: Vec<f64> = join.checkpoints.iter().map(|c| c.epoch).collect();
    let mut found: BTreeMap<(&str, String), Vec<f64>> = BTreeMap::new();
    for place in join.plan.places_of_decisions() {
        let Some(known) = join.found.get(place) else { continue };
        let rows = epochs.iter().zip(&known.undefined).skip(join.joined.decisions);
        for (epoch, reason) in rows.filter_map(|(e, own)| own.map(|own| (*e, own))) {
            let of_layer = found.entry((place.layer, reason.to_string())).or_default();
            if !of_layer.contains(&epoch) {
                of_layer.push(epoch);
            }
        }
    }
    if found.is_empty() {
        return;
    }
    let texts: Vec<String> = found.into_iter().map(text).collect();
    join.plan.observer.note(&format!(
        "undefined, and empty in the tables: decisions of {}",
        texts.join("; ")
    ));
}

fn text(((layer, reason), mut epochs): ((&str, String), Vec<f64>)) -> String {
    epochs.sort_by(f64::total_cmp);
    let epochs: Vec<String> = epochs.iter().map(f64::to_string).collect();
    format!("{layer} at epoch {} ({reason})", epochs.join(", "))
}
