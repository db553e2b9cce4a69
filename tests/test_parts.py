"""Steps that look at one part of the image."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.degradations import Degradation, Downsample, Grayscale, Identity, Mask
from ganinvert.errors import UsageError
from ganinvert.generators import Activations, PGGANGenerator, View
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.losses import pixel_loss
from ganinvert.methods import FineTuning, Latent
from ganinvert.optimize import Snapshot, Step, solve
from ganinvert.optimize.targets import Rounds, targets_of
from ganinvert.settings import InversionSettings, Objective, Optimization, SingleCode, preset_of
from ganinvert.settings.common import plain
from ganinvert.settings.methods.fine_tuning import PTI
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks import Inverter

from .test_optimize import METHOD, PIXELS
from .toys import Blur

RESOLUTION = 16
"""Pixels of the small generator."""
KNOWN = torch.ones(3, 1, RESOLUTION, RESOLUTION, dtype=torch.bool)
KNOWN[1, :, 3:11, 5:9] = False
DEGRADATIONS = {
    "identity": Identity(),
    "luma": Grayscale(),
    "lab": Grayscale("lab"),
    "mask": Mask(KNOWN),
    "bicubic": Downsample(RESOLUTION, 8),
    "area": Downsample(RESOLUTION, 4, kernel="area"),
    "odd": Downsample(RESOLUTION, 5),
    "blur": Blur(1),
}


@pytest.fixture(scope="module")
def targets(small: PGGANGenerator) -> Tensor:
    return small(_codes(11)).clamp(-1, 1)


@pytest.mark.parametrize("parts", [1, 2, 4])
@pytest.mark.parametrize("side", [0, 4, 8])
@pytest.mark.parametrize("name", DEGRADATIONS)
def test_targets_together_are_the_whole(
    name: str, parts: int, side: int, small: PGGANGenerator, targets: Tensor
) -> None:
    """Pixel terms of the parts, each of its own view, have the mean of the whole averaged measurement's."""
    degradation = DEGRADATIONS[name]
    y, state = degradation(targets), small.features(_codes(12), 3)
    found = targets_of(y, degradation, RESOLUTION, parts=parts, side=side)
    parts = 1 if name in ("odd", "blur") else parts
    assert len(found) == parts**2
    cell = y.shape[-1] // (found[0].y.shape[-1] * parts)
    assert cell == max(1, y.shape[-1] // (side or 16))
    terms = []
    for target in found:
        degraded = target.degrade(small.synthesize(state, 3, target.view))
        assert degraded.shape == target.y.shape
        terms.append(pixel_loss(degraded, target.y) / target.coverage)
    averaged = [F.avg_pool2d(each, cell) for each in (degradation(small.synthesize(state, 3)), y)]
    assert torch.allclose(torch.stack(terms).mean(dim=0), pixel_loss(*averaged) / degradation.coverage(y), atol=1e-5)


def test_views_are_averaged_where_the_degradation_allows(targets: Tensor) -> None:
    def cell(degradation: Degradation) -> int:
        view = targets_of(degradation(targets), degradation, RESOLUTION, parts=2, side=4)[0].view
        assert view is not None
        return view.cell

    assert [cell(DEGRADATIONS[name]) for name in ("identity", "luma", "lab", "mask")] == [4, 4, 1, 1]


def test_every_round_looks_at_every_part_in_another_order() -> None:
    rounds, other = Rounds(4, seed=3), Rounds(4, seed=4)
    orders = [tuple(rounds.target(4 * turn + place) for place in range(4)) for turn in range(20)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len(set(orders)) > 8
    assert orders != [tuple(other.target(4 * turn + place) for place in range(4)) for turn in range(20)]
    assert [rounds.refreshes(index, 8) for index in range(0, 16, 4)] == [True, False, True, False]
    assert all(rounds.refreshes(index, 4) for index in range(8))


@pytest.mark.parametrize("objective", [PIXELS, Objective(perceptual=0.1, perceptual_every=8), Objective(side=8)])
def test_solving_by_parts_explains_the_whole_and_goes_on_to_the_same_bits(
    objective: Objective, small: PGGANGenerator, targets: Tensor
) -> None:
    settings = {"method": METHOD, "objective": objective, "optimization": Optimization(80, 0.3, parts=2), "seed": 5}
    steps: list[Step] = []
    kept: list[Snapshot] = []

    def watch(step: Step) -> None:
        steps.append(step)
        if step.index == 41:
            kept.append(step.snapshot())

    whole = solve(small, targets, callback=watch, **settings)
    assert (whole.losses[-1] < 0.5 * whole.losses[0]).all()
    assert torch.equal(steps[-1].loss, whole.losses[-1])
    rendered = pixel_loss(whole.code.render(small), targets)
    assert torch.allclose(steps[-1].pixel, rendered, rtol=0.2) or objective.side
    rest = solve(small, targets, resume=Snapshot.stacked([kept[0].image(n) for n in range(3)]), **settings)
    assert torch.equal(rest.losses, whole.losses)
    assert torch.equal(rest.code.z, whole.code.z)


def test_results_by_parts_do_not_depend_on_neighbours(small: PGGANGenerator, targets: Tensor) -> None:
    settings = {"method": METHOD, "objective": PIXELS, "optimization": Optimization(steps=4, parts=2)}
    together, alone = solve(small, targets, **settings), solve(small, targets[1:2], **settings)
    assert torch.allclose(together.code.z[1], alone.code.z[0], atol=1e-3)


def test_no_part_is_the_whole_to_the_bit(small: PGGANGenerator, targets: Tensor) -> None:
    automatic, one = (solve(small, targets, method=METHOD, optimization=Optimization(6, parts=n)) for n in (0, 1))
    assert torch.equal(automatic.code.z, one.code.z)


def test_pivotal_tuning_looks_at_parts_and_an_adversary_at_the_whole(small: PGGANGenerator, targets: Tensor) -> None:
    views: list[View | None] = []

    class Watched(PGGANGenerator):
        def synthesize(self, activations: Activations, layer: int, view: View | None = None) -> Tensor:
            views.append(view)
            return super().synthesize(activations, layer, view)

    small = copy(small)
    small.__class__ = Watched
    few = Optimization(4, 1e-3, parts=2)
    for settings, whole in ((replace(PTI, optimization=few), False), (replace(PTI, optimization=few, stop=0.01), True)):
        views.clear()
        solve(
            small,
            targets[:1],
            method=Latent(SingleCode(init="random")),
            objective=PIXELS,
            optimization=Optimization(0),
            fine_tuning=FineTuning(settings),
        )
        tuned = views[:-1]
        assert len(tuned) == 4 * 3
        assert all((view is None) == whole for view in tuned)


@pytest.mark.parametrize(("layers", "parts", "side"), [(12, 0, 0), (14, 2, 0), (18, 4, 512)])
def test_large_generators_look_at_parts_by_themselves(layers: int, parts: int, side: int, tmp_path: Path) -> None:
    file, masks = tmp_path / "generator.safetensors", SubspacePartition(torch.tensor([0, 1]), "given")
    PGGANGenerator.random(PGGANArchitecture(4, (2,) * layers)).save(file)

    def resolved(settings: InversionSettings) -> InversionSettings:
        return Inverter.load(file, settings, partition=masks, device="cpu").settings

    default = preset_of("pmsfc", "invert")
    settings = resolved(default)
    assert (settings.optimization.parts, settings.objective.side) == (parts, side)
    given = replace(default, optimization=Optimization(parts=3), objective=Objective(side=100))
    assert (resolved(given).optimization, resolved(given).objective) == (given.optimization, given.objective)
    whole = min(parts, 1)
    lbfgs = replace(default, optimization=Optimization(optimizer="lbfgs"))
    assert resolved(lbfgs).optimization.parts == whole
    tuned = resolved(preset_of("pti", "invert")).tuning
    assert tuned is not None
    assert tuned.optimization.parts == parts
    stopping = resolved(preset_of("pti", "invert", "paper")).tuning
    assert stopping is not None
    assert stopping.optimization.parts == whole


@pytest.mark.parametrize("wrong", [{"parts": -1}, {"parts": 2, "optimizer": "lbfgs"}])
def test_parts_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot"):
        Optimization(**wrong)


def test_settings_of_older_results_have_no_parts() -> None:
    assert "parts" not in plain(Optimization())
    assert "side" not in plain(Objective())
    assert plain(Optimization(parts=2))["parts"] == 2


def _codes(seed: int) -> Tensor:
    return torch.randn(3, 12, generator=torch.Generator().manual_seed(seed))
