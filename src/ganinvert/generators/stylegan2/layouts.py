"""State dicts of other programs, turned into the canonical ones (see `formats`).

Both programs store equalised-lr weights without their scale 1/√fan_in and the learning-rate multiplier, which are
folded in here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import prod, sqrt

import torch
from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.weights.nvidia import ModuleTree
from ganinvert.weights.reading import require_keys
from ganinvert.weights.states import State

_MAPPING_RATE = 0.01
"""Learning-rate multiplier of the mapping network, which the community's files do not state."""

_FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0])


@dataclass(frozen=True)
class _Names:
    """The names of a program for the tensors of the synthesis.

    Attributes:
        layer: Name of the convolution n, counted from 0.
        image: Name of the convolution to the image at resolution n, counted from 0.
        noise: Key of the noise of convolution n.
        weight: End of the key of a weight.
        bias: End of the key of a convolution's bias.
        strength: End of the key of the noise's strength.
        style: End of the name of the map from w to a style.
        scaled: True if the demodulation sees weights with their scale.
    """

    layer: Callable[[int], str]
    image: Callable[[int], str]
    noise: Callable[[int], str]
    weight: str
    bias: str
    strength: str
    style: str
    scaled: bool


_COMMUNITY = _Names(
    layer=lambda n: f"convs.{n - 1}" if n else "conv1",
    image=lambda n: f"to_rgbs.{n - 1}" if n else "to_rgb1",
    noise=lambda n: f"noises.noise_{n}",
    weight="conv.weight",
    bias="activate.bias",
    strength="noise.weight",
    style="conv.modulation",
    scaled=True,
)
_NVIDIA = _Names(
    layer=lambda n: f"synthesis.b{4 << (n + 1) // 2}.conv{1 - n % 2}",
    image=lambda n: f"synthesis.b{4 << n}.torgb",
    noise=lambda n: f"synthesis.b{4 << (n + 1) // 2}.conv{1 - n % 2}.noise_const",
    weight="weight",
    bias="bias",
    strength="noise_strength",
    style="affine",
    scaled=False,
)


class _Source:
    """A state dict of another program, from which tensors are taken by their keys."""

    def __init__(self, state: State) -> None:
        self.rest = dict(state)

    def take(self, key: str) -> Tensor:
        """Take a tensor, as float32; `WeightsError` if it is missing."""
        if key not in self.rest:
            require_keys({}, {key}, what="StyleGAN2")
        return self.rest.pop(key).float()

    def count(self, pattern: str) -> int:
        """Number of keys of a pattern."""
        return sum(re.fullmatch(pattern, key) is not None for key in self.rest)

    def drop_filters(self, pattern: str, *, gain: float) -> None:
        """Take the filters of a pattern, and refuse others than [1, 3, 3, 1] along both sides, of the sum `gain`."""
        usual = torch.outer(_FILTER, _FILTER) * (gain / 64)
        for key in [key for key in self.rest if re.fullmatch(pattern, key)]:
            kernel = self.take(key)
            if kernel.shape != usual.shape or not torch.allclose(kernel, usual):
                raise WeightsError(f"{key} is not the filter [1, 3, 3, 1]", hint="no other filter is supported")

    def finish(self) -> None:
        """Refuse what is left."""
        require_keys(self.rest, set(), what="StyleGAN2")


def from_community(state: State, mean: Tensor | None) -> dict[str, Tensor]:
    """The community's `g_ema`, and its `latent_avg`; without one, the mean of w is left out."""
    source = _Source(state)
    result = {} if mean is None else {"mapping.mean": mean.float().flatten()}
    for n in range(source.count(r"style\.\d+\.weight")):
        key = f"style.{n + 1}"  # style.0 divides z by its length
        result[f"mapping.layers.{n}.weight"] = _scaled(source.take(f"{key}.weight"), gain=_MAPPING_RATE)
        result[f"mapping.layers.{n}.bias"] = source.take(f"{key}.bias") * _MAPPING_RATE
    result["constant"] = source.take("input.input").flatten(0, 1)
    source.drop_filters(r"convs\.\d+\.conv\.blur\.kernel|to_rgbs\.\d+\.upsample\.kernel", gain=4)
    result |= _synthesis(source, _COMMUNITY, 1 + source.count(r"convs\.\d+\.conv\.weight"))
    source.finish()
    return result | {"mapping.labels": torch.zeros(0, 0), "clamp": torch.tensor(0.0)}


