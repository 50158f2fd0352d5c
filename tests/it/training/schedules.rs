//! The learning rate of every step against PyTorch's schedulers; the rates come from
//! `tests/reference/make_schedule_fixture.py`.

use serde::Deserialize;
use stratagram::experiment::Experiment;

#[derive(Deserialize)]
struct Rates {
    lr: f64,
    steps_per_epoch: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    keys: String,
    rates: Vec<f64>,
}

#[test]
fn rates_of_every_schedule_are_those_of_pytorch() {
    let fixture: Rates =
        serde_json::from_str(include_str!("../../reference/schedules.json")).unwrap();
    assert_eq!(fixture.cases.len(), 24);
    for Case { keys, rates } in fixture.cases {
        let text = format!(
            "[data]\nkind = 'digits'\n[net]\nkind = 'cnn5'\nwidth = 4\n\
             [optimizer]\nlr = {}\n{keys}",
            fixture.lr
        );
        let experiment = Experiment::parse("test", &text, ".".as_ref(), &[]).unwrap();
        assert_eq!(rates.len(), 90);
        for (step, expected) in rates.into_iter().enumerate() {
            let found = experiment.optimizer.rate(step as u64, fixture.steps_per_epoch);
            // PyTorch multiplies from step to step, which rounds every time.
            assert!(
                (found - expected).abs() <= 1e-12 * fixture.lr,
                "{keys}\nstep {step}: {found} instead of {expected}"
            );
        }
    }
}
