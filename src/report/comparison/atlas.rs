//! The atlas: the maps of all layers of all runs as numbers for the page's script, which layers
//! belong beside each other, and at which resolution all of it fits into a page.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::align::{Row, rows};
use crate::compare::{ArmFound, SeenMap, SeenRun};
use crate::report::page::in_units;
use crate::similarity::MatrixKind;

/// Numbers of all maps together, more than which are not embedded: about 6 MB of the page.
const MOST_CELLS: usize = 1_000_000;
/// The fewest checkpoints of a map.
const FEWEST: usize = 8;
/// Sets of maps (a measure on a group of examples) that are embedded at any resolution.
const ALWAYS: usize = 2;
/// The examples that come first.
const FIRST_GROUP: &str = "test";

/// The maps of a comparison.
pub(super) struct Atlas<'a> {
    columns: Vec<Column<'a>>,
    sets: Vec<Set>,
    /// How many sets there are with those that are not embedded.
    n_sets: usize,
    /// The most checkpoints of a map.
    resolution: usize,
}

/// A run.
struct Column<'a> {
    arm: usize,
    name: String,
    run: &'a SeenRun,
}

/// A measure on a group of examples.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Set {
    /// Test images first, representations before decisions.
    is_other: bool,
    is_of_decisions: bool,
    group: String,
    measure: String,
}

impl Set {
    fn of(map: &SeenMap) -> Self {
        Self {
            is_other: map.group != FIRST_GROUP,
            is_of_decisions: MatrixKind::parse(&map.measure).is_of_decisions(),
            group: map.group.clone(),
            measure: map.measure.clone(),
        }
    }

    fn maps<'a>(&self, run: &'a SeenRun) -> Vec<&'a SeenMap> {
        run.maps.iter().filter(|map| Self::of(map) == *self).collect()
    }
}

impl<'a> Atlas<'a> {
    /// Of the runs of all arms.
    pub(super) fn of(arms: &'a [ArmFound]) -> Self {
        let column = |(arm, run): (usize, &'a SeenRun)| {
            let name = &arms[arm].name;
            let several = arms[arm].seen.len() > 1;
            let name =
                if several { format!("{name}, seed {}", run.seed) } else { name.clone() };
            Column { arm, name, run }
        };
        let runs = arms
            .iter()
            .enumerate()
            .flat_map(|(arm, found)| found.seen.iter().map(move |run| (arm, run)));
        let columns: Vec<Column<'a>> = runs.map(column).collect();
        let maps = columns.iter().flat_map(|column| &column.run.maps);
        let all: BTreeSet<Set> = maps.map(Set::of).collect();
        let most =
            columns.iter().map(|column| column.run.epochs.len()).max().unwrap_or(0);
        let n_sets = all.len();
        let mut atlas =
            Self { columns, sets: all.into_iter().collect(), n_sets, resolution: most };
        while atlas.sets.len() > ALWAYS && atlas.n_cells() > MOST_CELLS {
            atlas.sets.pop();
        }
        while atlas.resolution > FEWEST && atlas.n_cells() > MOST_CELLS {
            atlas.resolution -= 1;
        }
        atlas
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    fn n_cells(&self) -> usize {
        let of_run = |column: &Column<'_>| {
            let n = column.run.epochs.len().min(self.resolution);
            let maps = |set: &Set| set.maps(column.run).len();
            self.sets.iter().map(maps).sum::<usize>() * n * (n + 1) / 2
        };
        self.columns.iter().map(of_run).sum()
    }

    /// Which checkpoints of a run are embedded: all, or some at equal distances, the first and the
    /// last among them.
    fn kept(&self, run: &SeenRun) -> Vec<usize> {
        let (n, most) = (run.epochs.len(), self.resolution);
        if n <= most {
            return (0..n).collect();
        }
        (0..most).map(|k| (k * (n - 1) + (most - 1) / 2) / (most - 1)).collect()
    }

    /// What is not as in the runs' files, in words.
    pub(super) fn limits(&self) -> Option<String> {
        let most = self.columns.iter().map(|column| column.run.epochs.len()).max()?;
        let mut limits = vec![];
        if self.sets.len() < self.n_sets {
            limits.push(format!(
                "{} of {} measures and groups of examples are shown",
                self.sets.len(),
                self.n_sets
            ));
        }
        if self.resolution < most {
            limits.push(format!(
                "each map has {} of at most {most} checkpoints, at equal distances",
                self.resolution
            ));
        }
        let limits = limits.join("; ");
        (!limits.is_empty()).then(|| {
            format!("To keep the page small, {limits}: the pages of the runs have all.")
        })
    }

    /// Whether all runs have the same layers.
    pub(super) fn is_of_one_net(&self) -> bool {
        let is_same = |set: &Set| rows(&self.layers(set)).iter().all(|row| row.same);
        self.sets.iter().all(is_same)
    }

