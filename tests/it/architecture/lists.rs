//! What the rules name: the order of modules, and what is listed beside a rule.

/// Levels from left to right; modules of one level may use each other. Some are still to come.
pub(super) const LEVELS: &[&[&str]] = &[
    &["error", "seed", "observer"],
    &["array_file"],
    &["similarity", "phases", "findings"],
    &["net"],
    &["data", "experiment"],
    &["engine"],
    &["run_dir"],
    &["represent", "probe", "planes", "train"],
    &["analyze", "import", "activations"],
    &["estimate", "compare"],
    &["report"],
    &["export"],
    &["sweep"],
    &["cli"],
];

/// Names re-exported at the crate's root, with their modules.
pub(super) const ROOT: &[(&str, &str)] = &[
    ("Error", "error"),
    ("ErrorKind", "error"),
    ("Result", "error"),
    ("Observer", "observer"),
    ("Progress", "observer"),
    ("Silent", "observer"),
    ("RunDir", "run_dir"),
];

/// Modules whose circles of imports are still to be cut.
pub(super) const CIRCLES: &[&str] =
    &["analyze", "cli", "net", "probe", "report", "run_dir", "train"];

/// Folders that are still to be divided.
pub(super) const FULL_FOLDERS: &[&str] = &["src/analyze", "src/cli", "src/data"];

/// Module, function, lines of its body, and why they stand together.
pub(super) const LONG_FUNCTIONS: &[(&str, &str, usize, &str)] = &[
    ("analyze", "join", 51, "older than this rule"),
    ("analyze", "of", 65, "older than this rule"),
    ("analyze", "places", 42, "older than this rule"),
    ("data", "check", 44, "older than this rule"),
    ("data", "data_page", 46, "older than this rule"),
    ("data", "hybrid", 47, "older than this rule"),
    ("data", "leaves", 41, "older than this rule"),
    ("data", "load", 43, "older than this rule"),
    ("data", "read_file", 43, "older than this rule"),
    ("data", "unpack", 41, "older than this rule"),
    ("engine", "backward", 63, "older than this rule"),
    ("engine", "evaluate", 41, "older than this rule"),
    ("engine", "step", 57, "older than this rule"),
    ("engine", "token_back", 59, "older than this rule"),
    ("engine", "token_forward", 59, "older than this rule"),
    ("engine", "training", 41, "older than this rule"),
    ("engine", "with_simd", 52, "older than this rule"),
    ("experiment", "accept", 54, "older than this rule"),
    ("experiment", "derive_before_defaults", 41, "older than this rule"),
    ("import", "check_members", 47, "older than this rule"),
    ("import", "place", 54, "older than this rule"),
    ("import", "read_legacy", 76, "older than this rule"),
    ("import", "read_zip", 43, "older than this rule"),
    ("import", "value", 50, "older than this rule"),
    ("net", "add", 48, "older than this rule"),
    ("net", "node_parameters", 69, "older than this rule"),
    ("probe", "line_search", 41, "older than this rule"),
    ("probe", "minimize", 51, "older than this rule"),
    ("run_dir", "about", 42, "one arm for each file of a run"),
    ("train", "train_from", 60, "older than this rule"),
];

/// Functions with a parameter of three or more in a tuple that are still to be changed.
pub(super) const WIDE_TUPLES: &[&str] =
    &["analyze add", "analyze add_row", "analyze at_work"];
