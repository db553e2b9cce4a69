"""Bundles that earlier versions wrote: what they render has not changed since."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ganinvert
from ganinvert import images
from ganinvert.generators import Generator
from ganinvert.metrics import to_unit

BUNDLES = sorted((Path(__file__).parent / "bundles").glob("*.pt"))


def test_every_version_is_here() -> None:
    versions = {torch.load(path, weights_only=True)["version"] for path in BUNDLES}
    assert versions >= {1, 2, 3}


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_old_bundles_render_the_image_that_was_written_beside_them(path: Path, portraits: Generator) -> None:
    bundle = ganinvert.LatentBundle.load(path)
    levels = images.to_array(images.to_pil(to_unit(bundle.render(portraits))[0].numpy())).astype(int)
    written = images.to_array(images.read(path.with_suffix(".png")).rgb).astype(int)
    # Another processor rounds differently in the last bit of a float: a value at the border of two levels may change.
    assert np.abs(levels - written).max() <= 1
    assert (levels != written).mean() < 0.01


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.stem)
def test_old_bundles_saved_again_render_the_same_bits(path: Path, portraits: Generator, tmp_path: Path) -> None:
    bundle = ganinvert.LatentBundle.load(path)
    bundle.save(tmp_path / "again.pt")
    again = ganinvert.LatentBundle.load(tmp_path / "again.pt")
    assert torch.equal(again.render(portraits), bundle.render(portraits))
    assert (again.task, again.method, again.metrics, again.settings) == (
        bundle.task,
        bundle.method,
        bundle.metrics,
        bundle.settings,
    )
