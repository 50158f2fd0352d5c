//! Tensors that other codes keep in parts, such as queries, keys and values: in tables of names
//! `"*.query.*" = "*.qkv.*[0/3]"` is the first third of the rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::array_file::Array;

/// The most parts of a tensor.
const MAX_PARTS: usize = 16;

/// What a name is a part of, and which of how many.
fn part(name: &str) -> Option<(&str, [usize; 2])> {
    let (whole, part) = name.strip_suffix(']')?.rsplit_once('[')?;
    let (number, count) = part.split_once('/')?;
    let (number, count) = (number.parse().ok()?, count.parse().ok()?);
    (number < count && count <= MAX_PARTS).then_some((whole, [number, count]))
}

/// The name of the tensor that a name is, or is a part of.
pub(super) fn whole(name: &str) -> &str {
    part(name).map_or(name, |(whole, _)| whole)
}

/// Joins the parts by their first axis, those that are complete and alike; each tensor has its own
/// name beside it, a joined one that of its first part.
pub(super) fn join(named: &mut BTreeMap<String, (String, Array)>) {
    let wholes: BTreeSet<(String, usize)> = named
        .keys()
        .filter_map(|name| part(name))
        .map(|(whole, [_, count])| (whole.to_owned(), count))
        .collect();
    for (whole, count) in wholes {
        let keys = (0..count).map(|number| format!("{whole}[{number}/{count}]"));
        let keys: Vec<String> = keys.collect();
        let parts: Vec<&(String, Array)> =
            keys.iter().filter_map(|key| named.get(key)).collect();
        let rest = |array: &Array| array.shape.get(1..).map(<[usize]>::to_vec);
        let is_alike = |(_, array): &&(String, Array)| {
            rest(array).is_some() && rest(array) == rest(&parts[0].1)
        };
        if parts.len() < count
            || named.contains_key(&whole)
            || !parts.iter().all(is_alike)
        {
            continue;
        }
        let mut shape = parts[0].1.shape.clone();
        shape[0] = parts.iter().map(|(_, array)| array.shape[0]).sum();
        let values = parts.iter().flat_map(|(_, array)| array.to_f32()).collect();
        let (theirs, array) = (parts[0].0.clone(), Array::f32(&shape, values));
        for key in keys {
            named.remove(&key);
        }
        named.insert(whole, (theirs, array));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_where_all_are_there() {
        let array = |rows: usize, first: f32| {
            let values = (0..rows * 2).map(|i| first + i as f32).collect();
            (format!("theirs {first}"), Array::f32(&[rows, 2], values))
        };
        let mut named = BTreeMap::from([
            ("a[0/2]".to_owned(), array(1, 0.0)),
            ("a[1/2]".to_owned(), array(2, 2.0)),
            ("b[0/2]".to_owned(), array(1, 9.0)),
            ("c".to_owned(), array(1, 5.0)),
        ]);
        join(&mut named);
        assert_eq!(named.keys().collect::<Vec<_>>(), ["a", "b[0/2]", "c"]);
        let (theirs, joined) = &named["a"];
        assert_eq!((theirs.as_str(), &joined.shape[..]), ("theirs 0", &[3, 2][..]));
        assert_eq!(joined.to_f32(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!((whole("a[1/3]"), whole("a[3/3]"), whole("a")), ("a", "a[3/3]", "a"));
    }
}
