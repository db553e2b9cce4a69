"""State dicts of other programs, turned into the canonical one (see `formats`).

Each function takes a flat state dict and names what is missing or extra. Equalised-lr weights are stored without
their scale gain/√fan_in; the gain is √2, but 1 for ToRGB.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import sqrt

from torch import Tensor

from ganinvert.generators.pggan.settings import require_grown
from ganinvert.weights.reading import require_keys
from ganinvert.weights.states import State

Keys = Mapping[str, tuple[str, str]]
"""Names of our layers to the keys of their weight and bias."""


def from_genforce(state: State) -> State:
    """Genforce, and mGANprior before it: 0-based layers.

    Upsampling layers may hold the kernel of NVIDIA's fused transposed convolution: in mGANprior's files (kh, kw, in,
    out) under a key of its own, in genforce's (in, out, kh, kw).
    """
    depth = count(state, r"layer(\d+)\.(?:conv\.)?weight")
    former = "layer0.conv.weight" in state
    ends = (".conv.weight", ".wscale.bias") if former else (".weight", ".bias")
    keys = _keys([f"layer{n}" for n in range(depth)], f"output{depth // 2 - 1}", *ends)
    upsampling = {f"layers.{n}": f"layer{n}.weight" for n in range(2, depth, 2)}
    if former:
        fused = {name for name, key in upsampling.items() if key in state}
        keys |= {name: (upsampling[name], keys[name][1]) for name in fused}
    else:
        shapes = [state[keys[f"layers.{n}"][0]].shape for n in range(depth)]
        fused = set(upsampling) if _holds_fused(shapes, otherwise=False) else set()

    def kernel(name: str, key: str, weight: Tensor) -> Tensor:
        if name in fused:
            weight = _transposed(weight.permute(2, 3, 0, 1) if former else weight)
        return _plain(name, key, weight)

    return _converted(state, keys, kernel, unused=r"output\d+\.((conv\.)?weight|(wscale\.)?bias)", lod=True)


def from_gandissect(state: State) -> State:
    """GANDissect, and InterFaceGAN, whose biases have another name: 1-based layers, and only the last ToRGB."""
    depth = count(state, r"layer(\d+)\.conv\.weight")
    rgb = "output_{0}x{0}".format(2 << (depth // 2))
    bias = ".wscale.b" if "layer1.wscale.b" in state else ".wscale.bias"
    return _converted(state, _keys([f"layer{n + 1}" for n in range(depth)], rgb, ".conv.weight", bias))


def from_ptrblck(state: State) -> State:
    """Prog_gans_pytorch_inference: the files hold the scales of the weights, for which GANDissect's have constants."""
    if "output.conv.weight" in state:
        names = [f"features.{n}" for n in range(count(state, r"features\.(\d+)\.conv\.weight"))]
        keys = _keys(names, "output", ".conv.weight", ".wscale.b")
    else:
        names = [f"upsampling_layers.{n}" for n in range(count(state, r"upsampling_layers\.(\d+)\.conv\.weight"))]
        keys = _keys(["", *names], "", ".conv.weight", ".wscale.b")
        keys |= {"layers.0": ("in_layer.1.weight", "in_layer.2.b"), "to_rgb": ("out_layer.1.weight", "out_layer.2.b")}
    scales = {weight: bias.removesuffix("b") + "scale" for weight, bias in keys.values()}

    def kernel(_name: str, key: str, weight: Tensor) -> Tensor:
        return weight.float() * state[scales[key]].float()

    return _converted(state, keys, kernel, others=scales.values())


def from_gan_zoo(state: State) -> State:
    """GAN Zoo: √(2/fan_in)·(Wx + b) everywhere, so the bias is scaled too, and ToRGB has the gain √2.

    The dense layer's bias is per position and stays so: its mean per channel would be wrong by about 0.09.
    """
    blocks = count(state, r"scaleLayers\.(\d+)\.0\.weight")
    names = ["formatLayer", "groupScale0.0", *(f"scaleLayers.{n // 2}.{n % 2}" for n in range(2 * blocks))]
    keys = _keys(names, f"toRGBLayers.{blocks}", ".weight", ".bias")

    def kernel(name: str, _key: str, weight: Tensor) -> Tensor:
        return _dense(_equalised(weight)) if name == "layers.0" else _equalised(weight)

    return _converted(state, keys, kernel, unused=r"toRGBLayers\.\d+\..+", scaled_bias=True)


