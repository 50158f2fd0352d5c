"""Parquet files as Hugging Face's library lays them out, and what is in them.

Python 3.11.7, pyarrow 26.0.1, Pillow 13.0.0, numpy 2.4.6. Pictures are drawn by formula, so the files are
free of anyone's rights.
"""
import io
import json
import sys
from pathlib import Path

import numpy as np
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).parent


def picture(i, channels):
    """Smooth waves: JPEG keeps them within a few levels."""
    y, x = np.mgrid[0:16, 0:16] / 16
    waves = [np.sin(2 * np.pi * ((i % 5 + 1) * x / 3 + c * y / 2 + i / 7)) for c in range(channels)]
    return np.clip(127.5 + 100 * np.stack(waves, -1), 0, 255).astype(np.uint8)


def encoded(pixels, form):
    buffer = io.BytesIO()
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    image.save(buffer, form, **({"quality": 90} if form == "JPEG" else {}))
    return buffer.getvalue()


def write(name, column, label, form, channels, n, first, label_type=pa.int64(), gray=(), coarse=False,
          **options):
    files = [encoded(picture(i, 1 if i in gray else channels), form) for i in range(first, first + n)]
    labels = [(3 * i) % 10 for i in range(first, first + n)]
    table = pa.table({
        column: pa.array([{"bytes": b, "path": f"{i}.x"} for i, b in enumerate(files)],
                         pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        label: pa.array(labels, label_type),
        **({"coarse_label": pa.array([i % 2 for i in labels])} if coarse else {}),
    })
    names = [f"class {i}" for i in range(10)]
    features = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, **options)
    mode = "RGB" if channels == 3 else "L"
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(b)).convert(mode)).reshape(16, 16, channels)
                       for b in files])
    return pixels.transpose(0, 3, 1, 2), np.array(labels)


SETS = {
    # zstd, several row groups, two training files
    "jpeg": ("img", "label", "JPEG", 3, dict(compression="zstd", row_group_size=5)),
    # snappy (the library's default), tiny pages
    "png": ("image", "label", "PNG", 1, dict(compression="snappy", data_page_size=300, write_batch_size=4)),
    # pages of version 2, gzip, no dictionary
    "gzip": ("img", "fine_label", "PNG", 3,
             dict(compression="gzip", data_page_version="2.0", use_dictionary=False)),
    "plain": ("image", "label", "JPEG", 1, dict(compression="none")),
    # labels that pandas made floats
    "float": ("image", "label", "PNG", 1, dict(compression="snappy", label_type=pa.float64())),
    # the columns of uoft-cs/cifar100 on the Hub
    "cifar100": ("img", "fine_label", "PNG", 3, dict(compression="snappy", coarse=True)),
    # the columns of zh-plus/tiny-imagenet on the Hub; some of its pictures are gray
    "tiny-imagenet": ("image", "label", "JPEG", 3, dict(compression="snappy", gray=(0, 4, 5, 18, 41))),
}

# What is not read.
REFUSED = ["lz4", "brotli"]


def main():
    print(sys.version, pa.__version__, PIL.__version__, np.__version__)
    for name, (column, label, form, channels, options) in SETS.items():
        parts = [write(f"{name}/train-0000{k}-of-00002.parquet", column, label, form, channels,
                       n, first, **options) for k, (n, first) in enumerate([(12, 0), (7, 12)])]
        test = write(f"{name}/test-00000-of-00001.parquet", column, label, form, channels, 4, 40, **options)
        np.savez(HERE / name / "expected.npz",
                 train_images=np.concatenate([p[0] for p in parts]),
                 train_labels=np.concatenate([p[1] for p in parts]),
                 test_images=test[0], test_labels=test[1])
    for name in REFUSED:
        for part in ["train", "test"]:
            write(f"{name}/{part}-00000-of-00001.parquet", "image", "label", "PNG", 1, 2, 0, compression=name)


main()