def discriminator_from_community(state: State) -> dict[str, Tensor]:
    """The community's `d`."""
    source = _Source(state)
    blocks = source.count(r"convs\.\d+\.skip\.1\.weight")
    source.drop_filters(r"convs\.\d+\.(conv2|skip)\.0\.kernel", gain=1)
    result = _activated(source, "from_rgb", "convs.0.0.weight", "convs.0.1.bias")
    for n in range(blocks):
        name, key = f"blocks.{n}", f"convs.{n + 1}"
        result |= _activated(source, f"{name}.first", f"{key}.conv1.0.weight", f"{key}.conv1.1.bias")
        result |= _activated(source, f"{name}.last", f"{key}.conv2.1.weight", f"{key}.conv2.2.bias", gain=1)
        result[f"{name}.skip.weight"] = _scaled(source.take(f"{key}.skip.1.weight"), gain=sqrt(0.5))
    result |= _activated(source, "final", "final_conv.0.weight", "final_conv.1.bias")
    result |= _activated(source, "dense", "final_linear.0.weight", "final_linear.0.bias")
    result["score.weight"] = _scaled(source.take("final_linear.1.weight"))
    result["score.bias"] = source.take("final_linear.1.bias")
    source.finish()
    return result | {"clamp": torch.tensor(0.0), "group": torch.tensor(4.0)}


