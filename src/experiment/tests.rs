use std::path::Path;

use super::*;
use crate::error::Error;

const LEAST: &str = "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 16\n";

fn parse(text: &str, overrides: &[&str]) -> Result<Experiment, Error> {
    let overrides: Vec<String> = overrides.iter().map(|&o| o.to_owned()).collect();
    Experiment::parse("x.toml", text, Path::new("/base"), &overrides)
}

fn least(overrides: &[&str]) -> Experiment {
    parse(LEAST, overrides).unwrap()
}

/// The message and the help of the error that `overrides` of the least experiment give.
fn refusal(overrides: &[&str]) -> (String, String) {
    let error = parse(LEAST, overrides).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    (error.to_string(), error.help().unwrap_or_default().to_owned())
}

#[test]
fn every_default_is_that_of_the_documentation() {
    let e = least(&[]);
    assert_eq!((e.seed, e.data.seed), (0, 1));
    assert_eq!(
        (e.data.n_train, e.data.n_test, e.data.size),
        (Some(1000), Some(797), None)
    );
    assert_eq!((&e.data.normalize, e.data.augment.len()), (&Normalize::Channel, 0));
    let none = NoiseConfig {
        kind: NoiseKind::Iid,
        rate: 0.0,
        seed: 1,
        test: false,
        path: None,
        name: None,
    };
    assert_eq!(e.noise, none);
    assert_eq!(e.net, NetConfig::cnn5(16));
    assert_eq!(e.init, None);
    let sgd = OptimizerConfig {
        kind: OptimizerKind::Sgd,
        lr: 0.02,
        momentum: 0.9,
        nesterov: false,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0.0,
        clip_norm: None,
        lr_scale: std::collections::BTreeMap::new(),
        schedule: Schedule::Constant,
        warmup_steps: 0,
    };
    assert_eq!(e.optimizer, sgd);
    assert_eq!(e.train.length, Length::Epochs(400));
    assert_eq!(e.train.batch_size, 128);
    assert_eq!(e.train.history, EpochList::Rule(EpochRule::Auto));
    assert_eq!(e.train.checkpoints, EpochList::Rule(EpochRule::LogSpaced));
    assert_eq!((e.train.save_optimizer, e.train.labels), (true, TrainLabels::Noisy));
    assert!(e.train.freeze.is_empty() && e.train.reinit.is_empty());
    assert_eq!(e.evaluation.batchnorm, BatchNormChoice::Recomputed);
    let a = e.analysis;
    assert_eq!(a.layers, Layers::One("all".into()));
    assert_eq!(a.groups, [Group::Test, Group::TrainClean, Group::TrainCorrupted]);
    assert_eq!((a.n_examples, a.cka.estimator), (512, Estimator::Debiased));
    assert_eq!((a.probe.l2, a.probe.cap), (1e-3, 2048));
    assert_eq!(
        (a.probe.labels, a.probe.features),
        (ProbeLabels::Noisy, ProbeFeatures::Flatten)
    );
    assert_eq!((a.drs.triplets, a.drs.resolution, a.drs.margin), (60, 20, 0.1));
    assert_eq!(a.drs.source.list(), [TripletSource::Test]);
    assert_eq!(a.drs.sampling, TripletSampling::Dbviz);
}

/// Experiments that between them use every key and kind.
fn varied() -> Vec<Experiment> {
    let arrays = "seed = 7\n[data]\nkind = 'arrays'\npath = 'sub/d.npz'\nn_train = 300\n\
        n_test = 30\nsize = 16\nseed = 3\nnormalize = 'none'\naugment = ['crop', 'flip']\n\
        [noise]\nkind = 'pair-flip'\nrate = 1\nseed = 9\n[net]\nkind = 'resnet18'\nwidth = 1\n\
        [init]\nweights = '/w.safetensors'\n[optimizer]\nkind = 'adam'\nlr = 1e-4\n\
        betas = [0, 0.95]\neps = 1e-7\nweight_decay = 0.1\nwarmup_steps = 3\n[train]\n\
        steps = 77\nbatch_size = 1\nhistory = [0, 0.1]\ncheckpoints = 'every'\n";
    vec![
        least(&[]),
        parse(arrays, &[]).unwrap(),
        least(&["optimizer.schedule.kind=cosine", "optimizer.lr=0.1"]),
        least(&["optimizer.schedule={ kind = 'inverse-sqrt', period = 3 }"]),
        least(&["optimizer.schedule={kind='step',milestones=[1,2.5],gamma=0.3}"]),
        least(&["noise.kind=exact", "optimizer.lr=0.30000000000000004"]),
        least(&["optimizer.kind=adamw", "train.checkpoints=[0,1,2]"]),
        least(&["optimizer.clip_norm=1", "train.labels=clean", "train.freeze=conv*"]),
        least(&["train.reinit=[fc, bn4]", "train.save_optimizer=false"]),
        least(&["train.until='5x perfect-fit'"]),
        least(&[
            "analysis.layers=[relu1, fc]",
            "analysis.groups=[test]",
            "net.width=4096",
        ]),
        least(&["evaluation.batchnorm=running", "analysis.cka.estimator=biased"]),
        least(&["analysis.features=grid", "analysis.grid=3", "analysis.dimensions=true"]),
        least(&["analysis.measures=[cka, shape]", "analysis.cka.estimator=minibatch"]),
        least(&[
            "analysis.probe={ solver = 'sgd', lr = 0.1, epochs = 3, batch_size = 9 }",
        ]),
        least(&["analysis.probe={ solver = 'adam', features = 'grid', grid = 3 }"]),
        least(&["analysis.probe={ features = 'common', l2_also = [1e-4, 1e-2] }"]),
        least(&["analysis.probe.labels=clean", "analysis.drs.source=train"]),
    ]
}

