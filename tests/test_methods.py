from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ganinvert.degradations import Identity
from ganinvert.devices import autocast
from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators import (
    Activations,
    Generator,
    LayerInfo,
    NormalSpace,
    PGGANGenerator,
    load_generator,
)
from ganinvert.losses import pixel_loss
from ganinvert.methods import CODES, CodeRecord, Latent, LatentCode, ResidualCode, Residuals, method_of
from ganinvert.optimize import Snapshot, Step, solve
from ganinvert.optimize.objective import ObjectiveFunction
from ganinvert.optimize.targets import Target
from ganinvert.settings import (
    METHODS,
    Encoded,
    LayerResiduals,
    Objective,
    Optimization,
    PmSFC,
    SingleCode,
    divergences,
    preset_of,
)
from ganinvert.subspaces import SubspacePartition

PIXELS = Objective(perceptual=0.0)
MASKS = SubspacePartition(torch.tensor([0, 1] * 4), "given")


class Expansive(Generator):
    """Two layers of ReLU with Gaussian weights, each wider than the one before: what Ma et al. prove their result for.

    Args:
        latent: Length of z.
        seed: Of the weights.
        smooth: tanh instead of ReLU.
    """

    def __init__(self, latent: int, *, seed: int = 0, smooth: bool = False) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.name, self.resolution, self.num_layers = "toy", 8, 0
        self.spaces = {"z": NormalSpace("z", latent)}
        self.first = torch.nn.Parameter(torch.randn(48, latent, generator=rng) / 48**0.5, requires_grad=False)
        self.second = torch.nn.Parameter(torch.randn(192, 48, generator=rng) / 192**0.5, requires_grad=False)
        self.activation = torch.tanh if smooth else torch.relu

    def layer_info(self, layer: int) -> LayerInfo:
        return LayerInfo(self.space().shape[0], 1)

    def styles(self, code: Tensor, space: str = "") -> Tensor:
        return code[:, None]

    def begin(self, styles: Tensor) -> Activations:
        return Activations(styles[:, 0, :, None, None])

    def carry(self, activations: Activations, start: int, stop: int) -> Activations:
        return activations

    def weights_after(self, layer: int) -> dict[str, Tensor]:
        return {}

    def to_image(self, activations: Activations) -> Tensor:
        hidden = self.activation(activations.features.flatten(1) @ self.first.T)
        return (self.activation(hidden @ self.second.T) * 8).unflatten(1, (3, 8, 8))


def test_invertgennet_recovers_z_of_a_relu_network() -> None:
    """From far on the wrong side: a plain descent is caught near a negative multiple of z, the restart is not."""
    toy = Expansive(6)
    z = torch.randn(40, 6, generator=torch.Generator().manual_seed(3))

    class Opposite(Latent):
        def start(self, generator: Generator, y: Tensor, degradation: Identity, *, seed: int) -> LatentCode:
            return LatentCode(-0.6 * z, self.settings, seed=seed)

    def distance(*, restart: bool) -> Tensor:
        method = Opposite(SingleCode(init="random", sphere=False, restart=restart))
        optimization = (
            Optimization(3000, 0.03, "cosine", 0.0, runs=2) if restart else Optimization(1500, 0.03, "cosine", 0.0)
        )
        code = solve(toy, toy(z), method=method, objective=PIXELS, optimization=optimization).code
        return (code.z - z).norm(dim=1) / z.norm(dim=1)

    assert (distance(restart=True) < 1e-3).all()
    assert (distance(restart=False) > 0.5).sum() >= 5


def test_a_restart_keeps_the_better_end_of_every_image() -> None:
    code = LatentCode(torch.tensor([[1.0], [2.0]]), SingleCode(sphere=False, restart=True))
    assert [code.on_step_start(Expansive(1), n, 5) for n in range(5)] == [False, False, False, True, False]
    assert code.z.tolist() == [[-1.0], [-2.0]]
    code.on_end(torch.tensor([[9.0, 9.0], [8.0, 8.0], [1.0, 3.0], [5.0, 5.0], [2.0, 2.0]]), 5)
    assert code.z.tolist() == [[1.0], [-2.0]]


def test_a_restart_that_is_stopped_before_keeps_what_it_has() -> None:
    code = LatentCode(torch.tensor([[1.0]]), SingleCode(sphere=False, restart=True))
    with torch.no_grad():
        code.z.add_(1)
    code.on_end(torch.tensor([[1.0], [2.0], [3.0]]), 9)
    assert code.z.tolist() == [[2.0]]


def test_stochastic_clipping_recovers_uniform_codes() -> None:
    toy = Expansive(10, smooth=True)
    z = torch.rand(100, 10, generator=torch.Generator().manual_seed(5)) * 2 - 1
    method = Latent(SingleCode(init="random", sphere=False, clip=1.0, distribution="uniform"))
    optimization = Optimization(1500, 1.0, "constant", 0.0, "sgd")
    code = solve(toy, toy(z), method=method, objective=PIXELS, optimization=optimization).code
    assert ((code.z - z).norm(dim=1) < 1e-2).sum() == 100


