//! A function for each request to the worker, and what is remembered of what it holds.

use std::ops::Range;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::frame::PROTOCOL;
use super::process::Process;
use crate::array_file::{Array, NamedArrays, Values};
use crate::engine::inputs::{Asked, Decided, Inputs};
use crate::engine::{BatchNormStatistics, ChannelStatistics, Update};
use crate::error::{Error, ErrorKind, Result};
use crate::experiment::TorchConfig;
use crate::net::{Net, Op};

/// Seconds of training that one request asks for, so that a stop is heeded.
const SECONDS: f64 = 1.0;

/// The most steps of one request.
const MOST_STEPS: usize = 4096;

/// A worker with the net that it holds.
#[derive(Debug)]
pub(in crate::engine) struct Client {
    process: Process,
    /// PyTorch's version, the device's name, and how the net is computed there.
    pub(in crate::engine) title: String,
    /// Which of the program's nets it holds.
    holder: u64,
    nets: u64,
    /// The statistics of evaluation that it holds.
    statistics: Option<BatchNormStatistics>,
    /// Steps of the next request.
    pub(in crate::engine) pace: usize,
    /// What it said since it was last asked.
    pub(in crate::engine) notes: Vec<String>,
}

/// Several steps of training.
pub(in crate::engine) struct Steps<'a> {
    /// Images of each step.
    pub(in crate::engine) sizes: Vec<usize>,
    /// Positions of the images of all steps, and where their pixels come from.
    pub(in crate::engine) images: NamedArrays,
    /// The update of each step; they differ in their rate alone.
    pub(in crate::engine) updates: &'a [Update],
    /// The key of each step's dropout.
    pub(in crate::engine) keys: Vec<u64>,
    pub(in crate::engine) clip_norm: Option<f64>,
    pub(in crate::engine) label_smoothing: f64,
    /// Whether the last step's gradients are given.
    pub(in crate::engine) gradients: bool,
}

impl Client {
    /// Starts a worker with these settings.
    ///
    /// # Errors
    /// If there is none, or it cannot do what the settings ask for.
    pub(in crate::engine) fn start(config: &TorchConfig) -> Result<Self> {
        let mut process = Process::start()?;
        let request = json!({ "do": "hello", "protocol": PROTOCOL, "settings": config });
        let (answer, _) = process.call(request, &NamedArrays::default())?;
        let text = |key: &str| answer[key].as_str().unwrap_or_default();
        let precision = serde_json::to_value(config.precision).unwrap_or_default();
        let mut title = format!(
            "PyTorch {} on {} ({}",
            text("torch"),
            text("device"),
            precision.as_str().unwrap_or_default()
        );
        title += if config.compile { ", compiled)" } else { ")" };
        Ok(Self {
            process,
            title,
            holder: 0,
            nets: 0,
            statistics: None,
            pace: 1,
            notes: vec![],
        })
    }

    fn call(&mut self, request: Value, arrays: &NamedArrays) -> Result<Answer> {
        let (mut header, arrays) = self.process.call(request, arrays)?;
        let notes: Vec<String> = header
            .remove("notes")
            .and_then(|notes| serde_json::from_value(notes).ok())
            .unwrap_or_default();
        self.notes.extend(notes);
        Ok(Answer { header, arrays })
    }

    /// Keeps a set of images.
    pub(in crate::engine) fn data(
        &mut self,
        name: &str,
        mut images: NamedArrays,
        labels: &[u8],
    ) -> Result<()> {
        images.push("labels", Array::u8(&[labels.len()], labels.to_vec()));
        self.call(json!({ "do": "data", "set": name }), &images).map(|_| ())
    }

    /// A number for a net that is to be held, unlike all others.
    pub(in crate::engine) fn number(&mut self) -> u64 {
        self.nets += 1;
        self.nets
    }

    /// Whether the worker holds that net.
    pub(in crate::engine) fn holds(&self, number: u64) -> bool {
        self.holder == number
    }

    /// Holds a net in place of the last.
    pub(in crate::engine) fn net(
        &mut self,
        number: u64,
        net: &Net,
        weights: &NamedArrays,
        (frozen, scales): (&[usize], &[f64]),
    ) -> Result<()> {
        let request = json!({
            "do": "net", "nodes": net.nodes, "frozen": frozen, "scales": scales,
        });
        self.call(request, weights)?;
        (self.holder, self.statistics) = (number, None);
        Ok(())
    }

    /// Parameters and running statistics, in the order of the net's.
    pub(in crate::engine) fn weights(&mut self, net: &Net) -> Result<NamedArrays> {
        let mut answer =
            self.call(json!({ "do": "weights" }), &NamedArrays::default())?;
        let names = net.parameters().into_iter().map(|parameter| parameter.name);
        let taken = names.map(|name| Ok((name.clone(), answer.take(&name)?)));
        Ok(NamedArrays(taken.collect::<Result<_>>()?))
    }

