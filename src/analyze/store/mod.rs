//! Parts in files: arrays of numbers, classes and codes by name, and a stamp by which a part of
//! another version or of other settings is known and made again.

mod codes;

use std::cell::RefCell;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::part::{
    Classes, Decisions, LayerPart, Norms, Numbers, OfGroup, Part, Probed, ProbesOfLayer,
    Signature, Wanted,
};
use super::plan::{OUTPUT, Plan};
use super::reasons::{coded, decoded};
use crate::array_file::{
    Array, NamedArrays, Values, npz_bytes, read_npz, read_npz_member, read_npz_members,
};
use crate::error::{Error, Result};
use crate::experiment::{AnalysisConfig, Experiment};
use crate::run_dir::{Place, checked, write_file};
use crate::similarity::{AGREEMENT, Undefined};

use codes::flatten;

pub(crate) use codes::Flat;

/// The version of what is stored here.
const VERSION: i64 = 2;
/// The member that holds the stamp.
const STAMP: &str = "stamp";
/// What the names of the tables' numbers begin with; no measure has that name.
const NUMBERS: &str = "numbers/";

/// The version, and a checksum of the settings that results depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<i64>);

impl Stamp {
    /// Of results with the experiment's settings.
    pub(crate) fn of(experiment: &Experiment) -> Self {
        // The limit of memory never changes a result.
        let settings = AnalysisConfig { memory: 0, ..experiment.analysis.clone() };
        let text = serde_json::to_string(&settings).expect("settings have a JSON form");
        let sum = Sha256::digest(text.as_bytes());
        let words = sum.chunks_exact(8).map(|bytes| {
            i64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"))
        });
        Self([VERSION].into_iter().chain(words).collect())
    }

    /// Adds it to what is stored.
    pub(crate) fn put(&self, arrays: &mut NamedArrays) {
        arrays.push(STAMP, Array::i64(&[self.0.len()], self.0.clone()));
    }

    /// Whether a file has it; one that is missing or damaged has not.
    pub(crate) fn is_on(&self, path: &Path) -> bool {
        let is_right = path.is_file() && checked(path).is_ok();
        let stamp = is_right.then(|| read_npz_member(path, STAMP).ok().flatten());
        stamp.flatten().and_then(|stamp| stamp.to_i64()).as_ref() == Some(&self.0)
    }
}

/// Writes the part of a checkpoint.
pub(crate) fn write(path: &Path, stamp: &Stamp, part: Part<'_>) -> Result<()> {
    let mut arrays = NamedArrays::default();
    stamp.put(&mut arrays);
    for Signature { place, values, undefined } in part.signatures {
        push_reason(&mut arrays, place, undefined);
        arrays.push(place.to_string(), vector(Values::F32(values)));
    }
    for Norms { group, layer, numbers } in part.norms {
        arrays.push(of_norms((group, layer)), vector(Values::F64(numbers)));
    }
    for Classes { place, decisions: Decisions { classes, undefined } } in part.classes {
        push_reason(&mut arrays, place, undefined);
        arrays.push(place.to_string(), vector(Values::U8(classes)));
    }
    let numbers = &part.numbers;
    push_groups(&mut arrays, "representation", &numbers.representations);
    push_groups(&mut arrays, "collapse", &numbers.collapses);
    numbers.probes.iter().for_each(|probes| push_probes(&mut arrays, probes));
    push_groups(&mut arrays, "depth", &numbers.depths);
    push_groups(&mut arrays, "shape", &numbers.shapes);
    push_groups(&mut arrays, "pair", &numbers.pairs);
    push_groups(&mut arrays, "floor", &numbers.floors);
    write_file(path, &npz_bytes(&arrays))
}

/// Whether the part of a checkpoint is there, of this version and these settings, with all that
/// is wanted.
pub(crate) fn holds(path: &Path, stamp: &Stamp, plan: &Plan, wanted: &Wanted) -> bool {
    if !stamp.is_on(path) {
        return false;
    }
    let names = RefCell::new(vec![]);
    let note = |name: &str| {
        names.borrow_mut().push(name.to_owned());
        false
    };
    if read_npz_members(path, note).is_err() {
        return false;
    }
    let names = names.into_inner();
    let has = |name: String| names.contains(&name);
    let has_place = |place: Place<'_>| has(place.to_string());
    let of_group = |group: &str| {
        ["representation", "collapse"].map(|kind| has(format!("{NUMBERS}{kind}/{group}")))
            == [true; 2]
    };
    let of_layer = |layer: &str| has(format!("{NUMBERS}probe/{layer}"));
    let output = Place { measure: AGREEMENT, group: "test", layer: OUTPUT };
    wanted.measures.iter().flat_map(|m| plan.places_of(*m)).all(has_place)
        && (!wanted.representations
            || plan.groups.iter().all(|(g, _)| of_group(g.name())))
        && (!wanted.probes || plan.layer_names().all(of_layer))
        && (!wanted.decisions || has_place(output))
}

/// The signature of a place in a part.
pub(crate) fn signature(
    path: &Path,
    place: Place<'_>,
) -> Result<(Vec<f32>, Option<Undefined>)> {
    match row(path, place)? {
        (Some(Values::F32(values)), undefined) => Ok((values, undefined)),
        _ => Err(lacks(path, &place.to_string())),
    }
}

/// What the signature of CKA leaves out, in a part or in the row of a recording; none in one of
/// an earlier version.
pub(crate) fn norms(path: &Path, place: (&str, &str)) -> Result<Option<Vec<f64>>> {
    Ok(read_npz_member(path, &of_norms(place))?.map(|array| array.to_f64()))
}

