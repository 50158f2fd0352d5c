//! The examples on which representations are compared, in groups of equal size.

use super::sample::choose;
use super::{Data, ImageSet, Split};
use crate::experiment::{Experiment, Group};

/// The fewest examples on which every measure is defined.
const LEAST: usize = 4;

/// The chosen examples of every group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// Each group with indices into its set, rising; all have the same number.
    pub members: Vec<(Group, Vec<usize>)>,
    /// What was left out or made smaller, and why; one sentence each.
    pub notes: Vec<String>,
}

impl Group {
    /// The name in experiment files and folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::TrainClean => "train-clean",
            Self::TrainCorrupted => "train-corrupted",
        }
    }

    /// The set that the group's indices point into.
    pub fn set(self, data: &Data) -> &ImageSet {
        data.of(self.split())
    }

    /// Which set that is.
    pub(crate) fn split(self) -> Split {
        match self {
            Self::Test => Split::Test,
            Self::TrainClean | Self::TrainCorrupted => Split::Train,
        }
    }
}

/// Chooses `analysis.n_examples` examples of each group with the streams of `data.seed`: test
/// images, training images with a true label, training images with a wrong one.
///
/// Where a group has fewer, all take its size; a group of fewer than 4 (as without label
/// noise) is left out. Both are said in the notes.
///
/// # Example
/// ```
/// # use stratagram::{data::{Data, analysis_examples}, experiment::Experiment};
/// let text = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 16\n\
///     [noise]\nkind = 'exact'\nrate = 0.2";
/// let experiment = Experiment::parse("example", text, ".".as_ref(), &[])?;
/// let groups = analysis_examples(&experiment, &Data::load(&experiment)?);
/// assert_eq!(groups.members.len(), 3);
/// assert!(groups.members.iter().all(|(_, examples)| examples.len() == 200));
/// # Ok::<(), stratagram::Error>(())
/// ```
pub fn analysis_examples(experiment: &Experiment, data: &Data) -> Groups {
    let wanted = experiment.analysis.n_examples;
    let mut notes = vec![];
    let mut pools = vec![];
    for &group in &experiment.analysis.groups {
        let pool = pool(group, data);
        if pool.len() >= LEAST {
            pools.push((group, pool));
        } else {
            notes.push(format!(
                "group {} is left out: it has {} examples, fewer than {LEAST}",
                group.name(),
                pool.len(),
            ));
        }
    }
    let smallest = pools.iter().min_by_key(|(_, pool)| pool.len());
    let count = smallest.map_or(0, |(_, pool)| pool.len()).min(wanted);
    if let Some((group, pool)) = smallest.filter(|(_, pool)| pool.len() < wanted) {
        notes.push(format!(
            "every group has {} examples instead of {wanted}: {} has no more",
            pool.len(),
            group.name(),
        ));
    }
    let members = pools.into_iter().map(|(group, pool)| {
        (group, draw(group, &pool, count, experiment.data.seed, data))
    });
    Groups { members: members.collect(), notes }
}

/// All indices that belong to a group.
fn pool(group: Group, data: &Data) -> Vec<usize> {
    let all = 0..group.set(data).len();
    match group {
        Group::Test => all.collect(),
        Group::TrainClean => all.filter(|&i| !data.is_corrupted(i)).collect(),
        Group::TrainCorrupted => all.filter(|&i| data.is_corrupted(i)).collect(),
    }
}

fn draw(
    group: Group,
    pool: &[usize],
    count: usize,
    seed: u64,
    data: &Data,
) -> Vec<usize> {
    let stored = if group == Group::Test { &data.test_index } else { &data.train_index };
    let positions: Vec<usize> = pool.iter().map(|&i| stored[i]).collect();
    let name = format!("analysis/{}", group.name());
    choose(seed, &name, &positions, count).into_iter().map(|at| pool[at]).collect()
}
