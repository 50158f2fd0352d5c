//! A probe on the arrays of an `.npz` file: features `X` and labels `y`, perhaps `X_test` and
//! `y_test`.

use std::path::Path;

use super::design::Design;
use super::fit::{Fit, FitOptions, Solver};
use crate::array_file::{Array, NamedArrays, read_npz_members};
use crate::error::{Error, Result};

/// Largest gradient entry, for features whose standard deviations are at most 1.
const TOLERANCE: f64 = 1e-9;

/// How a file's probe is fitted.
#[derive(Debug, Clone, Copy)]
pub struct FileOptions {
    /// λ, the strength of the penalty λ/2·‖W‖²; positive.
    pub l2: f64,
    /// Whether centered features are divided by their standard deviations first; those that do
    /// not vary but for rounding are left as they are.
    pub standardize: bool,
    /// The solver.
    pub solver: Solver,
}

/// A file's probe and how well it does.
#[derive(Debug, Clone)]
pub struct FileFit {
    /// The fit; its class k is the label `classes[k]`.
    pub fit: Fit,
    /// The labels that occur in `y`, rising.
    pub classes: Vec<i64>,
    /// Features that do not vary, and so have no scale.
    pub n_floored: usize,
    /// Share of the training examples that are predicted right.
    pub train_accuracy: Option<f64>,
    /// Share of the test examples, if there are any with labels.
    pub test_accuracy: Option<f64>,
    /// The label predicted for each test example, or without any for each training example.
    pub predictions: Vec<i64>,
}

impl FileFit {
    /// Reads the features and labels of `file` and fits; what follows the first axis of `X` is
    /// flattened to features, other members are ignored.
    ///
    /// # Errors
    /// A usage error if the penalty is not positive; if the file cannot be read or its arrays
    /// are not as above; if a solver with a unique optimum ends before it.
    pub fn of(file: &Path, options: &FileOptions) -> Result<Self> {
        if !(options.l2 > 0.0 && options.l2.is_finite()) {
            return Err(Error::usage("`--l2`", format!("is {}", options.l2))
                .expected("a number above 0"));
        }
        let input = Input::read(file)?;
        let (fit, n_floored) = fit(file, &input, options)?;
        let label = |class: u8| input.classes[usize::from(class)];
        let predict = |part: &Part| -> Vec<i64> {
            fit.predict(&part.x, part.n).into_iter().map(label).collect()
        };
        let on_train = predict(&input.train);
        let on_test = input.test.as_ref().map(predict);
        let test = input.test.as_ref().zip(on_test.as_ref());
        Ok(Self {
            train_accuracy: input.train.accuracy(&on_train),
            test_accuracy: test.and_then(|(part, own)| part.accuracy(own)),
            predictions: on_test.unwrap_or(on_train),
            classes: input.classes,
            n_floored,
            fit,
        })
    }

    /// The probe: `weight` `[classes, features]`, `bias` and the labels `classes`; it applies to
    /// features as `X` has them.
    pub fn to_arrays(&self) -> NamedArrays {
        let mut arrays = self.fit.probe.to_arrays();
        let classes = Array::i64(&[self.classes.len()], self.classes.clone());
        arrays.push("classes", classes);
        arrays
    }
}

/// Fits, and counts the features that do not vary; with `logistic` and `ridge` an end before
/// the optimum is an error, not a result.
fn fit(file: &Path, input: &Input, options: &FileOptions) -> Result<(Fit, usize)> {
    let (n, d) = (input.train.n, input.n_features);
    let FileOptions { l2, standardize, solver } = *options;
    let (x, takes_batches) = (&input.train.x, solver.takes_batches());
    let design = if standardize {
        Design::to_rounding(x, [n, d], takes_batches)?
    } else if takes_batches {
        Design::unrotated(x, n, d, false)?
    } else {
        Design::new(x, n, d, false)?
    };
    let tolerance = TOLERANCE * design.largest_deviation().max(1.0);
    let options = FitOptions { l2, tolerance, max_iterations: 10_000, solver };
    let fit = design.fit(&input.labels, input.classes.len(), &options, None);
    if fit.converged {
        return Ok((fit, design.n_floored()));
    }
    let found = format!(
        "ends after {} iterations at a gradient of {:.1e}",
        fit.iterations, fit.gradient_norm
    );
    Err(Error::data(file, format!("gives a fit that {found}"))
        .expected(format!("at most {tolerance:.1e}"))
        .fix("use --standardize, or a larger --l2"))
}