#[test]
fn every_measure_can_be_asked_for() {
    for &measure in Measure::ALL {
        let key = format!("analysis.measures=[{}]", measure.name());
        assert_eq!(least(&[&key]).analysis.measures, [measure]);
    }
    assert_eq!(least(&[]).analysis.measures, [Measure::Cka]);
}

#[test]
fn a_written_experiment_reads_back_the_same() {
    for experiment in varied() {
        let text = experiment.to_toml();
        let again = Experiment::parse("again", &text, Path::new("/else"), &[]);
        assert_eq!(again.unwrap(), experiment, "{text}");
    }
}

#[test]
fn a_written_experiment_is_complete_but_for_other_kinds() {
    let text = least(&["optimizer.kind=adam"]).to_toml();
    for key in ["betas", "eps", "[analysis.drs]", "[optimizer.schedule]", "warmup_steps"]
    {
        assert!(text.contains(key), "{text}");
    }
    assert!(!text.contains("momentum") && !text.contains("nesterov"), "{text}");
}

#[test]
fn overrides_take_toml_bare_words_and_lists_of_bare_words() {
    let e = least(&[
        "net.kind=resnet18",
        "net.width = 8",
        "data.augment=[crop, flip]",
        "optimizer.lr=1",
        "train.checkpoints=[0, 0.25, 1]",
        "analysis.layers=layer*",
    ]);
    assert_eq!(e.net, NetConfig::resnet18(8));
    assert_eq!(e.data.augment, [Augmentation::Crop, Augmentation::Flip]);
    assert!((e.optimizer.lr - 1.0).abs() < f64::EPSILON);
    assert_eq!(e.train.checkpoints, EpochList::Epochs(vec![0.0, 0.25, 1.0]));
    assert_eq!(e.analysis.layers, Layers::One("layer*".into()));
    let (message, _) = refusal(&["net.width"]);
    assert!(message.contains("override `net.width` has no `=`"), "{message}");
    assert!(refusal(&["seed.x=1", "net.width="]).0.contains("has no value"));
    assert!(
        refusal(&["seed=1", "seed.x=1"]).0.contains("is inside a key that is no table")
    );
    assert!(refusal(&["a b=1"]).0.contains("does not start with a key"));
}

#[test]
fn derived_defaults_follow_the_keys_they_depend_on() {
    assert_eq!(least(&["data.seed=5"]).noise.seed, 5);
    assert_eq!(least(&["data.seed=5", "noise.seed=6"]).noise.seed, 6);
    assert!((least(&["noise.kind=exact"]).noise.rate - 0.2).abs() < 1e-15);
    assert_eq!(least(&["data.n_train=1500"]).data.n_test, Some(297));
    let schedule = |overrides: &[&str]| least(overrides).optimizer.schedule;
    let cosine = "optimizer.schedule.kind=cosine";
    assert_eq!(schedule(&[cosine]), Schedule::Cosine { t_max: 400.0 });
    assert_eq!(schedule(&[cosine, "train.steps=20"]), Schedule::Cosine { t_max: 2.5 });
    let inside = least(&["optimizer.schedule.warmup_steps=4"]);
    assert_eq!(inside, least(&["optimizer.warmup_steps=4"]));
}

#[test]
fn paths_start_from_the_experiment_file() {
    let e = least(&["data.kind=arrays", "data.path=../d.npz", "init.weights=/abs/w"]);
    assert_eq!(e.data.path.unwrap(), Path::new("/base/../d.npz"));
    assert_eq!(e.init.unwrap().weights, Path::new("/abs/w"));
    assert_eq!((e.data.n_train, e.data.n_test), (None, None));
}

