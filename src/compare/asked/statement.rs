//! A statement as it was asked for.

use crate::compare::endpoints::{self, Endpoint};
use crate::compare::sample::Pairing;
use crate::compare::statements::{self, Definition, Needs, Source};

/// What a statement is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    /// A sentence of an abstract.
    Statement(&'static Definition),
    /// An endpoint: exploratory, without a verdict.
    Endpoint(&'static Endpoint),
}

impl Subject {
    /// The statement or endpoint of that id.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        let statement = statements::of_id(id).map(Self::Statement);
        statement.or_else(|| endpoints::of_name(id).map(Self::Endpoint))
    }

    /// All ids.
    pub(crate) fn ids() -> Vec<&'static str> {
        let statements = statements::ALL.iter().map(|statement| statement.id);
        statements.chain(endpoints::ALL.iter().map(|endpoint| endpoint.name)).collect()
    }

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Statement(statement) => statement.id,
            Self::Endpoint(endpoint) => endpoint.name,
        }
    }

    /// What it says.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Statement(statement) => statement.text,
            Self::Endpoint(endpoint) => endpoint.about,
        }
    }

    /// The abstract it is from; none of an endpoint.
    pub(crate) fn source(self) -> Option<Source> {
        match self {
            Self::Statement(statement) => Some(statement.source),
            Self::Endpoint(_) => None,
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Statement(statement) => statement.unit,
            Self::Endpoint(endpoint) => endpoint.unit,
        }
    }

    /// Which arms it takes.
    pub(crate) fn needs(self) -> Needs {
        match self {
            Self::Statement(statement) => statement.needs,
            Self::Endpoint(_) => Needs { plus: true, minus: false, arms: 0, also: 0 },
        }
    }

    /// Settings in which its arms may differ.
    pub(crate) fn differ(self) -> &'static [&'static str] {
        match self {
            Self::Statement(statement) => statement.differ,
            Self::Endpoint(_) => &["*"],
        }
    }
}

/// A statement with its arms.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) subject: Subject,
    /// What tells it from another of the same id.
    pub(crate) name: Option<String>,
    pub(crate) plus: Option<String>,
    pub(crate) minus: Option<String>,
    pub(crate) arms: Vec<String>,
    /// Further pairs of arms, in which the effect must have the same sign.
    pub(crate) also: Vec<[String; 2]>,
    /// The smallest effect of interest, if it is not the statement's own.
    pub(crate) d: Option<f64>,
    /// How runs belong together, if not as the statement has it.
    pub(crate) pairing: Option<Pairing>,
    /// Names and globs; none: all.
    pub(crate) layers: Vec<String>,
    /// Other ways to measure it; none: those of the statement that the runs have.
    pub(crate) variants: Option<Vec<String>>,
    /// Settings in which its arms may differ besides those of the statement.
    pub(crate) differ: Vec<String>,
}

impl Asked {
    /// All arms that are named, each with its key.
    pub(crate) fn named_arms(&self) -> Vec<(&'static str, &String)> {
        let plus = self.plus.iter().map(|name| ("plus", name));
        let minus = self.minus.iter().map(|name| ("minus", name));
        let arms = self.arms.iter().map(|name| ("arms", name));
        let also = self.also.iter().flatten().map(|name| ("also", name));
        plus.chain(minus).chain(arms).chain(also).collect()
    }

    /// How its runs belong together.
    pub(crate) fn pairing(&self) -> Pairing {
        self.pairing.unwrap_or(match self.subject {
            Subject::Statement(statement) => statement.pairing,
            Subject::Endpoint(_) => Pairing::Seed,
        })
    }

    /// The smallest effect of interest.
    pub(crate) fn smallest(&self) -> Option<f64> {
        self.d.or(match self.subject {
            Subject::Statement(statement) => statement.d,
            Subject::Endpoint(_) => None,
        })
    }

    /// What it is called: its id, with its name where it has one.
    pub(crate) fn title(&self) -> String {
        let id = self.subject.id();
        self.name.as_ref().map_or_else(|| id.to_owned(), |name| format!("{id} ({name})"))
    }
}
