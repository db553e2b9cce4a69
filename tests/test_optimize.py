from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ganinvert.degradations import Identity
from ganinvert.errors import UsageError
from ganinvert.generators import PGGANGenerator
from ganinvert.losses import perceptual_loss, pixel_loss
from ganinvert.methods import Composition
from ganinvert.optimize import POOR_PSNR, Outcome, Snapshot, Step, optimizers, solve
from ganinvert.optimize.objective import ObjectiveFunction, _vgg16
from ganinvert.optimize.solution import assess_outcome
from ganinvert.optimize.targets import Target
from ganinvert.perception import vgg16
from ganinvert.settings import Objective, Optimization, PmSFC, preset_of
from ganinvert.settings.common import Optimizer, scheduled_rate
from ganinvert.subspaces import SubspacePartition

METHOD = Composition(PmSFC(subspaces=2, codes=3, candidates=16), SubspacePartition(torch.tensor([0, 1] * 4), "given"))
PIXELS = Objective(perceptual=0.0)


@pytest.fixture(scope="module")
def targets(small: PGGANGenerator) -> torch.Tensor:
    return small(torch.randn(3, 12, generator=torch.Generator().manual_seed(11))).clamp(-1, 1)


def test_solving_explains_images_of_the_generator(small: PGGANGenerator, targets: torch.Tensor) -> None:
    steps: list[Step] = []
    solution = solve(
        small, targets, method=METHOD, objective=PIXELS, optimization=Optimization(steps=150), callback=steps.append
    )
    assert solution.losses.shape == (150, 3)
    assert (solution.losses[-1] < 0.1 * solution.losses[0]).all()
    assert [step.index for step in steps] == list(range(150))
    assert torch.allclose(steps[9].psnr, 10 * torch.log10(4 / steps[9].pixel))
    assert torch.equal(steps[9].loss, solution.losses[9])
    assert torch.allclose(solution.code.z.norm(dim=-1), torch.tensor(12.0).sqrt())


def test_results_do_not_depend_on_neighbours(small: PGGANGenerator, targets: torch.Tensor) -> None:
    # Few steps: convolutions round differently for other batch sizes, and the path amplifies that.
    settings = {"method": METHOD, "optimization": Optimization(steps=4)}
    together = solve(small, targets, **settings)
    single_image_only = solve(small, targets[1:2], **settings)
    assert torch.allclose(together.code.z[1], single_image_only.code.z[0], atol=1e-3)
    assert torch.allclose(together.losses[:, 1], single_image_only.losses[:, 0], rtol=1e-3)


def test_a_refreshed_step_has_the_gradient_of_the_whole_objective(small: PGGANGenerator, targets: torch.Tensor) -> None:
    objective = Objective(perceptual=0.3)
    code = METHOD.start(small, targets, Identity(), seed=0)
    surrogate, loss, pixel = ObjectiveFunction(small, Target.whole(targets, Identity()), objective)(code, refresh=True)
    found = torch.autograd.grad(surrogate.sum(), list(code.parameters()))
    image = code.render(small)
    expected = pixel_loss(image, targets) + 0.3 * perceptual_loss(vgg16(), targets)(image)
    assert torch.allclose(loss, expected, rtol=1e-4)
    assert torch.allclose(pixel, pixel_loss(image, targets))
    for mine, reference in zip(found, torch.autograd.grad(expected.sum(), list(code.parameters())), strict=True):
        assert torch.allclose(mine, reference, rtol=1e-3, atol=1e-7)


def test_the_perceptual_term_is_kept_between_refreshes(small: PGGANGenerator, targets: torch.Tensor) -> None:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    handle = _vgg16(torch.device("cpu")).register_forward_hook(count)
    solve(small, targets, method=METHOD, optimization=Optimization(steps=9), objective=Objective(perceptual_every=4))
    handle.remove()
    # Once for V(y), then at steps 0, 4 and 8.
    assert calls == 4


