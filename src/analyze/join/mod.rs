//! Parts → signatures, matrices and tables. A file per kind of result; each adds the new
//! checkpoints to what was joined earlier.
//!
//! More than a dozen files: one per kind of result.

pub(crate) mod collapse;
mod depth;
pub(crate) mod joined;
pub(crate) mod known;
mod layers;
pub(crate) mod matrices;
pub(crate) mod norms;
pub(crate) mod probes;
mod regions;
pub(crate) mod representations;
pub(crate) mod signatures;
mod table;
mod undefined;

use crate::error::Result;
use crate::run_dir::Row;
use table::Join;

use super::plan::Plan;
use super::store::Stamp;
use crate::run_dir::Checkpoint;
use joined::Joined;

/// Joins what is there with the parts, and compares all checkpoints.
pub(crate) fn join(
    plan: &Plan,
    (checkpoints, joined): (&[Checkpoint], &Joined),
    stamp: &Stamp,
) -> Result<()> {
    let n = checkpoints.len();
    let mut join = Join::new(plan, checkpoints, joined)?;
    representations::join(&mut join)?;
    norms::join(&join)?;
    regions::join(&mut join)?;
    write(&join, joined.decisions < n, regions::geometry)?;
    write(&join, joined.decisions < n, layers::table)?;
    let floor = regions::floor(&join)?;
    plan.run.write_rows(&floor)?;
    regions::add_noise(&mut join, &floor);
    write(&join, joined.representations < n, representations::table)?;
    write(&join, joined.representations < n, collapse::table)?;
    write(&join, joined.probes < n, probes::table)?;
    write(&join, joined.probes < n, depth::table)?;
    join.matrices.write()?;
    join.found.write(plan.run, stamp)?;
    undefined::say(&join);
    Ok(())
}

/// Writes a table that has new rows.
fn write<R: Row>(
    join: &Join,
    is_new: bool,
    rows: impl Fn(&Join) -> Result<Vec<R>>,
) -> Result<()> {
    if is_new { join.plan.run.write_rows(&rows(join)?) } else { Ok(()) }
}
