"""Files of PGGANs of any origin, built into networks.

The canonical state dict of a generator has `layers.{n}.weight` (OIHW), `layers.{n}.bias` and `to_rgb.{weight,bias}`,
with the equalised-lr scale gain/√fan_in of Karras et al. 2018 folded into the weights. `layers.0` is the 4×4
convolution with padding 3 that maps z; its bias is per position, (C, 4, 4).

Files are told apart by their content, never by their name, and no pickle is executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators import encoders
from ganinvert.generators.loading import fitting, loaded, plain
from ganinvert.generators.pggan import layouts
from ganinvert.generators.pggan.architecture import EncoderArchitecture, PGGANArchitecture
from ganinvert.generators.pggan.discriminator import POOLS_FIRST, PGGANDiscriminator
from ganinvert.generators.pggan.encoder import PGGANEncoder
from ganinvert.generators.pggan.network import PGGANGenerator
from ganinvert.weights import digest
from ganinvert.weights.nvidia import tensorflow_variables
from ganinvert.weights.reading import KNOWN, State, WeightsFile
from ganinvert.weights.torchfile import is_state, require_plain


def recognises(file: WeightsFile) -> bool:
    """True if the file holds a network of this family, by its header, or its keys where that states nothing."""
    if (kind := file.own.about.get("kind")) is not None:
        return kind in (PGGANGenerator.kind, PGGANDiscriminator.kind, PGGANEncoder.kind)
    return _layout(_tensors(file)) is not None


def read_generator(file: WeightsFile, name: str) -> PGGANGenerator:
    """Read the generator of a file of any known layout."""
    tensors = _tensors(file)
    require_plain(tensors)
    if (layout := _layout(tensors)) is None:
        raise WeightsError(f"unknown keys, such as {', '.join(sorted(tensors)[:3]) or 'none at all'}", hint=KNOWN)
    with fitting("PGGAN"):
        state = plain(_LAYOUTS[layout][1](tensors))
        architecture = PGGANArchitecture.of(state)
        stated = file.own.structured("architecture")
        if stated not in (None, {"latent_dim": architecture.latent_dim, "channels": list(architecture.channels)}):
            raise WeightsError("its header describes another network", hint="the file is damaged: fetch it again")
        generator = loaded(lambda: PGGANGenerator(architecture), state)
    # A file of ours that was just checked need not be hashed a second time.
    unchanged = all(state.get(key) is tensor for key, tensor in tensors.items())
    generator.name, generator.digest = name, (file.own.digest if unchanged else "") or digest(state)
    generator.about = {"format": layout, **file.own.about}
    return generator


def read_discriminator(file: WeightsFile) -> PGGANDiscriminator:
    """Read a discriminator of ours, that of a GAN Zoo checkpoint, or D of NVIDIA's pickle."""
    tensors: object
    if file.container == "torch":
        tensors, convert = file.content.get("netD"), layouts.discriminator_from_gan_zoo
    elif file.container == "nvidia":
        tensors = tensorflow_variables(file.networks, file.size, discriminator=True)
        convert = layouts.discriminator_from_nvidia
    else:
        tensors = file.own.tensors if file.own.about.get("kind") == PGGANDiscriminator.kind else None
        convert = layouts.discriminator_from_ganinvert
    if not is_state(tensors):
        raise MissingNetworkError(
            "holds no discriminator", hint="those of `ganinvert train`, the GAN Zoo and NVIDIA do"
        )
    require_plain(tensors)
    pools_first = POOLS_FIRST in file.own.about or any(key.endswith("/Conv1_down/weight") for key in tensors)
    with fitting("PGGAN"):
        state = plain(convert(tensors))
        inner = [f"layers.{n}" for n in reversed(range(layouts.count(state, r"layers\.(\d+)\.weight")))]
        channels = tuple(state[f"{name}.weight"].shape[0] for name in ("final", *inner, "from_rgb"))
        architecture = PGGANArchitecture(512, channels)  # it does not know the length of z
        discriminator = loaded(lambda: PGGANDiscriminator(architecture, pools_first=pools_first), state)
    discriminator.about, discriminator.digest = file.own.about, file.own.about.get("generator", "")
    return discriminator


def read_encoder(file: WeightsFile) -> PGGANEncoder:
    """Read an encoder of ours; `MissingNetworkError` if the file holds none."""
    return encoders.read_encoder(file, PGGANEncoder.kind, PGGANEncoder, EncoderArchitecture)


def _tensors(file: WeightsFile) -> State:
    """The generator's state dict: the averaged one where there are several."""
    if file.container == "safetensors":
        return file.own.tensors
    content = file.content
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


def _layout(state: State) -> str | None:
    return next((name for name, (key, _) in _LAYOUTS.items() if any(re.fullmatch(key, each) for each in state)), None)


_LAYOUTS: Mapping[str, tuple[str, Callable[[State], State]]] = {
    "canonical": (r"layers\.0\.weight", lambda state: state),
    "genforce": (r"layer0\.conv\.weight", layouts.from_genforce),
    "gandissect": (r"layer1\.wscale\.b", layouts.from_gandissect),
    "gan-zoo": (r"formatLayer\.module\.weight", layouts.from_gan_zoo),
    "mmgen": (r"(generator_ema\.)?noise2feat\.linear\.weight_orig", layouts.from_mmgen),
    "nvidia-pkl": (r"4x4/Dense/weight", layouts.from_nvidia),
}
"""A key that only this layout has, and how to convert it."""
