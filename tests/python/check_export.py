"""Opens what `stratagram export` writes with the tools that it is written for.

    python -m pip install -r requirements.txt
    python check_export.py STRATAGRAM      # the program; makes a small run and exports it

Also reads small.parquet, whose bytes the Rust tests expect of the writer.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import pandas
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "reference"))
from nets import build  # noqa: E402

SETTINGS = ["net.width=2", "train.epochs=3", "data.n_train=200", "data.n_test=50",
            "analysis.n_examples=20", "analysis.drs.triplets=2", "analysis.drs.resolution=4"]
# Each net with the names of its settings, and how nets.py builds it.
NETS = [("cnn5", [], 2), ("resnet18", [], 2), ("resnet18-post", [], 2),
        ("resnet-cifar", ["net.depth=8"], (8, 2))]


def check_small():
    table = pandas.read_parquet(HERE / "small.parquet")
    text = pandas.read_csv(HERE / "small.csv")
    assert list(table.columns) == list(text.columns)
    assert table["step"].dtype == "int64" and table["value"].dtype == "float64"
    assert table["layer"].tolist() == ["fc", "conv,1", "läyer"]
    assert table["reason"].isna().tolist() == [True, False, True]
    assert numpy.allclose(table["value"], text["value"], equal_nan=True)


def check_run(program, folder, kind, more, config):
    run = folder / kind
    words = [f"net.kind={kind}", *SETTINGS, *more, "--out", run]
    subprocess.run([program, "run", *words], check=True, capture_output=True)

    def export(to):
        out = folder / f"{kind}-{to}"
        subprocess.run([program, "export", run, "--to", to, "--out", out], check=True,
                       capture_output=True)
        return out

    checkpoints = sorted(export("safetensors").glob("*.safetensors"))
    assert checkpoints
    for checkpoint in checkpoints:
        net = build(kind, config, [1, 8, 8], 0, torch.float32)
        net.load_state_dict(load_file(checkpoint), strict=True)
    arrays = numpy.load(export("npz") / "matrices.npz")
    n = len(arrays["step"])
    for name in arrays.files:
        if "/" in name:
            own = numpy.load(run / "matrices" / f"{name}.npy")
            assert arrays[name].shape == (n, n)
            assert numpy.array_equal(arrays[name], own, equal_nan=True), name
    csv, parquet = export("csv"), export("parquet")
    for table in ["history", "matrices", "probes"]:
        a = pandas.read_csv(csv / f"{table}.csv")
        b = pandas.read_parquet(parquet / f"{table}.parquet")
        assert list(a.columns) == list(b.columns) and len(a) == len(b) > 0
        for column in a.columns:
            if b[column].dtype.kind in "if":
                same = numpy.allclose(a[column].astype(float), b[column], rtol=1e-12,
                                      equal_nan=True)
                assert same, (table, column)
            else:
                assert (a[column].isna() == b[column].isna()).all(), (table, column)
    events = EventAccumulator(str(export("tensorboard")), size_guidance={"images": 0})
    events.Reload()
    history = pandas.read_csv(run / "history.csv")
    scalars = events.Scalars("history/test_error")
    assert [e.step for e in scalars] == history["step"].tolist()
    assert numpy.allclose([e.value for e in scalars], history["test_error"], atol=1e-7)
    pictures = events.Tags()["images"]
    assert len(pictures) == sum("/" in name for name in arrays.files)
    image = events.Images(pictures[0])[0]
    assert image.encoded_image_string[:8] == b"\x89PNG\r\n\x1a\n" and image.width > 0
    print(kind, len(checkpoints), "checkpoints,", len(pictures), "pictures,",
          len(events.Tags()["scalars"]), "scalars: ok")


def main():
    program = Path(sys.argv[1]).resolve()
    check_small()
    with tempfile.TemporaryDirectory() as folder:
        for kind, more, config in NETS:
            check_run(program, Path(folder), kind, more, config)


if __name__ == "__main__":
    main()