/// The decisions of a place in a part.
pub(crate) fn decisions(path: &Path, place: Place<'_>) -> Result<Decisions> {
    match row(path, place)? {
        (Some(Values::U8(classes)), undefined) => Ok(Decisions { classes, undefined }),
        _ => Err(lacks(path, &place.to_string())),
    }
}

/// What a part holds of a place, and why it is undefined.
fn row(path: &Path, place: Place<'_>) -> Result<(Option<Values>, Option<Undefined>)> {
    let (name, of_reason) = (place.to_string(), of_reason(place));
    let wanted = |member: &str| member == name || member == of_reason;
    let mut arrays = read_npz_members(path, wanted)?;
    let undefined = arrays.get(&of_reason).and_then(decoded);
    Ok((take(&mut arrays, &name).map(|array| array.values), undefined))
}

/// What a part says by itself.
pub(crate) fn numbers(path: &Path) -> Result<Numbers> {
    let arrays = read_npz_members(path, |name| name.starts_with(NUMBERS))?;
    Ok(Numbers {
        representations: groups(path, &arrays, "representation")?,
        collapses: groups(path, &arrays, "collapse")?,
        probes: probes(path, &arrays)?,
        depths: groups(path, &arrays, "depth")?,
        shapes: groups(path, &arrays, "shape")?,
        pairs: groups(path, &arrays, "pair")?,
        floors: groups(path, &arrays, "floor")?,
    })
}

/// Writes what of a checkpoint is kept for one layer.
pub(crate) fn write_layer(path: &Path, stamp: &Stamp, part: &LayerPart) -> Result<()> {
    let mut arrays = NamedArrays::default();
    stamp.put(&mut arrays);
    push_probes(&mut arrays, &part.probes);
    arrays.push("votes", vector(Values::U8(part.votes.clone())));
    write_file(path, &npz_bytes(&arrays))
}

/// What of a checkpoint is kept for one layer.
pub(crate) fn read_layer(path: &Path) -> Result<LayerPart> {
    let mut arrays = read_npz(path)?;
    let probes = probes(path, &arrays)?.pop();
    match (probes, take(&mut arrays, "votes")) {
        (Some(probes), Some(Array { values: Values::U8(votes), .. })) => {
            Ok(LayerPart { probes, votes })
        }
        _ => Err(lacks(path, "votes")),
    }
}

/// The rows of an array of them, which may be from a recording.
pub(crate) fn rows<T: Flat>(path: &Path, name: &str, array: &Array) -> Result<Vec<T>> {
    match array.shape[..] {
        [_, width] if width == T::WIDTH => {
            let numbers = array.to_f64();
            Ok(numbers.chunks_exact(T::WIDTH).map(T::from_numbers).collect())
        }
        _ => {
            Err(Error::data(path, format!("has `{name}` of the shape {:?}", array.shape))
                .expected(format!("f64 [1, {}]", T::WIDTH)))
        }
    }
}

fn probes(path: &Path, arrays: &NamedArrays) -> Result<Vec<ProbesOfLayer>> {
    let of = groups::<Probed>(path, arrays, "probe")?.into_iter();
    Ok(of.map(|OfGroup { group, rows }| ProbesOfLayer { layer: group, rows }).collect())
}

/// The members `numbers/<kind>/<group>`.
fn groups<T: Flat>(
    path: &Path,
    arrays: &NamedArrays,
    kind: &str,
) -> Result<Vec<OfGroup<T>>> {
    let mut found = vec![];
    for (name, array) in &arrays.0 {
        let name_of = name.strip_prefix(NUMBERS).and_then(|name| name.split_once('/'));
        if let Some((own, group)) = name_of
            && own == kind
        {
            let rows = rows(path, name, array)?;
            found.push(OfGroup { group: group.to_owned(), rows });
        }
    }
    Ok(found)
}

fn push_groups<T: Flat>(arrays: &mut NamedArrays, kind: &str, groups: &[OfGroup<T>]) {
    for OfGroup { group, rows } in groups {
        push_rows(arrays, format!("{NUMBERS}{kind}/{group}"), rows);
    }
}

fn push_probes(arrays: &mut NamedArrays, probes: &ProbesOfLayer) {
    push_rows(arrays, format!("{NUMBERS}probe/{}", probes.layer), &probes.rows);
}

fn push_rows<T: Flat>(arrays: &mut NamedArrays, name: String, rows: &[T]) {
    arrays.push(name, Array::f64(&[rows.len(), T::WIDTH], flatten(rows)));
}

fn push_reason(arrays: &mut NamedArrays, place: Place<'_>, undefined: Option<Undefined>) {
    if let Some(undefined) = undefined {
        arrays.push(of_reason(place), coded(undefined));
    }
}

/// The member that holds the norms of a group and layer; no measure has that name.
pub(crate) fn of_norms((group, layer): (&str, &str)) -> String {
    format!("norms/{group}/{layer}")
}

fn of_reason(place: Place<'_>) -> String {
    format!("reason/{place}")
}

fn vector(values: Values) -> Array {
    Array::new(&[values.len()], values)
}

/// Takes an array out, without a copy.
fn take(arrays: &mut NamedArrays, name: &str) -> Option<Array> {
    let at = arrays.names().position(|own| own == name)?;
    Some(arrays.0.swap_remove(at).1)
}

fn lacks(path: &Path, name: &str) -> Error {
    Error::data(path, format!("holds no `{name}`")).fix("analyze again with --force")
}
