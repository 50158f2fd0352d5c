//! What the probes say at other strengths λ of their penalty (`analysis.probe.l2_also`): every
//! quantity that the page shows of them, beside its value at the λ of the figures.

use crate::similarity::MatrixKind;
use std::fmt::Write as _;

use super::panel::{Block, Panel, Section};
use crate::report::figure::axes::epoch_label;
use crate::report::figure::svg::Escaped;
use crate::report::model::{EpochMatrix, GeometryRow, ProbeRow, RunResults};
use crate::run_dir::RunFile;

/// The panel.
pub(super) const PANEL: Panel = Panel {
    id: "penalties",
    title: "The same at other penalties",
    section: Section::Probes,
    shows: &[RunFile::Probes, RunFile::Geometry, RunFile::Axis, RunFile::Matrix],
    blocks: |run| {
        Penalties::of(run).map(|all| Block::Html(all.html())).into_iter().collect()
    },
};

/// The values of all layers at all λ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Penalties {
    /// λ, rising.
    pub(crate) l2: Vec<f64>,
    /// The place of the experiment's own among them.
    pub(crate) own: usize,
    /// The epoch of the rows, the last one.
    pub(crate) epoch: f64,
    /// Layers in depth order, each with its values `[quantity][λ]`; NaN where there is none.
    pub(crate) rows: Vec<(String, Vec<Vec<f64>>)>,
    /// Of each quantity, what another λ changes most: by how much, in which layer, when.
    pub(crate) largest: Vec<Option<Change>>,
}

/// How much another λ changes a quantity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// By how much.
    pub(crate) by: f64,
    /// In which layer.
    pub(crate) layer: String,
    /// At which epochs.
    pub(crate) when: String,
}

/// What the page shows of probes at each λ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// Its name where values are compared epoch by epoch.
    short: &'static str,
    decimals: usize,
}

/// The quantities, in the order of [`Penalties::rows`].
pub(crate) const QUANTITIES: [Quantity; 5] = [
    Quantity { name: "test accuracy", short: "test accuracy", decimals: 3 },
    Quantity { name: "memorization", short: "memorization", decimals: 3 },
    Quantity { name: "recovery", short: "recovery", decimals: 3 },
    Quantity { name: "fragments", short: "fragments", decimals: 1 },
    Quantity { name: "DRS, mean over epochs", short: "DRS", decimals: 3 },
];

type Value = fn(&ProbeRow) -> f64;

const OF_PROBES: [Value; 3] = [
    |row| row.test_accuracy,
    |row| row.heldout_corrupted_noisy,
    |row| row.heldout_corrupted_true,
];

impl Penalties {
    /// Collects them; nothing where the run has probes of one λ alone.
    pub(crate) fn of(run: &RunResults) -> Option<Self> {
        let own = run.probes.first()?.l2;
        let mut l2: Vec<f64> =
            run.penalties.iter().map(|row| row.l2).chain([own]).collect();
        l2.sort_by(f64::total_cmp);
        l2.dedup();
        if l2.len() == 1 {
            return None;
        }
        let mut layers: Vec<String> = vec![];
        for row in &run.probes {
            if layers.last() != Some(&row.layer) {
                layers.push(row.layer.clone());
            }
        }
        let mut found = Self {
            own: l2.iter().position(|l2| l2.to_bits() == own.to_bits())?,
            l2,
            epoch: run.probes.iter().map(|row| row.epoch).fold(0.0, f64::max),
            rows: layers.into_iter().map(|layer| (layer, vec![])).collect(),
            largest: vec![],
        };
        for value in OF_PROBES {
            found.add_probes(run, value);
        }
        found.add_fragments(run);
        found.add_regions(run);
        Some(found)
    }

    /// What a name of results has behind it for another λ.
    fn suffix(&self, k: usize) -> String {
        if k == self.own { String::new() } else { format!("-l2-{}", self.l2[k]) }
    }

    /// What the matrices of decisions by the k-th probes are.
    fn kind(&self, k: usize) -> MatrixKind {
        if k == self.own {
            MatrixKind::DRS
        } else {
            MatrixKind::Penalty(self.l2[k].to_string())
        }
    }

