"""Real files of the developers' shared assets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganinvert import paths
from ganinvert.generators import load_generator
from ganinvert.generators.checks import fingerprint
from ganinvert.weights import TensorFile, read_perceptual
from ganinvert.weights.catalog import CONVOLUTIONS

pytestmark = pytest.mark.shared


def test_the_shared_genforce_checkpoint_gives_its_images(assets: Path) -> None:
    folder = assets / "portraits64"
    generator = load_generator(folder / "generator.pth")
    z, expected = (torch.from_numpy(np.load(folder / name)) for name in ("check_z.npy", "check_images.npy"))
    assert generator.about["format"] == "genforce"
    torch.testing.assert_close(generator(z), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("network", "file"), [("VGG16", "vgg16"), ("AlexNet", "alexnet")])
def test_perceptual_networks_are_complete(network: str, file: str, assets: Path) -> None:
    path = assets / "perceptual" / f"{file}_features.fp16.pth"
    tensors = read_perceptual(path, convolutions=CONVOLUTIONS[network]).tensors
    assert len(tensors) == 2 * len(CONVOLUTIONS[network])


@pytest.mark.parametrize(("key", "prefix"), [("celebahq-1024", "celebahq"), ("bedroom-256", "bedroom")])
def test_fingerprints_are_those_of_the_published_images(key: str, prefix: str, assets: Path) -> None:
    table = TensorFile.load(paths.embedded("fingerprints.safetensors")).tensors
    folder = assets / "pmsfc-official" / "samples"
    known = {tuple(z.tolist()): means for z, means in zip(table[f"{key}.z"], table[f"{key}.means"], strict=True)}
    files = sorted(folder.glob(f"{prefix}_image_*.npy"))
    assert len(files) == len(known)
    for path in files[:2]:
        pixels = torch.from_numpy(np.array(Image.open(path.with_suffix(".png")).convert("RGB")))
        means = fingerprint(pixels.permute(2, 0, 1)[None] / 127.5 - 1)[0]
        stored = known[tuple(np.load(path).flatten().tolist())].float() / 127.5 - 1
        assert (means - stored).abs().max() < 0.005
