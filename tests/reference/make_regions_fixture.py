#!/usr/bin/env python3
"""Planes, decisions and their comparison from the definitions: writes regions.json.

    pip install -r tests/reference/requirements.txt
    python tests/reference/make_regions_fixture.py

Triplets, planes and the agreement of two classifiers are worked out as the public code of
Somepalli et al. 2022 defines them (Python's own generator, numpy in float64); kappa, intersection
over union and connected components come from scikit-learn, scipy and scikit-image. Nothing here
uses stratagram.
"""

import json
import random
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage import measure
from sklearn.metrics import cohen_kappa_score, jaccard_score

N_IMAGES, N_PIXELS, N_CLASSES = 60, 12, 5
N_PLANES, SIDE, MARGIN, SEED = 7, 16, 0.1, 1


def triplet(labels, seed, first=None, distinct=True):
    random.seed(a=seed, version=2)
    accepted = []
    if first is not None:
        accepted.append(first[random.randint(0, len(first) - 1)])
    while len(accepted) < 3:
        index = random.randint(0, len(labels) - 1)
        if not distinct or labels[index] not in [labels[i] for i in accepted]:
            accepted.append(index)
    return accepted


def plane(x1, x2, x3):
    """Unit vectors and the coordinates of the three images."""
    a, b = x2 - x1, x3 - x1
    length = np.sqrt(a @ a)
    a = a / length
    c1 = a @ b
    b = b - c1 * a
    b = b / np.sqrt(b @ b)
    c2 = (x3 - x1) @ b
    return a, b, [(0.0, 0.0), (length, 0.0), (c1, c2)]


def grid(x1, a, b, coordinates):
    axes = []
    for values in zip(*coordinates):
        low, high = min(values), max(values)
        extra = MARGIN * (high - low)
        axes.append(np.linspace(low - extra, high + extra, SIDE))
    u, v = (axis.flatten() for axis in np.meshgrid(*axes, indexing="ij"))
    return x1 + u[:, None] * a + v[:, None] * b, u, v


def inside(u, v, coordinates):
    """By the signs of three cross products."""
    signs = []
    for k in range(3):
        (x, y), (z, w) = coordinates[k], coordinates[(k + 1) % 3]
        signs.append((z - x) * (v - y) - (w - y) * (u - x))
    return np.all(np.array(signs) >= 0, axis=0)


def logits(net, points):
    hidden = np.tanh(points @ net["first"].T)
    return hidden @ net["second"].T


def components(classes):
    """Over all classes; two libraries agree."""
    count = 0
    for c in np.unique(classes):
        count += ndimage.label(classes == c, structure=np.ones((3, 3)))[1]
    # scikit-image labels equal neighbours of all classes at once; 0 would be background.
    assert count == measure.label(classes.astype(int) + 1, connectivity=2).max()
    return count


def main():
    generator = np.random.default_rng(5)
    # Multiples of 1/64 are exact in float32 and short in decimal.
    sixty_fourths = lambda shape: np.round(generator.normal(size=shape) * 64) / 64
    images = sixty_fourths((N_IMAGES, N_PIXELS))
    labels = generator.integers(0, N_CLASSES, N_IMAGES)
    first = sorted(generator.choice(N_IMAGES, 9, replace=False).tolist())
    nets = []
    weights = [sixty_fourths((20, N_PIXELS)), sixty_fourths((N_CLASSES, 20))]
    for change in [0.0, 0.25]:
        moved = [w + change * sixty_fourths(w.shape) for w in weights]
        nets.append(dict(zip(["first", "second"], [np.round(w * 256) / 256 for w in moved])))
    triplets = [triplet(labels, SEED + r) for r in range(N_PLANES)]
    points, coordinates, within = [], [], []
    for i, j, k in triplets:
        a, b, places = plane(images[i], images[j], images[k])
        found, u, v = grid(images[i], a, b, places)
        points.append(found)
        coordinates.append(places)
        within.append(inside(u, v, places))
    points, within = np.concatenate(points), np.concatenate(within)
    scores = [logits(net, points) for net in nets]
    for score in scores:
        # No point is near a boundary, where rounding decides.
        top = np.sort(score, axis=1)
        assert (top[:, -1] - top[:, -2]).min() > 1e-5, (top[:, -1] - top[:, -2]).min()
    a, b = (score.argmax(axis=1) for score in scores)
    agreement = (a == b).reshape(N_PLANES, -1).mean(axis=1)
    used = sorted(set(a) | set(b))
    maps = []
    for side, n_classes in [(2, 2), (9, 2), (24, 3), (31, 6), (40, 10)]:
        noise = generator.normal(size=(n_classes, side, side))
        smooth = np.array([ndimage.gaussian_filter(n, side / 16) for n in noise])
        classes = smooth.argmax(axis=0)
        maps.append({"side": side, "classes": classes.flatten().tolist(),
                     "components": int(components(classes))})
    fixture = {
        "images": images.tolist(), "labels": labels.tolist(), "first": first,
        "seed": SEED, "margin": MARGIN, "side": SIDE, "n_classes": N_CLASSES,
        "nets": [{name: w.tolist() for name, w in net.items()} for net in nets],
        "triplets": triplets,
        "triplets_any_class": [triplet(labels, SEED + r, distinct=False)
                               for r in range(N_PLANES)],
        "triplets_first": [triplet(labels, SEED + r, first=first) for r in range(N_PLANES)],
        "coordinates": coordinates,
        "point_7": points[7].tolist(),
        "classes": [a.tolist(), b.tolist()],
        "agreement": (a == b).mean(),
        "se": agreement.std(ddof=1) / np.sqrt(N_PLANES),
        "kappa": cohen_kappa_score(a, b),
        "iou": jaccard_score(a, b, labels=used, average="macro"),
        "class_iou": [jaccard_score(a, b, labels=[c], average="macro") if c in used else None
                      for c in range(N_CLASSES)],
        "inside": (a == b)[within].mean(), "outside": (a == b)[~within].mean(),
        "maps": maps,
    }
    path = Path(__file__).parent / "regions.json"
    path.write_text(json.dumps(fixture) + "\n")
    print(path, path.stat().st_size, "bytes; agreement", fixture["agreement"])


if __name__ == "__main__":
    main()