    fn add_probes(&mut self, run: &RunResults, value: Value) {
        let all: Vec<&ProbeRow> = run.probes.iter().chain(&run.penalties).collect();
        self.add_curves(|l2, _, layer| {
            let rows = all
                .iter()
                .filter(|row| row.layer == layer && row.l2.to_bits() == l2.to_bits());
            rows.map(|row| (row.epoch, value(row))).collect()
        });
    }

    fn add_fragments(&mut self, run: &RunResults) {
        let of = |row: &&GeometryRow| row.quantity == "fragments";
        let Some(group) = run.geometry.iter().find(of).map(|row| &row.group) else {
            return self.add_curves(|_, _, _| vec![]);
        };
        self.add_curves(|_, suffix, layer| {
            let rows = run.geometry.iter().filter(|row| {
                row.layer == layer
                    && row.group == *group
                    && row.quantity.strip_prefix("fragments") == Some(suffix)
            });
            rows.map(|row| (row.epoch, row.value)).collect()
        });
    }

    /// Adds a quantity that each layer has at every epoch.
    fn add_curves(&mut self, curve: impl Fn(f64, &str, &str) -> Vec<(f64, f64)>) {
        let mut largest = None;
        let suffixes: Vec<String> = (0..self.l2.len()).map(|k| self.suffix(k)).collect();
        for (layer, values) in &mut self.rows {
            let curves: Vec<Vec<(f64, f64)>> = (self.l2.iter().zip(&suffixes))
                .map(|(l2, suffix)| curve(*l2, suffix, layer))
                .collect();
            let end =
                |curve: &Vec<(f64, f64)>| curve.last().map_or(f64::NAN, |last| last.1);
            values.push(curves.iter().map(end).collect());
            for other in &curves {
                for ((epoch, value), (_, own)) in other.iter().zip(&curves[self.own]) {
                    let when = format!("epoch {}", epoch_label(*epoch));
                    keep_larger(&mut largest, (value - own).abs(), layer, when);
                }
            }
        }
        self.largest.push(largest);
    }

    /// Adds the agreement of decision regions, of which each layer has a matrix.
    fn add_regions(&mut self, run: &RunResults) {
        let mut largest = None;
        let leading = run.leading_set(&MatrixKind::DRS).map(|set| set.group.as_str());
        let sets: Vec<_> =
            (0..self.l2.len()).map(|k| run.matrix_set(&self.kind(k), leading?)).collect();
        for (layer, values) in &mut self.rows {
            let matrices: Vec<Option<&EpochMatrix>> =
                sets.iter().map(|set| set.and_then(|set| set.layer(layer))).collect();
            values.push(matrices.iter().map(|m| m.map_or(f64::NAN, mean)).collect());
            let Some(own) = matrices[self.own] else { continue };
            for other in matrices.iter().flatten() {
                for (i, j) in pairs(own.n_epochs()) {
                    let [a, b] = [i, j].map(|k| epoch_label(run.epochs[k]));
                    let difference = (other.value(i, j) - own.value(i, j)).abs();
                    keep_larger(
                        &mut largest,
                        difference,
                        layer,
                        format!("epochs {a} and {b}"),
                    );
                }
            }
        }
        self.largest.push(largest);
    }

    /// The λ, and of each quantity the most that another λ than the figures' changes.
    pub(crate) fn summary(&self) -> String {
        let changes: Vec<String> = QUANTITIES
            .iter()
            .zip(&self.largest)
            .filter_map(|(quantity, largest)| {
                let Change { by, layer, when } = largest.as_ref()?;
                let Quantity { short, decimals, .. } = *quantity;
                Some(format!("{short} {by:.decimals$} ({layer}, {when})"))
            })
            .collect();
        format!(
            "Every figure uses λ = {}. The most that λ = {} changes, over all layers and \
             epochs: {}.",
            self.l2[self.own],
            self.others().join(" or "),
            changes.join("; ")
        )
    }

    fn others(&self) -> Vec<String> {
        let others = self.l2.iter().enumerate().filter(|(k, _)| *k != self.own);
        others.map(|(_, l2)| l2.to_string()).collect()
    }

    /// The values of one layer and quantity at all λ, as text.
    pub(crate) fn cell(values: &[f64], quantity: usize) -> String {
        let decimals = QUANTITIES[quantity].decimals;
        let text = |value: &f64| {
            if value.is_nan() { "–".into() } else { format!("{value:.decimals$}") }
        };
        values.iter().map(text).collect::<Vec<String>>().join(" · ")
    }

