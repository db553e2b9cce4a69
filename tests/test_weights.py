from __future__ import annotations

import pickle
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from ganinvert.errors import WeightsError
from ganinvert.generators import PGGANGenerator, load_generator, read_generator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.weights import TensorFile, digest


def genforce(generator: PGGANGenerator) -> dict[str, torch.Tensor]:
    """The layout of genforce, written from a canonical network."""
    state, count = generator.state_dict(), generator.num_layers
    raw = {"lod": torch.tensor(0.0)}
    for n in range(count):
        weight = state[f"layers.{n}.weight"]
        raw[f"layer{n}.conv.weight"] = weight / sqrt(2 / weight[0].numel())
        raw[f"layer{n}.wscale.bias"] = state[f"layers.{n}.bias"].clone()
    block = count // 2 - 1
    raw[f"output{block}.conv.weight"] = state["to_rgb.weight"] * sqrt(state["to_rgb.weight"].shape[1])
    raw[f"output{block}.wscale.bias"] = state["to_rgb.bias"]
    return raw


def test_genforce_files_render_the_same(small: PGGANGenerator, tmp_path: Path, rng: torch.Generator) -> None:
    torch.save(genforce(small), tmp_path / "g.pth")
    z = torch.randn(3, small.space().shape[0], generator=rng)
    assert torch.allclose(load_generator(tmp_path / "g.pth")(z), small(z), atol=1e-5)


def test_lower_outputs_and_a_bias_per_channel_are_understood(small: PGGANGenerator, tmp_path: Path) -> None:
    raw = genforce(small)
    raw["layer0.wscale.bias"] = torch.arange(10.0)
    raw["output0.conv.weight"], raw["output0.wscale.bias"] = torch.ones(3, 9, 1, 1), torch.zeros(3)
    torch.save(raw, tmp_path / "g.pth")
    assert torch.equal(read_generator(tmp_path / "g.pth").state_dict()["layers.0.bias"][:, 2, 1], torch.arange(10.0))


def test_own_files_keep_everything(small: PGGANGenerator, small_file: Path) -> None:
    loaded = read_generator(small_file)
    assert loaded.name == "small"
    assert loaded.architecture == small.architecture
    assert loaded.digest == digest(small.state_dict())


def broken(kind: str, small: PGGANGenerator, path: Path) -> Path:
    state, raw = dict(small.state_dict()), genforce(small)
    if kind == "missing key":
        del raw["layer2.conv.weight"]
    elif kind == "extra key":
        raw["layer2.conv.noise"] = torch.zeros(1)
    elif kind == "growing":
        raw["lod"] = torch.tensor(1.5)
    elif kind == "foreign":
        raw = {"conv1.weight": torch.zeros(1)}
    elif kind == "NaN":
        raw["layer3.wscale.bias"][0] = torch.nan
    elif kind == "shape":
        state["layers.2.bias"] = torch.zeros(3)
        raw = state
    elif kind == "odd":
        raw = {key: value for key, value in state.items() if not key.startswith("layers.5")}
    torch.save(raw, path)
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing key", "missing layer2.conv.weight"),
        ("extra key", "extra layer2.conv.noise"),
        ("growing", "lod is 1.5"),
        ("foreign", "unknown keys, such as conv1.weight"),
        ("NaN", "layer.*not finite"),
        ("shape", r"layers.2.bias has shape \(3,\), not \(8,\)"),
        ("odd", "do not make a PGGAN"),
    ],
)
def test_broken_networks_are_refused_by_name(kind: str, words: str, small: PGGANGenerator, tmp_path: Path) -> None:
    path = broken(kind, small, tmp_path / "g.pth")
    with pytest.raises(WeightsError, match=words) as caught:
        read_generator(path)
    assert caught.value.message.startswith(str(path))
    assert caught.value.exit_code == 3
    assert caught.value.hint


def test_damaged_files_are_refused(small_file: Path, tmp_path: Path) -> None:
    content = small_file.read_bytes()
    flipped = bytearray(content)
    flipped[-5] ^= 1
    for name, data, words in [
        ("text.pth", b"hello there", "of no known kind"),
        ("empty.pth", b"", "is empty"),
        ("cut.safetensors", content[:-20], "is cut short"),
        ("flipped.safetensors", bytes(flipped), "does not match its digest"),
    ]:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=words):
            read_generator(path)
    with pytest.raises(WeightsError, match="neither a known generator nor a file"):
        load_generator("no-such-generator")


def test_pickled_code_is_never_executed(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "executed",))  # type: ignore[return-value]

    torch.save({"layer0.conv.weight": Hostile()}, tmp_path / "hostile.pth")
    (tmp_path / "hostile.pkl").write_bytes(pickle.dumps(Hostile(), protocol=2))
    for name in ("hostile.pth", "hostile.pkl"):
        with pytest.raises(WeightsError, match="it wants"):
            read_generator(tmp_path / name)
    assert not (tmp_path / "executed").exists()


def test_the_digest_knows_names_shapes_and_values() -> None:
    one = {"a": torch.arange(4.0)}
    variants = [{"b": torch.arange(4.0)}, {"a": torch.arange(4.0)[:, None]}, {"a": torch.arange(4.0) + 1}]
    assert digest(one) == digest({"a": torch.arange(4.0)})
    assert len({digest(state) for state in (one, *variants)}) == 4


def test_official_architectures() -> None:
    architecture = PGGANArchitecture.official(1024)
    assert architecture.channels == (512,) * 8 + (256, 256, 128, 128, 64, 64, 32, 32, 16, 16)
    assert architecture.resolution == 1024
    assert PGGANArchitecture.official(4).resolution == 4


@pytest.mark.parametrize("name", ["portraits-64", "vgg16", "alexnet"])
def test_embedded_files_state_licence_and_origin(name: str) -> None:
    from ganinvert import paths

    about = TensorFile.load(paths.embedded(f"{name}.safetensors")).about
    assert about["licence"]
    assert about["origin"]


@pytest.mark.shared
def test_the_embedded_generator_renders_its_known_images(portraits: PGGANGenerator, assets: Path) -> None:
    z = torch.from_numpy(np.load(assets / "portraits64" / "check_z.npy"))
    known = torch.from_numpy(np.load(assets / "portraits64" / "check_images.npy"))
    assert torch.allclose(portraits(z), known, atol=2e-5)
    assert torch.allclose(load_generator(assets / "portraits64" / "generator.pth")(z), known, atol=2e-5)
