//! Which layers of different nets belong beside each other.

/// A row of the atlas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The layer's name where all runs call it so, else where it lies in the nets.
    pub(super) label: String,
    /// Whether all runs that have a layer here call it so.
    pub(super) same: bool,
    /// Of each run the place of the layer among its own.
    pub(super) layers: Vec<Option<usize>>,
}

/// The rows of the layers of runs: layers that all runs have stand beside each other, others by
/// their relative depth between those.
pub(super) fn rows(lists: &[Vec<&str>]) -> Vec<Row> {
    let lists: Vec<&[&str]> = lists.iter().map(Vec::as_slice).collect();
    let mut rows = vec![];
    let mut from = vec![0; lists.len()];
    let ends: Vec<usize> = lists.iter().map(|list| list.len()).collect();
    for anchor in shared(&lists).into_iter().chain([ends.clone()]) {
        rows.extend(between(&from, &anchor));
        if anchor != ends {
            // A run without layers has no part in what all have.
            let at = |list: usize| (!lists[list].is_empty()).then_some(anchor[list]);
            rows.push((0..lists.len()).map(at).collect());
        }
        from = anchor
            .iter()
            .zip(&lists)
            .map(|(at, list)| (at + 1).min(list.len()))
            .collect();
    }
    rows.into_iter().map(|layers| labelled(&lists, layers)).collect()
}

/// The layers between two rows: as many rows as the run with most of them has, the others at equal
/// distances.
fn between(from: &[usize], to: &[usize]) -> Vec<Vec<Option<usize>>> {
    let counts: Vec<usize> =
        from.iter().zip(to).map(|(from, to)| to.saturating_sub(*from)).collect();
    let most = counts.iter().copied().max().unwrap_or(0);
    let mut rows = vec![vec![None; from.len()]; most];
    for (list, &count) in counts.iter().enumerate() {
        for k in 0..count {
            let row = match count {
                1 => (most - 1) / 2,
                _ => (k * (most - 1) + (count - 1) / 2) / (count - 1),
            };
            rows[row][list] = Some(from[list] + k);
        }
    }
    rows
}

/// The places of the layers that all runs have, in an order that is the same in all.
fn shared(lists: &[&[&str]]) -> Vec<Vec<usize>> {
    let Some(first) = lists.iter().find(|list| !list.is_empty()) else { return vec![] };
    let mut found: Vec<Vec<usize>> = vec![];
    for name in *first {
        let place = |list: &&[&str]| {
            if list.is_empty() {
                Some(0)
            } else {
                list.iter().position(|other| other == name)
            }
        };
        let Some(places) = lists.iter().map(place).collect::<Option<Vec<usize>>>() else {
            continue;
        };
        let follows = found.last().is_none_or(|last| {
            lists
                .iter()
                .zip(last.iter().zip(&places))
                .all(|(list, (a, b))| list.is_empty() || a < b)
        });
        if follows {
            found.push(places);
        }
    }
    found
}

fn labelled(lists: &[&[&str]], layers: Vec<Option<usize>>) -> Row {
    let here: Vec<(&[&str], usize)> =
        layers.iter().zip(lists).filter_map(|(at, list)| Some((*list, (*at)?))).collect();
    let names: Vec<&str> = here.iter().map(|(list, at)| list[*at]).collect();
    let same = names.windows(2).all(|pair| pair[0] == pair[1]);
    let depth =
        |(list, at): &(&[&str], usize)| *at as f64 / (list.len() - 1).max(1) as f64;
    let mean = here.iter().map(depth).sum::<f64>() / here.len().max(1) as f64;
    let label = match names.first() {
        Some(name) if same => (*name).to_owned(),
        _ => format!("about {:.0} % of the depth", 100.0 * mean),
    };
    Row { label, same, layers }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rows: &[Row]) -> Vec<String> {
        let cell = |at: &Option<usize>| at.map_or("-".to_owned(), |at| at.to_string());
        let row = |row: &Row| {
            format!(
                "{}: {}",
                row.label,
                row.layers.iter().map(cell).collect::<Vec<_>>().join(" ")
            )
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn equal_layers_stand_beside_each_other() {
        let net = vec!["conv1", "conv2", "fc"];
        let found = rows(&[net.clone(), net, vec![]]);
        assert_eq!(text(&found), ["conv1: 0 0 -", "conv2: 1 1 -", "fc: 2 2 -"]);
        assert!(found.iter().all(|row| row.same));
    }

    #[test]
    fn others_stand_by_their_depth_between_those_that_all_have() {
        let small = vec!["conv1", "pool", "fc"];
        let large = vec!["conv1", "block1", "block2", "block3", "fc"];
        assert_eq!(
            text(&rows(&[small, large])),
            [
                "conv1: 0 0",
                "block1: - 1",
                "about 50 % of the depth: 1 2",
                "block3: - 3",
                "fc: 2 4"
            ]
        );
        // Nothing in common, and an order that is not the same in both.
        let found = rows(&[vec!["a", "b"], vec!["c", "d", "e"]]);
        assert_eq!(
            found.iter().map(|row| row.layers.clone()).collect::<Vec<_>>(),
            [[Some(0), Some(0)], [None, Some(1)], [Some(1), Some(2)]]
        );
        let every: usize = rows(&[vec!["a", "b"], vec!["b", "a"]])
            .iter()
            .map(|row| row.layers.iter().flatten().count())
            .sum();
        assert_eq!(every, 4);
        assert!(rows(&[]).is_empty());
    }
}
