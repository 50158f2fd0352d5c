//! Rise and fall of the test error, images as the unit.

use super::endpoint::{Endpoint, Outcome, TEST, Value};

/// From the first minimum to the peak.
pub(crate) const RISE: Endpoint = Endpoint {
    name: "rise",
    about: "rise of the test error to its peak (split halves)",
    unit: "",
    group: TEST,
    value: Value::OfRun(|view| measured(view.run.findings.double_descent.rise)),
};

/// From the peak to the second minimum.
pub(crate) const FALL: Endpoint = Endpoint {
    name: "fall",
    about: "fall of the test error after its peak (split halves)",
    unit: "",
    group: TEST,
    value: Value::OfRun(|view| measured(view.run.findings.double_descent.fall)),
};

/// The share of the rise that a probe of the last hidden layer has, too.
pub(crate) const READOUT: Endpoint = Endpoint {
    name: "rise-in-representation",
    about: "share of the rise that a probe of the last hidden layer shows",
    unit: "",
    group: TEST,
    value: Value::OfRun(|view| {
        let readout = view.run.findings.double_descent.readout.as_ref();
        readout.and_then(|readout| readout.share_rise).ok_or_else(|| {
            "no share: the net's rise is not above 0, or no probe answered".into()
        })
    }),
};

fn measured(value: Option<f64>) -> Outcome {
    value.ok_or_else(|| "no answers per test image".into())
}
