"""Files of PGGANs of any origin, built into networks.

The canonical state dict of a generator has `layers.{n}.weight` (OIHW), `layers.{n}.bias` and `to_rgb.{weight,bias}`,
with the equalised-lr scale gain/√fan_in of Karras et al. 2018 folded into the weights. `layers.0` is the 4×4
convolution with padding 3 that maps z; its bias is per position, (C, 4, 4).

Files are told apart by their content, never by their name, and no pickle is executed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators import encoders
from ganinvert.generators.loading import fitting, loaded, plain, require_colour
from ganinvert.generators.pggan import layouts, settings
from ganinvert.generators.pggan.architecture import EncoderArchitecture, PGGANArchitecture
from ganinvert.generators.pggan.discriminator import CONSECUTIVE, POOLS_FIRST, PGGANDiscriminator
from ganinvert.generators.pggan.encoder import PGGANEncoder
from ganinvert.generators.pggan.network import PGGANGenerator
from ganinvert.weights import digest
from ganinvert.weights.nvidia import tensorflow_settings, tensorflow_variables
from ganinvert.weights.reading import KNOWN, WeightsFile
from ganinvert.weights.states import State, choose, find_networks
from ganinvert.weights.torchfile import require_plain

_NO_SCALES = "its files do not hold the scales of the weights"
_log = logging.getLogger(__name__)


def recognises(file: WeightsFile) -> bool:
    """True if the file holds a network of this family, by its header, or its keys where that states nothing."""
    if (kind := file.own.about.get("kind")) is not None:
        return kind in (PGGANGenerator.kind, PGGANDiscriminator.kind, PGGANEncoder.kind)
    return any(find_networks(file.tensors, key) for key, _ in _LAYOUTS.values())


def read_generator(file: WeightsFile, name: str) -> PGGANGenerator:
    """Read the generator of a file of any known layout: the averaged one where there are several."""
    layout, place, tensors = _generator(file)
    require_plain(tensors)
    with fitting("PGGAN"):
        if layout == "nvidia-pkl":
            settings.require_tensorflow(tensorflow_settings(file.networks))
        elif layout == "gan-zoo":
            settings.require_gan_zoo(file.values)
        state = plain(_LAYOUTS[layout][1](tensors))
        architecture = PGGANArchitecture.of(state)
        require_colour(len(state["to_rgb.weight"]))
        if layout == "mmgen":
            settings.require_mmgen(file.values, architecture)
        stated = file.own.structured("architecture")
        if stated not in (None, {"latent_dim": architecture.latent_dim, "channels": list(architecture.channels)}):
            raise WeightsError("its header describes another network", hint="the file is damaged: fetch it again")
        generator = loaded(lambda: PGGANGenerator(architecture), state)
        if assumed := settings.describe_assumptions(layout, tensors, architecture):
            _log.warning("%s: %s", file.path, assumed)
    # A file of ours that was just checked need not be hashed a second time.
    unchanged = all(state.get(key) is tensor for key, tensor in file.own.tensors.items())
    generator.name, generator.digest = name, (file.own.digest if unchanged else "") or digest(state)
    generator.about = {"format": layout, **({"network": place} if place else {}), **file.own.about}
    return generator


def read_discriminator(file: WeightsFile) -> PGGANDiscriminator:
    """Read a discriminator of ours, that of a GAN Zoo checkpoint, or D of NVIDIA's pickle."""
    tensors, pools_first, consecutive = _discriminator(file)
    if not tensors:
        raise MissingNetworkError(
            "holds no discriminator", hint="those of `ganinvert train`, the GAN Zoo and NVIDIA do"
        )
    with fitting("PGGAN"):
        state = plain(tensors)
        require_colour(state["from_rgb.weight"].shape[1])
        settings.require_unconditional(state["score.weight"])
        inner = [f"layers.{n}" for n in reversed(range(layouts.count(state, r"layers\.(\d+)\.weight")))]
        channels = tuple(state[f"{name}.weight"].shape[0] for name in ("final", *inner, "from_rgb"))
        architecture = PGGANArchitecture(512, channels)  # it does not know the length of z
        discriminator = loaded(
            lambda: PGGANDiscriminator(architecture, pools_first=pools_first, consecutive=consecutive), state
        )
    discriminator.about, discriminator.digest = file.own.about, file.own.about.get("generator", "")
    return discriminator