#[test]
fn unknown_keys_get_the_nearest_name_or_all_names() {
    let text = format!("{LEAST}widht = 3\n");
    let error = parse(&text, &[]).unwrap_err();
    assert_eq!(error.to_string(), "x.toml:6: `net.widht` is not a known key");
    assert_eq!(error.help(), Some("did you mean `net.width`?"));
    let (message, help) = refusal(&["train.lr=1"]);
    assert_eq!(message, "command line: `train.lr` is not a known key");
    assert_eq!(help, "did you mean `optimizer.lr`?");
    assert_eq!(refusal(&["noise.size=16"]).1, "did you mean `data.size`?");
    assert_eq!(refusal(&["optimiser.lr=1"]).1, "did you mean `optimizer`?");
    let (message, _) = refusal(&["noise.zzzzzz=1"]);
    assert!(message.ends_with("`rate`, `seed`, `test`, `path`, `name`"), "{message}");
    let (message, _) = refusal(&["zzzzzz=1"]);
    assert!(message.contains("`seed` or a table of `data`, `noise`"), "{message}");
}

#[test]
fn wrong_types_name_what_was_found_and_what_is_allowed() {
    let cases = [
        (
            "net.width=eight",
            "`net.width` is \"eight\" (a string); expected a whole number",
        ),
        ("net.width=8.5", "is 8.5 (a number); expected a whole number from 1"),
        ("net=3", "`net` is 3 (a whole number); expected a table with `kind`, `width`"),
        (
            "optimizer.schedule=cosine",
            "is \"cosine\" (a string); expected a table with `kind`",
        ),
        ("optimizer.nesterov=1", "is 1 (a whole number); expected true or false"),
        (
            "data.augment=crop",
            "is \"crop\" (a string); expected a list of \"crop\", \"flip\"",
        ),
        (
            "train.history={}",
            "(a table); expected \"auto\", \"every\", \"log-spaced\" or a",
        ),
        (
            "seed=2020-01-01",
            "is 2020-01-01 (a date); expected a whole number of at least 0",
        ),
        ("data.kind=7", "expected one of \"digits\", \"mnist1d\""),
    ];
    for (override_, expected) in cases {
        let (message, _) = refusal(&[override_]);
        assert!(message.contains(expected), "{override_}: {message}");
    }
}

#[test]
fn unknown_names_get_the_list_and_the_nearest() {
    let (message, help) = refusal(&["data.kind=digit"]);
    assert!(message.contains("is \"digit\" (a string); expected one of \"digits\""));
    assert_eq!(help, "did you mean \"digits\"?");
    assert_eq!(refusal(&["net.kind=resnet-18"]).1, "did you mean \"resnet18\"?");
    let (message, help) = refusal(&["optimizer.kind=lbfgs"]);
    assert!(message.ends_with("one of \"sgd\", \"adam\", \"adamw\""), "{message}");
    assert_eq!(help, "");
    assert_eq!(refusal(&["data.augment=[crop, flop]"]).1, "did you mean \"flip\"?");
}

#[test]
fn values_out_of_range_are_refused() {
    let cases = [
        "seed=-1",
        "net.width=0",
        "train.batch_size=0",
        "train.epochs=0",
        "noise.rate=1.5",
        "noise.rate=-0.1",
        "noise.rate=nan",
        "optimizer.lr=-1",
        "optimizer.lr=inf",
        "optimizer.momentum=1",
        "optimizer.schedule={ kind = 'inverse-sqrt', period = 0 }",
        "optimizer.schedule={ kind = 'step', milestones = [2, 1] }",
        "optimizer.schedule={ kind = 'step', milestones = [] }",
        "optimizer.schedule={ kind = 'cosine', t_max = 0 }",
        "data.n_train=1",
        "data.n_train=1797",
        "data.n_test=798",
        "data.size=7",
        "analysis.n_examples=3",
        "analysis.probe.l2=0",
        "analysis.probe.cap=0",
        "analysis.probe.l2_also=[0]",
        "analysis.probe.l2_also=[0.1, 0.1]",
        "analysis.probe.solver=lbfgs",
        "analysis.probe.grid=2",
        "analysis.probe.lr=0.1",
        "analysis.probe={ solver = 'adam', momentum = 0.5 }",
        "analysis.memory=0",
        "analysis.drs.triplets=0",
        "analysis.drs.resolution=1",
        "analysis.drs.margin=-1",
        "analysis.groups=[]",
        "analysis.groups=[test, test]",
        "analysis.layers=[]",
        "train.checkpoints=[]",
        "train.checkpoints=[-1]",
        "train.checkpoints=[0, 401]",
        "train.history=[400.1]",
    ];
    for case in cases {
        let (message, _) = refusal(&[case]);
        let key = case.split('=').next().unwrap();
        assert!(message.contains(&format!("command line: `{key}")), "{case}: {message}");
        assert!(message.contains("; expected "), "{case}: {message}");
    }
}

