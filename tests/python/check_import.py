"""Imports checkpoints of torchvision's, timm's and transformers' models and compares what both compute.

    python -m pip install -r requirements.txt
    python check_import.py STRATAGRAM      # the program

Random weights and BatchNorm statistics are as good as trained ones for this. The signature of the
model's output over 60 images is compared; nets that are none of ours have to be refused by a
message that says why.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import safetensors.torch
import timm
import torch
import transformers
import torchvision
from stratagram import signature
from torch import nn

SIDE, CLASSES = 16, 10
GENERATOR = torch.Generator().manual_seed(0)


def small_stem(model, first):
    """A stem of 3×3 without pooling, for small images."""
    width = model.conv1.out_channels
    model.conv1 = nn.Conv2d(first, width, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def vit_of_torchvision():
    model = torchvision.models.VisionTransformer(
        image_size=SIDE, patch_size=4, num_layers=2, num_heads=3, hidden_dim=48, mlp_dim=96,
        num_classes=CLASSES)
    nn.init.normal_(model.heads.head.weight)
    return model


def vit_of_timm(**options):
    options = {"img_size": SIDE, "patch_size": 4, "embed_dim": 48, "depth": 2, "num_heads": 3,
               "mlp_ratio": 2, "num_classes": CLASSES, **options}
    model = timm.models.vision_transformer.VisionTransformer(**options)
    nn.init.normal_(model.head.weight)
    return model


class Logits(nn.Module):
    """transformers' model as a module from images to logits, under its own names."""

    def __init__(self, in_files):
        super().__init__()
        config = transformers.ViTConfig(
            image_size=SIDE, patch_size=4, hidden_size=48, num_hidden_layers=2,
            num_attention_heads=3, intermediate_size=96, num_labels=CLASSES)
        self.own = transformers.ViTForImageClassification(config)
        nn.init.normal_(self.own.classifier.weight)
        self.in_files = in_files

    def forward(self, images):
        return self.own(images).logits

    def state_dict(self):
        if not self.in_files:
            return self.own.state_dict()
        with tempfile.TemporaryDirectory() as folder:
            self.own.save_pretrained(folder)
            return safetensors.torch.load_file(Path(folder) / "model.safetensors")


VIT = "net.patch=4 net.dim=48 net.depth=2 net.heads=3 net.mlp_dim=96 net.dropout=0"
RESNET = "net.width=64"
THEIRS = f"{VIT} net.qkv_bias=true net.norm_eps=1e-6"
OF_TRANSFORMERS = f"{VIT} net.qkv_bias=true net.norm_eps=1e-12"
resnet = torchvision.models.resnet18
# What is imported, as which net with which settings, and where it differs, what the message says.
CASES = {
    "torchvision resnet18, 3×3 stem":
        (lambda: small_stem(resnet(num_classes=CLASSES), 3), "resnet18-post", RESNET, None),
    "timm resnet18, 3×3 stem":
        (lambda: small_stem(timm.create_model("resnet18", num_classes=CLASSES), 3),
         "resnet18-post", RESNET, None),
    "torchvision ViT": (vit_of_torchvision, "vit", THEIRS, None),
    "timm ViT": (vit_of_timm, "vit", THEIRS, None),
    "timm ViT without qkv bias":
        (lambda: vit_of_timm(qkv_bias=False), "vit", f"{VIT} net.norm_eps=1e-6", None),
    "torchvision resnet18":
        (lambda: resnet(num_classes=CLASSES), "resnet18-post", RESNET, "has a 7×7 stem"),
    "torchvision resnet18 as our pre-activation net":
        (lambda: small_stem(resnet(num_classes=CLASSES), 3), "resnet18", RESNET,
         "--net resnet18-post"),
    "torchvision resnet50":
        (lambda: torchvision.models.resnet50(num_classes=CLASSES), "resnet18-post", RESNET,
         "bottleneck"),
    "timm ViT with its bias, undeclared": (vit_of_timm, "vit", VIT, "add net.qkv_bias=true"),
    "timm ViT, mean of the patches":
        (lambda: vit_of_timm(global_pool="avg"), "vit", f"{THEIRS} net.pool=patches", None),
    "timm ViT, mean of the patches, undeclared":
        (lambda: vit_of_timm(global_pool="avg"), "vit", THEIRS, "add net.pool=patches"),
    "transformers ViT, as it is saved": (lambda: Logits(True), "vit", OF_TRANSFORMERS, None),
    "transformers ViT, its state_dict()": (lambda: Logits(False), "vit", OF_TRANSFORMERS, None),
    "transformers ViT without its bias": (lambda: Logits(True), "vit", VIT, "net.norm_eps=1e-12"),
    "timm ViT without a class token":
        (lambda: vit_of_timm(global_pool="avg", class_token=False), "vit", THEIRS,
         "class token"),
    "another number of classes":
        (lambda: vit_of_timm(num_classes=7), "vit", THEIRS, "`head.weight` has the shape 7×48"),
}


def settle(model):
    """BatchNorm statistics and scales that are not those of an untrained net."""
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    for name, parameter in model.named_parameters():
        if name.endswith(("qkv.bias", "in_proj_bias", "_proj.bias")):
            nn.init.normal_(parameter)
    return model.eval()


def check(program, folder, name, images):
    make, kind, settings, refusal = CASES[name]
    torch.manual_seed(1)
    model = settle(make())
    place = folder / f"case-{len(list(folder.iterdir()))}"
    place.mkdir()
    torch.save({"model": model.state_dict(), "epoch": 3}, place / "epoch-3.pth")
    words = [program, "import", place, "--net", kind, *settings.split(), "data.kind=arrays",
             f"data.path={folder / 'data.npz'}", "data.normalize=none",
             "evaluation.batchnorm=running", "analysis.n_examples=60", "analysis.groups=[\"test\"]",
             "analysis.drs={triplets=2,resolution=4}", "--out", place / "run"]
    done = subprocess.run(words, capture_output=True, text=True)
    if refusal is not None:
        assert done.returncode != 0 and refusal in done.stderr, done.stdout + done.stderr
        assert not (place / "run").exists(), "nothing is written"
        print(f"{name}: refused\n    {done.stderr.strip()}")
        return
    assert done.returncode == 0, done.stderr
    subprocess.run([program, "analyze", place / "run"], check=True, capture_output=True)
    chosen = numpy.load(place / "run/labels.npz")["examples_test"]
    with torch.no_grad():
        expected = signature(model(images[chosen]).double().numpy())
    last = "head" if kind == "vit" else "linear"
    found = numpy.load(place / f"run/signatures/cka/test/{last}.npy")[0]
    difference = numpy.abs(expected - found).max()
    assert difference < 1e-5, f"{name}: signatures differ by {difference}"
    print(f"{name}: signatures of the output differ by {difference:.1e}")


def main():
    program = Path(sys.argv[1]).resolve()
    images = torch.randn(80, 3, SIDE, SIDE, generator=GENERATOR)
    labels = numpy.arange(80) % CLASSES
    with tempfile.TemporaryDirectory() as folder:
        numpy.savez(Path(folder) / "data.npz", train_images=images.numpy(), train_labels=labels,
                    test_images=images.numpy(), test_labels=labels)
        for name in CASES:
            check(program, Path(folder), name, images)


if __name__ == "__main__":
    main()
