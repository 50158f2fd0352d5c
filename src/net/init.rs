//! PyTorch's default initialization: uniform on ±`1/√fan_in` for the weights and biases of
//! convolutions and linear layers; normalizations start as the identity. Class token and
//! positions are normal with variance 1 (`torch.randn`), as in lucidrains' `vit.py`.

use rand::RngExt;

use super::node::{Net, Parameter, Role};
use crate::array_file::{Array, NamedArrays, Values};
use crate::seed;

/// The initial `state_dict` of `net` under `seed`; each parameter has its own random stream,
/// so adding a layer leaves the others as they are.
pub fn initial_weights(net: &Net, seed: u64) -> NamedArrays {
    let named = |p: Parameter| (p.name.clone(), initial_parameter(&p, seed));
    NamedArrays(net.parameters().into_iter().map(named).collect())
}

fn initial_parameter(parameter: &Parameter, seed: u64) -> Array {
    let size: usize = parameter.shape.iter().product();
    let values = match parameter.role {
        Role::Dense { fan_in } => {
            let bound = (1.0 / (fan_in as f64).sqrt()) as f32;
            let mut rng = seed::stream(seed, &format!("init/{}", parameter.name), 0);
            Values::F32((0..size).map(|_| rng.random_range(-bound..=bound)).collect())
        }
        Role::Token => {
            let mut rng = seed::stream(seed, &format!("init/{}", parameter.name), 0);
            let mut pair = || {
                // Box and Muller: u in (0, 1], so that the logarithm is finite.
                let [u, v] = [(); 2].map(|()| rng.random_range(0.0..1.0_f64));
                let (sin, cos) = (std::f64::consts::TAU * v).sin_cos();
                let radius = (-2.0 * (1.0 - u).ln()).sqrt();
                [(radius * cos) as f32, (radius * sin) as f32]
            };
            let mut values: Vec<f32> =
                (0..size.div_ceil(2)).flat_map(|_| pair()).collect();
            values.truncate(size);
            Values::F32(values)
        }
        Role::Scale | Role::RunningVar => Values::F32(vec![1.0; size]),
        Role::Shift | Role::RunningMean => Values::F32(vec![0.0; size]),
        Role::BatchesTracked => Values::I64(vec![0]),
    };
    Array { shape: parameter.shape.clone(), values }
}