def from_nvidia(modules: ModuleTree, state: State) -> dict[str, Tensor]:
    """A generator of NVIDIA's StyleGAN2-ADA or StyleGAN3 repositories, whose modules say how it computes."""
    source = _Source(state)
    result = {"mapping.mean": source.take("mapping.w_avg")} if "mapping.w_avg" in state else {}
    for n in range(source.count(r"mapping\.fc\d+\.weight")):
        name = f"mapping.fc{n}"
        modules.require(name, activation="lrelu")
        result[f"mapping.layers.{n}.weight"] = source.take(f"{name}.weight") * modules.number(name, "weight_gain")
        result[f"mapping.layers.{n}.bias"] = source.take(f"{name}.bias") * modules.number(name, "bias_gain")
    result["mapping.labels"] = torch.zeros(0, 0)
    if "mapping.embed.weight" in state:  # classes are vectors with a single 1
        vectors = source.take("mapping.embed.weight").T * modules.number("mapping.embed", "weight_gain")
        vectors = vectors + source.take("mapping.embed.bias")
        result["mapping.labels"] = vectors * torch.rsqrt(vectors.square().mean(dim=1, keepdim=True) + 1e-8)
    result["constant"] = source.take("synthesis.b4.const")
    source.drop_filters(r".*\.resample_filter", gain=1)
    layers = source.count(r"synthesis\.b\d+\.conv[01]\.weight")
    for n in range(layers):
        block, name, first = _NVIDIA.layer(n).rpartition(".")[0], _NVIDIA.layer(n), n % 2 == 1
        modules.require(block, architecture="skip")
        modules.require(name, activation="lrelu", up=2 if first else 1)
        if modules.setting(name, "use_noise") is False:
            side = 4 << (n + 1) // 2
            source.rest |= {_NVIDIA.noise(n): torch.zeros(side, side), f"{name}.{_NVIDIA.strength}": torch.zeros(1)}
    result |= _synthesis(source, _NVIDIA, layers)
    source.finish()
    convolutions = [_NVIDIA.layer(n) for n in range(layers)] + [_NVIDIA.image(n) for n in range(layers // 2 + 1)]
    return result | {"clamp": _clamp(modules, convolutions)}


def discriminator_from_nvidia(modules: ModuleTree, state: State) -> dict[str, Tensor]:
    """The discriminator beside such a generator."""
    source, result = _Source(state), dict[str, Tensor]()
    source.drop_filters(r".*\.resample_filter", gain=1)
    blocks = source.count(r"b\d+\.skip\.weight")
    names = [f"b{4 << blocks - n}" for n in range(blocks)]
    modules.require("", c_dim=0)
    modules.require("b4", architecture="resnet")
    modules.require("b4.mbstd", num_channels=1)
    layers = [f"{names[0]}.fromrgb" if names else "b4.fromrgb"]
    layers += [f"{name}.{part}" for name in names for part in ("conv0", "conv1")] + ["b4.conv", "b4.fc"]
    ours = ["from_rgb", *(f"blocks.{n}.{part}" for n in range(blocks) for part in ("first", "last")), "final", "dense"]
    for name, key in zip(ours, layers, strict=True):
        modules.require(key, activation="lrelu")
        result |= _activated(source, name, f"{key}.weight", f"{key}.bias", gain=1 if name.endswith("last") else sqrt(2))
    for n, name in enumerate(names):
        modules.require(name, architecture="resnet")
        result[f"blocks.{n}.skip.weight"] = _scaled(source.take(f"{name}.skip.weight"), gain=sqrt(0.5))
    result |= {"score.weight": _scaled(source.take("b4.out.weight")), "score.bias": source.take("b4.out.bias")}
    source.finish()
    whole = modules.setting("b4.mbstd", "group_size") is None
    group = 0.0 if whole else modules.number("b4.mbstd", "group_size")
    return result | {"clamp": _clamp(modules, layers[:-1]), "group": torch.tensor(group)}


def _synthesis(source: _Source, names: _Names, layers: int) -> dict[str, Tensor]:
    """Take the convolutions of the canonical state dict."""
    state: dict[str, Tensor] = {}
    for n in range(layers):
        name = names.layer(n)
        weight = source.take(f"{name}.{names.weight}")
        weight = weight.reshape(weight.shape[-4:])
        state[f"layers.{n}.weight"] = _scaled(weight) if names.scaled else weight
        state[f"layers.{n}.bias"] = source.take(f"{name}.{names.bias}")
        noise = source.take(names.noise(n))
        state[f"layers.{n}.noise"] = noise.reshape(noise.shape[-2:])
        state[f"layers.{n}.strength"] = source.take(f"{name}.{names.strength}").reshape(-1)
        state |= _style(source, f"layers.{n}", f"{name}.{names.style}")
    for n in range(layers // 2 + 1):
        name = names.image(n)
        weight = source.take(f"{name}.{names.weight}")
        state[f"to_rgb.{n}.weight"] = _scaled(weight.reshape(weight.shape[-4:]).flatten(1))
        state[f"to_rgb.{n}.bias"] = source.take(f"{name}.bias").flatten()
        state |= _style(source, f"to_rgb.{n}", f"{name}.{names.style}")
    return state


def _style(source: _Source, name: str, key: str) -> dict[str, Tensor]:
    weight, bias = source.take(f"{key}.weight"), source.take(f"{key}.bias")
    return {f"{name}.style.weight": _scaled(weight), f"{name}.style.bias": bias}


def _activated(source: _Source, name: str, weight: str, bias: str, *, gain: float = sqrt(2)) -> dict[str, Tensor]:
    """A layer of a discriminator, with the gain of its activation, which LeakyReLU lets through."""
    return {f"{name}.weight": _scaled(source.take(weight), gain=gain), f"{name}.bias": source.take(bias) * gain}


def _scaled(weight: Tensor, *, gain: float = 1.0) -> Tensor:
    """A weight (o, i, …) with its scale gain/√fan_in."""
    return weight * (gain / sqrt(max(prod(weight.shape[1:]), 1)))


def _clamp(modules: ModuleTree, convolutions: list[str]) -> Tensor:
    """The limit of all convolutions, which is one; 0 for none."""
    limits = {modules.setting(name, "conv_clamp") for name in convolutions}
    if len(limits) != 1 or not isinstance(limit := limits.pop() or 0, int | float):
        raise WeightsError("its conv_clamp differs from layer to layer", hint="no such network can be read")
    return torch.tensor(float(limit))
