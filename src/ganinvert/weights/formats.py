"""Generator files of different origin, turned into the canonical state dict.

Canonical keys are `layers.{n}.weight` (OIHW), `layers.{n}.bias` and `to_rgb.{weight,bias}`, with the
equalised-lr scale gain/√fan_in of Karras et al. 2018 folded into the weights. `layers.0` is the 4×4
convolution with padding 3 that maps z; its bias is per position, (C, 4, 4).

Files are told apart by their content, never by their name, and no pickle is executed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

from torch import Tensor

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.weights import layouts
from ganinvert.weights.architecture import EncoderArchitecture, PGGANArchitecture, require_keys
from ganinvert.weights.layouts import State
from ganinvert.weights.networks import (
    DISCRIMINATOR_KIND,
    ENCODER_KIND,
    POOLS_FIRST,
    DiscriminatorWeights,
    EncoderWeights,
    GeneratorWeights,
)
from ganinvert.weights.nvidia import is_nvidia_file, read_nvidia
from ganinvert.weights.tensorfile import TensorFile, digest
from ganinvert.weights.torchfile import is_state, is_torch_file, read_torch, require_plain


def read_generator(path: Path, *, name: str | None = None) -> GeneratorWeights:
    """Read a generator file of any known format.

    Args:
        path: A file of ganinvert, NVIDIA, genforce, GANDissect, the GAN Zoo or MMGeneration, or a torch file with
            the canonical state dict.
        name: What to call the generator; the file's stem by default.

    Raises:
        WeightsError: The file is missing, damaged, hostile, of an unknown kind, has missing or extra keys, or NaNs.
    """
    try:
        file = _open(path)
        layout, state = _canonical(file.tensors)
        architecture = PGGANArchitecture.of(state)
        _require_finite(state)
        stated = file.structured("architecture")
        if stated not in (None, {"latent_dim": architecture.latent_dim, "channels": list(architecture.channels)}):
            raise WeightsError("its header describes another network", hint="the file is damaged: fetch it again")
    except WeightsError as error:
        raise _of(path, error) from error
    # A file of ours that was just checked need not be hashed a second time.
    own = file.digest if all(state.get(key) is tensor for key, tensor in file.tensors.items()) else ""
    return GeneratorWeights(
        state, architecture, name or path.stem, own or digest(state), {"format": layout, **file.about}
    )


def read_discriminator(path: Path) -> DiscriminatorWeights:
    """Read a discriminator of ours, that of a GAN Zoo checkpoint, or D of NVIDIA's pickle.

    Raises:
        MissingNetworkError: The file holds none.
        WeightsError: It is missing, damaged, hostile, or has missing or extra keys, or NaNs.
    """
    try:
        _require_file(path)
        about: Mapping[str, str] = {}
        state: object
        if is_torch_file(path):
            state = read_torch(path).get("netD")
            convert = layouts.discriminator_from_gan_zoo
        elif is_nvidia_file(path):
            state = read_nvidia(path, discriminator=True)
            convert = layouts.discriminator_from_nvidia
        else:
            file = _open(path)
            about, state = file.about, file.tensors if file.about.get("kind") == DISCRIMINATOR_KIND else None
            convert = layouts.discriminator_from_ganinvert
        if not is_state(state):
            raise MissingNetworkError(
                "holds no discriminator",
                hint="those of `ganinvert train`, the GAN Zoo and NVIDIA do",
            )
        require_plain(state)
        canonical = _convert(convert, state)
        count = sum(re.fullmatch(r"layers\.\d+\.weight", key) is not None for key in canonical)
        narrow = [canonical[f"layers.{n}.weight"].shape[0] for n in reversed(range(count))]
        channels = (canonical["final.weight"].shape[0], *narrow, canonical["from_rgb.weight"].shape[0])
        _require_finite(canonical)
        fused = POOLS_FIRST in about or any(key.endswith("/Conv1_down/weight") for key in state)
        return DiscriminatorWeights(canonical, PGGANArchitecture(512, tuple(channels)), about, pools_first=fused)
    except WeightsError as error:
        raise _of(path, error) from error


def read_encoder(path: Path) -> EncoderWeights:
    """Read an encoder of ours.

    Raises:
        WeightsError: The file is missing, damaged, hostile, holds none, or has missing or extra keys, or NaNs.
    """
    try:
        file = _open(path)
        if file.about.get("kind") != ENCODER_KIND:
            raise MissingNetworkError("holds no encoder", hint="those of `ganinvert train-encoder` do")
        architecture = _encoder_architecture(file.structured("architecture"))
        state = {key: tensor.float() for key, tensor in file.tensors.items()}
        shapes = architecture.shapes()
        require_keys(state, set(shapes), what="encoder")
        require_plain(file.tensors)
        for key, shape in shapes.items():
            if tuple(state[key].shape) != shape:
                raise WeightsError(
                    f"{key} has shape {tuple(state[key].shape)}, not {shape}",
                    hint="the file is damaged: fetch it again",
                )
        _require_finite(state)
    except WeightsError as error:
        raise _of(path, error) from error
    return EncoderWeights(state, architecture, file.about.get("generator", ""), file.about)


def _encoder_architecture(stated: object) -> EncoderArchitecture:
    known = {field.name for field in fields(EncoderArchitecture)}
    if isinstance(stated, dict) and stated.keys() == known and isinstance(widths := stated["widths"], list):
        numbers = {key: value for key, value in stated.items() if key != "widths"}
        if widths and all(type(value) is int for value in (*numbers.values(), *widths)):
            return EncoderArchitecture(**numbers, widths=tuple(widths))
    raise WeightsError("its header does not describe an encoder", hint="the file is damaged: fetch it again")


def read_perceptual(path: Path, *, convolutions: Mapping[str, tuple[int, ...]]) -> TensorFile:
    """Read the convolutions of a torchvision classification network.

    Args:
        path: A torchvision state dict.
        convolutions: Name, such as "features.0", to the shape of the weight.

    Raises:
        WeightsError: The file is missing, damaged, hostile, or lacks one of them.
    """
    try:
        _require_file(path)
        content = read_torch(path) if is_torch_file(path) else {}
        if not is_state(content):
            raise WeightsError("does not hold a flat state dict", hint="torchvision's own files do")
        expected = {f"{name}.{part}" for name in convolutions for part in ("weight", "bias")}
        state = {key: tensor for key, tensor in content.items() if key.startswith("features.")}
        require_keys(state, expected)
        require_plain(state)
        for name, shape in convolutions.items():
            found = tuple(state[f"{name}.weight"].shape)
            if found != shape:
                raise WeightsError(f"{name} has shape {found}, not {shape}", hint="the file is of another network")
        _require_finite(state)
    except WeightsError as error:
        raise _of(path, error) from error
    return TensorFile(state, {"format": "torchvision"})


def _open(path: Path) -> TensorFile:
    _require_file(path)
    with path.open("rb") as file:
        head = file.read(9)
    if head[8:] == b"{":
        return TensorFile.load(path)
    if is_torch_file(path):
        return TensorFile(_generator_in(read_torch(path)))
    if is_nvidia_file(path):
        return TensorFile(read_nvidia(path))
    raise WeightsError(
        "is a web page, not a weights file" if head.lstrip().lower().startswith(b"<") else "is of no known kind",
        hint=_KNOWN,
    )


def _generator_in(content: Mapping[str, object]) -> State:
    """Find the generator's state dict in a checkpoint: the averaged one where there are several."""
    if "netG" in content and "avgG" not in content:
        raise WeightsError("has no avgG, the averaged generator", hint="use a complete GAN Zoo checkpoint")
    for key in ("avgG", "generator_smooth", "generator", "state_dict"):
        if is_state(found := content.get(key)):
            _require_usual(content.get("config"))
            return found
    if not is_state(content):
        raise WeightsError("does not hold a state dict of a generator", hint=_KNOWN)
    return content