#[test]
fn keys_of_another_kind_are_refused_in_a_file_and_dropped_by_an_override() {
    let sgd = format!("{LEAST}[optimizer]\nmomentum = 0.5\n");
    assert!(parse(&sgd, &["optimizer.kind=adam"]).is_ok());
    let error = parse(&format!("{sgd}kind = 'adam'\n"), &[]).unwrap_err();
    let message = "x.toml:7: `optimizer.momentum` belongs to optimizer.kind = \"sgd\"; \
        expected no such key with optimizer.kind = \"adam\"";
    assert_eq!(error.to_string(), message);
    let both = ["optimizer.kind=adam", "optimizer.momentum=0.5"];
    assert!(refusal(&both).0.contains("`optimizer.momentum` belongs to"));
    let spaced = format!("{LEAST}[train]\ncheckpoint_ratio = 2.0\n");
    assert!(parse(&spaced, &["train.checkpoints=[0, 1]"]).is_ok());
    let listed = ["train.checkpoints=[0, 1]", "train.checkpoint_ratio=2.0"];
    assert!(refusal(&listed).0.ends_with("with train.checkpoints = [0.0, 1.0]"));
    assert!(refusal(&["data.path=x"]).0.contains("belongs to data.kind = \"cifar10\""));
    assert!(refusal(&["optimizer.schedule.gamma=0.5"]).0.contains("kind = \"step\""));
}

#[test]
fn labels_from_a_file_have_no_rate_and_sets_without_a_name_need_a_path() {
    let labels = ["noise.kind=labels", "noise.path=l.npz", "noise.name=worse"];
    let e = least(&labels);
    assert_eq!(e.noise.kind, NoiseKind::Labels);
    assert_eq!(e.noise.path.as_deref(), Some(Path::new("/base/l.npz")));
    assert!(!e.to_toml().contains("rate"), "{}", e.to_toml());
    let again = Experiment::parse("again", &e.to_toml(), Path::new("/"), &[]).unwrap();
    assert_eq!(again, e);
    // An override of the kind drops the file's settings of the others.
    let file = format!("{LEAST}[noise]\nrate = 0.3\nseed = 4\n");
    assert_eq!(parse(&file, &labels).unwrap(), e);
    assert!(refusal(&["noise.kind=labels"]).0.contains("`noise.path` is missing"));
    for kind in ["arrays", "folder", "parquet"] {
        let (message, _) = refusal(&[&format!("data.kind={kind}")]);
        assert!(message.contains("`data.path` is missing"), "{message}");
    }
    assert_eq!(least(&["data.kind=cifar10"]).data.path, None);
    let inside = least(&["noise.kind=labels", "noise.path=data:cifar10n/cifar10n.npz"]);
    assert_eq!(inside.noise.path, Some("data:cifar10n/cifar10n.npz".into()));
}

#[test]
fn keys_that_exclude_each_other_are_refused() {
    let both = format!("{LEAST}[train]\nepochs = 3\nsteps = 3\n");
    let message = parse(&both, &[]).unwrap_err().to_string();
    assert!(message.starts_with("x.toml:8: `train.steps` is given besides"), "{message}");
    assert_eq!(parse(&both, &["train.steps=9"]).unwrap().train.length, Length::Steps(9));
    let still = refusal(&["optimizer.nesterov=true", "optimizer.momentum=0"]);
    assert!(still.0.contains("has no momentum"), "{}", still.0);
}

#[test]
fn missing_keys_are_named() {
    for line in LEAST.lines().filter(|line| line.contains('=')) {
        let message = parse(&LEAST.replacen(line, "", 1), &[]).unwrap_err().to_string();
        let name = line.split(' ').next().unwrap();
        assert!(message.starts_with("x.toml: `"), "{message}");
        assert!(message.contains(&format!(".{name}` is missing; expected")), "{message}");
    }
    assert!(refusal(&["data.kind=arrays"]).0.contains("`data.path` is missing"));
}

