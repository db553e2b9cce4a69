from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganinvert.degradations import Identity
from ganinvert.errors import UsageError
from ganinvert.generators import PGGANGenerator
from ganinvert.methods import ComposedCode, Composition
from ganinvert.methods.initialization import nearest_codes
from ganinvert.settings import PmSFC
from ganinvert.subspaces import SubspacePartition

MASKS = SubspacePartition(torch.tensor([2, 0, 1, 0, 2, 0, 1, 0]), "given")


def literal_composition(generator: PGGANGenerator, z: Tensor, w: Tensor, layer: int) -> Tensor:
    """Eqs. 6 and 7 as the paper writes them, with every mask, code and weight in full: z (R, K, z), w (K, c)."""
    total = 0
    for r in range(z.shape[0]):
        mask = (MASKS.labels == r).float()
        numerator = sum(
            mask[:, None, None] * generator.features(z[r, k][None], layer).features[0] * torch.tanh(w[k])[:, None, None]
            for k in range(z.shape[1])
        )
        total = total + numerator / torch.tanh(w).sum(dim=0)[:, None, None]
    return total


def code_of(z: Tensor, w: Tensor, partition: SubspacePartition = MASKS, **settings: object) -> ComposedCode:
    return ComposedCode(z, w, partition, PmSFC(**settings))


def test_composition_is_equations_6_and_7(small: PGGANGenerator, rng: torch.Generator) -> None:
    z = torch.randn(2, 3, 4, 12, generator=rng)
    w = torch.rand(2, 4, 8, generator=rng) + 0.2
    code = code_of(z, w)
    composed = code.compose(small)
    for b in range(2):
        assert torch.allclose(composed.features[b], literal_composition(small, z[b], w[b], 3), atol=1e-5)
    assert torch.allclose(code.render(small), small.synthesize(composed, 3))


def test_one_subspace_with_linear_weights_is_mganprior(small: PGGANGenerator, rng: torch.Generator) -> None:
    """Eq. 1: G2(Σ_n G1(z_n) ⊙ α_n)."""
    z, alpha = torch.randn(1, 1, 5, 12, generator=rng), torch.randn(1, 5, 8, generator=rng)
    code = code_of(z, alpha, SubspacePartition.whole(8), subspaces=1, weighting="linear")
    state = small.features(z[0, 0], 3)
    mixed = (state.features * alpha[0][:, :, None, None]).sum(dim=0, keepdim=True)
    expected = small.synthesize(state.replace(mixed), 3)
    assert torch.allclose(code.render(small), expected, atol=1e-5)


def test_equal_codes_give_the_generators_own_image(small: PGGANGenerator, rng: torch.Generator) -> None:
    z = torch.randn(1, 1, 1, 12, generator=rng)
    code = code_of(z.expand(1, 3, 4, 12).clone(), torch.full((1, 4, 8), 0.7))
    assert torch.allclose(code.render(small), small(z[0, 0]), atol=1e-5)


@pytest.mark.parametrize(
    "values", [(0.0, 0.0), (1e-9, -1e-9), (0.5, -0.5), (0.3, -0.3001), (-20.0, 20.0), (1e-30, 0.0)]
)
def test_weights_that_cancel_stay_finite_and_keep_their_sign(values: tuple[float, float]) -> None:
    w = torch.tensor(values, requires_grad=True)
    code = code_of(
        torch.ones(1, 1, 2, 12), w[None, :, None].expand(1, 2, 8).detach().clone(), SubspacePartition.whole(8)
    )
    shares = code.shares()
    shares.square().sum().backward()
    assert shares.abs().max() <= 1 / 0.05
    assert torch.isfinite(code.w.grad).all()
    if sum(values):
        assert torch.sign(shares[0, 0, 0]) == torch.sign(w[0]) * torch.sign(torch.tanh(w).sum())


def test_ordinary_weights_are_shares_of_one(rng: torch.Generator) -> None:
    shares = code_of(torch.ones(1, 3, 5, 12), torch.rand(1, 5, 8, generator=rng) + 0.1).shares()
    assert torch.allclose(shares.sum(dim=1), torch.ones(1, 8))


def test_nearest_codes_find_the_code_itself(small: PGGANGenerator) -> None:
    bank = torch.randn(32, 12, generator=torch.Generator().manual_seed(5))
    found = nearest_codes(
        small, small(bank[[7, 30]]), Identity(), count=3, candidates=32, rng=torch.Generator().manual_seed(5)
    )
    assert found.shape == (2, 3, 12)
    assert torch.equal(found[:, 0], bank[[7, 30]])


def start(small: PGGANGenerator, b: int = 2, seed: int = 0, **settings: object) -> ComposedCode:
    y = torch.linspace(-1, 1, b * 3 * 16 * 16).reshape(b, 3, 16, 16)
    return Composition(PmSFC(subspaces=3, **settings), MASKS).start(small, y, Identity(), seed=seed)


def test_starts_have_their_shapes_lengths_and_seeds(small: PGGANGenerator) -> None:
    code = start(small, codes=4, candidates=20)
    assert code.z.shape == (2, 3, 4, 12)
    assert code.w.shape == (2, 4, 8)
    assert torch.allclose(code.z.norm(dim=-1), torch.tensor(12.0).sqrt())
    assert torch.equal(start(small, codes=4, candidates=20).z, code.z)
    assert not torch.equal(start(small, codes=4, candidates=20, seed=1).z, code.z)


def test_random_starts_differ_between_codes_but_not_between_images(small: PGGANGenerator) -> None:
    code = start(small, init="random", sphere=False, sigma=1e-4)
    assert torch.equal(code.z[0], code.z[1])
    assert len(code.z[0].reshape(-1, 12).unique(dim=0)) == 15
    assert code.z.abs().max() < 1e-3


def test_masks_of_another_layer_are_refused(small: PGGANGenerator) -> None:
    with pytest.raises(UsageError, match="masks are for 8 channels, but layer 1 has 10"):
        start(small, layer=1)


@pytest.mark.parametrize("settings", [{"codes": 0}, {"subspaces": 0}, {"candidates": 0}])
def test_settings_that_cannot_be(settings: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="cannot be"):
        PmSFC(**settings)