def test_clipping_draws_anew_what_is_too_far_and_nothing_else() -> None:
    z = torch.tensor([[0.5, -3.0, 2.5, -1.9]]).repeat(2, 1)
    code = LatentCode(z.clone(), SingleCode(sphere=False, clip=2.0), seed=4)
    toy = Expansive(4)
    code.on_step_start(toy, 7, 10)
    code.project_(toy)
    assert torch.equal(code.z[:, [0, 3]], z[:, [0, 3]])
    assert (code.z.abs() <= 2).all()
    assert (code.z[:, [1, 2]] != z[:, [1, 2]]).all()
    assert torch.equal(code.z[0], code.z[1])


def test_the_prior_is_that_of_a_normal_distribution(small: PGGANGenerator) -> None:
    code = LatentCode(torch.randn(3, 12), SingleCode(prior=0.5))
    density = torch.distributions.Normal(0.0, 1.0).log_prob(code.z)
    offset = torch.distributions.Normal(0.0, 1.0).log_prob(torch.zeros(()))
    assert torch.allclose(code.penalty(small, code.z), -0.5 * (density - offset).mean(dim=1), atol=1e-6)
    assert LatentCode(torch.randn(3, 12), SingleCode()).penalty(small, code.z) is None


@pytest.fixture(scope="module")
def y(small: PGGANGenerator) -> Tensor:
    return small(torch.randn(2, 12, generator=torch.Generator().manual_seed(21))).clamp(-1, 1)


def test_lbfgs_needs_fewer_steps_than_adam(small: PGGANGenerator, y: Tensor) -> None:
    method = Latent(SingleCode(sphere=False))

    def loss(kind: str, lr: float) -> float:
        optimization = Optimization(25, lr, "constant", 0.0, kind)  # type: ignore[arg-type]  # a word it knows
        return float(solve(small, y[:1], method=method, objective=PIXELS, optimization=optimization).losses[-1])

    assert loss("lbfgs", 1.0) < 0.8 * min(loss("adam", lr) for lr in (0.1, 0.3, 1.0))


def test_the_objective_of_a_line_search_has_the_slope_that_its_gradient_says() -> None:
    """L-BFGS compares values with gradients: the terms with a network have to be in both."""
    portraits = load_generator()
    y = portraits(torch.randn(1, 128, generator=torch.Generator().manual_seed(2))).clamp(-1, 1)
    code = Latent(SingleCode(init="random", sphere=False)).start(portraits, y, Identity(), seed=1)
    evaluate = ObjectiveFunction(portraits, Target.whole(y, Identity()), Objective(perceptual=0.0, alexnet=0.1))
    way = torch.randn(1, 128, generator=torch.Generator().manual_seed(3))
    surrogate, loss, _ = evaluate(code, refresh=True)
    assert torch.allclose(surrogate, loss)
    slope = float((torch.autograd.grad(surrogate.sum(), code.z)[0] * way).sum())
    values = []
    for length in (-0.001, 0.001):
        with torch.no_grad():
            code.z.add_(length * way)
        values.append(float(evaluate(code, refresh=True)[0].detach()))
        with torch.no_grad():
            code.z.sub_(length * way)
    assert (values[1] - values[0]) / 0.002 == pytest.approx(slope, rel=0.05)


def test_half_precision_leaves_codes_of_an_encoder_whole() -> None:
    portraits = load_generator()
    y = portraits(torch.randn(1, 128, generator=torch.Generator().manual_seed(2))).clamp(-1, 1)
    for settings in (SingleCode(init="encoder"), LayerResiduals(), Encoded("code"), Encoded()):
        with autocast(y.device, torch.bfloat16):
            code = method_of(settings, SubspacePartition.whole(128)).start(portraits, y, Identity(), seed=0)
        assert {tensor.dtype for tensor in code.tensors(0).values()} == {torch.float32}


def test_lbfgs_cannot_be_snapshot_and_the_others_can(small: PGGANGenerator, y: Tensor) -> None:
    for kind in ("adam", "rmsprop", "sgd", "lbfgs"):
        steps: list[Step] = []
        optimization = Optimization(2, 0.1, optimizer=kind)  # type: ignore[arg-type]  # a word it knows
        solve(
            small,
            y[:1],
            method=Latent(SingleCode()),
            objective=PIXELS,
            optimization=optimization,
            callback=steps.append,
        )
        assert (steps[0].snapshot is None) == (kind == "lbfgs")