#[test]
fn syntax_errors_have_line_and_column() {
    let error = parse("seed = 1\n[data\nkind = 1", &[]).unwrap_err();
    assert!(error.to_string().starts_with("x.toml:2:6 is not TOML: "), "{error}");
    let error = parse("seed = 1\nseed = 2\n", &[]).unwrap_err();
    assert!(error.to_string().starts_with("x.toml:2:1 is not TOML: "), "{error}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let missing = Experiment::read(Path::new("/nowhere/x.toml"), &[]).unwrap_err();
    assert_eq!(missing.exit_code(), 1);
    assert!(
        missing.to_string().starts_with("/nowhere/x.toml cannot be read"),
        "{missing}"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.toml");
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    let error = Experiment::read(&path, &[]).unwrap_err();
    assert!(error.to_string().contains("is not UTF-8 text"), "{error}");
    std::fs::write(&path, LEAST.replace("digits", "arrays") + "[init]\nweights = 'w'")
        .unwrap();
    let read = Experiment::read(&path, &["data.path=d.npz".into()]).unwrap();
    assert_eq!(read.data.path.unwrap(), dir.path().join("d.npz"));
}

#[test]
fn differences_name_keys_and_both_values() {
    let mine = least(&[]);
    assert_eq!(mine.differences(&mine), []);
    let theirs = least(&["net.width=8", "init.weights=/w", "optimizer.lr=0.1"]);
    let found: Vec<_> = mine
        .differences(&theirs)
        .into_iter()
        .map(|d| (d.key, d.mine, d.theirs))
        .collect();
    let expected = [
        ("net.width", "16", "8"),
        ("optimizer.lr", "0.02", "0.1"),
        ("init.weights", "absent", "\"/w\""),
    ];
    let expected = expected.map(|(k, m, t)| (k.to_owned(), m.to_owned(), t.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn only_the_length_may_grow_and_only_if_no_rate_depends_on_it() {
    let keys = |old: &[&str], new: &[&str]| -> Result<(), Vec<String>> {
        let outcome = least(old).may_continue_as(&least(new));
        outcome.map_err(|list| list.into_iter().map(|d| d.key).collect())
    };
    assert_eq!(keys(&[], &["train.epochs=500"]), Ok(()));
    assert_eq!(keys(&["train.steps=5"], &["train.steps=6"]), Ok(()));
    assert_eq!(keys(&[], &["train.epochs=300"]), Err(vec!["train.epochs".into()]));
    let two = vec!["train.epochs".to_owned(), "net.width".into()];
    let found = keys(&[], &["train.epochs=500", "net.width=3"]);
    assert_eq!(
        found.map_err(|mut keys| {
            keys.sort_by_key(|k| !k.starts_with('t'));
            keys
        }),
        Err(two)
    );
    assert!(keys(&[], &["train.steps=5000"]).is_err());
    let cosine = "optimizer.schedule.kind=cosine";
    let found = keys(&[cosine], &[cosine, "train.epochs=500"]);
    assert!(found.unwrap_err().contains(&"optimizer.schedule.t_max".into()));
    let fixed = [cosine, "optimizer.schedule.t_max=100"];
    assert_eq!(keys(&fixed, &[fixed[0], fixed[1], "train.epochs=500"]), Ok(()));
}

#[test]
fn the_quickstart_is_an_experiment() {
    let text = include_str!("../../experiments/quickstart.toml");
    let e = Experiment::parse("quickstart", text, Path::new("."), &[]).unwrap();
    assert_eq!(e.data.kind, DataKind::Digits);
    assert!(e.noise.rate > 0.0);
}

#[test]
fn another_engine_is_no_other_experiment() {
    let native = least(&[]);
    assert!(native.engine.is_native() && !native.to_toml().contains("[engine]"));
    let torch = least(&["engine.kind=torch", "engine.device=cuda:1", "engine.threads=3"]);
    let EngineConfig::Torch(config) = &torch.engine else { panic!("{:?}", torch.engine) };
    assert_eq!((&*config.device, config.threads), ("cuda:1", Some(3)));
    assert_eq!((config.precision, config.deterministic), (Precision::F32, true));
    let again = Experiment::parse("again", &torch.to_toml(), ".".as_ref(), &[]).unwrap();
    assert_eq!(again, torch);
    assert!(
        native.may_continue_as(&torch).is_ok() && torch.may_continue_as(&native).is_ok()
    );
    let other = least(&["engine.kind=torch", "net.width=7"]);
    assert!(native.may_continue_as(&other).is_err());
    // --engine native on a run of PyTorch takes its settings away.
    let changed = ["engine.kind=native".to_owned()];
    let back =
        Experiment::parse("back", &torch.to_toml(), ".".as_ref(), &changed).unwrap();
    assert_eq!(back, native);
}
