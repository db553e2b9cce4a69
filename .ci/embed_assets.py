"""Make the embedded network files of src/ganinvert/assets from the developers' shared assets.

Usage: python .ci/embed_assets.py SHARED_ASSETS_FOLDER

The self-expression matrix of the embedded generator and the masks for R = 6 are learned here too, with the
default discovery settings. The same content has the same digest, but not the same bytes: safetensors orders its header
at random. Commit only files whose content has changed.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import torch

from ganinvert import paths
from ganinvert.generators import load_generator, read_generator
from ganinvert.settings import DISCOVERY, PmSFC
from ganinvert.settings.common import DEFAULT_GENERATOR
from ganinvert.subspaces import learn_self_expression
from ganinvert.subspaces.clustering import cluster_channels
from ganinvert.weights import TensorFile

VGG_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14)


def main(shared: Path) -> None:
    """Write every embedded file."""
    generator = read_generator(shared / "portraits64" / "generator.pth")
    TensorFile(
        generator.state_dict(),
        {
            "kind": "pggan-generator",
            "name": DEFAULT_GENERATOR,
            "licence": "MIT; trained on CC BY 3.0, CC0 and public domain photographs, credits in portraits-credits.csv",
            "origin": "portraits of public officials (UK Parliament, US Congress, CC0 collections), 64 px",
        },
    ).save(paths.embedded(f"{DEFAULT_GENERATOR}.safetensors"))
    vgg = torch.load(shared / "perceptual" / "vgg16_features.fp16.pth", weights_only=True)
    keep = {f"features.{n}." for n in VGG_CONVOLUTIONS}
    torchvision = {
        "licence": "BSD-3-Clause",
        "origin": "torchvision, ImageNet-1k V1 weights, rounded to float16",
    }
    TensorFile(
        {key: tensor for key, tensor in vgg.items() if key.rpartition(".")[0] + "." in keep},
        {"kind": "vgg16-conv1_1-conv3_3", **torchvision},
    ).save(paths.embedded("vgg16.safetensors"))
    alexnet = torch.load(shared / "perceptual" / "alexnet_features.fp16.pth", weights_only=True)
    TensorFile(alexnet, {"kind": "alexnet-convolutions", **torchvision}).save(paths.embedded("alexnet.safetensors"))
    cascade = {
        f"{name}.{key}": tensor.half()
        for name in ("pnet", "rnet", "onet")
        for key, tensor in torch.load(shared / "landmarks" / f"{name}.pt", weights_only=True).items()
    }
    TensorFile(
        cascade,
        {
            "kind": "mtcnn",
            "licence": "MIT",
            "origin": "facenet-pytorch (Tim Esler), after David Sandberg and the authors of MTCNN, rounded to float16",
        },
    ).save(paths.embedded("mtcnn.safetensors"))
    _credits(shared / "portraits" / "portraits128.csv", paths.embedded("portraits-credits.csv"))
    expression = learn_self_expression(load_generator(), DISCOVERY["default"])
    stem = f"{DEFAULT_GENERATOR}.layer{expression.layer}.self-expression"
    expression.save(paths.embedded(f"{stem}.safetensors"))
    defaults = PmSFC()
    partition = cluster_channels(expression.matrix, defaults.subspaces, kind=defaults.affinity)
    partition.save(paths.embedded(f"{stem}.R{defaults.subspaces}.{defaults.affinity}.masks.safetensors"))


def _credits(source: Path, target: Path) -> None:
    with source.open(newline="") as read, target.open("w", newline="") as write:
        rows = csv.DictReader(read)
        writer = csv.DictWriter(write, ["source", "licence", "credit"], extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["colour"] == "yes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
