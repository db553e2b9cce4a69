"""Encoders: the network, its file, and how it is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from ganinvert import paths
from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators import Encoder, PGGANEncoder, PGGANGenerator, load_encoder
from ganinvert.generators.pggan import EncoderArchitecture, PGGANArchitecture
from ganinvert.metrics import psnr, to_unit
from ganinvert.weights import registry

TINY = PGGANArchitecture.official(16, latent_dim=8, base=64, cap=8)


def tiny_encoder(layer: int = 3) -> Encoder:
    architecture = EncoderArchitecture.compact(16, latent_dim=8, layer=layer, channels=8, base=64, cap=8)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return PGGANEncoder(architecture)


def save(encoder: Encoder, path: Path, generator: str = "abc") -> Path:
    encoder.digest, encoder.about = generator, {"licence": "CC0"}
    encoder.save(path)
    return path


@pytest.mark.parametrize("resolution", [16, 64, 512])
@pytest.mark.parametrize("layer", [0, 1, 3, 4])
def test_an_encoder_tells_z_on_the_sphere_and_features_of_the_layers_shape(resolution: int, layer: int) -> None:
    generator = PGGANGenerator(PGGANArchitecture.official(resolution, latent_dim=8, base=512, cap=4))
    info = generator.layer_info(layer)
    architecture = EncoderArchitecture.compact(
        resolution, latent_dim=8, layer=layer, channels=info.channels, base=64, cap=8
    )
    encoder = PGGANEncoder(architecture)
    z, features = encoder(torch.rand(2, 3, resolution, resolution) * 2 - 1)
    assert torch.allclose(z.norm(dim=1), torch.full((2,), 8**0.5))
    assert features.features.shape == (2, info.channels, info.size, info.size)
    if layer == 0:
        assert torch.equal(features.features.flatten(1), z)


def test_an_encoder_of_the_default_width_takes_no_more_than_4_mb() -> None:
    architecture = EncoderArchitecture.compact(64, latent_dim=128, layer=3, channels=128)
    assert 2 * sum(tensor.numel() for tensor in PGGANEncoder(architecture).state_dict().values()) < 3.9e6


def test_a_layer_that_is_nearly_the_image_is_refused() -> None:
    EncoderArchitecture.compact(64, latent_dim=8, layer=8, channels=8)
    with pytest.raises(UsageError, match="layer 9") as caught:
        EncoderArchitecture.compact(64, latent_dim=8, layer=9, channels=8)
    assert "0 to 8" in caught.value.hint


def test_an_encoder_is_read_as_it_was_written(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    found = load_encoder(save(encoder, tmp_path / "e.safetensors"))
    images = torch.rand(2, 3, 16, 16)
    (z, state), (same, also) = encoder(images), found(images)
    assert torch.equal(z, same)
    assert torch.equal(state.features, also.features)
    assert (found.layer, found.digest, found.about["licence"]) == (3, "abc", "CC0")
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_an_encoder_is_found_by_its_generators_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANINVERT_DATA_DIR", str(tmp_path))
    with pytest.raises(WeightsError, match="mugs has no encoder") as caught:
        load_encoder("mugs")
    assert "ganinvert train-encoder -g mugs" in caught.value.hint
    registry.register("mugs", {".encoder": save(tiny_encoder(), tmp_path / "e.safetensors")})
    assert load_encoder("mugs").digest == "abc"
    assert registry.names() == []  # an encoder alone is no generator


def test_an_encoder_of_another_generator_is_refused(tmp_path: Path) -> None:
    generator = PGGANGenerator.random(TINY)
    path = save(tiny_encoder(), tmp_path / "e.safetensors", generator.digest)
    assert load_encoder(path, generator=generator).digest == generator.digest
    with pytest.raises(WeightsError, match="another generator"):
        load_encoder(path, generator=PGGANGenerator.random(TINY, seed=1))


def test_the_embedded_encoder_inverts_samples_far_better_than_chance(portraits: PGGANGenerator) -> None:
    encoder = load_encoder(generator=portraits)
    codes = torch.randn(16, portraits.space().shape[0], generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        images = portraits(codes).clamp(-1, 1)
        found, features = encoder(images)
        made = portraits.synthesize(features, encoder.layer)
    cosines = F.cosine_similarity(found, codes)
    # Unrelated codes of this length have cosines of 0 ± 0.09.
    assert cosines.min() > 0.45
    assert cosines.mean() > 0.65
    assert psnr(to_unit(made), to_unit(images)).mean() > 22
    assert paths.embedded("portraits-64.encoder.safetensors").stat().st_size <= 4_000_000
    assert "portraits-credits.csv" in encoder.about["licence"]


@dataclass
class Content:
    """What an encoder's file holds, to be damaged."""

    state: dict[str, torch.Tensor]
    header: dict[str, str]

    def restate(self, **numbers: object) -> None:
        self.header["architecture"] = json.dumps({**json.loads(self.header["architecture"]), **numbers})


DAMAGES: dict[str, Callable[[Content], object]] = {
    "a tensor is missing": lambda content: content.state.pop("stem.bias"),
    "values are not finite": lambda content: content.state["stem.bias"].fill_(torch.nan),
    "a tensor has another shape": lambda content: content.state.update({"stem.bias": torch.zeros(3)}),
    "it is a discriminator": lambda content: content.header.update(kind="pggan-discriminator"),
    "the header tells nothing": lambda content: content.header.pop("architecture"),
    "the header is no JSON": lambda content: content.header.update(architecture="{"),
    "a width is no number": lambda content: content.restate(widths=["many", 8]),
    "the layer is absurd": lambda content: content.restate(layer=10**18),
    "the header is of another size": lambda content: content.restate(resolution=64),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_no_whole_encoder_is_refused(tmp_path: Path, damage: str) -> None:
    path, encoder = tmp_path / "e.safetensors", tiny_encoder()
    state = {key: tensor.contiguous() for key, tensor in encoder.state_dict().items()}
    content = Content(state, {"kind": "pggan-encoder", "architecture": json.dumps(vars(encoder.architecture))})
    DAMAGES[damage](content)
    save_file(content.state, path, content.header)
    with pytest.raises(WeightsError, match=r"e\.safetensors") as caught:
        load_encoder(path)
    assert caught.value.hint


@pytest.mark.parametrize("kept", [0, 7, 200, -100])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = save(tiny_encoder(), tmp_path / "e.safetensors")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"e\.safetensors"):
        load_encoder(path)
