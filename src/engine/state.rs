//! Named arrays to the engine's vectors and back: weights and optimizer buffers, with every
//! name, shape and type checked.

use std::collections::BTreeMap;

use super::native::State;
use crate::array_file::{Array, NamedArrays, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::net::{Parameter, Role};

/// The values of `parameters` in their order, and `num_batches_tracked` of each BatchNorm.
pub(super) fn read_weights(
    parameters: &[Parameter],
    weights: &NamedArrays,
) -> Result<(Vec<Vec<f32>>, Vec<i64>)> {
    let mut arrays = Arrays::new("weight", weights)?;
    let mut values = vec![];
    let mut batches_tracked = vec![];
    for parameter in parameters {
        if parameter.role == Role::BatchesTracked {
            batches_tracked.push(arrays.take_count(&parameter.name)?);
            values.push(vec![]);
        } else {
            values.push(arrays.take(&parameter.name, &parameter.shape)?);
        }
    }
    arrays.finish()?;
    Ok((values, batches_tracked))
}

fn trained(parameters: &[Parameter]) -> impl Iterator<Item = &Parameter> {
    parameters.iter().filter(|parameter| parameter.role.is_trained())
}

/// See `Engine::optimizer_state`.
pub(super) fn write_optimizer(parameters: &[Parameter], state: &State) -> NamedArrays {
    let mut arrays = vec![];
    let mut write = |prefix: &str, buffers: &[Vec<f32>]| {
        for (parameter, buffer) in trained(parameters).zip(buffers) {
            let values = Values::F32(buffer.clone());
            let array = Array { shape: parameter.shape.clone(), values };
            arrays.push((format!("{prefix}/{}", parameter.name), array));
        }
    };
    match state {
        State::Empty => {}
        State::Sgd(momentum) => write("momentum", momentum),
        State::Adam { first, second, steps } => {
            write("exp_avg", first);
            write("exp_avg_sq", second);
            for (parameter, step) in trained(parameters).zip(steps) {
                let count = Array { shape: vec![], values: Values::I64(vec![*step]) };
                arrays.push((format!("step/{}", parameter.name), count));
            }
        }
    }
    NamedArrays(arrays)
}

/// See `Engine::set_optimizer_state`.
pub(super) fn read_optimizer(
    parameters: &[Parameter],
    state: &NamedArrays,
) -> Result<State> {
    if state.0.is_empty() {
        return Ok(State::Empty);
    }
    let mut arrays = Arrays::new("optimizer buffer", state)?;
    let mut read = |prefix: &str| -> Result<Vec<Vec<f32>>> {
        trained(parameters)
            .map(|p| arrays.take(&format!("{prefix}/{}", p.name), &p.shape))
            .collect()
    };
    let read = if state.0.iter().any(|(name, _)| name.starts_with("exp_avg/")) {
        let [first, second] = [read("exp_avg")?, read("exp_avg_sq")?];
        let steps = trained(parameters)
            .map(|p| arrays.take_count(&format!("step/{}", p.name)))
            .collect::<Result<_>>()?;
        State::Adam { first, second, steps }
    } else {
        State::Sgd(read("momentum")?)
    };
    arrays.finish()?;
    Ok(read)
}

/// Named arrays that are taken one by one.
struct Arrays<'a> {
    kind: &'static str,
    left: BTreeMap<&'a str, &'a Array>,
}

impl<'a> Arrays<'a> {
    fn new(kind: &'static str, arrays: &'a NamedArrays) -> Result<Self> {
        let mut left = BTreeMap::new();
        for (name, array) in &arrays.0 {
            if left.insert(name.as_str(), array).is_some() {
                return Err(wrong(kind, name, "is there twice"));
            }
        }
        Ok(Self { kind, left })
    }

    fn find(&mut self, name: &str) -> Result<&'a Array> {
        self.left.remove(name).ok_or_else(|| wrong(self.kind, name, "is missing"))
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let array = self.find(name)?;
        if array.shape != shape {
            let found = format!("has shape {:?}", array.shape);
            return Err(wrong(self.kind, name, &found).expected(format!("{shape:?}")));
        }
        match &array.values {
            Values::F32(values) if values.len() == shape.iter().product::<usize>() => {
                Ok(values.clone())
            }
            _ => {
                Err(wrong(self.kind, name, "has another type or length").expected("f32"))
            }
        }
    }

    fn take_count(&mut self, name: &str) -> Result<i64> {
        match (&self.find(name)?.values, self.kind) {
            (Values::I64(values), _) if values.len() == 1 => Ok(values[0]),
            (_, kind) => Err(wrong(kind, name, "is no count").expected("one i64")),
        }
    }

    fn finish(self) -> Result<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(wrong(self.kind, name, "does not belong to the net")),
        }
    }
}

fn wrong(kind: &str, name: &str, found: &str) -> Error {
    Error::new(ErrorKind::Data, format!("{kind} `{name}`"), found)
}

#[cfg(test)]
mod tests {
    use super::super::{Engine, Update};
    use super::*;
    use crate::net::{Net, NetConfig, Shape, initial_weights};

    fn net() -> Net {
        let input = Shape { channels: 1, height: 8, width: 8 };
        NetConfig::cnn5(1).build(input, 3)
    }

    #[test]
    fn weights_pass_through_unchanged() {
        let weights = initial_weights(&net(), 3);
        assert_eq!(Engine::new(&net(), &weights).unwrap().weights(), weights);
    }

    #[test]
    fn wrong_weights_are_refused_by_name() {
        type Members = Vec<(String, Array)>;
        let weights = initial_weights(&net(), 3);
        let message = |change: &dyn Fn(&mut Members)| {
            let mut changed = weights.clone();
            change(&mut changed.0);
            Engine::new(&net(), &changed).unwrap_err().to_string()
        };
        assert_eq!(message(&|w| drop(w.remove(0))), "weight `conv1.weight` is missing");
        assert_eq!(
            message(&|w| w.push(("x".into(), w[0].1.clone()))),
            "weight `x` does not belong to the net"
        );
        assert_eq!(
            message(&|w| w[1].1.shape = vec![1, 1]),
            "weight `conv1.bias` has shape [1, 1]; expected [1]"
        );
    }

    #[test]
    fn optimizer_state_is_put_back_exactly() {
        let images: Vec<f32> = (0..4 * 64).map(|i| (i * 7 % 13) as f32).collect();
        let sgd =
            Update::Sgd { lr: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: true };
        let (betas, eps) = ([0.9, 0.999], 1e-8);
        let adam =
            Update::Adam { lr: 0.01, betas, eps, weight_decay: 0.0, decoupled: false };
        for update in [sgd, adam] {
            let mut whole = Engine::new(&net(), &initial_weights(&net(), 0)).unwrap();
            let step = |engine: &mut Engine| {
                engine.gradients(&images, &[0, 1, 2, 0]);
                engine.update(&update);
            };
            step(&mut whole);
            let mut resumed = Engine::new(&net(), &whole.weights()).unwrap();
            resumed.set_optimizer_state(&whole.optimizer_state()).unwrap();
            step(&mut whole);
            step(&mut resumed);
            assert_eq!(whole.weights(), resumed.weights());
            assert_eq!(whole.optimizer_state(), resumed.optimizer_state());
        }
    }

    #[test]
    fn foreign_optimizer_state_is_refused() {
        let mut engine = Engine::new(&net(), &initial_weights(&net(), 0)).unwrap();
        let array = Array { shape: vec![], values: Values::I64(vec![1]) };
        let state = NamedArrays(vec![("step".into(), array)]);
        assert!(engine.set_optimizer_state(&state).is_err());
    }
}
