//! `layers.csv`: the layers of one checkpoint against each other.

use super::table::Join;
use crate::analyze::part::Estimate;
use crate::error::Result;
use crate::run_dir::tables::LayerRow;
use crate::run_dir::{Maybe, Number};
use crate::similarity::regions::Similarity;
use crate::similarity::{AGREEMENT, IMAGES};

/// The rows of each classifier with every deeper one.
pub(super) fn table(join: &Join) -> Result<Vec<LayerRow>> {
    let names: Vec<&str> = join.plan.classifiers().collect();
    let deeper = |i: usize| names[i + 1..].iter().map(move |other| (i, *other));
    let pairs: Vec<(usize, &str)> = (0..names.len()).flat_map(deeper).collect();
    let of_regions = Similarity::ALL.map(Similarity::name);
    let measures: Vec<&str> = of_regions.into_iter().chain([IMAGES, AGREEMENT]).collect();
    join.table(
        join.joined.decisions,
        |row: &LayerRow| row.step,
        |at, numbers| {
            let mut rows = vec![];
            for own in &numbers.pairs {
                for (agreement, (i, other)) in own.rows.iter().zip(&pairs) {
                    for (measure, Estimate { value, se }) in
                        measures.iter().zip(agreement)
                    {
                        rows.push(LayerRow {
                            layer: names[*i].to_owned(),
                            step: at.step,
                            epoch: Number(at.epoch),
                            group: own.group.clone(),
                            other: (*other).to_owned(),
                            measure: (*measure).to_owned(),
                            value: Maybe(*value),
                            se: Maybe(*se),
                        });
                    }
                }
            }
            rows
        },
    )
}
