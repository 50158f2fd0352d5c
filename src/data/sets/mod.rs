//! The data sets that this build reads: a file each, and the list of them. What is to be said
//! of a set is said in its own file; keys, messages, captions and `data list` go through the list.
//!
//! More than a dozen files: one for each data set.

mod arrays;
mod cifar10;
mod cifar100;
mod cifar10_subset;
pub(in crate::data) mod digits;
pub(in crate::data) mod directories;
mod fashion_mnist;
mod folder;
pub(in crate::data) mod known;
mod listed;
mod mnist;
mod mnist1d;
mod parquet;
pub(in crate::data) mod set;

use serde::{Deserialize, Serialize};

pub use listed::{DataSet, data_sets};
use set::{Origin, Set};

/// Makes [`DataKind`] and the list of all sets from one line a set.
macro_rules! sets {
    ($($Kind:ident => $file:ident),+ $(,)?) => {
        /// The data sets that this build reads: `data.kind`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[allow(missing_docs)] // Their files say what they are.
        pub enum DataKind { $($Kind),+ }

        /// Every data set, in the order in which they are listed to users.
        pub(in crate::data) const ALL: &[&Set] = &[$(&$file::SET),+];

        /// The values of `data.kind`.
        pub(crate) const NAMES: &[&str] = &[$($file::SET.name),+];

        impl DataKind {
            /// What the data set's file says of it.
            pub(crate) fn set(self) -> &'static Set {
                match self { $(Self::$Kind => &$file::SET),+ }
            }
        }
    };
}

sets! {
    Digits => digits,
    Mnist1d => mnist1d,
    Cifar10 => cifar10,
    Cifar10Subset => cifar10_subset,
    Cifar100 => cifar100,
    Mnist => mnist,
    FashionMnist => fashion_mnist,
    Arrays => arrays,
    Folder => folder,
    Parquet => parquet,
}

/// The names of those that are not in the program, and so have a path.
pub(crate) const STORED_NAMES: &[&str] = {
    let mut first = 0;
    while matches!(ALL[first].origin, Origin::Pool(_) | Origin::Made(_)) {
        first += 1;
    }
    NAMES.split_at(first).1
};

/// The set of that name.
pub(crate) fn named(name: &str) -> Option<&'static Set> {
    ALL.iter().find(|set| set.name == name).copied()
}

impl Set {
    /// Whether only `data.path` can find it.
    pub(crate) fn needs_path(&self) -> bool {
        matches!(self.origin, Origin::Yours(_))
    }

    /// How many images there are to draw training and test images from, where they are one
    /// set.
    pub(crate) fn pool(&self) -> Option<usize> {
        matches!(self.origin, Origin::Pool(_)).then_some(self.counts[0])
    }

    /// Whether its classes are CIFAR-10's, or may be.
    pub(in crate::data) fn may_have_classes_of_cifar10(&self) -> bool {
        self.classes.is_empty() || self.classes == cifar10::CLASSES
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_class_has_one_name() {
        for set in ALL {
            let different: BTreeSet<_> = set.classes.iter().collect();
            assert_eq!(different.len(), set.classes.len(), "{}", set.name);
        }
        assert_eq!(ALL.iter().map(|set| set.classes.len()).max(), Some(100));
        assert!(cifar100::CLASSES.is_sorted());
    }

    #[test]
    fn experiment_files_and_the_list_have_the_same_names() {
        for &name in NAMES {
            let kind: DataKind =
                toml::Value::String(name.to_owned()).try_into().expect(name);
            assert_eq!(kind.set().name, name);
        }
    }

    #[test]
    fn the_documented_names_are_those_of_the_list() {
        let format = include_str!("../../../docs/FORMAT.md").replace('#', " ");
        let words: Vec<&str> = format.split_whitespace().collect();
        let expected = NAMES.join(" · ");
        assert!(words.join(" ").contains(&expected), "docs/FORMAT.md lacks {expected}");
    }

    #[test]
    fn those_without_a_path_come_first() {
        assert_eq!(NAMES.len() - STORED_NAMES.len(), 2);
        for name in STORED_NAMES {
            let origin = &named(name).unwrap().origin;
            assert!(matches!(origin, Origin::Known(_) | Origin::Yours(_)), "{name}");
        }
    }
}
