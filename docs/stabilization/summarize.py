"""When do layers stop changing, and does the learning rate decide? python summarize.py RUNS"""

import sys
from pathlib import Path

import numpy as np

import stratagram

TAU, K = 0.02, 5  # stable: CKA to the checkpoint before is at least 1 - TAU, K times in a row


def stable_from(epoch, to_previous):
    calm = to_previous[1:] >= 1 - TAU
    first = [i for i in range(len(calm) - K + 1) if calm[i:i + K].all()]
    return epoch[first[0]] if first else np.nan


def rows(table, **where):
    chosen = np.logical_and.reduce([table[name] == value for name, value in where.items()])
    return {name: column[chosen] for name, column in table.items()}


def measure(run, layer):
    to_others, collapse = run.table("convergence"), run.table("collapse")
    cka, drs = (rows(to_others, layer=layer, measure=own, group="test") for own in ("cka", "drs"))
    nc = {name: column[-1] for name, column in rows(collapse, layer=layer, group="train-clean").items()}
    return {"stable from": stable_from(cka["epoch"], cka["to_previous"]),
            "CKA to last": np.nanmean(cka["to_final"]), "to future": np.nanmean(cka["mean_future"]),
            "DRS to last": np.nanmean(drs["to_final"]), "NC1": nc["nc1"], "NC2": nc["nc2_simplex"],
            "NC3": nc["nc3"], "NC4": nc["nc4"], "probe": run.probes[layer]["test_accuracy"][-1]}


rates = {}
for folder in sorted(Path(sys.argv[1]).glob("optimizer.lr-*_seed-*")):
    rates.setdefault(folder.name.split("_")[0], []).append(stratagram.open(folder))
for rate, seeds in rates.items():
    print(f"\n{rate}: mean ± standard deviation over {len(seeds)} seeds")
    for layer in [layer for layer in seeds[0].layers if layer in seeds[0].probes]:
        found = [measure(run, layer) for run in seeds]
        values = {name: [one[name] for one in found] for name in found[0]}
        print(f"{layer:8}", *(f"{name} {np.mean(own):.3g} ± {np.std(own, ddof=1):.2g}"
                              for name, own in values.items() if not np.isnan(own).any()), sep="  ")
comparison = stratagram.compare([run for seeds in rates.values() for run in seeds],
                                by="optimizer.lr", out=Path(sys.argv[1]) / "comparison")
print(f"\nall endpoints, rate against rate: {comparison.folder / 'index.html'}")
