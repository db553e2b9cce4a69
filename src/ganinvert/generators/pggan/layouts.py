"""State dicts of other programs, turned into the canonical one (see `formats`).

Each function takes a flat state dict and names what is missing or extra. Equalised-lr weights are stored without
their scale gain/√fan_in; the gain is √2, but 1 for ToRGB.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import sqrt

from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.weights.reading import State, require_keys


def from_genforce(state: State) -> State:
    """Genforce: 0-based layers; upsampling layers may hold the kernel of NVIDIA's fused transposed convolution."""
    count = _count(state, r"layer(\d+)\.(?:conv\.)?weight")
    fused = {n for n in range(2, count, 2) if f"layer{n}.weight" in state}
    names = [f"layer{n}.weight" if n in fused else f"layer{n}.conv.weight" for n in range(count)]
    biases = [f"layer{n}.wscale.bias" for n in range(count)]
    rgb, rgb_bias = f"output{count // 2 - 1}.conv.weight", f"output{count // 2 - 1}.wscale.bias"
    _require(state, [*names, *biases, rgb, rgb_bias, "lod"], r"output\d+\.(conv\.weight|wscale\.bias)")
    _require_grown(float(state["lod"]), "lod")
    canonical: dict[str, Tensor] = {}
    for n in range(count):
        weight = state[names[n]]
        weight = _transposed(weight.permute(2, 3, 0, 1)) if n in fused else weight
        canonical |= _layer(n, _equalised(weight), state[biases[n]])
    return canonical | {"to_rgb.weight": _equalised(state[rgb], gain=1), "to_rgb.bias": state[rgb_bias]}


