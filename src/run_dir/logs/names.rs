//! What the columns of other people's logs mean, by their names.

/// Examples that an error is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    Train,
    Test,
    /// The name does not say it.
    Unnamed,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Epoch,
    Step,
    Error(Set),
    Accuracy(Set),
    Loss(Set),
    /// The training error on corrupted labels.
    Corrupted,
    NTest,
}

/// The meaning of a name, and how plainly it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) role: Role,
    /// 0: a name of docs/FORMAT.md; 1: one that means the same; 2: of single batches.
    pub(super) rank: u8,
    /// Whether it says that values are percentages.
    pub(super) is_percent: bool,
}

/// The names of docs/FORMAT.md, in the order of preference.
const OWN: [(&str, Role); 11] = [
    ("epoch", Role::Epoch),
    ("step", Role::Step),
    ("train_error", Role::Error(Set::Train)),
    ("test_error", Role::Error(Set::Test)),
    ("train_acc", Role::Accuracy(Set::Train)),
    ("train_accuracy", Role::Accuracy(Set::Train)),
    ("test_acc", Role::Accuracy(Set::Test)),
    ("test_accuracy", Role::Accuracy(Set::Test)),
    ("train_loss", Role::Loss(Set::Train)),
    ("train_error_corrupted", Role::Corrupted),
    ("n_test", Role::NTest),
];

const TRAIN: [&str; 3] = ["train", "training", "tr"];
const TEST: [&str; 11] = [
    "test",
    "testing",
    "te",
    "val",
    "valid",
    "validation",
    "va",
    "eval",
    "evaluation",
    "dev",
    "heldout",
];
const ERROR: [&str; 3] = ["error", "err", "errors"];
const ACCURACY: [&str; 5] = ["accuracy", "acc", "accuracies", "prec", "top"];
const PERCENT: [&str; 4] = ["%", "percent", "percentage", "pct"];
/// Words that change nothing about what a column holds.
const FILLING: [&str; 17] = [
    "rate",
    "avg",
    "average",
    "mean",
    "epoch",
    "top",
    "1",
    "metrics",
    "metric",
    "score",
    "categorical",
    "sparse",
    "binary",
    "multiclass",
    "classification",
    "overall",
    "set",
];
const EPOCH: [&str; 3] = ["epoch", "epochs", "ep"];
const STEP: [&str; 6] = ["step", "steps", "iter", "iters", "iteration", "iterations"];
const AROUND_A_STEP: [&str; 6] =
    ["global", "trainer", "optimizer", "number", "num", "training"];
const AROUND_AN_EPOCH: [&str; 6] = ["number", "num", "no", "current", "index", "idx"];

/// The meaning of a column's name; none of one that is not used.
///
/// `val`, `valid`, `eval` and the like stand for the test set: what is not trained on.
/// Weights and Biases writes `run - metric`, and the extremes of what it left out under
/// `…__MIN` and `…__MAX`.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    let name = name.trim();
    if ["__MIN", "__MAX", "__STD"].iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let name = name.rsplit_once(" - ").map_or(name, |(_run, metric)| metric);
    if let Some((_, role)) = OWN.iter().find(|(own, _)| *own == name) {
        return Some(Meaning { role: *role, rank: 0, is_percent: false });
    }
    let words = words(name);
    let is = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let only = |lists: &[&[&str]]| {
        words.iter().all(|word| lists.iter().any(|list| list.contains(&word.as_str())))
    };
    let plain = |role| Some(Meaning { role, rank: 1, is_percent: false });
    if is(&EPOCH) && only(&[&EPOCH, &AROUND_AN_EPOCH]) {
        return plain(Role::Epoch);
    }
    if is(&STEP) && only(&[&STEP, &AROUND_A_STEP]) {
        return plain(Role::Step);
    }
    let set = match (is(&TRAIN), is(&TEST)) {
        (true, true) => return None,
        (true, false) => Set::Train,
        (false, true) => Set::Test,
        (false, false) => Set::Unnamed,
    };
    let quantities: [(&[&str], Role); 3] = [
        (&ERROR, Role::Error(set)),
        (&ACCURACY, Role::Accuracy(set)),
        (&["loss"], Role::Loss(set)),
    ];
    let (quantity, role) = quantities.into_iter().find(|(list, _)| is(list))?;
    let known = [quantity, &TRAIN, &TEST, &PERCENT, &FILLING, &["step"]];
    let of_batches = words.last().is_some_and(|word| word == "step");
    only(&known).then_some(Meaning {
        role,
        rank: if of_batches { 2 } else { 1 },
        is_percent: is(&PERCENT),
    })
}

