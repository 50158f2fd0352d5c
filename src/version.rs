//! Which program this is.

/// The version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git commit, if `build.rs` found one.
pub(crate) const COMMIT: Option<&str> = option_env!("STRATAGRAM_GIT_HASH");
