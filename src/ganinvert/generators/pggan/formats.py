"""Checkpoints of PGGANs of different origin, turned into the canonical state dict.

Canonical keys are `layers.{n}.weight` (OIHW), `layers.{n}.bias` and `to_rgb.{weight,bias}`, with the
equalised-lr scale gain/√fan_in of Karras et al. 2018 folded into the weights. `layers.0` is the 4×4
convolution with padding 3 that maps z; its bias is per position, (C, 4, 4).

Files are told apart by their content, never by their name, and no pickle is executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields

from torch import Tensor

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators.pggan import layouts
from ganinvert.generators.pggan.architecture import EncoderArchitecture, PGGANArchitecture
from ganinvert.generators.pggan.weights import (
    DISCRIMINATOR_KIND,
    ENCODER_KIND,
    KIND,
    POOLS_FIRST,
    DiscriminatorWeights,
    EncoderWeights,
    GeneratorWeights,
)
from ganinvert.weights import digest
from ganinvert.weights.reading import KNOWN, State, WeightsFile, require_finite, require_keys
from ganinvert.weights.torchfile import is_state, require_plain


def recognises(file: WeightsFile) -> bool:
    """True if the file holds a network of this family, by its header or its keys."""
    if file.about.get("kind") in (KIND, DISCRIMINATOR_KIND, ENCODER_KIND):
        return True
    keys = list(file.state if file.container != "torch" else _generator_in(file.content))
    return any(re.fullmatch(marker, key) for marker, _ in _LAYOUTS.values() for key in keys)


def read_generator(file: WeightsFile, name: str) -> GeneratorWeights:
    """Read the generator of a file of any known layout.

    Raises:
        WeightsError: The file is of an unknown layout, or has missing or extra keys, or NaNs.
    """
    tensors = _generator_in(file.content) if file.container == "torch" else file.state
    layout, state = _canonical(tensors)
    architecture = PGGANArchitecture.of(state)
    require_finite(state)
    stated = file.structured("architecture")
    if stated not in (None, {"latent_dim": architecture.latent_dim, "channels": list(architecture.channels)}):
        raise WeightsError("its header describes another network", hint="the file is damaged: fetch it again")
    # A file of ours that was just checked need not be hashed a second time.
    own = file.digest if all(state.get(key) is tensor for key, tensor in tensors.items()) else ""
    return GeneratorWeights(state, architecture, name, own or digest(state), {"format": layout, **file.about})


def read_discriminator(file: WeightsFile) -> DiscriminatorWeights:
    """Read a discriminator of ours, that of a GAN Zoo checkpoint, or D of NVIDIA's pickle.

    Raises:
        MissingNetworkError: The file holds none.
        WeightsError: It has missing or extra keys, or NaNs.
    """
    state: object
    if file.container == "torch":
        state, convert = file.content.get("netD"), layouts.discriminator_from_gan_zoo
    elif file.container == "nvidia":
        state, convert = file.nvidia(discriminator=True), layouts.discriminator_from_nvidia
    else:
        state = file.state if file.about.get("kind") == DISCRIMINATOR_KIND else None
        convert = layouts.discriminator_from_ganinvert
    if not is_state(state):
        raise MissingNetworkError(
            "holds no discriminator", hint="those of `ganinvert train`, the GAN Zoo and NVIDIA do"
        )
    require_plain(state)
    canonical = _convert(convert, state)
    count = sum(re.fullmatch(r"layers\.\d+\.weight", key) is not None for key in canonical)
    narrow = [canonical[f"layers.{n}.weight"].shape[0] for n in reversed(range(count))]
    channels = (canonical["final.weight"].shape[0], *narrow, canonical["from_rgb.weight"].shape[0])
    require_finite(canonical)
    fused = POOLS_FIRST in file.about or any(key.endswith("/Conv1_down/weight") for key in state)
    return DiscriminatorWeights(canonical, PGGANArchitecture(512, tuple(channels)), file.about, pools_first=fused)


def read_encoder(file: WeightsFile) -> EncoderWeights:
    """Read an encoder of ours.

    Raises:
        MissingNetworkError: The file holds none.
        WeightsError: It has missing or extra keys, or NaNs.
    """
    if file.about.get("kind") != ENCODER_KIND:
        raise MissingNetworkError("holds no encoder", hint="those of `ganinvert train-encoder` do")
    architecture = _encoder_architecture(file.structured("architecture"))
    state = {key: tensor.float() for key, tensor in file.state.items()}
    shapes = architecture.shapes()
    require_keys(state, set(shapes), what="encoder")
    require_plain(file.state)
    for key, shape in shapes.items():
        if tuple(state[key].shape) != shape:
            raise WeightsError(
                f"{key} has shape {tuple(state[key].shape)}, not {shape}", hint="the file is damaged: fetch it again"
            )
    require_finite(state)
    return EncoderWeights(state, architecture, file.about.get("generator", ""), file.about)


def _encoder_architecture(stated: object) -> EncoderArchitecture:
    known = {field.name for field in fields(EncoderArchitecture)}
    if isinstance(stated, dict) and stated.keys() == known and isinstance(widths := stated["widths"], list):
        numbers = {key: value for key, value in stated.items() if key != "widths"}
        if widths and all(type(value) is int for value in (*numbers.values(), *widths)):
            return EncoderArchitecture(**numbers, widths=tuple(widths))
    raise WeightsError("its header does not describe an encoder", hint="the file is damaged: fetch it again")


def _generator_in(content: Mapping[str, object]) -> State:
    """Find the generator's state dict in a checkpoint: the averaged one where there are several."""
    if "netG" in content and "avgG" not in content:
        raise WeightsError("has no avgG, the averaged generator", hint="use a complete GAN Zoo checkpoint")
    for key in ("avgG", "generator_smooth", "generator", "state_dict"):
        if is_state(state := content.get(key)):
            _require_usual(content.get("config"))
            return state
    if not is_state(content):
        raise WeightsError("does not hold a state dict of a generator", hint=KNOWN)
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
    raise WeightsError(f"unknown keys, such as {', '.join(sorted(state)[:3]) or 'none at all'}", hint=KNOWN)


def _convert(convert: Callable[[State], State], state: State) -> dict[str, Tensor]:
    try:
        return {key: tensor.float().contiguous() for key, tensor in convert(state).items()}
    except (RuntimeError, IndexError, ZeroDivisionError) as error:  # of permute, unflatten, … on unfit shapes
        raise WeightsError(
            "its tensors do not have the shapes of a PGGAN", hint="the file is damaged or of another network"
        ) from error


_LAYOUTS: Mapping[str, tuple[str, Callable[[State], State]]] = {
    "canonical": (r"layers\.0\.weight", lambda state: state),
    "genforce": (r"layer0\.conv\.weight", layouts.from_genforce),
    "gandissect": (r"layer1\.wscale\.b", layouts.from_gandissect),
    "gan-zoo": (r"formatLayer\.module\.weight", layouts.from_gan_zoo),
    "mmgen": (r"(generator_ema\.)?noise2feat\.linear\.weight_orig", layouts.from_mmgen),
    "nvidia-pkl": (r"4x4/Dense/weight", layouts.from_nvidia),
}
"""A key that only this layout has, and how to convert it."""
