"""Arithmetic of MobileStyleGAN and of the spaces of style-based generators, against its formulas written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators import Activations
from ganinvert.generators.mobilestylegan import MobileStyleGANArchitecture
from ganinvert.generators.mobilestylegan.network import inverse_haar
from ganinvert.generators.styles import MappingNetwork, StyleSpace

from .openvino_files import tiny


def test_the_inverse_haar_transform_is_that_of_the_publisher(rng: torch.Generator) -> None:
    x = torch.randn(2, 12, 5, 4, generator=rng)
    image = inverse_haar(x)
    assert image.shape == (2, 3, 10, 8)
    for i in range(3):
        low, (a, b, c) = x[:, i], (x[:, 3 + 3 * i + k] for k in range(3))
        cells = ((low + a + b + c, low + a - b - c), (low - a + b - c, low - a - b + c))
        for row in range(2):
            for column in range(2):
                torch.testing.assert_close(image[:, i, row::2, column::2], cells[row][column] / 2)
    torch.testing.assert_close(image.square().sum(), x.square().sum())
    torch.testing.assert_close(F.avg_pool2d(image, 2), x[:, :3] / 2)


def test_a_layer_is_a_modulated_separable_convolution_with_its_noise(rng: torch.Generator) -> None:
    generator = tiny()
    styles = torch.randn(2, generator.architecture.num_styles, 6, generator=rng)
    before = generator.carry(generator.begin(styles), 0, 3)
    after = generator.carry(before, 3, 4).features
    state = {
        key.removeprefix("layers.3."): value for key, value in generator.state_dict().items() if "layers.3." in key
    }
    up, style = (
        F.linear(styles[:, n], state[f"{name}.weight"], state[f"{name}.bias"])[:, :, None, None]
        for n, name in ((4, "up"), (5, "style"))
    )
    x = inverse_haar(before.features * up) * style
    x = F.conv2d(x, state["depthwise"], padding=1, groups=len(state["depthwise"]))
    x = F.conv2d(x, state["weight"][:, :, None, None]) + state["noise"] + state["bias"][:, None, None]
    torch.testing.assert_close(after, F.leaky_relu(x, 0.2))


def test_features_of_another_size_are_the_middle_of_the_layer_or_have_it_there() -> None:
    generator = tiny()
    state = generator.features(generator.space().sample(1, torch.Generator()), 4)
    middle = state.replace(state.features[:, :, 4:12, 4:12])
    whole, crop = (generator.carry(each, 4, 5).features for each in (state, middle))
    torch.testing.assert_close(crop[:, :, 1:-1, 1:-1], whole[:, :, 5:11, 5:11])
    wide = state.replace(F.pad(state.features, (4, 4, 4, 4)))
    torch.testing.assert_close(generator.carry(wide, 4, 5).features[:, :, 4:-4, 4:-4], whole)


def test_the_mapping_network_normalises_and_keeps_the_scale(rng: torch.Generator) -> None:
    mapping = MappingNetwork(5, 4, 3)
    z = torch.randn(7, 5, generator=rng)
    x = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    for layer in mapping.layers:
        x = 2**0.5 * F.leaky_relu(layer(x), 0.2)
    torch.testing.assert_close(mapping(z), x)
    torch.testing.assert_close(mapping(3 * z), mapping(z))


def test_the_prior_of_styles_counts_deviations_from_their_mean(rng: torch.Generator) -> None:
    mapping = MappingNetwork(6, 6, 6)
    mapping.measure()
    w, wide = StyleSpace("w", mapping), StyleSpace("w+", mapping, 4)
    samples = w.sample(2000, rng)
    torch.testing.assert_close(samples.mean(dim=0), w.mean(), rtol=0, atol=0.1)
    assert float(w.prior(samples).mean()) == pytest.approx(0.5, abs=0.05)
    assert float(w.prior(w.mean()[None])) == 0
    away = w.mean() + 2 * mapping.deviation
    assert float(w.prior(away[None])) == pytest.approx(2.0)
    assert float(wide.prior(away.repeat(1, 4, 1))) == pytest.approx(2.0)
    codes = wide.sample(3, torch.Generator().manual_seed(0))
    assert torch.equal(codes[:, 0], w.sample(3, torch.Generator().manual_seed(0)))
    assert torch.equal(codes, codes[:, :1].expand_as(codes))


def test_activations_without_styles_are_refused() -> None:
    generator = tiny()
    with pytest.raises(UsageError, match="without styles"):
        generator.carry(Activations(torch.zeros(1, 8, 4, 4)), 0, 1)


@pytest.mark.parametrize("channels", [(8, 8, 8), (8, 8), (8, 6, 8, 8), (8, 0, 8, 8), (4,) * 22])
def test_other_networks_are_no_mobilestylegan(channels: tuple[int, ...]) -> None:
    with pytest.raises(WeightsError, match="do not make a MobileStyleGAN"):
        MobileStyleGANArchitecture((6, 6), 4, channels)
