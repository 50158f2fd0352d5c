//! What a run may not have, with the reason.

/// A value, or why there is none.
pub(super) type Reasoned<T> = std::result::Result<T, String>;
