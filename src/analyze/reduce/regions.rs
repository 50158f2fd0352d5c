//! One checkpoint's decisions: the class that each layer's probe, and the net itself, gives at
//! every point of every plane, at the planes' images and at the test images; what they say of
//! the regions' shapes, and how layers agree with each other.
//!
//! All classifiers of a checkpoint are together in memory here and nowhere else; what compares
//! them with each other is computed here, and only one layer's rows are needed later.

use rayon::prelude::*;

use super::classes::{classify, firsts};
use crate::analyze::part::{
    Agreement, Classes, Decisions, Estimate, Floor, LayerProbe, OfGroup, Part, Shape,
};
use crate::analyze::plan::Plan;
use crate::analyze::plan::plane_set::PlaneSet;
use crate::data::Split;
use crate::engine::Inputs;
use crate::error::Result;
use crate::planes::PlanePoints;
use crate::represent::Representer;
use crate::run_dir::Place;
use crate::similarity::geometry::{Map, Quantity, measure, over_planes};
use crate::similarity::regions::Similarity;
use crate::similarity::{AGREEMENT, IMAGES, drs};

/// Adds the classes of points, of the planes' images and of test images, the same points by
/// the probes of another λ, and what they say of regions. `probes` are those of each layer,
/// its own first, `floors` those of its floor.
pub(super) fn add<'a>(
    plan: &'a Plan,
    net: &mut Representer<'_>,
    (probes, floors): (&[Vec<LayerProbe>], &[[LayerProbe; 2]]),
    part: &mut Part<'a>,
) -> Result<()> {
    let own: Vec<Vec<&LayerProbe>> =
        probes.iter().map(|probes| vec![&probes[0]]).collect();
    let all: Vec<Vec<&LayerProbe>> = (0..probes.len())
        .map(|i| probes[i].iter().chain(floors.get(i).into_iter().flatten()).collect())
        .collect();
    let on_test = firsts(classify(plan, net, &own, &Inputs::Set(Split::Test))?);
    for set in &plan.planes {
        let images = set.triplets.concat();
        let images = Inputs::Indices(set.split, &images);
        let at_images = firsts(classify(plan, net, &own, &images)?);
        let points = PlanePoints { triplets: &set.triplets, grids: &set.grids };
        let on_planes = classify(plan, net, &all, &Inputs::Points(set.split, &points))?;
        add_source(OfPlanes { plan, set }, [&at_images, &on_test], on_planes, part);
        add_classes(plan, (IMAGES, set.group), &at_images, part);
    }
    add_classes(plan, (AGREEMENT, "test"), &on_test, part);
    Ok(())
}

/// Adds what is said on the planes of one source.
fn add_source<'a>(
    of: OfPlanes<'a>,
    [at_images, on_test]: [&[Decisions]; 2],
    mut on_planes: Vec<Vec<Decisions>>,
    part: &mut Part<'a>,
) {
    let OfPlanes { plan, set } = of;
    let floors = of.floors(&on_planes);
    let mut shapes = vec![];
    for (k, measure) in plan.penalty_measures.iter().enumerate() {
        let of_layers = on_planes.iter_mut().take(plan.layers.len());
        let decided: Vec<_> =
            of_layers.map(|of| std::mem::take(&mut of[1 + k])).collect();
        shapes.extend(of.shapes(&decided));
        add_classes(plan, (measure, set.group), &decided, part);
    }
    let on_planes = firsts(on_planes);
    shapes.extend(of.shapes(&on_planes));
    let pairs = of.pairs([&on_planes, at_images, on_test]);
    part.numbers.shapes.push(of_group(set, shapes));
    part.numbers.pairs.push(of_group(set, pairs));
    part.numbers.floors.push(of_group(set, floors));
    add_classes(plan, (Similarity::Agreement.name(), set.group), &on_planes, part);
}

fn of_group<T>(set: &PlaneSet, rows: Vec<T>) -> OfGroup<T> {
    OfGroup { group: set.group.to_owned(), rows }
}

fn add_classes<'a>(
    plan: &'a Plan,
    (measure, group): (&'a str, &'a str),
    decided: &[Decisions],
    part: &mut Part<'a>,
) {
    for (layer, decisions) in plan.classifiers().zip(decided) {
        let place = Place { measure, group, layer };
        part.classes.push(Classes { place, decisions: decisions.clone() });
    }
}

/// What is said of the regions on the planes of one source.
#[derive(Clone, Copy)]
struct OfPlanes<'a> {
    plan: &'a Plan<'a>,
    set: &'a PlaneSet,
}

impl OfPlanes<'_> {
    /// The shapes of these classifiers' regions.
    fn shapes(&self, decided: &[Decisions]) -> Vec<Shape> {
        let side = self.plan.experiment.analysis.drs.resolution;
        let shape = |Decisions { classes, undefined }: &Decisions| -> Shape {
            if undefined.is_some() {
                return [Estimate::UNDEFINED; Quantity::ALL.len()];
            }
            let planes: Vec<[f64; Quantity::ALL.len()]> = classes
                .par_chunks(side * side)
                .zip(&self.set.images)
                .map(|(classes, images)| measure(Map { classes, side }, images))
                .collect();
            std::array::from_fn(|k| {
                let (value, se) = over_planes(planes.iter().map(|plane| plane[k]));
                Estimate { value, se }
            })
        };
        decided.iter().map(shape).collect()
    }

    /// Each layer against every deeper one and the output, on the planes, at their images and
    /// on the test images.
    fn pairs(&self, decided: [&[Decisions]; 3]) -> Vec<Agreement> {
        let [on_planes, at_images, on_test] = decided
            .map(|rows| rows.iter().map(|row| &row.classes[..]).collect::<Vec<_>>());
        let regions = self.set.points.matrices(&on_planes);
        let of_regions = Similarity::ALL.map(|s| regions.matrix(s).clone());
        let others = [drs::matrix(&at_images, 3), drs::matrix(&on_test, 1)];
        let on = [[decided[0]; Similarity::ALL.len()].as_slice(), &decided[1..]].concat();
        let mut matrices = of_regions.into_iter().chain(others).collect::<Vec<_>>();
        for (matrix, decided) in matrices.iter_mut().zip(on) {
            let undefined: Vec<_> = decided.iter().map(|own| own.undefined).collect();
            matrix.undefine(&undefined);
        }
        let n = on_planes.len();
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
        let estimates = pairs.map(|(i, j)| {
            std::array::from_fn(|k| Estimate {
                value: matrices[k].value(i, j),
                se: matrices[k].error(i, j).unwrap_or(f64::NAN),
            })
        });
        estimates.collect()
    }

    /// The two probes of each layer's floor against each other, where there are any.
    fn floors(&self, decided: &[Vec<Decisions>]) -> Vec<Floor> {
        // The net itself, which is last, has one classifier.
        let floors = decided.iter().filter_map(|decided| {
            let [one, other] = decided.get(1 + self.plan.penalties.len()..)? else {
                return None;
            };
            if one.undefined.or(other.undefined).is_some() {
                return Some([Estimate::UNDEFINED; Similarity::ALL.len()]);
            }
            let compared = &self.set.points.pairs(&[&one.classes], &[&other.classes])[0];
            Some(Similarity::ALL.map(|similarity| {
                let (value, se) = compared.get(similarity);
                Estimate { value, se }
            }))
        });
        floors.collect()
    }
}