    /// The optimizer's buffers, in the order of the net's parameters.
    pub(in crate::engine) fn optimizer(&mut self) -> Result<NamedArrays> {
        let request = json!({ "do": "optimizer", "take": false });
        self.call(request, &NamedArrays::default()).map(|answer| answer.arrays)
    }

    /// Puts the optimizer's buffers back.
    pub(in crate::engine) fn set_optimizer(&mut self, state: &NamedArrays) -> Result<()> {
        self.call(json!({ "do": "optimizer", "take": true }), state).map(|_| ())
    }

    /// Makes steps; gives the loss before each, and the last one's gradients if asked for.
    pub(in crate::engine) fn train(
        &mut self,
        steps: &Steps<'_>,
    ) -> Result<(Vec<f64>, NamedArrays)> {
        let rates: Vec<f64> = steps.updates.iter().map(rate).collect();
        let request = json!({
            "do": "train", "set": "train", "sizes": steps.sizes, "rates": rates,
            "keys": steps.keys, "update": update(&steps.updates[0]),
            "clip_norm": steps.clip_norm, "label_smoothing": steps.label_smoothing,
            "gradients": steps.gradients,
        });
        let start = Instant::now();
        let mut answer = self.call(request, &steps.images)?;
        let each = start.elapsed().as_secs_f64() / steps.sizes.len() as f64;
        // The first step of a kind takes longer than those after it.
        let fitting = (SECONDS / each.max(1e-6)) as usize;
        self.pace = fitting.clamp(1, (4 * self.pace).min(MOST_STEPS));
        let losses = answer.floats("losses", steps.sizes.len())?;
        let gradients = answer.arrays.0.into_iter().filter_map(|(name, array)| {
            Some((name.strip_prefix("gradient/")?.to_owned(), array))
        });
        Ok((losses, NamedArrays(gradients.collect())))
    }

    /// Recomputes BatchNorm's statistics over ranges of a set; they are those of evaluation
    /// from here on.
    pub(in crate::engine) fn recompute(
        &mut self,
        net: &Net,
        set: &str,
        batches: &[Range<usize>],
    ) -> Result<BatchNormStatistics> {
        let batches: Vec<[usize; 2]> = batches.iter().map(|b| [b.start, b.end]).collect();
        let request = json!({ "do": "statistics", "set": set, "batches": batches });
        let mut answer = self.call(request, &NamedArrays::default())?;
        let statistics = batchnorms(net).map(|name| {
            Ok(ChannelStatistics {
                mean: answer.take(&format!("{name}.mean"))?.to_f32(),
                var: answer.take(&format!("{name}.var"))?.to_f32(),
            })
        });
        let statistics = BatchNormStatistics(statistics.collect::<Result<_>>()?);
        self.statistics = Some(statistics.clone());
        Ok(statistics)
    }

    /// Evaluates with these statistics from here on.
    pub(in crate::engine) fn set_statistics(
        &mut self,
        net: &Net,
        statistics: &BatchNormStatistics,
    ) -> Result<()> {
        if self.statistics.as_ref() == Some(statistics) {
            return Ok(());
        }
        let mut arrays = NamedArrays::default();
        for (name, ChannelStatistics { mean, var }) in batchnorms(net).zip(&statistics.0)
        {
            for (moment, values) in [("mean", mean), ("var", var)] {
                let array = Array::f32(&[values.len()], values.clone());
                arrays.push(format!("{name}.{moment}"), array);
            }
        }
        self.call(json!({ "do": "statistics" }), &arrays)?;
        self.statistics = Some(statistics.clone());
        Ok(())
    }

