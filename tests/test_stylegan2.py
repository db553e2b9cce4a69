"""StyleGAN2 against the programs that publish it, whose images and scores are in `references`, and its refusals."""

from __future__ import annotations

import argparse
import json
import os
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators import load_discriminator, load_generator, read_discriminator, read_generator
from ganinvert.generators.stylegan2 import StyleGAN2Architecture, StyleGAN2Generator
from ganinvert.weights import TensorFile

from .checkpoints import nvidia_pickle, persistent_pickle
from .commandline import run
from .conftest import EXAMPLE

REFERENCES = Path(__file__).parent / "references" / "stylegan2.safetensors"
TensorDict = dict[str, Tensor]


def part(prefix: str) -> TensorDict:
    """Tensors of the references below a prefix."""
    tensors = TensorFile.load(REFERENCES).tensors
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def settings(network: str) -> dict[str, dict[str, Any]]:
    with safe_open(str(REFERENCES), framework="pt") as file:
        found: dict[str, dict[str, Any]] = json.loads(file.metadata()["settings"])[network]
    return found


def pickled(path: Path, *names: str, **options: Any) -> Path:
    networks = {name: (part(f"nvidia.{name}."), settings(name)) for name in names or ("G_ema", "D")}
    path.write_bytes(persistent_pickle(networks, **options))
    return path


def torched(path: Path, **others: Any) -> Path:
    names = argparse.Namespace(size=16, n_mlp=2)
    torch.save({"g_ema": part("community.g_ema."), "d": part("community.d."), "args": names} | others, path)
    return path


@pytest.mark.parametrize("protocol", [2, 4])
def test_nvidias_pickles_give_nvidias_images(protocol: int, tmp_path: Path) -> None:
    generator = load_generator(pickled(tmp_path / "a.bin", protocol=protocol))
    outputs = part("nvidia.")
    assert generator.about["format"] == "nvidia-persistence"
    assert (generator.classes, generator.resolution, generator.num_layers) == (3, 16, 5)
    for label, images in enumerate(outputs["images"]):
        view = generator.given(label)
        torch.testing.assert_close(view(outputs["z"]), images, rtol=0, atol=1e-5)
        w = view.space("w").sample(2, torch.Generator().manual_seed(label))
        z = torch.randn(2, 8, generator=torch.Generator().manual_seed(label))
        torch.testing.assert_close(view(w, "w"), view(z))
    assert torch.equal(generator.space("w").mean(), part("nvidia.G_ema.")["mapping.w_avg"])
    scores = load_discriminator(tmp_path / "a.bin")(part("real")[""])
    torch.testing.assert_close(scores, outputs["scores"], rtol=0, atol=1e-5)


def test_the_communitys_files_give_its_images(tmp_path: Path) -> None:
    generator = load_generator(torched(tmp_path / "a.pt", latent_avg=torch.full((8,), 0.25)))
    outputs = part("community.")
    assert generator.about["format"] == "rosinality"
    torch.testing.assert_close(generator(outputs["z"]), outputs["images"], rtol=0, atol=1e-5)
    assert torch.equal(generator.space("w").mean(), torch.full((8,), 0.25))
    discriminator = load_discriminator(tmp_path / "a.pt")
    torch.testing.assert_close(discriminator(outputs["real"]), outputs["scores"], rtol=0, atol=1e-5)
    assert [tuple(each.shape[2:]) for each in discriminator.features(outputs["real"])] == [(16, 16), (8, 8), (4, 4)]


@pytest.mark.parametrize(
    ("above", "network"),
    [("params_ema", "params_ema"), ("state_dict.module.decoder", "state_dict.decoder"), ("model.g_ema", "model.g_ema")],
)
def test_networks_under_other_keys_are_found(above: str, network: str, tmp_path: Path) -> None:
    content: Any = {f"_orig_mod.module.{key}": tensor for key, tensor in part("community.g_ema.").items()}
    scores: Any = {f"module.{key}": tensor for key, tensor in part("community.d.").items()}
    for key in reversed(above.split(".")):
        content = {key: content}
    next(iter(content.values()))["latent_avg"] = torch.full((8,), 0.25)
    if above != "model.g_ema":
        content["latent_avg"] = next(iter(content.values())).pop("latent_avg")
    torch.save(content | {"discriminator": scores}, tmp_path / "a.pt")
    generator, outputs = read_generator(tmp_path / "a.pt"), part("community.")
    assert generator.about["network"] == network
    torch.testing.assert_close(generator(outputs["z"]), outputs["images"], rtol=0, atol=1e-5)
    assert torch.equal(generator.space("w").mean(), torch.full((8,), 0.25))
    discriminator = read_discriminator(tmp_path / "a.pt")
    torch.testing.assert_close(discriminator(outputs["real"]), outputs["scores"], rtol=0, atol=1e-5)


