from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ganinvert.errors import UsageError
from ganinvert.generators import Activations, PGGANDiscriminator, PGGANGenerator
from ganinvert.generators.base import Generator
from ganinvert.generators.pggan import PGGANArchitecture, minibatch_stddev, pixel_norm
from ganinvert.images import fit, read

architectures = st.integers(1, 4).flatmap(
    lambda blocks: st.builds(
        PGGANArchitecture,
        st.integers(1, 9),
        st.lists(st.integers(1, 7), min_size=2 * blocks, max_size=2 * blocks).map(tuple),
    )
)


@settings(deadline=None, max_examples=25)
@given(architecture=architectures, seed=st.integers(0, 99))
def test_split_at_any_layer_is_the_whole(architecture: PGGANArchitecture, seed: int) -> None:
    generator = PGGANGenerator.random(architecture, seed=seed)
    z = torch.randn(2, architecture.latent_dim, generator=torch.Generator().manual_seed(seed))
    whole = generator(z)
    assert whole.shape == (2, 3, architecture.resolution, architecture.resolution)
    for layer in range(generator.num_layers + 1):
        h = generator.features(z, layer)
        info = generator.layer_info(layer)
        assert h.features.shape == (2, info.channels, info.size, info.size)
        assert torch.allclose(generator.synthesize(h, layer), whole, atol=1e-4)


