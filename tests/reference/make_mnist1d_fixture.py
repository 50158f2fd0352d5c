"""Makes mnist1d.json: signals of MNIST-1D for given random draws, by numpy and scipy.

    python -m pip install -r requirements.txt
    python make_mnist1d_fixture.py

The recipe is that of Greydanus 2020 (arXiv:2011.14439, github.com/greydanus/mnist1d). The draws
are stored beside the signals, so that another implementation can repeat them.
"""

import json
from pathlib import Path

import numpy as np
from scipy.interpolate import interp1d
from scipy.ndimage import gaussian_filter

CURVES = np.array([
    [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
    [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
    [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
    [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
    [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
    [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
    [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
    [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
    [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
    [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
])


def resampled(values, n):
    line = interp1d(np.linspace(0, 1, len(values)), values, kind="linear")
    return line(np.linspace(0, 1, n))


def signal(curve, draws):
    x = np.concatenate([curve + 1e-8, np.zeros(draws["padding"])])
    x = resampled(x, 72) * draws["scale"]
    x = np.roll(x, draws["rotation"])
    noise = gaussian_filter(0.25 * np.array(draws["correlated"]), 2)
    x = np.where(x != 0, x, noise) + 0.02 * np.array(draws["independent"])
    x = x - draws["shear"] * np.linspace(-0.5, 0.5, 72)
    return resampled(x, 40)


def main():
    rng = np.random.default_rng(0)
    curves = CURVES - CURVES.mean(1, keepdims=True)
    curves /= curves.std(1, keepdims=True)
    curves = (curves - curves[:, :1]) / 6
    cases = []
    for number in range(20):
        draws = {
            "padding": [36, 60, int(rng.integers(36, 61))][min(number // 2, 2)],
            "scale": rng.uniform(0.8, 1.2),
            "rotation": [0, 47, int(rng.integers(48))][min(number // 2, 2)],
            "correlated": list(rng.standard_normal(72)),
            "independent": list(rng.standard_normal(72)),
            "shear": rng.uniform(-0.375, 0.375),
        }
        found = signal(curves[number % 10], draws)
        cases.append({"class": number % 10, "draws": draws, "signal": list(found)})
    Path(__file__).with_name("mnist1d.json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
