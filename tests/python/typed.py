"""What a type checker sees of the package: `mypy --strict tests/python/typed.py`. Never run."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import stratagram
import stratagram.hf
import stratagram.lightning
import torch


def records(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    planes = stratagram.Planes.through(x, y, triplets=3, resolution=4)
    assert_type(planes, stratagram.Planes)
    assert_type(planes[0], npt.NDArray[np.float32])
    probes = stratagram.Probes(x, y, x, y, l2=1e-2)
    with stratagram.Recorder(model, Path("run"), ["fc"], x, planes=planes, probes=probes) as rec:
        assert_type(rec, stratagram.Recorder)
        assert_type(rec.log(epoch=1, step=2, train_acc=0.5, test_error=None), float)
        assert_type(rec.last_step, int | None)
        assert_type(rec.layers, list[str])
    with stratagram.Recording("run", ["fc"], {"test": range(9)}) as recording:
        assert_type(recording.log(epoch=0.5, step=2, activations={"fc": x}), float)
    assert_type(stratagram.signature(x), npt.NDArray[np.float32])
    stratagram.lightning.Callback("run", "net.*", x, model="net", every=2)
    stratagram.hf.Callback("run", examples=x, train=[x], every="epoch")
    rec = stratagram.record_checkpoints(
        lambda name: model, ["step0", "step8"], "run", "blocks", x, steps_per_epoch=8)
    assert_type(rec, stratagram.Recorder)
    assert_type(stratagram.Recorder.presets(model), dict[str, list[str]])
    stratagram.Recorder("run", model)  # type: ignore[arg-type]


def reads(path: Path) -> None:
    run = stratagram.open(path)
    assert_type(run, stratagram.Run)
    matrix = run.matrix("fc", "cka", group="test")
    assert_type(matrix, stratagram.Matrix)
    assert_type(matrix.epochs, npt.NDArray[np.float64])
    assert_type(run.matrices(), dict[str, stratagram.Matrix])
    assert_type(run.steps, npt.NDArray[np.int64])
    assert_type(run.layer_order, list[str])
    assert_type(run.curves, dict[str, npt.NDArray[Any]])
    assert_type(run.findings, dict[str, Any] | None)
    assert_type(run.figures["headline"], stratagram.Figure)
    assert_type(run.page, stratagram.Page)
    run.plot("fc", ax=None, cmap="magma").axvline(3)
    stratagram.publish(run, to="wandb", project="mine")
    assert_type(stratagram.compare([run, path], by="net.width"), stratagram.Comparison)
    run.matrix(3)  # type: ignore[arg-type]
    run.matricees()  # type: ignore[attr-defined]
