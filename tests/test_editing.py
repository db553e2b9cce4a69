from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ganinvert
from ganinvert.errors import BundleError, UsageError
from ganinvert.generators import PGGANGenerator
from ganinvert.settings import Optimization, preset_of
from ganinvert.subspaces import SubspacePartition

from .conftest import EXAMPLE

QUICK = replace(preset_of("pmsfc", "invert"), optimization=Optimization(steps=12))
MASKS = SubspacePartition(torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]), "given")


@pytest.fixture(scope="module")
def bundles(small: PGGANGenerator, tmp_path_factory: pytest.TempPathFactory) -> list[ganinvert.LatentBundle]:
    from PIL import Image

    from ganinvert.weights import TensorFile

    path = tmp_path_factory.mktemp("generator") / "small.safetensors"
    TensorFile(small.state_dict()).save(path)
    photo = Image.open(EXAMPLE)
    inverter = ganinvert.Inverter.load(path, QUICK, partition=MASKS, device="cpu")
    pictures = [photo, photo.rotate(90)]
    return [result.bundle for result in inverter.run([inverter.prepare(picture) for picture in pictures])]


@pytest.fixture
def generator(small_file: Path) -> PGGANGenerator:
    return ganinvert.load_generator(small_file)


def _pixels(edit: ganinvert.Edit) -> np.ndarray:
    return np.asarray(edit.image).astype(int)


def test_swapping_all_subspaces_gives_the_other(
    bundles: list[ganinvert.LatentBundle], generator: PGGANGenerator
) -> None:
    first, second = ganinvert.swap(*bundles, generator, subspaces=[1, 2, 3])
    assert torch.equal(first.bundle.render(generator), bundles[1].render(generator))
    assert torch.equal(second.bundle.render(generator), bundles[0].render(generator))
    assert abs(first.bundle.metrics["lpips_b"]) < 1e-6 < first.bundle.metrics["lpips_a"]


def test_swapping_twice_gives_the_first_again(
    bundles: list[ganinvert.LatentBundle], generator: PGGANGenerator, tmp_path: Path
) -> None:
    once = ganinvert.swap(*bundles, generator, subspaces=[2])
    for name, edit in zip("ab", once, strict=True):
        edit.bundle.save(tmp_path / f"{name}.pt")
    loaded = [ganinvert.LatentBundle.load(tmp_path / f"{name}.pt") for name in "ab"]
    twice = ganinvert.swap(*loaded, generator, subspaces=[2])
    for edit, bundle in zip(twice, bundles, strict=True):
        assert torch.equal(edit.bundle.render(generator), bundle.render(generator))
    assert not np.array_equal(_pixels(once[0]), _pixels(twice[0]))


def test_strength_mixes(bundles: list[ganinvert.LatentBundle], generator: PGGANGenerator) -> None:
    none, half, whole = (
        ganinvert.swap(*bundles, generator, subspaces=[1, 3], strength=strength)[0] for strength in (0, 0.5, 1)
    )
    start = bundles[0].render(generator)
    moved = [float((edit.bundle.render(generator) - start).abs().mean()) for edit in (none, half, whole)]
    assert moved[0] < 1e-6
    assert moved[0] < moved[1] < moved[2]


@pytest.mark.parametrize("path", ["features", "codes"])
def test_interpolations_go_from_one_to_the_other(
    path: str, bundles: list[ganinvert.LatentBundle], generator: PGGANGenerator
) -> None:
    edits = ganinvert.interpolate(*bundles, generator, frames=5, path=path)  # type: ignore[arg-type]
    images = torch.cat([edit.bundle.render(generator) for edit in edits])
    assert torch.equal(images[:1], bundles[0].render(generator))
    assert torch.equal(images[-1:], bundles[1].render(generator))
    to_first, to_last = ((images - images[n]).square().mean(dim=(1, 2, 3)) for n in (0, -1))
    assert to_first[1] < to_last[1]
    assert to_last[3] < to_first[3]


def test_rendering_repeats_to_the_bit_and_scales_subspaces(
    bundles: list[ganinvert.LatentBundle], generator: PGGANGenerator
) -> None:
    plain = ganinvert.render(bundles[0], generator)
    assert torch.equal(plain.bundle.render(generator), bundles[0].render(generator))
    assert plain.bundle is bundles[0]
    edited = ganinvert.render(bundles[0], generator, subspaces=[2], scale=1.5)
    before, after = bundles[0].features(generator).features[0], edited.bundle.features(generator).features[0]
    chosen = MASKS.labels == 1
    assert torch.equal(after[chosen], 1.5 * before[chosen])
    assert torch.equal(after[~chosen], before[~chosen])
    assert not np.array_equal(_pixels(plain), _pixels(edited))


def test_what_does_not_belong_together_is_refused(
    bundles: list[ganinvert.LatentBundle], generator: PGGANGenerator, portraits: PGGANGenerator
) -> None:
    a, b = bundles
    other = replace(b, partition=SubspacePartition(1 - MASKS.labels.clamp(max=1), "given"))
    with pytest.raises(BundleError, match="different subspaces"):
        ganinvert.swap(a, other, generator, subspaces=[1])
    with pytest.raises(BundleError, match="different layers"):
        ganinvert.swap(a, replace(b, layer=2), generator, subspaces=[1])
    with pytest.raises(BundleError, match="made with small"):
        ganinvert.render(a, portraits)
    with pytest.raises(UsageError, match="no subspace 4"):
        ganinvert.swap(a, b, generator, subspaces=[4])
    with pytest.raises(UsageError, match="1 frames"):
        ganinvert.interpolate(a, b, generator, frames=1)
    edited = ganinvert.swap(a, b, generator, subspaces=[1])[0].bundle
    with pytest.raises(BundleError, match="no codes"):
        ganinvert.interpolate(edited, b, generator, frames=3, path="codes")


@pytest.mark.shared
def test_a_swapped_face_stays_nearer_to_itself(photos: list[Path]) -> None:
    """One subspace of six changes something, but less than it leaves."""
    settings = replace(preset_of("pmsfc", "invert"), optimization=Optimization(steps=60))
    inverter = ganinvert.Inverter.load(settings=settings, device="cpu")
    a, b = (result.bundle for result in inverter.run([inverter.prepare(photo) for photo in photos[:2]]))
    for subspace in range(1, 7):
        first, second = ganinvert.swap(a, b, inverter.generator, subspaces=[subspace])
        assert 0.001 < first.bundle.metrics["lpips_a"] < first.bundle.metrics["lpips_b"]
        assert 0.001 < second.bundle.metrics["lpips_b"] < second.bundle.metrics["lpips_a"]
