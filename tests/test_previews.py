"""Starts of large generators: candidates are compared by previews, and progress is shown."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert import progress
from ganinvert.degradations import Downsample, Grayscale, Identity, Mask
from ganinvert.generators import PGGANGenerator
from ganinvert.methods import Latent, initialization
from ganinvert.methods.previews import Readout
from ganinvert.settings import SingleCode

from .test_parts import DEGRADATIONS


def _ranks(distances: Tensor) -> Tensor:
    return distances.argsort().argsort().float()


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([_ranks(a), _ranks(b)]))[0, 1])


def test_previews_rank_codes_as_images_do(portraits: PGGANGenerator) -> None:
    codes = portraits.space().sample(64, torch.Generator().manual_seed(1))
    with torch.no_grad():
        photo = portraits(portraits.space().sample(1, torch.Generator().manual_seed(2)))
        previews = torch.cat(list(Readout.of(portraits).images(portraits, codes, "")))
        images = F.avg_pool2d(portraits(codes), 4)
    assert previews.shape == (64, 3, 16, 16)
    assert (previews - images).square().mean() < 0.2 * images.var()
    small = F.avg_pool2d(photo, 4)
    distances = [(each - small).square().flatten(1).mean(dim=1) for each in (previews, images)]
    assert _correlation(*distances) > 0.85


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_coarse_degradations_rank_as_the_whole_ones(name: str, portraits: PGGANGenerator) -> None:
    codes = portraits.space().sample(33, torch.Generator().manual_seed(3))
    known = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    known[:, :, 10:40, 20:50] = False
    whole = {"luma": Grayscale(), "lab": Grayscale("lab"), "mask": Mask(known), "identity": Identity()}
    sizes = {"bicubic": 32, "area": 16, "odd": 10}
    degradation = whole.get(name) or (Downsample(64, sizes[name]) if name in sizes else DEGRADATIONS[name])
    with torch.no_grad():
        photo, *others = portraits(codes).split(1)
        x, y = torch.cat(others), degradation(photo)
    target, degrade = degradation.coarse(y, 64, 16)
    coarse = (degrade(F.avg_pool2d(x, 4)) - target).square().flatten(1).mean(dim=1)
    assert _correlation(coarse, (degradation(x) - y).square().flatten(1).mean(dim=1)) > 0.93


def test_large_generators_start_from_previews_and_tell_of_it(
    portraits: PGGANGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initialization, "PREVIEWED", 64)
    monkeypatch.setattr(initialization, "_KEPT", {})
    reports: list[tuple[str, int, int]] = []
    with torch.no_grad():
        y = portraits(portraits.space().sample(2, torch.Generator().manual_seed(2)))
    with progress.listening(lambda *report: reports.append(report)):
        code = Latent(SingleCode(candidates=64)).start(portraits, y, Identity(), seed=0)
    assert {(name, total) for name, _, total in reports} >= {("comparing candidates for the start", 64)}
    candidates = portraits.space().sample(64, torch.Generator().manual_seed(0))
    with torch.no_grad():
        distances = (portraits(candidates)[None] - y[:, None]).square().flatten(2).mean(dim=2)
        found = (portraits(code.z) - y).square().flatten(1).mean(dim=1)
    assert (found < distances.quantile(0.15, dim=1)).all()
    reports.clear()
    Latent(SingleCode(candidates=64)).start(portraits, y, Identity(), seed=0)
    assert reports == []


def test_masks_of_a_batch_start_as_alone(portraits: PGGANGenerator) -> None:
    known = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)) < torch.tensor([0.2, 0.9]).view(
        2, 1, 1, 1
    )
    with torch.no_grad():
        y = portraits(portraits.space().sample(2, torch.Generator().manual_seed(2))) * known
    together = Latent(SingleCode(candidates=16)).start(portraits, y, Mask(known), seed=0)
    for n in range(2):
        alone = Latent(SingleCode(candidates=16)).start(portraits, y[n : n + 1], Mask(known[n : n + 1]), seed=0)
        assert torch.equal(together.z[n], alone.z[0])