@pytest.mark.parametrize(
    ("settings", "optimization"),
    [
        (SingleCode(clip=1.5, sphere=False), Optimization(9, 0.1, optimizer="rmsprop")),
        (SingleCode(restart=True), Optimization(9, 0.1, runs=2)),
        (LayerResiduals(layer=2, init="random"), Optimization(9, 0.1)),
    ],
)
def test_every_code_goes_on_from_a_snapshot_to_the_same_bits(
    small: PGGANGenerator, y: Tensor, settings: SingleCode | LayerResiduals, optimization: Optimization
) -> None:
    kept: list[Snapshot] = []

    def keep(step: Step) -> None:
        if step.index in (2, 6):
            assert step.snapshot is not None
            kept.append(step.snapshot())

    arguments = {"method": method_of(settings, MASKS), "optimization": optimization}
    whole = solve(small, y, callback=keep, **arguments)
    for snapshot in kept:
        rest = solve(small, y, resume=Snapshot.stacked([snapshot.image(n) for n in range(2)]), **arguments)
        assert torch.equal(rest.losses, whole.losses)
        for name, tensor in whole.code.tensors(1).items():
            assert torch.equal(rest.code.tensors(1)[name], tensor)


def test_residuals_reach_what_no_code_does_and_their_size_is_held(small: PGGANGenerator) -> None:
    noise = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    optimization = Optimization(80, 0.1)
    found = {}
    for penalty in (0.0, 10.0):
        method = Residuals(LayerResiduals(layer=3, init="random", penalty=penalty))
        code = solve(small, noise, method=method, objective=PIXELS, optimization=optimization).code
        with torch.no_grad():
            size = sum(float(residual.square().mean()) for residual in code.residuals)
            found[penalty] = float(pixel_loss(code.render(small), noise)), size
            assert float(code.penalty(small, noise)) == pytest.approx(penalty * size, rel=1e-4)
    single = solve(small, noise, method=Latent(SingleCode()), objective=PIXELS, optimization=optimization)
    with torch.no_grad():
        assert found[0.0][0] < 0.8 * float(pixel_loss(single.code.render(small), noise))
    assert found[10.0][1] < 0.1 * found[0.0][1]


def test_mganprior_is_pmsfc_with_one_subspace(small: PGGANGenerator, y: Tensor) -> None:
    mganprior = preset_of("mganprior", "invert")
    assert isinstance(mganprior.method, PmSFC)
    pmsfc = replace(preset_of("pmsfc", "invert").method, subspaces=1, codes=30, weighting="linear", weight_rate=0.05)
    results = []
    # Whatever the result is edited by, one subspace composes all channels together.
    for settings, partition in ((mganprior.method, MASKS), (pmsfc, SubspacePartition.whole(8))):
        results.append(solve(small, y, method=method_of(settings, partition), optimization=Optimization(steps=5)).code)
    assert torch.equal(results[0].z, results[1].z)
    assert torch.equal(results[0].w, results[1].w)


def test_codes_are_rebuilt_from_their_tensors(small: PGGANGenerator, y: Tensor) -> None:
    for settings in (PmSFC(2, 3, candidates=8), SingleCode(), LayerResiduals(layer=2, init="nearest")):
        code = method_of(settings, MASKS).start(small, y, Identity(), seed=0)
        again = CODES[code.kind].restore(CodeRecord(code.kind, "", code.tensors(1), vars(settings), MASKS, 3))
        assert again.layer == code.layer
        assert torch.allclose(again.render(small), code.render(small)[1:], atol=1e-5)
    tensors = {"z": torch.zeros(12), "d9": torch.zeros(10, 4, 4)}
    with pytest.raises(ValueError, match="do not fit"):
        ResidualCode.restore(CodeRecord("residuals", "", tensors, {}, MASKS, 3))


def test_what_needs_an_encoder_says_so(small: PGGANGenerator, y: Tensor) -> None:
    for name in ("encoder", "genvismani", "invertlayers"):
        with pytest.raises(WeightsError, match="has no encoder") as caught:
            method_of(preset_of(name, "invert").method, MASKS).start(small, y, Identity(), seed=0)
        assert "train-encoder" in caught.value.hint


def test_presets_are_named_by_their_sources() -> None:
    for name, recipe in METHODS.items():
        assert recipe.about
        for task, presets in recipe.presets.items():
            assert "default" in presets
            for preset, chosen in presets.items():
                assert chosen.name == name
                if preset in ("paper", "official"):
                    assert name == "pmsfc" or divergences(presets["default"], task)
    assert divergences(preset_of("pmsfc", "invert", "paper"), "invert") == {}
    assert divergences(preset_of("pmsfc", "invert"), "invert")["optimization.steps"] == "300 instead of 7000"
    with pytest.raises(UsageError, match="near-perfect cannot colorize"):
        preset_of("near-perfect", "colorize")
    with pytest.raises(UsageError, match="mganprior has no preset paper"):
        preset_of("mganprior", "invert", "paper")