def from_gandissect(state: State) -> State:
    """GANDissect: 1-based layers and only the last ToRGB, named after the resolution."""
    count = _count(state, r"layer(\d+)\.conv\.weight")
    rgb = "output_{0}x{0}".format(2 << (count // 2))
    layers = [f"layer{n + 1}" for n in range(count)]
    _require(state, [f"{name}.{part}" for name in (*layers, rgb) for part in ("conv.weight", "wscale.b")])
    canonical: dict[str, Tensor] = {}
    for n, name in enumerate(layers):
        canonical |= _layer(n, _equalised(state[f"{name}.conv.weight"]), state[f"{name}.wscale.b"])
    canonical["to_rgb.weight"] = _equalised(state[f"{rgb}.conv.weight"], gain=1)
    return canonical | {"to_rgb.bias": state[f"{rgb}.wscale.b"]}


def from_gan_zoo(state: State) -> State:
    """GAN Zoo: √(2/fan_in)·(Wx + b) everywhere, so the bias is scaled too, and ToRGB has the gain √2.

    The dense layer's bias is per position and stays so: its mean per channel would be wrong by about 0.09.
    """
    count = 2 + 2 * _count(state, r"scaleLayers\.(\d+)\.0\.module\.weight")
    names = ["formatLayer", "groupScale0.0", *(f"scaleLayers.{n // 2}.{n % 2}" for n in range(count - 2))]
    rgb = f"toRGBLayers.{count // 2 - 1}"
    parts = ("module.weight", "module.bias")
    _require(state, [f"{name}.{part}" for name in (*names, rgb) for part in parts], r"toRGBLayers\.\d+\.module\..+")
    canonical: dict[str, Tensor] = {}
    for n, name in enumerate(names):
        weight, bias = (state[f"{name}.{part}"] for part in parts)
        scaled = bias.float() * sqrt(2 / weight[0].numel())
        weight = _equalised(weight)
        canonical |= _layer(
            n, _dense(weight) if n == 0 else weight, scaled.unflatten(0, (-1, 4, 4)) if n == 0 else scaled
        )
    weight, bias = (state[f"{rgb}.{part}"] for part in parts)
    return canonical | {"to_rgb.weight": _equalised(weight), "to_rgb.bias": bias * sqrt(2 / weight[0].numel())}


def discriminator_from_gan_zoo(state: State) -> State:
    """GAN Zoo's `netD`, as `PGGANDiscriminator` wants it.

    Its minibatch deviation divides by n - 1, ours by n: the ratio for its groups of four is in the final weights.
    """
    scales = _count(state, r"scaleLayers\.(\d+)\.0\.module\.weight")
    names = {
        "from_rgb": f"fromRGBLayers.{scales}",
        **{f"layers.{n}": f"scaleLayers.{scales - 1 - n // 2}.{n % 2}" for n in range(2 * scales)},
        "final": "groupScaleZero.0",
        "dense": "groupScaleZero.1",
        "score": "decisionLayer",
    }
    parts = ("module.weight", "module.bias")
    _require(state, [f"{name}.{part}" for name in names.values() for part in parts], r"fromRGBLayers\.\d+\.module\..+")
    canonical: dict[str, Tensor] = {}
    for ours, theirs in names.items():
        weight, bias = (state[f"{theirs}.{part}"].float() for part in parts)
        canonical[f"{ours}.weight"] = _equalised(weight)
        canonical[f"{ours}.bias"] = bias * sqrt(2 / weight[0].numel())
    canonical["final.weight"][:, -1] *= sqrt(4 / 3)
    return canonical


def discriminator_from_nvidia(state: State) -> State:
    """NVIDIA's D. A fused `Conv1_down` is a convolution that is averaged over 2×2 before bias and activation."""
    scales = _count(state, r"(\d+)x\d+/Conv0/weight")
    last = "Conv1_down" if "8x8/Conv1_down/weight" in state else "Conv1"
    names = {"from_rgb": "FromRGB_lod0", "final": "4x4/Conv", "dense": "4x4/Dense0", "score": "4x4/Dense1"}
    for n in range(2 * scales):
        side = 4 << (scales - n // 2)
        names[f"layers.{n}"] = f"{side}x{side}/{last if n % 2 else 'Conv0'}"
    expected = [f"{name}/{part}" for name in names.values() for part in ("weight", "bias")]
    _require(state, [*expected, "lod"], r"FromRGB_lod\d+/(weight|bias)")
    _require_grown(float(state["lod"]), "lod")
    canonical: dict[str, Tensor] = {}
    for ours, theirs in names.items():
        weight = state[f"{theirs}/weight"]
        canonical[f"{ours}.weight"] = _equalised(
            weight.T if weight.ndim == 2 else weight.permute(3, 2, 0, 1), gain=1 if ours == "score" else sqrt(2)
        )
        canonical[f"{ours}.bias"] = state[f"{theirs}/bias"]
    return canonical


def discriminator_from_ganinvert(state: State) -> State:
    """Ours, whose tensors are as `PGGANDiscriminator` wants them."""
    count = _count(state, r"layers\.(\d+)\.weight")
    names = ["from_rgb", *(f"layers.{n}" for n in range(count)), "final", "dense", "score"]
    require_keys(state, {f"{name}.{part}" for name in names for part in ("weight", "bias")}, what="PGGAN discriminator")
    if any(state[f"{name}.weight"].ndim < 2 for name in names):
        raise WeightsError("its tensors do not have the shapes of a discriminator", hint="the file is damaged")
    return state


def from_mmgen(state: State) -> State:
    """MMGeneration: norm after activation, which is the same network; upsampling fused into transposed kernels.

    The fan-in of those is counted on the stored (in, out, 3, 3), so it is that of the outputs.
    """
    prefix = "generator_ema." if any(key.startswith("generator_ema.") for key in state) else ""
    # The trained generator and the discriminator are in the same file.
    state = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    count = 1 + _count(state, r"conv_blocks\.(\d+)\.conv\.weight_orig")
    names = [f"conv_blocks.{n}.conv" for n in range(count - 1)]
    rgb = f"torgb_layers.{count // 2 - 1}.conv"
    dense, dense_bias = "noise2feat.linear.weight_orig", "noise2feat.bias"
    expected = [f"{name}.{part}" for name in (*names, rgb) for part in ("weight_orig", "bias")]
    _require(state, [dense, dense_bias, *expected], r"torgb_layers\.\d+\.conv\.(weight_orig|bias)")
    canonical = dict(_layer(0, _dense(_equalised(state[dense], gain=sqrt(2) / 4)), state[dense_bias].flatten()))
    inputs = canonical["layers.0.weight"].shape[0]
    fused = _is_fused(state, names, inputs)
    for n, name in enumerate(names, start=1):
        weight = _equalised(state[f"{name}.weight_orig"])
        canonical |= _layer(n, _transposed(weight) if fused and n % 2 == 0 else weight, state[f"{name}.bias"])
    return canonical | {
        "to_rgb.weight": _equalised(state[f"{rgb}.weight_orig"], gain=1),
        "to_rgb.bias": state[f"{rgb}.bias"],
    }


def from_nvidia(state: State) -> State:
    """NVIDIA's TensorFlow variables: HWIO kernels, HWOI where upsampling is fused, a dense first layer."""
    count = _count(state, r"\d+x\d+/(?:Dense|Conv|Conv0_up|Conv0|Conv1)/weight", numbered=False)
    names = ["4x4/Dense", "4x4/Conv"]
    for n in range(2, count):
        block = "{0}x{0}/".format(4 << (n // 2))
        up = f"{block}Conv0_up" if f"{block}Conv0_up/weight" in state else f"{block}Conv0"
        names.append(up if n % 2 == 0 else f"{block}Conv1")
    expected = [f"{name}/{part}" for name in (*names, "ToRGB_lod0") for part in ("weight", "bias")]
    _require(state, [*expected, "lod"], r"ToRGB_lod\d+/(weight|bias)")
    _require_grown(float(state["lod"]), "lod")
    canonical: dict[str, Tensor] = {}
    for n, name in enumerate(names):
        weight = state[f"{name}/weight"]
        if n == 0:
            kernel = _dense(_equalised(weight.T, gain=sqrt(2) / 4))
        elif name.endswith("_up"):
            kernel = _equalised(_transposed(weight.permute(3, 2, 0, 1)))
        else:
            kernel = _equalised(weight.permute(3, 2, 0, 1))
        canonical |= _layer(n, kernel, state[f"{name}/bias"])
    return canonical | {
        "to_rgb.weight": _equalised(state["ToRGB_lod0/weight"].permute(3, 2, 0, 1), gain=1),
        "to_rgb.bias": state["ToRGB_lod0/bias"],
    }


def _equalised(weight: Tensor, *, gain: float = sqrt(2)) -> Tensor:
    return weight.float() * (gain / sqrt(weight[0].numel()))


def _dense(weight: Tensor) -> Tensor:
    """(C·16, z) → (C, z, 4, 4): a convolution with padding 3 meets its kernel from the far corner, hence the flip."""
    kernel: Tensor = weight.unflatten(0, (-1, 4, 4)).permute(0, 3, 1, 2)
    return kernel.flip(2, 3)


def _transposed(weight: Tensor) -> Tensor:
    """Kernel (in, out, 3, 3) that is summed over four shifts and transposed-convolved → that after nearest ×2."""
    return weight.transpose(0, 1).flip(2, 3)


def _layer(n: int, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    if n == 0 and bias.ndim == 1:
        bias = bias[:, None, None].expand(-1, 4, 4)
    return {f"layers.{n}.weight": weight, f"layers.{n}.bias": bias}


def _is_fused(state: State, names: list[str], inputs: int) -> bool:
    """Return True if MMGeneration's upsampling layers are (in, out, 3, 3), its default, and not (out, in, 3, 3)."""
    for n, name in enumerate(names, start=1):
        shape = state[f"{name}.weight_orig"].shape
        if n % 2 == 0 and shape[0] != shape[1]:
            return shape[0] == inputs
        inputs = shape[0]
    return True


def _count(state: State, pattern: str, *, numbered: bool = True) -> int:
    matches = [match for key in state if (match := re.fullmatch(pattern, key))]
    return len({match[1] for match in matches}) if numbered else len(matches)


def _require(state: State, expected: Iterable[str], unused: str = r"(?!)") -> None:
    """Refuse missing and extra keys; those of `unused`, ToRGB of lower resolutions, are no part of the network."""
    names = set(expected)
    require_keys(
        {key: None for key in state if key in names or not re.fullmatch(unused, key)}, names, what="PGGAN generator"
    )


def _require_grown(value: float, name: str) -> None:
    if value != 0:
        raise WeightsError(f"{name} is {value:g}, not 0", hint="the network was still growing: use a finished one")