def test_the_paper_start_moves_where_a_normal_one_stands_still(small: PGGANGenerator, targets: torch.Tensor) -> None:
    """With lr 1e-4, codes drawn from N(0, I) hardly turn: the start decides whether the paper's settings work."""
    gains = {}
    for sigma in (1e-4, 1.0):
        method = replace(
            METHOD, settings=replace(preset_of("pmsfc", "invert", "paper").method, subspaces=2, codes=3, sigma=sigma)
        )
        losses = solve(
            small,
            targets,
            method=method,
            objective=PIXELS,
            optimization=Optimization(steps=60, lr=1e-4, schedule="constant", warmup=0.0),
        ).losses
        gains[sigma] = float((losses[-1] / losses[0]).mean())
    assert gains[1.0] > 0.95
    assert gains[1e-4] < 0.7


def test_outcomes_say_what_happened(small: PGGANGenerator, rng: torch.Generator) -> None:
    quick = Optimization(steps=30)
    noise = torch.rand(1, 3, 16, 16, generator=rng) * 2 - 1
    assert solve(small, noise, method=METHOD, objective=PIXELS, optimization=quick).outcomes == (Outcome.POOR,)
    still = replace(quick, lr=1e-6)
    assert solve(small, noise, method=METHOD, objective=PIXELS, optimization=still).outcomes == (Outcome.STALLED,)
    broken = torch.full_like(noise, torch.nan)
    assert solve(small, broken, method=METHOD, objective=PIXELS, optimization=quick).outcomes == (Outcome.NOT_FINITE,)
    history = torch.tensor([1.0, 0.1])
    assert assess_outcome(history, torch.tensor(4 * 10 ** (-POOR_PSNR / 10 - 0.01))) is Outcome.GOOD
    assert assess_outcome(history, torch.tensor(4 * 10 ** (-POOR_PSNR / 10 + 0.01))) is Outcome.POOR
    assert assess_outcome(history, torch.tensor(4 * 10**-2.1), degraded=True) is Outcome.GOOD
    assert assess_outcome(history, torch.tensor(4 * 10**-1.9), degraded=True) is Outcome.UNEXPLAINED


def test_a_callback_can_stop_the_loop(small: PGGANGenerator, targets: torch.Tensor) -> None:
    def stop(step: Step) -> None:
        if step.index == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(small, targets, method=METHOD, objective=PIXELS, callback=stop)


def test_a_callback_can_end_the_loop_with_what_there_is(small: PGGANGenerator, targets: torch.Tensor) -> None:
    settings = {"method": METHOD, "objective": PIXELS}
    seen: list[torch.Tensor] = []

    def stop(step: Step) -> None:
        seen.append(step.picture(8))
        if step.index == 4:
            raise StopIteration

    steady = {"schedule": "constant", "warmup": 0.0}
    stopped = solve(small, targets, callback=stop, optimization=Optimization(steps=60, **steady), **settings)
    whole = solve(small, targets, optimization=Optimization(steps=5, **steady), **settings)
    assert torch.equal(stopped.losses, whole.losses)
    assert torch.equal(stopped.code.z, whole.code.z)
    assert stopped.steps == 60
    assert len(seen) == 5
    assert seen[-1].shape == (3, 3, 8, 8)
    image = stopped.code.render(small).detach()
    assert torch.allclose(seen[-1], F.avg_pool2d(image, 2), atol=1e-5)
    assert not torch.equal(seen[-1], seen[0])


def test_pictures_of_steps_leave_the_result_as_it_is(small: PGGANGenerator, targets: torch.Tensor) -> None:
    settings = {"method": METHOD, "optimization": Optimization(steps=6)}
    shown = solve(small, targets, callback=lambda step: step.picture(16), **settings)
    hidden = solve(small, targets, **settings)
    assert torch.equal(shown.losses, hidden.losses)
    assert torch.equal(shown.code.z, hidden.code.z)