    /// The λ in the order of a cell.
    pub(crate) fn order(&self) -> String {
        self.l2.iter().map(f64::to_string).collect::<Vec<_>>().join(" · ")
    }

    /// The table of the page.
    fn html(&self) -> String {
        let mut html = format!(
            "<h3>{}</h3>\n<p class=\"lede\">{} In each cell λ = {}, at \
             epoch {}.</p>\n<div class=\"table\"><table class=\"penalties\" data-file=\"penalties\">\n<tr><th>layer</th>",
            PANEL.title,
            Escaped(&self.summary()),
            self.order(),
            epoch_label(self.epoch)
        );
        for Quantity { name, .. } in QUANTITIES {
            let _ = write!(html, "<th>{name}</th>");
        }
        html += "</tr>\n";
        for (layer, quantities) in &self.rows {
            let _ = write!(html, "<tr><th>{}</th>", Escaped(layer));
            for (quantity, values) in quantities.iter().enumerate() {
                let _ = write!(html, "<td>{}</td>", Self::cell(values, quantity));
            }
            html += "</tr>\n";
        }
        html + "</table></div>\n"
    }
}

fn keep_larger(largest: &mut Option<Change>, by: f64, layer: &str, when: String) {
    // Never of NaN.
    if by > largest.as_ref().map_or(0.0, |known| known.by) {
        *largest = Some(Change { by, layer: layer.to_owned(), when });
    }
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)))
}

/// The mean over all pairs of different epochs.
fn mean(matrix: &EpochMatrix) -> f64 {
    let n = matrix.n_epochs();
    let sum: f64 = pairs(n).map(|(i, j)| matrix.value(i, j)).sum();
    sum / pairs(n).count() as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::MatrixSet;

    fn row(l2: f64, epoch: f64, test_accuracy: f64) -> ProbeRow {
        ProbeRow {
            layer: "fc".into(),
            epoch,
            labels: "noisy".into(),
            l2,
            test_accuracy,
            heldout_corrupted_noisy: f64::NAN,
            heldout_corrupted_true: f64::NAN,
        }
    }

    fn set(measure: &str, value: f64) -> MatrixSet {
        let matrix = EpochMatrix {
            layer: "fc".into(),
            values: vec![1.0, value, value, 1.0],
            errors: vec![f64::NAN; 4],
            reasons: BTreeMap::new(),
        };
        let kind = MatrixKind::parse(measure);
        let (group, estimator) = ("test".to_owned(), String::new());
        MatrixSet { kind, group, estimator, layers: vec![matrix] }
    }

    #[test]
    fn each_layer_has_its_values_by_rising_penalty_and_the_largest_change_is_named() {
        let mut run = RunResults { epochs: vec![0.0, 4.0], ..RunResults::default() };
        run.probes = vec![row(1e-3, 0.0, 0.5), row(1e-3, 4.0, 0.9)];
        assert_eq!(Penalties::of(&run), None);
        run.penalties = vec![
            row(1e-2, 0.0, 0.55),
            row(1e-4, 0.0, 0.4),
            row(1e-2, 4.0, 0.91),
            row(1e-4, 4.0, 0.89),
        ];
        run.matrices =
            vec![set("drs", 0.6), set("drs-l2-0.01", 0.7), set("drs-l2-0.0001", 0.35)];
        let found = Penalties::of(&run).unwrap();
        assert_eq!((found.l2.as_slice(), found.own), (&[1e-4, 1e-3, 1e-2][..], 1));
        let values = &found.rows[0].1;
        assert_eq!(Penalties::cell(&values[0], 0), "0.890 · 0.900 · 0.910");
        assert_eq!(Penalties::cell(&values[4], 4), "0.350 · 0.600 · 0.700");
        assert_eq!(Penalties::cell(&values[1], 1), "– · – · –");
        let summary = found.summary();
        assert!(summary.contains("test accuracy 0.100 (fc, epoch 0)"), "{summary}");
        assert!(summary.contains("DRS 0.250 (fc, epochs 0 and 4)"), "{summary}");
        assert!(summary.contains("λ = 0.0001 or 0.01 changes"), "{summary}");
        assert!(!summary.contains("memorization"), "{summary}");
    }
}
