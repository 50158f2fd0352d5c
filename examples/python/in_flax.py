"""A training with flax.nnx, recorded from arrays: pip install stratagram flax optax"""
import jax
import numpy as np
import optax
from flax import nnx

import stratagram

class Classifier(nnx.Module):
    def __init__(self, rngs):
        self.first, self.second = nnx.Linear(20, 32, rngs=rngs), nnx.Linear(32, 32, rngs=rngs)
        self.head = nnx.Linear(32, 4, rngs=rngs)
    def __call__(self, x):
        """All layers by name, the last one being the scores."""
        first = nnx.relu(self.first(x))
        second = nnx.relu(self.second(first))
        return {"first": first, "second": second, "head": self.head(second)}

@nnx.jit
def train_step(model, optimizer, x, y):
    def loss(model):
        return optax.softmax_cross_entropy_with_integer_labels(model(x)["head"], y).mean()
    optimizer.update(model, nnx.grad(loss)(model))

def error(model, x, y):
    return (model(x)["head"].argmax(1) != y).mean()

x = jax.random.normal(jax.random.key(0), (600, 20))
y = x[:, :4].argmax(1)
model = Classifier(nnx.Rngs(1))
optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
with stratagram.Recording("runs/flax", ["first", "second", "head"], {"test": range(400, 600)}) as rec:
    for epoch in range(9):
        rec.log(epoch=epoch, step=10 * epoch, activations=model(x[400:]),
                train_error=error(model, x[:400], y[:400]), test_error=error(model, x[400:], y[400:]))
        for batch in np.array_split(np.random.default_rng(epoch).permutation(400), 10):
            train_step(model, optimizer, x[batch], y[batch])
