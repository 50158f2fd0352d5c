//! Which settings the arms differ in, and those that are the same in all.

use super::table::{line, table};
use crate::compare::ArmFound;

/// More values of an arm are not listed one by one.
const MOST_VALUES: usize = 8;

/// The settings that differ, then, folded, those that do not.
pub(super) fn html(arms: &[ArmFound]) -> String {
    let known: Vec<&ArmFound> =
        arms.iter().filter(|arm| !arm.settings.is_empty()).collect();
    let (mut differing, mut equal) = (String::new(), String::new());
    let mut n_equal = 0;
    for key in keys(&known) {
        let values: Vec<String> = known.iter().map(|arm| value(arm, key)).collect();
        let several = known.iter().any(|arm| n_values(arm, key) > 1);
        if several || values.windows(2).any(|pair| pair[0] != pair[1]) {
            differing += &line(key, &values);
        } else {
            equal += &line(key, &values[..1]);
            n_equal += 1;
        }
    }
    let names = known.iter().map(|arm| arm.name.as_str());
    let columns: Vec<&str> = std::iter::once("setting").chain(names).collect();
    let mut html = if differing.is_empty() {
        "<p>No setting differs.</p>\n".to_owned()
    } else {
        table("settings-that-differ", &columns, &differing)
    };
    if n_equal > 0 {
        let equal = table("settings-of-all", &["setting", "all arms"], &equal);
        html += &format!(
            "<details class=\"fold\">\n<summary>{n_equal} settings are the same in all</summary>\n{equal}</details>\n"
        );
    }
    html
}

/// The keys of all arms, in their order.
fn keys<'a>(arms: &[&'a ArmFound]) -> Vec<&'a str> {
    let mut keys: Vec<&str> = vec![];
    for (key, _) in arms.iter().flat_map(|arm| &arm.settings) {
        if !keys.contains(&key.as_str()) {
            keys.push(key);
        }
    }
    keys
}

fn values<'a>(arm: &'a ArmFound, key: &str) -> &'a [String] {
    let found = arm.settings.iter().find(|(name, _)| name == key);
    found.map_or(&[], |(_, values)| values)
}

fn n_values(arm: &ArmFound, key: &str) -> usize {
    values(arm, key).len()
}

fn value(arm: &ArmFound, key: &str) -> String {
    match values(arm, key) {
        [] => "absent".into(),
        few if few.len() <= MOST_VALUES => few.join(", "),
        many => {
            format!("{}, …, {} ({} values)", many[0], many[many.len() - 1], many.len())
        }
    }
}
