//! The updates as `torch.optim` documents them.

use super::*;

#[test]
fn optimizers_follow_torch_optim() {
    let net = Chain::new(1, 1, 1).end(2);
    let names = ["fc.weight", "fc.bias"];
    let (images, labels) = (vec![1.0, 3.0], vec![0, 1]);
    let (betas, eps) = ([0.8, 0.9], 1e-8);
    for update in [
        Update::Sgd { lr: 0.1, momentum: 0.0, weight_decay: 0.1, nesterov: false },
        Update::Sgd { lr: 0.1, momentum: 0.9, weight_decay: 0.1, nesterov: false },
        Update::Sgd { lr: 0.1, momentum: 0.9, weight_decay: 0.1, nesterov: true },
        Update::Adam { lr: 0.1, betas, eps, weight_decay: 0.1, decoupled: false },
        Update::Adam { lr: 0.1, betas, eps, weight_decay: 0.1, decoupled: true },
    ] {
        let mut engine = Engine::new(&net, &initial_weights(&net, 0)).unwrap();
        let mut values = parameters(&engine.weights());
        let mut memory: Vec<[f64; 2]> = vec![[0.0; 2]; 4];
        for step in 1..=3 {
            let mut reference = Reference::new(&net, values.clone(), 2);
            reference.training = true;
            let gradients = reference.backward(&reference.forward(&images), &labels);
            let mut memory = memory.iter_mut();
            for name in names {
                let pairs =
                    values.get_mut(name).unwrap().iter_mut().zip(&gradients[name]);
                for ((w, &g), memory) in pairs.zip(&mut memory) {
                    torch_step(&update, step, w, g, memory);
                }
            }
            engine.gradients(&images, &labels);
            engine.update(&update);
        }
        for (name, array) in &engine.weights().0 {
            assert_close(name, floats(array), &values[name], 1e-6);
        }
    }
}

/// One scalar's step as the documentation of `torch.optim` writes it.
fn torch_step(
    update: &Update,
    step: i32,
    w: &mut f64,
    mut g: f64,
    memory: &mut [f64; 2],
) {
    match *update {
        Update::Sgd { lr, momentum, weight_decay, nesterov } => {
            g += weight_decay * *w;
            memory[0] = momentum * memory[0] + g;
            *w -= lr * if nesterov { g + momentum * memory[0] } else { memory[0] };
        }
        Update::Adam { lr, betas, eps, weight_decay, decoupled } => {
            if decoupled {
                *w -= lr * weight_decay * *w;
            } else {
                g += weight_decay * *w;
            }
            memory[0] = betas[0] * memory[0] + (1.0 - betas[0]) * g;
            memory[1] = betas[1] * memory[1] + (1.0 - betas[1]) * g * g;
            let m = memory[0] / (1.0 - betas[0].powi(step));
            let v = memory[1] / (1.0 - betas[1].powi(step));
            *w -= lr * m / (v.sqrt() + eps);
        }
    }
}
