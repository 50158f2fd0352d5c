//! What the rules name: the order of modules, and what is listed beside a rule.

/// Levels from left to right; modules of one level may use each other. Some are still to come.
pub(super) const LEVELS: &[&[&str]] = &[
    &["error", "seed", "observer", "setting", "shell", "version", "disk"],
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
pub(super) const CIRCLES: &[&str] = &[];

/// Folders that are still to be divided.
pub(super) const FULL_FOLDERS: &[&str] = &[];

/// Module, function, lines of its body, and why they stand together.
pub(super) const LONG_FUNCTIONS: &[(&str, &str, usize, &str)] = &[
    ("data", "data_page", 46, "the parts of a page in the order of its bytes"),
    ("data", "hybrid", 47, "two kinds of blocks of one encoding"),
    ("engine", "backward", 64, "one operation of the kernel after another"),
    ("engine", "compute", 43, "one arm for each operation"),
    ("engine", "evaluate", 41, "prepares, cuts into chunks and runs one pass"),
    ("engine", "step", 60, "one arm for each operation"),
    ("engine", "token_back", 59, "one arm for each operation on tokens"),
    ("engine", "token_forward", 59, "one arm for each operation on tokens"),
    ("engine", "training", 41, "one plan from the first step to the last"),
    (
        "engine",
        "with_simd",
        52,
        "the loops of one kernel, which have to be compiled together",
    ),
    ("import", "check_members", 47, "one check after another, each with its message"),
    ("import", "place", 54, "one arm for each way in which a name fits or does not"),
    ("import", "read_legacy", 76, "the parts of a file in their order"),
    ("import", "read_zip", 43, "the parts of a file in their order"),
    ("import", "value", 50, "one arm for each opcode"),
    ("net", "add", 49, "one arm for each operation"),
    ("net", "node_parameters", 70, "one arm for each operation"),
    ("probe", "line_search", 41, "one algorithm with its stopping rules"),
    ("probe", "minimize", 51, "one algorithm with its stopping rules"),
    ("run_dir", "about", 54, "one arm for each file of a run"),
    ("setting", "accept", 54, "one arm for each kind of value"),
];

/// Functions with a parameter of three or more in a tuple that are still to be changed.
pub(super) const WIDE_TUPLES: &[&str] = &[];