/// The words of a name in small letters: `valAcc`, `Val. acc`, `val/acc@1` and `valacc` begin
/// with val and acc.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = (c.is_uppercase() && before.is_lowercase())
            || c.is_ascii_digit() != before.is_ascii_digit()
            || c == '%';
        if begins || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if c.is_alphanumeric() || c == '%' {
            words.last_mut().expect("one word").extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words.into_iter().flat_map(split_set).collect()
}

/// `trainacc` as `train` and `acc`.
fn split_set(word: String) -> Vec<String> {
    let quantities = [&ERROR[..], &ACCURACY, &["loss"]];
    let mut sets = TRAIN.iter().chain(&TEST);
    let split = sets.find_map(|set| {
        let rest = word.strip_prefix(set)?;
        quantities.iter().any(|list| list.contains(&rest)).then_some([set, rest])
    });
    match split {
        Some(parts) => parts.map(str::to_owned).to_vec(),
        None => vec![word],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_tools_mean_the_same() {
        let role = |name: &str| meaning(name).map(|meaning| meaning.role);
        for name in [
            "val_acc",
            "valid_acc",
            "eval/accuracy",
            "Validation Accuracy",
            "valAcc",
            "Val. Acc@1",
            "eval_top1",
            "accuracy/val",
            "run-7 - val_acc",
            "valacc",
            "val_accuracy_epoch",
            "Test Accuracy (%)",
            "test_prec1",
            "val_acc_step",
            "val_sparse_categorical_accuracy",
            "test/top1_acc",
            "TestAcc",
        ] {
            assert_eq!(role(name), Some(Role::Accuracy(Set::Test)), "{name}");
        }
        for name in ["val_err", "Valid error rate", "eval.error", "test_err@1"] {
            assert_eq!(role(name), Some(Role::Error(Set::Test)), "{name}");
        }
        for name in ["training accuracy", "train/acc", "trainacc", "Train Prec@1"] {
            assert_eq!(role(name), Some(Role::Accuracy(Set::Train)), "{name}");
        }
        assert_eq!(role("accuracy"), Some(Role::Accuracy(Set::Unnamed)));
        assert_eq!(role("loss"), Some(Role::Loss(Set::Unnamed)));
        for name in ["Epoch", "run-7 - epoch", "epochs", "Epoch No."] {
            assert_eq!(role(name), Some(Role::Epoch), "{name}");
        }
        for name in ["Step", "_step", "global_step", "trainer/global_step", "Iteration"] {
            assert_eq!(role(name), Some(Role::Step), "{name}");
        }
    }

    #[test]
    fn other_columns_are_left_alone() {
        for name in [
            "test_error__MIN",
            "run-7 - val_acc__MAX",
            "val_acc5",
            "eval_top5",
            "val_f1",
            "train_error_clean",
            "test_error_running_bn",
            "balanced_accuracy",
            "lr",
            "epoch_time",
            "val_acc_ema",
            "step_time",
            "Wall time",
            "train_val_acc",
            "errors per step (s)",
        ] {
            assert_eq!(meaning(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_may_say_percent_or_single_batches() {
        assert!(meaning("Test Acc (%)").unwrap().is_percent);
        assert!(!meaning("test_acc").unwrap().is_percent);
        assert_eq!(meaning("train_acc_step").unwrap().rank, 2);
        assert_eq!(meaning("train_acc_epoch").unwrap().rank, 1);
        assert_eq!(meaning("train_acc").unwrap().rank, 0);
    }
}
