"""Settings of networks that files state, networks under other keys, and programs that are not read."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.generators import PGGANGenerator, read_discriminator, read_generator
from ganinvert.generators.pggan import PGGANArchitecture, pixel_norm
from ganinvert.weights.torchfile import read_torch

from . import checkpoints


@pytest.mark.parametrize("kind", ["genforce", "gan-zoo", "nvidia-pkl", "mmgen"])
def test_growth_that_is_finished_but_for_rounding_is_taken_as_finished(kind: str, tmp_path: Path) -> None:
    original, path, rounding = checkpoints.network(8), tmp_path / "net.pth", 1e-7
    if kind == "nvidia-pkl":
        variables = [("lod", np.float32(rounding)), *checkpoints.tf_variables(original.state_dict())[1:]]
        path.write_bytes(checkpoints.nvidia_pickle(variables))
    else:
        checkpoints.write(kind, original, path)
        content: Any = dict(read_torch(path))
        if kind == "genforce":
            content["lod"] = torch.tensor(rounding)
        elif kind == "gan-zoo":
            content["config"]["alpha"] = -1e-17
        else:
            buffers = {"_curr_transition_weight": torch.tensor(1 - rounding), "_curr_scale_int": torch.tensor(8)}
            content["state_dict"] = content["state_dict"] | buffers
        torch.save(content, path)
    z = torch.randn(2, 16)
    torch.testing.assert_close(read_generator(path)(z), original(z), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("buffer", "value", "message"),
    [
        ("_curr_transition_weight", 0.5, r"_curr_transition_weight is 0\.5, not 1"),
        ("_curr_scale_int", 4, "is 4, not 8"),
    ],
)
def test_a_growing_network_of_mmgen_is_refused(buffer: str, value: float, message: str, tmp_path: Path) -> None:
    path = checkpoints.write("mmgen", checkpoints.network(8), tmp_path / "net.pth")
    content = dict(read_torch(path))
    torch.save({"state_dict": content["state_dict"] | {buffer: torch.tensor(value)}}, path)
    with pytest.raises(WeightsError, match=message):
        read_generator(path)


def test_a_missing_lod_and_widths_that_tell_nothing_are_accepted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    original = PGGANGenerator.random(PGGANArchitecture(16, (16,) * 4))
    convert = checkpoints._genforce("genforce")
    state = {
        key.replace(".conv.", ".").replace(".wscale.", "."): tensor
        for key, tensor in convert(original.state_dict()).items()
        if key != "lod"
    }
    torch.save(state, tmp_path / "net.pth")
    z = torch.randn(2, 16)
    torch.testing.assert_close(read_generator(tmp_path / "net.pth")(z), original(z), rtol=0, atol=1e-5)
    assert "lod is missing: the network is taken to be fully grown" in caplog.text
    assert "all its layers have 16 channels: its upsampling is taken as one that is not fused" in caplog.text


def test_a_generator_that_is_not_averaged_is_taken_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = checkpoints._gan_zoo(checkpoints.network(8).state_dict())
    torch.save({"config": {"alpha": 0}, "netG": state}, tmp_path / "net.pth")
    assert read_generator(tmp_path / "net.pth").about["network"] == "netG"
    assert "no averaged generator: netG is taken" in caplog.text


def test_several_networks_of_one_kind_are_refused(tmp_path: Path) -> None:
    state = checkpoints._gan_zoo(checkpoints.network(8).state_dict())
    for names, message in (
        (("a", "b"), "2 networks, none of which"),
        (("ema", "g_ema"), "2 averaged networks: ema, g"),
    ):
        torch.save({name: dict(state) for name in names}, tmp_path / "net.pth")
        with pytest.raises(WeightsError, match=message):
            read_generator(tmp_path / "net.pth")
    torch.save({**state, **{f"module.{key}": tensor for key, tensor in state.items()}}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="twice"):
        read_generator(tmp_path / "net.pth")


def test_dictionaries_in_themselves_end(tmp_path: Path) -> None:
    content: dict[str, Any] = {"weight": torch.zeros(1)}
    content |= {f"part{n}": content for n in range(1000)}
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"unknown keys, such as part0\.weight, weight"):
        read_generator(tmp_path / "net.pth")


SETTINGS = {
    "normalize_latents": False,
    "use_wscale": False,
    "use_pixelnorm": False,
    "pixelnorm_epsilon": 1e-4,
    "use_leakyrelu": False,
    "label_size": 10,
    "num_channels": 1,
    "use_tanh": True,
}


@pytest.mark.parametrize("numpy", [False, True])
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_of_nvidias_pickle_are_refused_by_name(setting: str, numpy: bool, tmp_path: Path) -> None:
    value = np.float64(SETTINGS[setting]) if numpy else SETTINGS[setting]
    variables = checkpoints.tf_variables(checkpoints.network(8).state_dict())
    source = "def G_paper(latents_in, labels_in, use_tanh=False, **kwargs): ..."
    content = checkpoints.nvidia_pickle(variables, static_kwargs={setting: value}, build_module_src=source)
    (tmp_path / "net.pkl").write_bytes(content)
    expected = {"label_size": "conditional network", "num_channels": "gray images, of 1 channel"}.get(setting, setting)
    with pytest.raises(WeightsError, match=expected):
        read_generator(tmp_path / "net.pkl")


def test_other_functions_of_nvidias_program_are_refused_and_settings_without_effect_ignored(tmp_path: Path) -> None:
    variables = checkpoints.tf_variables(checkpoints.network(8).state_dict())
    settings = {"dtype": "float16", "fmap_base": 8192, "pixelnorm_epsilon": np.float32(1e-8), "unheard_of": 3}
    (tmp_path / "net.pkl").write_bytes(checkpoints.nvidia_pickle(variables, static_kwargs=settings))
    read_generator(tmp_path / "net.pkl")
    (tmp_path / "net.pkl").write_bytes(checkpoints.nvidia_pickle(variables, build_func_name="G_mine"))
    with pytest.raises(WeightsError, match="built by the function G_mine"):
        read_generator(tmp_path / "net.pkl")


def test_settings_of_nvidias_discriminator_are_refused_by_name(tmp_path: Path) -> None:
    variables = checkpoints.tf_variables(checkpoints.network(8).state_dict())
    content = {"others": checkpoints.tf_discriminator(8), "static_kwargs": {"mbstd_group_size": 8}}
    (tmp_path / "net.pkl").write_bytes(checkpoints.nvidia_pickle(variables, **content))
    with pytest.raises(WeightsError, match="mbstd_group_size is 8, not 4"):
        read_discriminator(tmp_path / "net.pkl")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"perChannelNormalization": False}, "perChannelNormalization is False, not True"),
        ({"equalizedlR": False}, "equalizedlR is False"),
        ({"leakyReluLeak": 0.1}, r"leakyReluLeak is 0\.1, not 0\.2"),
        ({"dimOutput": 1}, "gray images, of 1 channel"),
        ({"categoryVectorDim": 8}, "conditional network"),
        ({"lossCriterion": "MSE"}, "ends with tanh"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_settings_of_the_gan_zoo_are_refused_by_name(
    config: dict[str, Any], message: str, wrapped: bool, tmp_path: Path
) -> None:
    state = checkpoints._gan_zoo(checkpoints.network(8).state_dict())
    content = {"config": config, "avgG": state, "netD": checkpoints.gan_zoo_discriminator(8)}
    torch.save({"model": content} if wrapped else content, tmp_path / "net.pth")
    for read in (read_generator, read_discriminator):
        with pytest.raises(WeightsError, match=message):
            read(tmp_path / "net.pth")
    content["config"] = {"miniBatchStdDev": False, "lossCriterion": "Logistic"}
    torch.save(content, tmp_path / "net.pth")
    read_generator(tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="miniBatchStdDev is False"):
        read_discriminator(tmp_path / "net.pth")


def test_gray_networks_and_discriminators_of_labels_are_called_so(tmp_path: Path) -> None:
    path = checkpoints.write("genforce", checkpoints.network(8), tmp_path / "net.pth")
    state = dict(read_torch(path))
    state |= {key: tensor[:1] for key, tensor in state.items() if key.startswith("output1.")}
    torch.save(state, path)
    with pytest.raises(WeightsError, match="is a network of gray images, of 1 channel"):
        read_generator(path)
    netd = checkpoints.gan_zoo_discriminator(8)
    labels = {"decisionLayer.module.weight": torch.zeros(5, 6), "decisionLayer.module.bias": torch.zeros(5)}
    torch.save({"netD": netd | labels}, path)
    with pytest.raises(WeightsError, match="discriminator of labels, with 5 scores"):
        read_discriminator(path)


def test_interfacegans_files_are_gandissects_with_another_name_for_biases(tmp_path: Path) -> None:
    original = checkpoints.network(16)
    state = checkpoints._gandissect(original.state_dict())
    torch.save({re.sub(r"\.b$", ".bias", key): tensor for key, tensor in state.items()}, tmp_path / "net.pth")
    z = torch.randn(2, 16)
    torch.testing.assert_close(read_generator(tmp_path / "net.pth")(z), original(z), rtol=0, atol=1e-5)


@pytest.mark.parametrize("former", [False, True])
def test_ptrblcks_files_give_their_images(former: bool, tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(4)
    widths = (16, 14, 14, 12, 12)
    state: dict[str, Tensor] = {}
    names = ["features.0" if former else "in_layer", *(f"features.{n}" for n in range(1, 4)), "output"]
    if not former:
        names = ["in_layer", *(f"upsampling_layers.{n}" for n in range(3)), "out_layer"]
    shapes = [(b, a, 3, 3) for a, b in pairwise(widths)] + [(3, 12, 1, 1)]
    for name, shape in zip(names, [(14, 16, 4, 4), *shapes[1:]], strict=True):
        ends = (".1.weight", ".2.scale", ".2.b") if name in ("in_layer", "out_layer") else None
        weight, scale, bias = ends or (".conv.weight", ".wscale.scale", ".wscale.b")
        state[name + weight] = torch.randn(shape, generator=rng)
        state[name + scale] = torch.rand(1, generator=rng) * 0.1 + 0.05
        state[name + bias] = torch.randn(shape[0], generator=rng)
    torch.save(state, tmp_path / "net.pth")

    def layer(x: Tensor, name: str, padding: int) -> Tensor:
        weight, scale, bias = (state[key] for key in state if key.startswith(name + "."))
        return F.conv2d(pixel_norm(x), weight, padding=padding) * scale + bias[:, None, None]

    z = torch.randn(3, 16, generator=rng)
    x = F.leaky_relu(layer(z[:, :, None, None], names[0], 3), 0.2)
    x = F.leaky_relu(layer(x, names[1], 1), 0.2)
    x = F.leaky_relu(layer(F.interpolate(x, scale_factor=2), names[2], 1), 0.2)
    x = F.leaky_relu(layer(x, names[3], 1), 0.2)
    generator = read_generator(tmp_path / "net.pth")
    assert generator.about["format"] == "ptrblck"
    torch.testing.assert_close(generator(z), layer(x, names[4], 0), rtol=0, atol=1e-5)
    del state[next(key for key in state if key.endswith("scale"))]
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"missing|unknown keys"):
        read_generator(tmp_path / "net.pth")


@pytest.mark.parametrize(
    ("key", "program"),
    [
        ("shadow_generator.state_dict.rgb_converters.0.weight", "akanimax"),
        ("state_dict.initial_rgb.conv.weight", "aladdinpersson"),
        ("progression.0.conv.0.conv.weight_orig", "rosinality"),
        ("state_dict.module.model.first_block.1.conv.weight", "nashory"),
        ("output_layer.chain.0.1.weight", "pengge"),
    ],
)
def test_programs_whose_networks_cannot_be_read_are_named(key: str, program: str, tmp_path: Path) -> None:
    content: Any = torch.zeros(3, 4, 1, 1)
    for part in reversed(key.split(".", 2 if "state_dict.r" in key else 1)):
        content = {part: content}
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=f"is a network of {program}"):
        read_generator(tmp_path / "net.pth")