/// Features `[n, d]` and, if known, labels.
struct Part {
    n: usize,
    d: usize,
    x: Vec<f64>,
    y: Option<Vec<i64>>,
}

/// The file's checked content.
struct Input {
    n_features: usize,
    train: Part,
    test: Option<Part>,
    /// The labels that occur in `y`, rising.
    classes: Vec<i64>,
    /// Index into `classes` of each training example.
    labels: Vec<u8>,
}

impl Input {
    fn read(file: &Path) -> Result<Self> {
        let is_of_probe = |name: &str| ["X", "y", "X_test", "y_test"].contains(&name);
        let arrays = read_npz_members(file, is_of_probe)?;
        let missing = |name: &str| {
            Error::data(file, format!("has no member `{name}`"))
                .expected("X, y and perhaps X_test, y_test")
        };
        let train = Part::read(file, &arrays, ["X", "y"])?.ok_or_else(|| missing("X"))?;
        let y = train.y.as_ref().ok_or_else(|| missing("y"))?;
        let test = Part::read(file, &arrays, ["X_test", "y_test"])?;
        if let Some(Part { d, .. }) = test.as_ref().filter(|test| test.d != train.d) {
            return Err(Error::data(file, format!("`X_test` has {d} features"))
                .expected(format!("{}, as `X`", train.d)));
        }
        if train.n < 2 {
            let found = format!("`X` has {} examples", train.n);
            return Err(Error::data(file, found).expected("at least 2"));
        }
        let mut classes = y.clone();
        classes.sort_unstable();
        classes.dedup();
        if !(2..=256).contains(&classes.len()) {
            return Err(Error::data(file, format!("`y` has {} classes", classes.len()))
                .expected("2 to 256"));
        }
        let index = |label| classes.partition_point(|class| class < label) as u8;
        let labels = y.iter().map(index).collect();
        Ok(Self { n_features: train.d, train, test, classes, labels })
    }
}

impl Part {
    /// The members of these names; without the first there is no part.
    fn read(
        file: &Path,
        arrays: &NamedArrays,
        [x, y]: [&str; 2],
    ) -> Result<Option<Self>> {
        let Some(part) = features(file, arrays, x)? else { return Ok(None) };
        let y = labels(file, arrays, y, part.n)?;
        Ok(Some(Self { y, ..part }))
    }

    /// The share of predictions that are right.
    fn accuracy(&self, predictions: &[i64]) -> Option<f64> {
        let labels = self.y.as_deref()?;
        let right = predictions.iter().zip(labels).filter(|(a, b)| a == b).count();
        Some(right as f64 / labels.len() as f64)
    }
}

/// The examples of a member, without labels.
fn features(file: &Path, arrays: &NamedArrays, name: &str) -> Result<Option<Part>> {
    let Some(array) = arrays.get(name) else { return Ok(None) };
    let wrong = |found: String| Error::data(file, format!("`{name}` {found}"));
    let (n, d) = match array.shape[..] {
        [n, ref rest @ ..] if !rest.is_empty() => (n, rest.iter().product::<usize>()),
        _ => {
            return Err(wrong(format!("has shape {:?}", array.shape))
                .expected("[examples, features]"));
        }
    };
    if n == 0 || d == 0 {
        return Err(wrong(format!("has shape {:?}", array.shape))
            .expected("at least one example and one feature"));
    }
    let values = array.to_f64();
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(Some(Part { n, d, x: values, y: None })),
        Some(at) => Err(wrong(format!(
            "holds {} at example {}, feature {}",
            values[at],
            at / d,
            at % d
        ))
        .expected("finite numbers")),
    }
}