def _require_usual(config: object) -> None:
    """Refuse a GAN Zoo network that its settings make another one than its tensors show."""
    if isinstance(config, Mapping):
        usual = {"alpha": 0, "perChannelNormalization": True, "equalizedlR": True, "leakyReluLeak": 0.2}
        for key, value in usual.items():
            if config.get(key, value) != value:
                raise WeightsError(
                    f"{key} is {config[key]}, not {value}",
                    hint="the network was still growing, or is of another kind: use a finished one",
                )


def _canonical(state: State) -> tuple[str, dict[str, Tensor]]:
    require_plain(state)
    for layout, (marker, convert) in _LAYOUTS.items():
        if any(re.fullmatch(marker, key) for key in state):
            return layout, _convert(convert, state)
    raise WeightsError(f"unknown keys, such as {', '.join(sorted(state)[:3]) or 'none at all'}", hint=_KNOWN)


def _convert(convert: Callable[[State], State], state: State) -> dict[str, Tensor]:
    try:
        return {key: tensor.float().contiguous() for key, tensor in convert(state).items()}
    except (RuntimeError, IndexError, ZeroDivisionError) as error:  # of permute, unflatten, … on unfit shapes
        raise WeightsError(
            "its tensors do not have the shapes of a PGGAN", hint="the file is damaged or of another network"
        ) from error


def _require_finite(state: State) -> None:
    for key, tensor in state.items():
        # The extremes carry every NaN and infinity, and need no second tensor of the same size.
        if tensor.numel() and not all(math.isfinite(extreme) for extreme in tensor.aminmax()):
            raise WeightsError(f"{key} holds values that are not finite", hint="the file is damaged")


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise WeightsError("no such file", hint="check the spelling of the path")


def _of(path: Path, error: WeightsError) -> WeightsError:
    message = error.message if str(path) in error.message else f"{path}: {error.message}"
    return type(error)(message, hint=error.hint)


_LAYOUTS: Mapping[str, tuple[str, Callable[[State], State]]] = {
    "canonical": (r"layers\.0\.weight", lambda state: state),
    "genforce": (r"layer0\.conv\.weight", layouts.from_genforce),
    "gandissect": (r"layer1\.wscale\.b", layouts.from_gandissect),
    "gan-zoo": (r"formatLayer\.module\.weight", layouts.from_gan_zoo),
    "mmgen": (r"(generator_ema\.)?noise2feat\.linear\.weight_orig", layouts.from_mmgen),
    "nvidia-pkl": (r"4x4/Dense/weight", layouts.from_nvidia),
}
"""A key that only this layout has, and how to convert it."""

_KNOWN = (
    "looked for: ganinvert .safetensors; NVIDIA's pickle (G, D, Gs); torch files of genforce, GANDissect, the GAN Zoo,"
    " MMGeneration, or with the canonical state dict"
)