def test_the_loop_goes_on_from_a_snapshot_to_the_same_bits(small: PGGANGenerator, targets: torch.Tensor) -> None:
    settings = {"method": METHOD, "optimization": Optimization(steps=9)}
    kept: list[Snapshot] = []

    def keep(step: Step) -> None:
        if step.index == 5:
            kept.append(step.snapshot())

    whole = solve(small, targets, callback=keep, **settings)
    [snapshot] = kept
    assert snapshot.done == 6
    indices: list[int] = []
    parts = [snapshot.image(n) for n in range(3)]
    rest = solve(
        small,
        targets,
        resume=Snapshot.stacked(parts),
        callback=lambda step: indices.append(step.index),
        **settings,
    )
    assert indices == [6, 7, 8]
    assert torch.equal(rest.losses, whole.losses)
    assert torch.equal(rest.code.z, whole.code.z)
    assert torch.equal(rest.code.w, whole.code.w)


@pytest.mark.parametrize("kind", ["adam", "rmsprop", "sgd", "lbfgs"])
def test_an_optimizer_whose_moments_were_reset_begins_anew(
    kind: Optimizer, small: PGGANGenerator, targets: torch.Tensor
) -> None:
    y = targets[:1]
    code = METHOD.start(small, y, Identity(), seed=0)
    optimizer = optimizers.CodeOptimizer(kind, code, y.device)
    optimizer.set_rate(0.1)
    begin = {name: value.clone() for name, value in code.state_dict().items()}

    def step() -> list[torch.Tensor]:
        optimizer.step(lambda: pixel_loss(code.render(small), y).sum())
        return [value.detach().clone() for value in code.parameters()]

    first, second = step(), step()
    code.load_state_dict(begin)
    optimizer.reset_moments()
    again = step()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], second[0])


@pytest.mark.cuda
def test_a_captured_loop_goes_on_from_a_snapshot(small: PGGANGenerator, targets: torch.Tensor) -> None:
    settings = {"method": METHOD, "optimization": Optimization(steps=9)}
    kept: list[Snapshot] = []
    y = targets.cuda()
    whole = solve(small.cuda(), y, callback=lambda step: kept.append(step.snapshot()), **settings)
    rest = solve(small, y, resume=kept[4], **settings)
    small.cpu()
    assert torch.allclose(rest.losses, whole.losses, rtol=1e-3)


def test_bfloat16_keeps_float32_variables(small: PGGANGenerator, targets: torch.Tensor) -> None:
    solution = solve(small, targets, method=METHOD, optimization=Optimization(steps=40), dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in solution.code.parameters()} == {torch.float32}
    assert (solution.losses[-1] < 0.5 * solution.losses[0]).all()


@pytest.mark.cuda
def test_the_captured_step_is_the_eager_step(
    small: PGGANGenerator, targets: torch.Tensor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On one device; a few steps, because Adam's make of a rounding error near 0 a step the other way."""
    settings = {"method": METHOD, "optimization": Optimization(steps=5)}
    caplog.set_level(logging.INFO, "ganinvert.optimize")
    captured = solve(small.cuda(), targets.cuda(), **settings)
    assert "cannot be captured" not in caplog.text
    monkeypatch.setattr(optimizers, "uses_cuda_graph", lambda *_: False)
    eager = solve(small, targets.cuda(), **settings)
    small.cpu()
    assert torch.allclose(captured.losses[0], eager.losses[0], rtol=1e-5)
    assert torch.allclose(captured.losses, eager.losses, rtol=1e-2)


def test_the_schedule_warms_up_and_ends_at_zero() -> None:
    rates = [scheduled_rate(n, 100, lr=2.0, schedule="cosine", warmup=0.1) for n in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == 2.0
    assert rates[55] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.0)
    assert scheduled_rate(70, 100, lr=2.0, schedule="constant") == 2.0


@pytest.mark.parametrize("settings", [{"steps": -1}, {"runs": 0}, {"lr": 0.0}, {"lr": float("nan")}, {"lr": 1e38}])
def test_optimisations_that_cannot_be(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        Optimization(**settings)


def test_the_paper_preset_is_the_papers() -> None:
    paper = preset_of("pmsfc", "invert", "paper")
    assert (paper.method.subspaces, paper.method.codes, paper.method.layer) == (6, 5, 3)
    assert (paper.optimization.steps, paper.optimization.lr, paper.optimization.schedule) == (7000, 1e-4, "constant")
    assert paper.method.weighting == "tanh"
    assert paper.objective.perceptual_every == 1