def test_a_state_dict_alone_is_read_and_its_mean_is_measured(tmp_path: Path) -> None:
    torch.save(part("community.g_ema."), tmp_path / "a.pt")
    generator = read_generator(tmp_path / "a.pt")
    assert isinstance(generator, StyleGAN2Generator)
    w = generator.mapping.sample(8192, torch.Generator().manual_seed(5))
    deviation, mean = torch.std_mean(w, dim=0)
    assert torch.allclose(generator.mapping.mean, mean, atol=0.05)
    assert torch.allclose(generator.mapping.deviation, deviation, rtol=0.05)
    with pytest.raises(MissingNetworkError, match="holds no discriminator"):
        read_discriminator(tmp_path / "a.pt")


@pytest.mark.parametrize("write", [pickled, torched])
def test_the_canonical_copies_are_the_same_networks(write: Any, tmp_path: Path) -> None:
    generator, discriminator = (read(write(tmp_path / "a.bin")) for read in (read_generator, read_discriminator))
    generator.save(tmp_path / "g.safetensors")
    discriminator.save(tmp_path / "d.safetensors")
    copy = read_generator(tmp_path / "g.safetensors")
    assert isinstance(copy, StyleGAN2Generator)
    assert (copy.digest, copy.architecture) == (generator.digest, generator.architecture)
    assert all(torch.equal(copy.state_dict()[key], tensor) for key, tensor in generator.state_dict().items())
    twin = read_discriminator(tmp_path / "d.safetensors")
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    assert torch.equal(twin(images), discriminator(images))
    with pytest.raises(MissingNetworkError):
        read_discriminator(tmp_path / "g.safetensors")


def test_a_header_that_describes_another_network_is_refused(tmp_path: Path) -> None:
    generator = StyleGAN2Generator.random(StyleGAN2Architecture((4, 4), (4, 4)))
    other = StyleGAN2Generator.random(StyleGAN2Architecture((4, 4), (4, 5)))
    TensorFile(generator.state_dict(), other.header).save(tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="describes another network"):
        read_generator(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("module", "setting", "value", "message"),
    [
        ("synthesis.b8", "architecture", "resnet", "architecture of synthesis.b8 is resnet, not skip"),
        ("synthesis.b8.conv0", "activation", "relu", "activation of synthesis.b8.conv0 is relu, not lrelu"),
        ("synthesis.b8.conv1", "up", 2, "up of synthesis.b8.conv1 is 2, not 1"),
        ("synthesis.b16.conv1", "conv_clamp", 256, "conv_clamp differs"),
        ("mapping.fc1", "weight_gain", "none", "weight_gain of mapping.fc1 is no number"),
        ("mapping.fc1", "weight_gain", [1.0], "has no usual weight_gain"),
    ],
)
def test_settings_that_change_the_arithmetic_are_refused(
    module: str, setting: str, value: Any, message: str, tmp_path: Path
) -> None:
    changed = settings("G_ema")
    changed[module][setting] = value
    (tmp_path / "a.pkl").write_bytes(persistent_pickle({"G_ema": (part("nvidia.G_ema."), changed)}))
    with pytest.raises(WeightsError, match=message):
        read_generator(tmp_path / "a.pkl")


def test_other_filters_and_incomplete_networks_are_refused(tmp_path: Path) -> None:
    state, flat = part("nvidia.G_ema."), torch.full((4, 4), 1 / 16)
    changes = {
        "is not the filter": state | {"synthesis.b8.conv0.resample_filter": flat},
        "missing synthesis.b8.conv0.affine.bias": {k: v for k, v in state.items() if "b8.conv0.affine.bias" not in k},
        "extra synthesis.b8.skip": state | {"synthesis.b8.skip": torch.ones(1)},
        "gray images, of 1 channel": state | {"synthesis.b4.torgb.weight": torch.ones(1, 6, 1, 1)},
        "not finite": state | {"synthesis.b4.const": torch.full((6, 4, 4), torch.nan)},
    }
    for message, changed in changes.items():
        (tmp_path / "a.pkl").write_bytes(persistent_pickle({"G_ema": (changed, settings("G_ema"))}))
        with pytest.raises(WeightsError, match=message):
            read_generator(tmp_path / "a.pkl")
    blurred = part("community.g_ema.") | {"convs.0.conv.blur.kernel": flat}
    with pytest.raises(WeightsError, match="is not the filter"):
        read_generator(torched(tmp_path / "a.pt", g_ema=blurred))