def read_encoder(file: WeightsFile) -> PGGANEncoder:
    """Read an encoder of ours; `MissingNetworkError` if the file holds none."""
    return encoders.read_encoder(file, PGGANEncoder.kind, PGGANEncoder, EncoderArchitecture)


def _generator(file: WeightsFile) -> tuple[str, str, State]:
    """The layout of the generator, the key it lies under, and its state dict."""
    for layout, (key, _) in _LAYOUTS.items():
        if networks := find_networks(file.tensors, key):
            return layout, *choose(networks)
    for key, (program, reason) in _UNREAD.items():
        if find_networks(file.tensors, key):
            raise WeightsError(f"is a network of {program}, which cannot be read", hint=reason)
    names = ", ".join(sorted(file.tensors)[:3])
    raise WeightsError(f"unknown keys, such as {names}" if names else "holds no tensors", hint=KNOWN)


def _discriminator(file: WeightsFile) -> tuple[State, bool, bool]:
    """The canonical state dict of the discriminator, empty if there is none, and how it pools and groups images."""
    about = file.own.about
    if "kind" in about:
        if about["kind"] != PGGANDiscriminator.kind:
            return {}, False, False
        require_plain(file.own.tensors)
        return layouts.discriminator_from_ganinvert(file.own.tensors), POOLS_FIRST in about, CONSECUTIVE in about
    if file.container == "nvidia":
        tensors: State = tensorflow_variables(file.networks, file.size, discriminator=True)
        settings.require_tensorflow(tensorflow_settings(file.networks, discriminator=True))
        fused = any(key.endswith("/Conv1_down/weight") for key in tensors)
        return layouts.discriminator_from_nvidia(tensors), fused, False
    if not (networks := find_networks(file.tensors, r"groupScaleZero\.0\.weight")):
        return {}, False, False
    tensors = choose(networks)[1]
    require_plain(tensors)
    settings.require_gan_zoo(file.values, discriminator=True)
    return layouts.discriminator_from_gan_zoo(tensors), False, True


_LAYOUTS: Mapping[str, tuple[str, Callable[[State], State]]] = {
    "canonical": (r"layers\.0\.weight", lambda state: state),
    "genforce": (r"layer0\.(conv\.)?weight", layouts.from_genforce),
    "gandissect": (r"layer1\.wscale\.b(ias)?", layouts.from_gandissect),
    "ptrblck": (r"in_layer\.2\.scale|features\.0\.wscale\.scale", layouts.from_ptrblck),
    "gan-zoo": (r"formatLayer\.weight", layouts.from_gan_zoo),
    "mmgen": (r"noise2feat\.linear\.weight_orig", layouts.from_mmgen),
    "nvidia-pkl": (r"4x4/Dense/weight", layouts.from_nvidia),
}
"""A key that only this layout has, and how to convert it."""

_UNREAD = {
    r"rgb_converters\.0\.weight": ("akanimax's pro_gan_pytorch", "it does not normalise z, nor after the first layer"),
    r"initial_rgb\.conv\.weight": ("aladdinpersson's ProGAN", "it does not normalise after the first layer"),
    r"progression\.0\.conv\.0\.conv\.weight_orig": ("rosinality's PGGAN", "it normalises before LeakyReLU"),
    r"first_block\.\d+\.(conv\.)?weight": ("nashory's pggan-pytorch", _NO_SCALES),
    r"output_layer\.chain\.0\.\d+\.weight": ("pengge's progressive_growing_of_gans", _NO_SCALES),
}
"""A key that only a program has whose networks cannot be read, its name, and the reason."""
