"""Methods that change the generator's weights: near-perfect fine-tuning, PTI, and DGP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from ganinvert import metrics
from ganinvert.degradations import Grayscale, Identity
from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators import PGGANDiscriminator, PGGANGenerator, apply_deltas, blended
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.losses import laplacian_loss, lpips_loss
from ganinvert.methods import Composition
from ganinvert.methods.adversarial import AdversarialLoss
from ganinvert.methods.dgp import DeepGenerativePrior, FeatureDistance
from ganinvert.methods.fine_tuning import FineTunedCode, FineTuning
from ganinvert.optimize import Solution, solve
from ganinvert.settings import FineTuningSettings, GenerativePrior, Objective, Optimization, PmSFC
from ganinvert.subspaces import SubspacePartition

METHOD = Composition(PmSFC(subspaces=2, codes=2, candidates=16), SubspacePartition(torch.tensor([0, 1] * 4), "given"))
ALONE = FineTuningSettings(
    optimization=Optimization(steps=30, lr=0.01),
    objective=Objective(pixel=1.0, laplacian=0.1, perceptual=0.0),
    rank=0,
    adversarial=0.0,
    cohesion=0.0,
)
ADVERSE = replace(ALONE, optimization=Optimization(steps=6, lr=0.01), adversarial=0.01, cohesion=0.1, probability=0.5)


@pytest.fixture(scope="module")
def photo(small: PGGANGenerator) -> torch.Tensor:
    """No image of the generator."""
    image = small(torch.randn(1, 12, generator=torch.Generator().manual_seed(11)))
    return (image + 0.3 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)


@pytest.fixture(scope="module")
def critic(small: PGGANGenerator) -> PGGANDiscriminator:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return PGGANDiscriminator(small.architecture).requires_grad_(False).eval()


@pytest.fixture
def tune(
    small: PGGANGenerator, photo: torch.Tensor, critic: PGGANDiscriminator
) -> Callable[..., tuple[FineTunedCode, Solution]]:
    def run(
        settings: FineTuningSettings, *, seed: int = 0, reals: torch.Tensor | None = None
    ) -> tuple[FineTunedCode, Solution]:
        stage = FineTuning(settings, critic, reals)
        first = Optimization(steps=4)
        solution = solve(
            small,
            photo,
            method=METHOD,
            optimization=first,
            objective=Objective(perceptual=0.0),
            fine_tuning=stage,
            seed=seed,
        )
        assert isinstance(solution.code, FineTunedCode)
        return solution.code, solution

    return run


def stored(code: FineTunedCode) -> list[torch.Tensor]:
    return list(code.deltas(0).values())


def test_changes_of_zero_give_the_same_bits(small: PGGANGenerator, rng: torch.Generator) -> None:
    tuned = apply_deltas(small, {name: torch.zeros_like(weight) for name, weight in small.named_parameters()})
    z = torch.randn(2, 3, 12, generator=rng)
    h = small.features(z[0], 2)
    assert torch.equal(tuned(z[0]), small(z[0]))
    assert torch.equal(tuned.carry(h, 2, 5).features, small.carry(h, 2, 5).features)
    assert torch.equal(tuned.synthesize(h, 2), small.synthesize(h, 2))
    groups = [torch.tensor([1, 4]), torch.tensor([0, 2, 3, 5, 6, 7])]
    a, b = (generator.grouped_features(z, 3, groups) for generator in (tuned, small))
    assert torch.equal(a.features, b.features)
    assert tuned.layer_info(3) == small.layer_info(3)
    assert (tuned.name, tuned.digest, tuned.resolution) == (small.name, small.digest, small.resolution)


def test_a_changed_generator_is_one_with_the_sum_of_the_weights(small: PGGANGenerator, rng: torch.Generator) -> None:
    left, right = torch.randn(7, 2, generator=rng), torch.randn(2, 8 * 9, generator=rng)
    bias = torch.randn(6, generator=rng)
    expected = PGGANGenerator(small.architecture)
    expected.load_state_dict(small.state_dict())
    with torch.no_grad():
        expected.layers[3].weight.add_((left @ right).view(7, 8, 3, 3))
        expected.layers[4].bias.add_(bias)
    tuned = apply_deltas(small, {"layers.3.weight.left": left, "layers.3.weight.right": right, "layers.4.bias": bias})
    z = torch.randn(2, 12, generator=rng)
    assert torch.allclose(tuned(z), expected(z), atol=1e-5)
    assert (tuned(z) - small(z)).abs().max() > 0.1


@pytest.mark.parametrize(
    "deltas",
    [
        {"layers.9.weight": torch.zeros(3)},
        {"layers.4.bias": torch.zeros(7)},
        {"layers.3.weight.left": torch.zeros(7, 2)},
        {"layers.3.weight.left": torch.zeros(7, 2), "layers.3.weight.right": torch.zeros(3, 72)},
    ],
)
def test_changes_that_do_not_fit_are_refused(small: PGGANGenerator, deltas: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="layers"):
        apply_deltas(small, deltas)


def test_weights_after_a_layer_are_those_that_synthesis_uses(small: PGGANGenerator) -> None:
    assert set(small.weights_after(6)) == {"to_rgb.weight", "to_rgb.bias"}
    assert set(small.weights_after(5)) - set(small.weights_after(6)) == {"layers.5.weight", "layers.5.bias"}
    assert set(small.weights_after(0)) == {name for name, _ in small.named_parameters()}


def test_the_laplacian_loss_counts_every_level(rng: torch.Generator) -> None:
    image = torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1
    loss = laplacian_loss(image)
    assert torch.equal(loss(image), torch.zeros(2))
    # A shift is all in what is left at the end, where it counts once.
    assert torch.allclose(loss(image + 0.25), torch.full((2,), 0.25), atol=1e-5)
    # The finest checkerboard is all in the first level, but for the border, where blurring does not cancel it.
    board = 0.1 * (1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2))
    assert torch.allclose(loss(image + board), torch.full((2,), 0.1), atol=1e-3)
    # Levels in between: the same size of difference costs more than once, because several levels see it.
    waves = 0.1 * torch.sin(torch.arange(32) * 2 * torch.pi / 8).expand(32, -1)
    assert (loss(image + waves) > 1.1 * waves.abs().mean()).all()


def test_lpips_as_a_loss_is_the_metric_and_has_a_gradient_everywhere(rng: torch.Generator) -> None:
    x, y = torch.rand(2, 2, 3, 40, 40, generator=rng)
    assert torch.allclose(lpips_loss(y * 2 - 1)(x * 2 - 1), metrics.lpips(x, y), atol=1e-5)
    flat = torch.zeros(1, 3, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(lpips_loss(y[:1] * 2 - 1)(torch.nn.functional.pad(flat, (12,) * 4)).sum(), flat)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("settings", [ALONE, replace(ALONE, rank=2), ADVERSE, replace(ALONE, locality=0.1)])
def test_the_shared_generator_and_the_pivot_stay_as_they_are(
    small: PGGANGenerator, tune: Callable[..., tuple[FineTunedCode, Solution]], settings: FineTuningSettings
) -> None:
    before = {name: value.clone() for name, value in small.state_dict().items()}
    settings = replace(settings, optimization=Optimization(steps=3, lr=0.01))
    code, _ = tune(settings)
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())
    assert not any(parameter.requires_grad for parameter in small.parameters())
    plain, _ = tune(replace(settings, optimization=Optimization(steps=0)))
    assert torch.equal(code.compose(small).features, plain.pivot.compose(small).features)
    assert all(torch.equal(value, plain.tensors(0)[name]) for name, value in code.tensors(0).items())
    assert max(float(value.abs().max()) for value in stored(code)) > 0
    names = {name.removesuffix(".left").removesuffix(".right") for name in code.deltas(0)}
    assert names == set(small.weights_after(3))


def test_tuning_explains_what_the_code_could_not(
    small: PGGANGenerator, photo: torch.Tensor, tune: Callable[..., tuple[FineTunedCode, Solution]]
) -> None:
    for settings in (ALONE, replace(ALONE, rank=2)):
        code, solution = tune(replace(settings, optimization=Optimization(steps=60, lr=0.01)))
        assert solution.losses.shape == (64, 1)
        before = error_of(small.synthesize(code.compose(small), 3), photo)
        assert error_of(code.render(small), photo) < 0.8 * before


def error_of(image: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    return (image - photo).square().mean()


def test_what_is_stored_renders_the_result_to_the_bit(
    small: PGGANGenerator, tune: Callable[..., tuple[FineTunedCode, Solution]]
) -> None:
    for settings in (ALONE, replace(ALONE, rank=2)):
        code, _ = tune(settings)
        deltas = code.deltas(0)
        assert all(value.dtype == torch.float16 for value in deltas.values())
        with torch.no_grad():
            again = apply_deltas(small, deltas).synthesize(code.compose(small), code.layer)
            assert torch.equal(again, code.render(small))


def test_low_rank_changes_are_smaller(tune: Callable[..., tuple[FineTunedCode, Solution]]) -> None:
    once = replace(ALONE, optimization=Optimization(steps=1))
    sizes = [sum(value.numel() for value in stored(tune(replace(once, rank=rank))[0])) for rank in (1, 2, 3, 0)]
    assert all(smaller < larger for smaller, larger in pairwise(sizes))


def test_a_run_can_be_repeated_to_the_bit(tune: Callable[..., tuple[FineTunedCode, Solution]]) -> None:
    settings = replace(ADVERSE, locality=0.1)
    torch.manual_seed(1)
    first = stored(tune(settings)[0])
    torch.manual_seed(2)
    again = stored(tune(settings)[0])
    other = stored(tune(settings, seed=1)[0])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_locality_keeps_images_near_the_pivot(
    small: PGGANGenerator, tune: Callable[..., tuple[FineTunedCode, Solution]], rng: torch.Generator
) -> None:
    near = small.features(torch.randn(16, 12, generator=rng), 3)
    moved = []
    for weight in (0.0, 3.0):
        code, _ = tune(replace(ALONE, locality=weight))
        shown = code.compose(small).lerp(near, 0.5)
        with torch.no_grad():
            moved.append((code.tuned(small).synthesize(shown, 3) - small.synthesize(shown, 3)).square().mean())
    assert moved[1] < 0.5 * moved[0]


def test_without_its_turn_the_photo_moves_nothing(
    small: PGGANGenerator, photo: torch.Tensor, critic: PGGANDiscriminator
) -> None:
    """1ₚ: in a step in which the local terms are off, only the global one has a gradient."""
    settings = replace(ADVERSE, probability=0.5)
    pivot = METHOD.start(small, photo, Identity(), seed=0)
    code = FineTuning(settings, critic).start(small, pivot, photo, Identity(), seed=0)
    turns = []
    for index in range(40):
        code.on_step_start(small, index, 40)
        turns.append(code.render(small).requires_grad)
        assert code.penalty(small, code.render(small)).requires_grad
    assert 8 < sum(turns) < 32
    always = FineTuning(replace(settings, probability=1.0), critic).start(small, pivot, photo, Identity(), seed=0)
    for index in range(5):
        always.on_step_start(small, index, 5)
        assert always.render(small).requires_grad


def test_the_adversary_learns_to_see_what_tuning_changes(
    small: PGGANGenerator, photo: torch.Tensor, critic: PGGANDiscriminator, rng: torch.Generator
) -> None:
    settings = replace(ADVERSE, batch=8, critic_lr=1e-2)
    adversary = AdversarialLoss(small, critic, settings, target=photo, reals=None)
    tuned = apply_deltas(small, {"to_rgb.bias": torch.tensor([0.5, 0.5, -0.5])})
    z = torch.randn(32, 12, generator=torch.Generator().manual_seed(5))
    assert torch.equal(adversary.critic(small(z)), torch.zeros(32))  # impartial at first
    for _ in range(40):
        adversary.learn(tuned, photo, local=False, rng=rng)
    with torch.no_grad():
        assert adversary.critic(small(z)).mean() > adversary.critic(tuned(z)).mean() + 0.5
    assert not any(parameter.requires_grad for parameter in critic.parameters())
    assert critic.score.weight.abs().max() > 0
    # And the term pulls back: its gradient is against the change.
    bias = torch.tensor([0.5, 0.5, -0.5], requires_grad=True)
    adversary.penalty(apply_deltas(small, {"to_rgb.bias": bias}), photo, local=False).sum().backward()
    assert (bias.grad * bias).sum() > 0


def test_real_images_are_taken_for_real(tune: Callable[..., tuple[FineTunedCode, Solution]]) -> None:
    reals = torch.randint(0, 256, (5, 3, 16, 16), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
    with_reals, without = stored(tune(ADVERSE, reals=reals)[0]), stored(tune(ADVERSE)[0])
    assert not all(torch.equal(a, b) for a, b in zip(with_reals, without, strict=True))


def test_tuning_ends_when_the_image_is_near_enough(
    small: PGGANGenerator, photo: torch.Tensor, tune: Callable[..., tuple[FineTunedCode, Solution]]
) -> None:
    code, _ = tune(replace(ALONE, stop=10.0))
    assert all(float(value.abs().max()) == 0 for value in stored(code))
    whole, run = tune(ALONE)
    distance = lpips_loss(photo)
    with torch.no_grad():
        half = float(distance(small.synthesize(whole.compose(small), 3)) + distance(whole.render(small))) / 2
    code, stopped = tune(replace(ALONE, stop=half))
    with torch.no_grad():
        assert 0.8 * half < float(distance(code.render(small))) < 1.001 * half
    assert stopped.losses[-1] == stopped.losses[-2]
    assert run.losses[-1] < stopped.losses[-1]


def test_what_cannot_be_tuned_is_refused(
    small: PGGANGenerator, photo: torch.Tensor, critic: PGGANDiscriminator
) -> None:
    pivot = METHOD.start(small, photo, Identity(), seed=0)
    with pytest.raises(WeightsError, match="has no discriminator") as caught:
        FineTuning(ADVERSE).start(small, pivot, photo, Identity(), seed=0)
    assert "ganinvert train" in caught.value.hint
    large = PGGANDiscriminator(PGGANArchitecture(12, (10, 9, 8, 7, 6, 5, 5, 5)))
    with pytest.raises(WeightsError, match="images of 32 pixels, not 16"):
        FineTuning(ADVERSE, large).start(small, pivot, photo, Identity(), seed=0)
    two = photo.expand(2, -1, -1, -1)
    with pytest.raises(UsageError, match="2 photos together"):
        FineTuning(ALONE).start(small, METHOD.start(small, two, Identity(), seed=0), two, Identity(), seed=0)
    with pytest.raises(UsageError, match="2 photos together"):
        DeepGenerativePrior(GenerativePrior(), discriminator=critic).start(small, two, Identity(), seed=0)
    reals = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(UsageError, match="no images of the generator"):
        FineTuning(ADVERSE, critic, reals).start(small, pivot, photo, Identity(), seed=0)


@pytest.mark.parametrize(
    "fields", [{"rank": -1}, {"batch": 1}, {"probability": 0.0}, {"cohesion": -1.0}, {"critic_lr": 0.0}, {"stop": -1.0}]
)
def test_settings_that_cannot_be_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(FineTuningSettings(), **fields)


PRIOR = GenerativePrior(candidates=32, stages=3, weight_rate=0.5)


def test_dgp_unlocks_the_layers_one_after_another(
    small: PGGANGenerator, photo: torch.Tensor, critic: PGGANDiscriminator
) -> None:
    method = DeepGenerativePrior(PRIOR, discriminator=critic)
    code = method.start(small, photo, Identity(), seed=0)
    before = {name: value.clone() for name, value in small.state_dict().items()}
    tuned_in = []
    for index in range(6):
        code.on_step_start(small, index, 6)
        code.zero_grad()
        (code.render(small).sum() + code.penalty(small, code.render(small)).sum()).backward()
        tuned_in.append({name.split(":")[1] for name, p in code.changes.named_parameters() if p.grad is not None})
        assert code.z.grad.abs().max() > 0
        for p in code.changes.parameters():
            p.grad = None
    first, second = {"0", "1"}, {"0", "1", "2", "3"}
    everything = {"0", "1", "2", "3", "4", "5", "weight", "bias"}
    assert tuned_in == [first, first, second, second, everything, everything]
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())


def test_dgp_starts_from_the_candidate_whose_features_are_nearest(
    small: PGGANGenerator, photo: torch.Tensor, critic: PGGANDiscriminator
) -> None:
    code = DeepGenerativePrior(PRIOR, discriminator=critic).start(small, photo, Identity(), seed=4)
    z = torch.randn(32, 12, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        distances = FeatureDistance(critic, Identity(), photo)(small(z), last=3)
    assert torch.equal(code.z[0], z[distances.argmin()])
    assert distances.min() < 0.9 * distances.mean()


@pytest.mark.parametrize("degraded", [False, True])
def test_dgp_explains_a_photo_and_renders_it_again(
    small: PGGANGenerator, photo: torch.Tensor, critic: PGGANDiscriminator, degraded: bool
) -> None:
    degradation = Grayscale() if degraded else Identity()
    y = degradation(photo)

    def run() -> Solution:
        return solve(
            small,
            y,
            method=DeepGenerativePrior(PRIOR, discriminator=critic),
            degradation=degradation,
            optimization=Optimization(steps=30, lr=0.02),
            objective=Objective(perceptual=0.0),
        )

    solution = run()
    assert solution.losses[-1] < 0.6 * solution.losses[0]
    code = solution.code
    z, deltas = code.tensors(0)["z"], code.deltas(0)
    again = run().code.deltas(0)
    assert all(torch.equal(value, again[name]) for name, value in deltas.items())
    with torch.no_grad():
        assert torch.equal(apply_deltas(small, deltas)(z[None]), code.render(small))


def test_the_discriminators_features_lead_to_its_score(critic: PGGANDiscriminator, rng: torch.Generator) -> None:
    image = torch.rand(4, 3, 16, 16, generator=rng)
    shapes = [tuple(found.shape[1:]) for found in critic.features(image)]
    assert critic.resolution == 16
    assert shapes == [(7, 16, 16), (9, 8, 8), (9, 4, 4)]


@pytest.mark.parametrize("ranks", [(0, 0), (2, 2), (0, 2), (2, 0)])
def test_changes_between_two_images_are_linear_whatever_their_rank(
    ranks: tuple[int, int], small: PGGANGenerator, rng: torch.Generator
) -> None:
    def changes(rank: int) -> dict[str, torch.Tensor]:
        if not rank:
            return {"layers.4.weight": 0.1 * torch.randn(6, 7, 3, 3, generator=rng).half()}
        return {
            "layers.4.weight.left": 0.1 * torch.randn(6, rank, generator=rng).half(),
            "layers.4.weight.right": torch.randn(rank, 63, generator=rng).half(),
        }

    def weight(deltas: dict[str, torch.Tensor]) -> torch.Tensor:
        return dict(apply_deltas(small, deltas).named_parameters())["layers.4.weight"]

    a, b = (changes(rank) for rank in ranks)
    assert blended(a, b, 0) == a
    assert blended(a, b, 1) == b
    between = weight(blended(a, b, 0.25))
    assert torch.allclose(between, 0.75 * weight(a) + 0.25 * weight(b), atol=1e-3)
    assert torch.allclose(
        weight(blended(a, {}, 0.25)), torch.lerp(weight(a), small.state_dict()["layers.4.weight"], 0.25), atol=1e-3
    )