    /// Outputs of nodes, maps averaged to the side beside them, for a range of inputs.
    pub(in crate::engine) fn evaluate(
        &mut self,
        (inputs, range): (&Inputs<'_>, Range<usize>),
        wanted: &[(usize, Option<usize>)],
    ) -> Result<Vec<Vec<f32>>> {
        let wanted: Vec<Value> = wanted
            .iter()
            .map(|(node, side)| json!({ "node": node, "side": side }))
            .collect();
        let (mut request, arrays) = named(inputs, range);
        request.insert("do".into(), "evaluate".into());
        request.insert("wanted".into(), wanted.clone().into());
        let mut answer = self.call(Value::Object(request), &arrays)?;
        let outputs =
            (0..wanted.len()).map(|i| match answer.take(&i.to_string())?.values {
                Values::F32(values) => Ok(values),
                _ => Err(strange("outputs that are not f32")),
            });
        outputs.collect()
    }

    /// What classifiers of nodes' outputs decide for a range of inputs.
    pub(in crate::engine) fn decide(
        &mut self,
        (inputs, range): (&Inputs<'_>, Range<usize>),
        asked: &[Asked<'_>],
    ) -> Result<Vec<Decided>> {
        let n = range.len();
        let (mut request, mut arrays) = named(inputs, range);
        let wanted = asked.iter().map(|own| {
            json!({ "node": own.node, "side": own.side, "tokens": own.tokens,
                    "features": own.features })
        });
        request.insert("do".into(), "decide".into());
        request.insert("wanted".into(), wanted.collect());
        let counts = asked.iter().map(|own| own.classifiers.len());
        request.insert("counts".into(), counts.collect());
        for (layer, own) in asked.iter().enumerate() {
            for (k, (weight, bias)) in own.classifiers.iter().enumerate() {
                let shape = [bias.len(), weight.len() / bias.len()];
                let of = |name: &str| format!("{name}/{layer}/{k}");
                arrays.push(of("weight"), Array::f32(&shape, weight.to_vec()));
                arrays.push(of("bias"), Array::f32(&shape[..1], bias.to_vec()));
            }
        }
        let mut answer = self.call(Value::Object(request), &arrays)?;
        let finite = answer.header.remove("finite").unwrap_or_default();
        let finite: Vec<bool> = serde_json::from_value(finite)
            .map_err(|_| strange("no list of which features are finite"))?;
        let Values::U8(classes) = answer.take("classes")?.values else {
            return Err(strange("classes that are not bytes"));
        };
        let mut rows = classes.chunks(n).map(<[u8]>::to_vec);
        let decided = asked.iter().zip(finite).map(|(own, is_finite)| {
            let count = own.classifiers.len().max(1);
            Decided { classes: rows.by_ref().take(count).collect(), is_finite }
        });
        Ok(decided.collect())
    }
}

/// The part of a request that names a range of inputs.
fn named(inputs: &Inputs<'_>, range: Range<usize>) -> (Map<String, Value>, NamedArrays) {
    let mut request = Map::new();
    let mut arrays = NamedArrays::default();
    let positions = |of: &[usize]| Values::I64(of.iter().map(|&i| i as i64).collect());
    let split = match inputs {
        Inputs::Set(split) => {
            request.insert("range".into(), json!([range.start, range.end]));
            split
        }
        Inputs::Indices(split, all) => {
            let chosen = &all[range];
            arrays.push("index", Array::new(&[chosen.len()], positions(chosen)));
            split
        }
        Inputs::Points(split, points) => {
            let per_plane = points.per_plane();
            let planes = range.start / per_plane..range.end.div_ceil(per_plane);
            let first = planes.start * per_plane;
            let within = json!([range.start - first, range.end - first]);
            request.insert("range".into(), within);
            let triplets = points.triplets()[planes.clone()].concat();
            let of_planes = planes.clone().flat_map(|plane| points.coefficients(plane));
            let coefficients: Vec<f64> = of_planes.flatten().collect();
            let n = planes.len();
            arrays.push("triplets", Array::new(&[n, 3], positions(&triplets)));
            let shape = [n, per_plane, 2];
            arrays.push("coefficients", Array::f64(&shape, coefficients));
            split
        }
    };
    request.insert("set".into(), split.name().into());
    (request, arrays)
}

/// What the worker answered.
struct Answer {
    header: Map<String, Value>,
    arrays: NamedArrays,
}

impl Answer {
    fn take(&mut self, name: &str) -> Result<Array> {
        let at = self.arrays.0.iter().position(|(own, _)| own == name);
        at.map(|at| self.arrays.0.swap_remove(at).1)
            .ok_or_else(|| strange(&format!("no `{name}`")))
    }

    fn floats(&mut self, name: &str, n: usize) -> Result<Vec<f64>> {
        match self.take(name)?.values {
            Values::F64(values) if values.len() == n => Ok(values),
            _ => Err(strange(&format!("a `{name}` that is not {n} numbers"))),
        }
    }
}

fn strange(found: &str) -> Error {
    Error::new(ErrorKind::Data, "the PyTorch engine", format!("answered with {found}"))
        .fix("install the package stratagram of this program's version")
}

fn batchnorms(net: &Net) -> impl Iterator<Item = &str> {
    let nodes = net.nodes.iter().filter(|node| node.op == Op::BatchNorm);
    nodes.map(|node| node.name.as_str())
}

fn rate(update: &Update) -> f64 {
    match *update {
        Update::Sgd { lr, .. } | Update::Adam { lr, .. } => lr,
    }
}

/// All of an update but its rate.
fn update(update: &Update) -> Value {
    match *update {
        Update::Sgd { momentum, weight_decay, nesterov, .. } => json!({
            "kind": "sgd", "momentum": momentum, "weight_decay": weight_decay,
            "nesterov": nesterov,
        }),
        Update::Adam { betas, eps, weight_decay, decoupled, .. } => json!({
            "kind": "adam", "betas": betas, "eps": eps, "weight_decay": weight_decay,
            "decoupled": decoupled,
        }),
    }
}