def test_other_networks_are_refused_by_name(tmp_path: Path) -> None:
    names = {"": {"class": "Generator"}, "synthesis": {"class": "SynthesisNetwork"}}
    stylegan3 = {"synthesis.magnitude_ema": torch.ones(1), "synthesis.weight": torch.ones(2, 2)}
    (tmp_path / "a.pkl").write_bytes(persistent_pickle({"G_ema": (stylegan3, names)}))
    with pytest.raises(WeightsError, match="holds a StyleGAN3-T or -R generator, not StyleGAN2"):
        read_generator(tmp_path / "a.pkl")
    (tmp_path / "a.pkl").write_bytes(persistent_pickle({"G_ema": ({"weight": torch.ones(2)}, {"": {"class": "Net"}})}))
    with pytest.raises(WeightsError, match="holds a Net of PyTorch that is not StyleGAN2"):
        read_generator(tmp_path / "a.pkl")
    with pytest.raises(WeightsError, match="holds no generator"):
        read_generator(pickled(tmp_path / "a.pkl", "D"))
    with pytest.raises(MissingNetworkError, match="holds no discriminator"):
        read_discriminator(pickled(tmp_path / "a.pkl", "G_ema"))
    conditional = settings("D")
    conditional[""]["c_dim"] = 3
    (tmp_path / "a.pkl").write_bytes(persistent_pickle({"D": (part("nvidia.D."), conditional)}))
    with pytest.raises(MissingNetworkError, match="discriminator of classes"):
        read_discriminator(tmp_path / "a.pkl")


def test_networks_of_tensorflow_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(nvidia_pickle([("lod", 0)], components={"mapping": None}))
    with pytest.raises(WeightsError, match="holds a StyleGAN of TensorFlow"):
        read_generator(tmp_path / "a.pkl")


class _Calls:
    """Pickles as a call."""

    def __reduce__(self) -> Any:
        return os.system, ("exit 1",)


def test_a_call_among_the_attributes_of_a_module_ends_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pickled(tmp_path / "a.pkl", extra=_Calls())
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("executed"))
    with pytest.raises(WeightsError, match=r"it wants posix.system"):
        read_generator(path)


def storage_of(content: bytes) -> bytes:
    """The bytes of the first storage in a pickle."""
    start = content.index(b"\x80\x02\x8a\x0al\xfc\x9c")
    return content[start : start + int.from_bytes(content[start - 4 : start], "little")]


def test_tensors_larger_than_their_storage_are_refused(tmp_path: Path) -> None:
    state = {"weight": torch.arange(6.0).reshape(2, 3), "synthesis.b4.const": torch.ones(2, 4, 4)}
    names = {"": {"class": "Generator"}, "synthesis": {"class": "S"}, "synthesis.b4": {"class": "B"}}
    whole = persistent_pickle({"G_ema": (state, names)})
    storage = storage_of(whole)
    changes = {
        "more values than its storage": whole.replace(b"K\x02K\x03\x86", b"K\x02K\x09\x86"),
        "size of its numbers": whole.replace(storage, storage[:-32] + b"\x07" + storage[-31:]),
        "holds torch LongishStorage": whole.replace(b"torch\nFloatStorage", b"torch\nFloatStorags"),
        "a storage cannot be read": whole.replace(storage, b"\xff" * len(storage)),
    }
    for message, content in changes.items():
        assert content != whole
        (tmp_path / "a.pkl").write_bytes(content)
        with pytest.raises(WeightsError, match=message.replace("LongishStorage", "FloatStorags")):
            read_generator(tmp_path / "a.pkl")


def test_one_number_does_not_pose_as_millions(tmp_path: Path) -> None:
    state, names = {"weight": torch.zeros(1).expand(4096, 4096)}, {"": {"class": "Generator"}}
    (tmp_path / "a.pkl").write_bytes(persistent_pickle({"G_ema": (state, names)}))
    with pytest.raises(WeightsError, match="more values than the file holds"):
        read_generator(tmp_path / "a.pkl")


def test_modules_that_hold_one_another_end(tmp_path: Path) -> None:
    name = b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n"
    empty = b"}(X\x0b\x00\x00\x00_parameters}X\x08\x00\x00\x00_buffers}X\x08\x00\x00\x00_modules}q\x01u"
    meta = b"}(X\x0a\x00\x00\x00class_nameX\x01\x00\x00\x00GX\x05\x00\x00\x00state" + empty + b"u"
    # The module is put into the dictionary of its own modules, twice.
    again = b"q\x020h\x01(X\x01\x00\x00\x00ah\x02X\x01\x00\x00\x00bh\x02u0h\x02"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02" + name + meta + b"\x85R" + again + b".")
    with pytest.raises(WeightsError, match="more modules than a network has"):
        read_generator(tmp_path / "a.pkl")


def test_damaged_pickles_never_crash(tmp_path: Path) -> None:
    whole, chance = pickled(tmp_path / "whole.pkl").read_bytes(), random.Random(1)
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(3):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (tmp_path / "a.pkl").write_bytes(content)
        with suppress(WeightsError):  # numbers may be damaged without a trace
            assert read_generator(tmp_path / "a.pkl").resolution == 16
    for share in (0.01, 0.3, 0.9, 0.999):
        (tmp_path / "a.pkl").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(WeightsError):
            read_generator(tmp_path / "a.pkl")


def test_commands_know_that_its_files_are_style_based(tmp_path: Path) -> None:
    file = str(torched(tmp_path / "a.pt"))
    options = ["--method", "image2stylegan", "--steps", "2", "-o", str(tmp_path)]
    result = run("invert", "-g", file, str(EXAMPLE), *options)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "face.invert.pt").is_file()