def discriminator_from_gan_zoo(state: State) -> State:
    """GAN Zoo's `netD`, as `PGGANDiscriminator` wants it."""
    blocks = count(state, r"scaleLayers\.(\d+)\.0\.weight")
    names = {"from_rgb": f"fromRGBLayers.{blocks}", "final": "groupScaleZero.0", "dense": "groupScaleZero.1"}
    names |= {f"layers.{n}": f"scaleLayers.{blocks - 1 - n // 2}.{n % 2}" for n in range(2 * blocks)}
    keys = _paired({**names, "score": "decisionLayer"}, ".weight", ".bias")
    unused = r"fromRGBLayers\.\d+\..+"
    return _converted(state, keys, lambda _name, _key, weight: _equalised(weight), unused=unused, scaled_bias=True)


def discriminator_from_nvidia(state: State) -> State:
    """NVIDIA's D. A fused `Conv1_down` is a convolution that is averaged over 2×2 before bias and activation."""
    blocks = count(state, r"(\d+)x\d+/Conv0/weight")
    last = "Conv1_down" if "8x8/Conv1_down/weight" in state else "Conv1"
    names = {"from_rgb": "FromRGB_lod0", "final": "4x4/Conv", "dense": "4x4/Dense0", "score": "4x4/Dense1"}
    for n in range(2 * blocks):
        names[f"layers.{n}"] = "{0}x{0}/".format(4 << (blocks - n // 2)) + (last if n % 2 else "Conv0")

    def kernel(name: str, _key: str, weight: Tensor) -> Tensor:
        weight = weight.T if weight.ndim == 2 else weight.permute(3, 2, 0, 1)
        return _equalised(weight, gain=1 if name == "score" else sqrt(2))

    keys = _paired(names, "/weight", "/bias")
    return _converted(state, keys, kernel, unused=r"FromRGB_lod\d+/(weight|bias)", lod=True)


def discriminator_from_ganinvert(state: State) -> State:
    """Ours, whose tensors are as `PGGANDiscriminator` wants them."""
    names = ["from_rgb", *(f"layers.{n}" for n in range(count(state, r"layers\.(\d+)\.weight"))), "final", "dense"]
    require_keys(state, {f"{name}.{part}" for name in (*names, "score") for part in ("weight", "bias")})
    return state


def from_mmgen(state: State) -> State:
    """MMGeneration: norm after activation, which is the same network; upsampling fused into transposed kernels.

    The fan-in of those is counted on the stored (in, out, 3, 3), its default; they may also be (out, in, 3, 3).
    """
    depth = 1 + count(state, r"conv_blocks\.(\d+)\.conv\.weight_orig")
    names = ["noise2feat.linear", *(f"conv_blocks.{n}.conv" for n in range(depth - 1))]
    keys = _keys(names, f"torgb_layers.{depth // 2 - 1}.conv", ".weight_orig", ".bias")
    keys["layers.0"] = keys["layers.0"][0], "noise2feat.bias"

    def kernel(name: str, key: str, weight: Tensor) -> Tensor:
        if name == "layers.0":
            return _dense(_equalised(weight, gain=sqrt(2) / 4))
        weight = _plain(name, key, weight)
        return _transposed(weight) if fused and name in upsampling else weight

    upsampling = {f"layers.{n}" for n in range(2, depth, 2)}
    fused = _holds_fused([state[key].shape for key, _ in keys.values() if key in state], otherwise=True)
    return _converted(state, keys, kernel, unused=r"torgb_layers\.\d+\.conv\.(weight_orig|bias)")


def from_nvidia(state: State) -> State:
    """NVIDIA's TensorFlow variables: HWIO kernels, HWOI where upsampling is fused, a dense first layer."""
    depth = sum(bool(re.fullmatch(r"\d+x\d+/(Dense|Conv|Conv0_up|Conv0|Conv1)/weight", key)) for key in state)
    names = ["4x4/Dense", "4x4/Conv"]
    for n in range(2, depth):
        block = "{0}x{0}/".format(4 << (n // 2))
        up = "Conv0_up" if f"{block}Conv0_up/weight" in state else "Conv0"
        names.append(block + (up if n % 2 == 0 else "Conv1"))

    def kernel(name: str, key: str, weight: Tensor) -> Tensor:
        if name == "layers.0":
            return _dense(_equalised(weight.T, gain=sqrt(2) / 4))
        weight = weight.permute(3, 2, 0, 1)
        return _plain(name, key, _transposed(weight) if key.endswith("_up/weight") else weight)

    keys = _keys(names, "ToRGB_lod0", "/weight", "/bias")
    return _converted(state, keys, kernel, unused=r"ToRGB_lod\d+/(weight|bias)", lod=True)


def _paired(names: Mapping[str, str], weight: str, bias: str) -> dict[str, tuple[str, str]]:
    return {name: (theirs + weight, theirs + bias) for name, theirs in names.items()}


def _keys(layers: Sequence[str], rgb: str, weight: str, bias: str) -> dict[str, tuple[str, str]]:
    return _paired({**{f"layers.{n}": theirs for n, theirs in enumerate(layers)}, "to_rgb": rgb}, weight, bias)


def _equalised(weight: Tensor, *, gain: float = sqrt(2)) -> Tensor:
    return weight.float() * (gain / sqrt(weight[0].numel()))


def _plain(name: str, _key: str, weight: Tensor) -> Tensor:
    return _equalised(weight, gain=1 if name == "to_rgb" else sqrt(2))


def _dense(weight: Tensor) -> Tensor:
    """(C·16, z) → (C, z, 4, 4): a convolution with padding 3 meets its kernel from the far corner, hence the flip."""
    kernel: Tensor = weight.unflatten(0, (-1, 4, 4)).permute(0, 3, 1, 2)
    return kernel.flip(2, 3)


def _transposed(weight: Tensor) -> Tensor:
    """Kernel (in, out, 3, 3) that is summed over four shifts and transposed-convolved → that after nearest ×2."""
    return weight.transpose(0, 1).flip(2, 3)


def _holds_fused(shapes: Sequence[Sequence[int]], *, otherwise: bool) -> bool:
    """True if the kernels of upsampling layers are those of fused transposed convolutions, (in, out, 3, 3).

    The first upsampling layer of two widths tells it: its inputs are the outputs of the layer before. `otherwise` is
    the answer where there is none. `shapes` are those of all layers' weights.
    """
    pairs = zip(shapes[1::2], shapes[2::2], strict=False)
    return next((up[0] == last[0] for last, up in pairs if up[0] != up[1]), otherwise)


def _converted(
    state: State,
    keys: Keys,
    kernel: Callable[[str, str, Tensor], Tensor] = _plain,
    *,
    unused: str = r"(?!)",
    others: Iterable[str] = (),
    lod: bool = False,
    scaled_bias: bool = False,
) -> dict[str, Tensor]:
    """Convert every layer: `kernel` makes our weight from our name, their key and their weight.

    Missing and extra keys are refused, but those of the pattern `unused`: ToRGB at lower resolutions, which is no part
    of the network. `others` are keys that `kernel` uses. `lod` tells how far the network has grown, where it is there.
    """
    names = {key for pair in keys.values() for key in pair}.union(others, {"lod"} & state.keys() if lod else ())
    used = {key for key in state if key in names or not re.fullmatch(unused, key)}
    require_keys(dict.fromkeys(used), names, what="PGGAN")
    if lod:
        require_grown("lod", state.get("lod", 0))
    canonical: dict[str, Tensor] = {}
    for name, (weight_key, bias_key) in keys.items():
        weight, bias = state[weight_key], state[bias_key]
        canonical[f"{name}.weight"] = kernel(name, weight_key, weight)
        if scaled_bias:
            bias = bias.float() * sqrt(2 / weight[0].numel())
        if name == "layers.0" and "to_rgb" in keys:  # per position, or one for all of them
            bias = (
                bias.flatten().unflatten(0, (len(canonical["layers.0.weight"]), -1)).expand(-1, 16).unflatten(1, (4, 4))
            )
        canonical[f"{name}.bias"] = bias
    return canonical


def count(state: State, pattern: str) -> int:
    """Count the different numbers in the keys of a pattern."""
    return len({match[1] for key in state if (match := re.fullmatch(pattern, key))})
