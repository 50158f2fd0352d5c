//! Which columns of a log are the curves.

use std::path::Path;

use super::names::{Meaning, Role, Set, meaning};
use super::numbers::number;
use super::options::Curve;
use super::table::Table;
use crate::error::{Error, Result};

/// The columns that are read, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) epoch: Option<usize>,
    pub(super) step: Option<usize>,
    pub(super) train: Option<Source>,
    pub(super) test: Option<Source>,
    pub(super) loss: Option<usize>,
    pub(super) corrupted: Option<usize>,
    pub(super) n_test: Option<usize>,
}

/// A column that an error comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) column: usize,
    pub(super) is_accuracy: bool,
}

/// The search in the header of one log.
pub(super) struct Choice<'a> {
    path: &'a Path,
    table: &'a Table,
    /// Of each column.
    meanings: Vec<Option<Meaning>>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(path: &'a Path, table: &'a Table) -> Self {
        let meanings = table.header.iter().map(|name| meaning(name)).collect();
        Self { path, table, meanings }
    }

    /// The columns by their names; none for the curves that a person names.
    ///
    /// # Errors
    /// If several may be meant.
    pub(super) fn columns(&self, named: &[Curve]) -> Result<Columns> {
        let is_named =
            |curves: &[Curve]| named.iter().any(|curve| curves.contains(curve));
        let has_test = is_named(&[Curve::TestError, Curve::TestAccuracy]);
        let has_train = is_named(&[Curve::TrainError, Curve::TrainAccuracy]);
        let has_loss = is_named(&[Curve::TrainLoss]);
        let has_time = is_named(&[Curve::Time]);
        let test = self.unless(has_test, &errors(Set::Test))?;
        let mut train = self.unless(has_train, &errors(Set::Train))?;
        let mut loss = self.unless(has_loss, &[Role::Loss(Set::Train)])?;
        if test.is_some() {
            // Keras and others say of the test set alone which set it is.
            let (is_known, unnamed) =
                (has_train || train.is_some(), errors(Set::Unnamed));
            train = train.or(self.unless(is_known, &unnamed)?);
            let is_known = has_loss || loss.is_some();
            loss = loss.or(self.unless(is_known, &[Role::Loss(Set::Unnamed)])?);
        }
        Ok(Columns {
            epoch: self.unless(has_time, &[Role::Epoch])?,
            step: self.unless(has_time, &[Role::Step])?,
            train: train.map(|column| self.source(column)),
            test: test.map(|column| self.source(column)),
            loss,
            corrupted: self.one(&[Role::Corrupted])?,
            n_test: self.one(&[Role::NTest])?,
        })
    }

    fn unless(&self, is_known: bool, roles: &[Role]) -> Result<Option<usize>> {
        if is_known { Ok(None) } else { self.one(roles) }
    }

    fn source(&self, column: usize) -> Source {
        let role = self.meanings[column].map(|meaning| meaning.role);
        Source { column, is_accuracy: matches!(role, Some(Role::Accuracy(_))) }
    }

    /// The one column of the first of these roles that there is. A name of docs/FORMAT.md goes
    /// before others, which go before those of single batches; columns with fewer than two
    /// values (a test at the end of training) do not count beside fuller ones.
    fn one(&self, roles: &[Role]) -> Result<Option<usize>> {
        let role = |column: &usize| self.meanings[*column].map(|meaning| meaning.role);
        let rank = |column: &usize| self.meanings[*column].map(|meaning| meaning.rank);
        let mut found: Vec<usize> = (0..self.meanings.len())
            .filter(|column| role(column).is_some_and(|role| roles.contains(&role)))
            .collect();
        if found.len() > 1 {
            let is_full = |column: &usize| self.has_two_values(*column);
            if found.iter().any(is_full) {
                found.retain(is_full);
            }
        }
        let first = found.iter().map(rank).min();
        found.retain(|column| Some(rank(column)) == first);
        for wanted in roles {
            let mut of_role = found.iter().filter(|column| role(column) == Some(*wanted));
            match (of_role.next(), of_role.next()) {
                (None, _) => {}
                (Some(column), None) => return Ok(Some(*column)),
                // The axis of an export is its first column, and may stand there again.
                (Some(column), _) if matches!(wanted, Role::Epoch | Role::Step) => {
                    return Ok(Some(*column));
                }
                (Some(_), Some(_)) => return Err(self.several(&found, *wanted)),
            }
        }
        Ok(None)
    }

    fn has_two_values(&self, column: usize) -> bool {
        let has_value =
            |field: &str| number(field, true).is_none_or(|number| !number.value.is_nan());
        let rows = self.table.rows.iter();
        rows.filter(|row| has_value(&row.fields[column])).nth(1).is_some()
    }

    fn several(&self, columns: &[usize], role: Role) -> Error {
        let names: Vec<String> = columns
            .iter()
            .map(|column| format!("`{}`", self.table.header[*column]))
            .collect();
        let what = match role {
            Role::Error(Set::Test) | Role::Accuracy(Set::Test) => "test errors",
            Role::Error(_) | Role::Accuracy(_) => "training errors",
            Role::Loss(_) => "training losses",
            Role::Epoch | Role::Step | Role::Corrupted | Role::NTest => {
                "columns of one name"
            }
        };
        let error =
            Error::data(self.path, format!("has several {what}: {}", names.join(", ")));
        match flag(role) {
            Some(flag) => error
                .fix(format!("choose one: {flag} '{}'", self.table.header[columns[0]])),
            None => error.fix("leave one in the file"),
        }
    }

    /// The column that a person names: as in the header, or without what W&B puts before it.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        let header = &self.table.header;
        let is_metric = |full: &String| {
            full.rsplit_once(" - ").is_some_and(|(_, metric)| metric == name)
        };
        let mut short = (0..header.len()).filter(|column| is_metric(&header[*column]));
        let exact = header.iter().position(|full| full == name);
        exact.or_else(|| short.next().filter(|_| short.next().is_none()))
    }

    /// Whether a column's name says that it counts steps.
    pub(super) fn is_step(&self, column: usize) -> bool {
        self.meanings[column].is_some_and(|meaning| meaning.role == Role::Step)
    }

    /// What to say of a column that a person names and the log does not have.
    pub(super) fn unknown(&self, name: &str) -> Error {
        let names = self.table.header.join(", ");
        Error::data(self.path, format!("has no column `{name}`; it has {names}"))
            .fix("give a name as it stands in the header, in quotes where it has spaces")
    }

    /// What to say where no column is a test error.
    pub(super) fn no_test_error(&self) -> Error {
        let names = self.table.header.join(", ");
        let unnamed =
            self.meanings.iter().zip(&self.table.header).find(|(meaning, _)| {
                meaning.is_some_and(|meaning| {
                    matches!(
                        meaning.role,
                        Role::Error(Set::Unnamed) | Role::Accuracy(Set::Unnamed)
                    )
                })
            });
        let error =
            Error::data(self.path, format!("has no column `test_error`; it has {names}"))
                .expected("test_error or test_acc (or val_…, valid_…, eval_…)");
        match unnamed {
            Some((Some(meaning), name)) => {
                let flag = flag(match meaning.role {
                    Role::Error(_) => Role::Error(Set::Test),
                    _ => Role::Accuracy(Set::Test),
                });
                error.fix(format!(
                    "`{name}` does not say of which examples; if of test examples: {} '{name}'",
                    flag.unwrap_or_default()
                ))
            }
            _ => error.fix("rename the column, or name it: --test-error NAME"),
        }
    }
}

/// The error of a set, or else its accuracy.
fn errors(set: Set) -> [Role; 2] {
    [Role::Error(set), Role::Accuracy(set)]
}

/// The option that names a column of this role.
fn flag(role: Role) -> Option<&'static str> {
    Some(match role {
        Role::Error(Set::Test) => "--test-error",
        Role::Accuracy(Set::Test) => "--test-accuracy",
        Role::Error(_) => "--train-error",
        Role::Accuracy(_) => "--train-accuracy",
        Role::Loss(_) => "--train-loss",
        Role::Epoch | Role::Step | Role::Corrupted | Role::NTest => return None,
    })
}
