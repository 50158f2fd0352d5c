//! The library's one error type: what was looked at, what was found, what was expected,
//! and the fix.

use std::fmt;
use std::path::Path;

/// A result whose error is [`Error`].
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in the four parts a reader needs: the place (file, key or layer), what
/// was found there, what was expected, and the fix.
///
/// # Example
/// ```
/// use stratagram::Error;
/// let error = Error::usage("`net.width`", "is 0").expected("at least 1");
/// assert_eq!(error.to_string(), "`net.width` is 0; expected at least 1");
/// assert_eq!(error.exit_code(), 2);
/// ```
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: ErrorKind,
    place: String,
    found: String,
    expected: Option<String>,
    fix: Option<String>,
    source: Option<std::io::Error>,
}

/// The classes of failure that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line or the experiment file asks for something that cannot be.
    Usage,
    /// The operating system refused to read or write.
    Io,
    /// A file's content is not what its format promises.
    Data,
    /// Another process holds the run directory.
    Busy,
    /// A loss, weight or measure is NaN or infinite.
    NonFinite,
    /// The user asked to stop; everything so far is on disk.
    Interrupted,
    /// The program itself is wrong: a panic.
    Defect,
}

impl Error {
    /// An error of the given kind: "`place` `found`".
    pub fn new(
        kind: ErrorKind,
        place: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            kind,
            place: place.into(),
            found: found.into(),
            expected: None,
            fix: None,
            source: None,
        }))
    }

    /// The command line or experiment file is wrong (exit code 2).
    pub fn usage(place: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, place, found)
    }

    /// A file's content is wrong.
    pub fn data(path: &Path, found: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, path.display().to_string(), found)
    }

    /// The operating system's refusal to `action` (such as "cannot be read") a path.
    pub fn io(path: &Path, action: &str, source: std::io::Error) -> Self {
        let mut error = Self::new(
            ErrorKind::Io,
            path.display().to_string(),
            format!("{action}: {source}"),
        );
        error.0.source = Some(source);
        error
    }

    /// Adds what was expected instead.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.0.expected = Some(expected.into());
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.0.fix = Some(fix.into());
        self
    }

    /// Names the file or run in which the place is.
    #[must_use]
    pub(crate) fn inside(mut self, outer: &str) -> Self {
        self.0.place = format!("{outer}: {}", self.0.place);
        self
    }

    /// The class of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the reader can do about it.
    pub fn help(&self) -> Option<&str> {
        self.0.fix.as_deref()
    }

    /// The process's exit code: 2 for usage, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        if self.0.kind == ErrorKind::Usage { 2 } else { 1 }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.place, self.0.found)?;
        match &self.0.expected {
            Some(expected) => write!(f, "; expected {expected}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}