    /// The layers of each run.
    fn layers(&self, set: &Set) -> Vec<Vec<&'a str>> {
        let names = |column: &Column<'a>| {
            set.maps(column.run).into_iter().map(|map| map.layer.as_str()).collect()
        };
        self.columns.iter().map(names).collect()
    }

    /// The numbers for the script: `epochs` (those of all runs together), `times` (the checkpoints
    /// of each run), `columns` (runs), `rows` and `sets` (the maps).
    pub(super) fn json(&self) -> Value {
        let mut times: Vec<Vec<f64>> = vec![];
        let mut columns = vec![];
        for column in &self.columns {
            let run = column.run;
            let own: Vec<f64> =
                self.kept(run).into_iter().map(|at| run.epochs[at]).collect();
            let time = times.iter().position(|time| *time == own).unwrap_or_else(|| {
                times.push(own);
                times.len() - 1
            });
            columns.push(json!({
                "name": column.name, "arm": column.arm, "time": time,
                "fit": run.fit, "turns": run.turns,
            }));
        }
        let mut epochs: Vec<f64> = times.iter().flatten().copied().collect();
        epochs.sort_by(f64::total_cmp);
        epochs.dedup();
        let rows_of: Vec<Vec<Row>> =
            self.sets.iter().map(|set| rows(&self.layers(set))).collect();
        let sets = self.sets.iter().zip(&rows_of).map(|(set, rows)| self.set(set, rows));
        let label = |row: &Row| json!({ "label": row.label, "same": row.same });
        let labels =
            rows_of.iter().map(|rows| rows.iter().map(label).collect::<Vec<Value>>());
        json!({
            "epochs": epochs,
            "times": times,
            "columns": columns,
            "sets": sets.collect::<Vec<Value>>(),
            "rows": labels.collect::<Vec<_>>(),
        })
    }

    fn set(&self, set: &Set, rows: &[Row]) -> Value {
        let mut layers = vec![];
        for (at, column) in self.columns.iter().enumerate() {
            let kept = self.kept(column.run);
            for (k, map) in set.maps(column.run).into_iter().enumerate() {
                let row = rows.iter().position(|row| row.layers[at] == Some(k));
                layers.push(json!({
                    "name": map.layer,
                    "short": map.layer,
                    "column": at,
                    "row": row,
                    "values": upper(map, column.run.epochs.len(), &kept),
                    "errors": [],
                    "reasons": [],
                    "phases": map.phases,
                    "boundaries": map.boundaries,
                }));
            }
        }
        json!({
            "regions": set.is_of_decisions,
            "measure": MatrixKind::parse(&set.measure).title(),
            "group": set.group,
            "layers": layers,
        })
    }
}

/// The upper triangle of the kept checkpoints, row by row.
fn upper(map: &SeenMap, n: usize, kept: &[usize]) -> Vec<Value> {
    let rows = kept.iter().enumerate();
    let cells = rows.flat_map(|(i, &a)| kept[i..].iter().map(move |&b| a * n + b));
    cells.map(|cell| in_units(map.values[cell])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: usize, layers: usize, groups: &[&str]) -> SeenRun {
        let map = |group: &&str, layer: usize| SeenMap {
            measure: "cka".into(),
            group: (*group).into(),
            layer: format!("layer{layer}"),
            values: (0..n * n)
                .map(|cell| (cell / n).abs_diff(cell % n) as f64 / 1e3)
                .collect(),
            phases: vec![],
            boundaries: vec![],
        };
        SeenRun {
            seed: "0".into(),
            errors: vec![],
            turns: [None; 3],
            epochs: (0..n).map(|at| at as f64).collect(),
            maps: groups
                .iter()
                .flat_map(|g| (0..layers).map(move |l| map(g, l)))
                .collect(),
            fit: None,
            last: 0.0,
            layers: vec![],
            movement: None,
        }
    }

    fn arm(seen: Vec<SeenRun>) -> ArmFound {
        ArmFound {
            name: "a".into(),
            runs: vec![],
            left_out: vec![],
            settings: vec![],
            seen,
        }
    }

    #[test]
    fn what_fits_is_embedded_whole() {
        let arms = [arm(vec![run(60, 4, &["train-clean", "test"])])];
        let atlas = Atlas::of(&arms);
        assert_eq!((atlas.sets.len(), atlas.resolution, atlas.limits()), (2, 60, None));
        assert_eq!(atlas.sets[0].group, "test");
        let json = atlas.json();
        let values = &json["sets"][0]["layers"][0]["values"];
        assert_eq!(values.as_array().unwrap().len(), 1830);
        assert_eq!((&values[1], &values[59]), (&json!(10), &json!(590)));
    }

    #[test]
    fn of_many_runs_groups_go_first_and_then_checkpoints() {
        let arms = [arm((0..60).map(|_| run(60, 21, &["test", "a", "b"])).collect())];
        let atlas = Atlas::of(&arms);
        assert_eq!(atlas.sets.len(), ALWAYS);
        assert!(atlas.n_cells() <= MOST_CELLS && atlas.resolution > FEWEST);
        let kept = atlas.kept(&arms[0].seen[0]);
        assert_eq!((kept[0], *kept.last().unwrap()), (0, 59));
        assert!(kept.is_sorted_by(|a, b| a < b));
        let said = atlas.limits().unwrap();
        assert!(
            said.contains("2 of 3 measures") && said.contains("of at most 60"),
            "{said}"
        );
        assert!(atlas.json().to_string().len() < 6_500_000);
    }
}
