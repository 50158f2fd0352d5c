"""A readout of each row's own: whether an error comes from the representation or its readout.

The layer before the model's last one is a representation; the last layer, trained along with it,
is one readout of it. A linear probe of the same representation, fitted to its optimum for each
row, is a readout without a history: where the model's test error rises and that of the probe
does not, the rise is in the readout (cf. arXiv:2605.27078).
"""

from __future__ import annotations

import math

import torch

from .._signature import Undefined


class Readout:
    """Refits the readout of ``capture``'s model on what its last layer is given."""

    def __init__(self, probes, images, capture):
        self._probes, self._images, self._capture = probes, images, capture
        self.layer = None

    def find(self, examples):
        """The last layer: of the modules with weights of their own, the one that runs last."""
        ran = []
        with self._capture.hooked({name: _noted(name, ran) for name in self._weighted()}):
            self._capture.forward(examples)
        if not ran:
            raise ValueError("readout: no module with weights runs in the model's forward")
        self.layer = ran[-1]

    def about(self):
        """What a recording keeps of it."""
        return {"layer": self.layer, **self._probes.about()}

    def fit(self, tested):
        """Columns of history.csv, the fractions of images that the refitted readout gets wrong; and its
        answers to the images ``tested``, or why there are none.
        """
        features = [self._features(images) for images in self._images]
        try:
            probe = self._probes.fit(*features)
        except Undefined as reason:
            return self._errors([math.nan] * 10), reason
        is_own = tested is self._images[1]
        return self._errors(probe.row), probe.classes(features[1] if is_own else self._features(tested))

    def _features(self, images):
        taken = self._capture.activations(
            [self.layer], images, self._capture.pooled(self._probes), part=lambda inputs, _output: inputs[0])
        return taken[self.layer].cpu().numpy()

    def _errors(self, row):
        errors = {"readout_train_error": 1 - row[7], "readout_test_error": 1 - row[9]}
        if self._probes.true_labels is not self._probes.labels:
            errors["readout_train_error_true"] = 1 - row[8]
        return {name: round(float(value), 12) for name, value in errors.items()}

    def _weighted(self):
        return [name for name, module in self._capture.modules().items()
                if next(module.parameters(recurse=False), None) is not None]


def _noted(name, ran):
    def hook(_module, inputs, _output):
        if inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].is_floating_point():
            ran.append(name)
    return hook