fn labels(
    file: &Path,
    arrays: &NamedArrays,
    name: &str,
    n: usize,
) -> Result<Option<Vec<i64>>> {
    let Some(array) = arrays.get(name) else { return Ok(None) };
    let wrong = |found: String| Error::data(file, format!("`{name}` {found}"));
    if array.shape != [n] && array.shape != [n, 1] {
        return Err(wrong(format!("has shape {:?}", array.shape))
            .expected(format!("[{n}], one label per example")));
    }
    let values = array.to_i64().ok_or_else(|| {
        wrong("holds a number that is not an integer".into()).expected("labels 0, 1, …")
    })?;
    match values.iter().find(|value| **value < 0) {
        None => Ok(Some(values)),
        Some(value) => {
            Err(wrong(format!("holds the label {value}")).expected("labels from 0 on"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_file::npz_bytes;

    fn fit(arrays: &[(&str, Array)], l2: f64) -> Result<FileFit> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let named =
            arrays.iter().map(|(name, array)| ((*name).to_owned(), array.clone()));
        std::fs::write(&path, npz_bytes(&NamedArrays(named.collect()))).unwrap();
        let options = FileOptions { l2, standardize: false, solver: Solver::Logistic };
        FileFit::of(&path, &options)
    }

    fn line() -> [(&'static str, Array); 4] {
        [
            ("X", Array::f64(&[4, 1], vec![-2.0, -1.0, 1.0, 2.0])),
            ("y", Array::i64(&[4], vec![7, 7, 9, 9])),
            ("X_test", Array::f64(&[2, 1], vec![-3.0, 3.0])),
            ("y_test", Array::i64(&[2], vec![7, 7])),
        ]
    }

    #[test]
    fn labels_keep_their_values_and_test_examples_are_predicted() {
        let found = fit(&line(), 0.1).unwrap();
        assert_eq!(found.classes, [7, 9]);
        assert_eq!(found.predictions, [7, 9]);
        assert_eq!(found.train_accuracy, Some(1.0));
        assert_eq!(found.test_accuracy, Some(0.5));
        let members = found.to_arrays();
        assert_eq!(members.names().collect::<Vec<_>>(), ["weight", "bias", "classes"]);
        let without_test = fit(&line()[..2], 0.1).unwrap();
        assert_eq!(without_test.predictions, [7, 7, 9, 9]);
        assert_eq!(without_test.test_accuracy, None);
    }

    /// The class is in a feature of scale 1e-5 among others of scale 1: scikit-learn's
    /// `StandardScaler` and `LogisticRegression` find it.
    #[test]
    fn standardized_features_of_a_tiny_scale_count_like_the_others() {
        let n = 60;
        let row = |i: usize| {
            let class = if i.is_multiple_of(2) { -1.0 } else { 1.0 };
            let other = |k: usize| ((i * (7 + 3 * k) + k) % 11) as f64 / 5.0 - 1.0;
            [3.0 + 1e-5 * class, other(0), other(1), other(2), 2.0]
        };
        let x: Vec<f64> = (0..n).flat_map(row).collect();
        let y = (0..n).map(|i| (i % 2) as i64).collect();
        let arrays = [("X", Array::f64(&[n, 5], x)), ("y", Array::i64(&[n, 1], y))];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let named = arrays.map(|(name, array)| (name.to_owned(), array));
        std::fs::write(&path, npz_bytes(&NamedArrays(named.to_vec()))).unwrap();
        for solver in [Solver::Logistic, Solver::Ridge] {
            let options = FileOptions { l2: 1e-2, standardize: true, solver };
            let found = FileFit::of(&path, &options).unwrap();
            assert_eq!((found.train_accuracy, found.n_floored), (Some(1.0), 1));
        }
    }

    #[test]
    fn what_does_not_suit_is_named() {
        let [x, y, x_test, _] = line();
        let wide = ("X_test", Array::f64(&[1, 2], vec![0.0, 1.0]));
        let one = ("y", Array::i64(&[4], vec![7; 4]));
        for (arrays, part) in [
            (vec![y.clone()], "has no member `X`"),
            (vec![x.clone()], "has no member `y`"),
            (vec![x.clone(), y.clone(), wide], "`X_test` has 2 features; expected 1"),
            (vec![x.clone(), one], "`y` has 1 classes"),
            (
                vec![x.clone(), y, ("y_test", x_test.1.clone()), ("X_test", x_test.1)],
                "`y_test`",
            ),
        ] {
            let error = fit(&arrays, 0.1).unwrap_err().to_string();
            assert!(error.contains(part), "{error} does not say {part}");
        }
        assert_eq!(fit(&line(), 0.0).unwrap_err().exit_code(), 2);
    }
}
