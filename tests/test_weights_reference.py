"""Files that the reference programs wrote themselves, and variants of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganinvert.errors import WeightsError
from ganinvert.generators import Generator, read_discriminator, read_generator
from ganinvert.weights import TensorFile
from ganinvert.weights.torchfile import read_torch

pytestmark = pytest.mark.shared

FILES = ("gd-flat", "gf-flat", "gf-fused", "mg-flat", "mg-fused", "mg-half", "mg-module", "zoo-plain")
LAYOUTS = {"gd": "gandissect", "gf": "genforce", "mg": "genforce", "zo": "gan-zoo"}

State = dict[str, Tensor]


def _prefixed(state: State, prefix: str) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def _edited(state: State, edit: Callable[[Tensor], Tensor]) -> State:
    return {key: edit(tensor) for key, tensor in state.items()}


def _others(state: State) -> State:
    """The generator of the same program before averaging."""
    return _edited(state, lambda tensor: tensor * 0.5)


VARIANTS: dict[str, Callable[[State], Mapping[str, Any]]] = {
    "as written": lambda state: state,
    "torch before 1.6": lambda state: state,
    "module.": lambda state: _prefixed(state, "module."),
    "_orig_mod.module.": lambda state: _prefixed(state, "_orig_mod.module."),
    "generator.module.": lambda state: _prefixed(state, "generator_ema.module."),
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": _prefixed(state, "module.")},
    "g_ema": lambda state: {"g": _others(state), "g_ema": state, "args": None},
    "params_ema": lambda state: {"params": _others(state), "params_ema": state},
    "training": lambda state: {
        "models": {"discriminator": {"x": torch.ones(1)}, "generator": _others(state), "generator_smooth": state},
        "optimizers": {"generator": {"state": {0: {"step": 1}}, "param_groups": []}},
        "running_metadata": {"iter": 3, "seen_img": 96},
    },
    "parameters": lambda state: _edited(state, lambda tensor: nn.Parameter(tensor.float())),
    "float64": lambda state: _edited(state, lambda tensor: tensor.double()),
}


def _state(folder: Path) -> State:
    content = read_torch(folder / "net.pth")
    return dict(content.get("avgG", content))


def _difference(generator: Generator, reference: Mapping[str, Any]) -> float:
    """The largest difference of an image or of features, relative to the largest value of these."""
    z = torch.from_numpy(reference["z"])
    found = {"images": generator(z)}
    for layer in range(1, generator.num_layers + 1):
        found[f"f{layer}"] = generator.features(z, layer).features
    expected = {name: torch.from_numpy(reference[name]) for name in found}
    return max(float((found[name] - value).abs().max() / value.abs().max()) for name, value in expected.items())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", FILES)
def test_every_variant_gives_the_images_and_features_of_its_program(
    name: str, variant: str, assets: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    folder = assets / "formats" / name
    zipped = variant != "torch before 1.6"
    torch.save(VARIANTS[variant](_state(folder)), tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    generator = read_generator(tmp_path / "net.pth" if variant != "as written" else folder / "net.pth")
    difference = _difference(generator, np.load(folder / "ref.npz"))
    record_property("difference", difference)
    assert generator.about["format"] == LAYOUTS[name[:2]]
    assert difference < (2e-3 if name == "mg-half" else 1e-5)


def test_the_network_that_is_taken_is_named(assets: Path, tmp_path: Path) -> None:
    state = _state(assets / "formats" / "gf-flat")
    for variant, network in {"training": "models.generator_smooth", "g_ema": "g_ema", "as written": None}.items():
        torch.save(VARIANTS[variant](state), tmp_path / "net.pth")
        assert read_generator(tmp_path / "net.pth").about.get("network") == network


def test_safetensors_of_other_programs_are_read(assets: Path, tmp_path: Path) -> None:
    folder = assets / "formats" / "gf-fused"
    TensorFile(_prefixed(_state(folder), "module.")).save(tmp_path / "net.safetensors")
    assert _difference(read_generator(tmp_path / "net.safetensors"), np.load(folder / "ref.npz")) < 1e-5


@pytest.mark.parametrize("count", [1, 3, 4, 8])
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_gan_zoos_discriminator_gives_its_scores_for_every_batch(
    count: int, wrapped: bool, assets: Path, tmp_path: Path
) -> None:
    folder = assets / "formats" / "zoo-plain"
    path, reference = folder / "net.pth", np.load(folder / "ref.npz")
    if wrapped:
        path = tmp_path / "net.pth"
        torch.save({"model": {"netD": _prefixed(read_torch(folder / "net.pth")["netD"], "module.")}}, path)
    discriminator = read_discriminator(path)
    discriminator.save(tmp_path / "copy.safetensors")
    images = torch.from_numpy(reference["d_images"])[:count]
    expected = torch.from_numpy(reference["d_scores" if count == 8 else f"d_scores{count}"])[:, 0]
    for network in (discriminator, read_discriminator(tmp_path / "copy.safetensors")):
        torch.testing.assert_close(network(images), expected, rtol=0, atol=1e-5)


def test_nothing_warns_of_gradients(assets: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    state = _edited(_state(assets / "formats" / "gf-flat"), nn.Parameter)
    torch.save(state, tmp_path / "net.pth")
    read_generator(tmp_path / "net.pth")
    state["lod"] = nn.Parameter(torch.tensor(0.5))
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"lod is 0\.5"):
        read_generator(tmp_path / "net.pth")
    assert not recwarn.list