@pytest.mark.parametrize("layer", range(6))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layers_compute_the_plain_arithmetic(layer: int, dtype: torch.dtype, rng: torch.Generator) -> None:
    generator = PGGANGenerator.random(PGGANArchitecture(16, (24, 16, 16, 12, 8, 8)))
    weight, bias = generator.layers[layer].weight, generator.layers[layer].bias
    size = generator.layer_info(layer).size

    def compute(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return generator.carry(Activations(x), layer, layer + 1).features.float()

    def expected(x: Tensor) -> Tensor:
        x = pixel_norm(x)
        if layer in (2, 4):
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        x = F.conv2d(x, weight, padding=3 if layer == 0 else 1)
        return F.leaky_relu(x + bias.reshape(-1, *((4, 4) if layer == 0 else (1, 1))), 0.2)

    for shape in [(size, size), *([(16, 20)] if layer else [])]:
        for learns in (False, False, True):  # the second with other weights
            generator.requires_grad_(learns)
            with torch.no_grad():
                weight.add_(0.1)
                bias.normal_(generator=rng)
            x = torch.randn(3, generator.layer_info(layer).channels, *shape, generator=rng, requires_grad=True)
            results = [compute(x), expected(x)]
            slopes = [torch.autograd.grad(h.square().mean(), [x, *([weight] if learns else [])]) for h in results]
            for one, other in zip((results[0], *slopes[0]), (results[1], *slopes[1]), strict=True):
                difference, largest = (one - other).detach().abs().max(), other.detach().abs().max()
                assert difference <= (1e-5 if dtype == torch.float32 else 2e-2) * largest


def test_what_inference_mode_leaves_behind_can_be_differentiated(rng: torch.Generator) -> None:
    architecture = PGGANArchitecture(16, (8, 8, 6, 6))
    z, generator = torch.randn(2, 16, generator=rng, requires_grad=True), PGGANGenerator.random(architecture)
    with torch.inference_mode():
        expected = generator(z)
        assert torch.allclose(PGGANGenerator.random(architecture)(z), expected, atol=1e-5)
    image = generator(z)
    assert torch.equal(image, expected)
    assert torch.autograd.grad(image.sum(), z)[0].abs().sum() > 0


@settings(deadline=None, max_examples=20)
@given(scale=st.floats(0.1, 50), seed=st.integers(0, 99))
def test_images_do_not_depend_on_the_length_of_z(scale: float, seed: int) -> None:
    generator = PGGANGenerator.random(PGGANArchitecture(16, (8, 8, 6, 6)), seed=seed)
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(generator(z * scale), generator(z), atol=1e-3)


@pytest.mark.parametrize("layer", range(7))
def test_grouped_features_are_gathered_features(small: PGGANGenerator, layer: int, rng: torch.Generator) -> None:
    channels = small.layer_info(layer).channels
    labels = torch.randint(0, 3, (channels,), generator=rng)
    groups = [torch.nonzero(labels == group)[:, 0] for group in range(3)]
    z = torch.randn(3, 4, small.space().shape[0], generator=rng)
    fast, plain = small.grouped_features(z, layer, groups), Generator.grouped_features(small, z, layer, groups)
    assert torch.allclose(fast.features, plain.features, atol=1e-5)


def test_pixel_norm_has_the_right_gradient(rng: torch.Generator) -> None:
    x = torch.randn(2, 5, 3, 3, dtype=torch.float64, generator=rng, requires_grad=True)
    assert torch.autograd.gradcheck(pixel_norm, x)
    assert torch.allclose(pixel_norm(x).square().mean(dim=1), torch.ones(2, 3, 3, dtype=torch.float64))


@pytest.mark.parametrize("layer", [-1, 7])
def test_layers_that_do_not_exist(small: PGGANGenerator, layer: int) -> None:
    for call in (small.layer_info, lambda n: small.features(torch.zeros(1, 12), n)):
        with pytest.raises(UsageError, match="does not exist"):
            call(layer)


def test_generators_are_frozen(small: PGGANGenerator) -> None:
    assert not any(parameter.requires_grad for parameter in small.parameters())


@pytest.mark.parametrize("batch", [1, 3, 4, 8])
def test_discriminator_scores_images_of_every_resolution(batch: int) -> None:
    for channels in [(4, 4), (6, 6, 5, 5, 3, 3)]:
        architecture = PGGANArchitecture(8, channels)
        scores = PGGANDiscriminator(architecture)(
            torch.zeros(batch, 3, architecture.resolution, architecture.resolution)
        )
        assert scores.shape == (batch,)


def test_minibatch_stddev_against_a_plain_loop(rng: torch.Generator) -> None:
    x = torch.randn(8, 3, 2, 2, generator=rng)
    found = minibatch_stddev(x)
    for n in range(8):
        # Groups of four: images with the same remainder modulo 2, as the official reshape makes them.
        group = x[n % 2 :: 2]
        expected = group.std(dim=0, correction=0).mean()
        assert torch.allclose(found[n], expected.expand(1, 2, 2), atol=1e-4)


def test_the_official_network_runs_on_crops() -> None:
    generator = PGGANGenerator.random(PGGANArchitecture.official(1024))
    assert generator.layer_info(3).channels == 512
    assert generator.layer_info(3).size == 8
    # Features of one position of the 64 px layer are a 16 px crop of the image.
    assert generator.synthesize(Activations(torch.zeros(1, 256, 1, 1)), 9).shape == (1, 3, 16, 16)


@pytest.mark.shared
def test_the_official_upper_half_shows_a_real_face(assets: Path) -> None:
    """At real scale: features at layer 9, optimised, become a crop of a 1024 px photo at 30 dB."""
    generator = PGGANGenerator(PGGANArchitecture.official(1024))
    upper = torch.load(assets / "pggan-celebahq-upper" / "upper_half.pth", weights_only=True)
    state = {"to_rgb.weight": upper.pop("ToRGB_lod0/weight"), "to_rgb.bias": upper.pop("ToRGB_lod0/bias")}
    for key, tensor in upper.items():
        side, convolution, part = key.split("/")
        layer = 2 * (int(side.split("x")[0]).bit_length() - 3) + int(convolution[-1])
        state[f"layers.{layer}.{part}"] = tensor
    loaded = generator.load_state_dict(state, strict=False)
    assert not loaded.unexpected_keys
    assert {key.split(".")[1] for key in loaded.missing_keys} == {str(n) for n in range(9)}
    photo = sorted((assets / "photos" / "face1024").glob("*.jpg"))[0]
    face = torch.from_numpy(fit(read(photo), 1024).pixels)[None, :, 384:640, 384:640]
    h = torch.zeros(1, 256, 16, 16, requires_grad=True)
    torch.nn.init.normal_(h, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam([h], lr=0.1)
    for _ in range(80):
        loss = (generator.synthesize(Activations(h), 9) - face).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert 10 * torch.log10(4 / loss) > 30
