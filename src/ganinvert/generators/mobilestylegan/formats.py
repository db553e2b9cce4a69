"""Files of MobileStyleGANs, built into networks.

The canonical state dict has `mapping.layers.{n}.{weight,bias}`, and the mean and deviation of w; `constant`; per
convolution `layers.{n}.{weight,bias,noise}`, the linear map from w to its style, `layers.{n}.style.{weight,bias}`, and
`layers.{n}.depthwise` but for the first; `layers.{n}.up.{weight,bias}` for the style of an inverse Haar transform; and
`to_rgb.{weight,bias}` with `to_rgb.style`.
"""

from __future__ import annotations

from dataclasses import asdict

from ganinvert.errors import WeightsError
from ganinvert.generators.loading import fitting, loaded, plain
from ganinvert.generators.mobilestylegan.architecture import MobileStyleGANArchitecture
from ganinvert.generators.mobilestylegan.network import MobileStyleGANGenerator
from ganinvert.weights import digest
from ganinvert.weights.reading import WeightsFile
from ganinvert.weights.torchfile import require_plain


def recognises(file: WeightsFile) -> bool:
    """True if the header of the file says so."""
    return file.own.about.get("kind") == MobileStyleGANGenerator.kind


def read_generator(file: WeightsFile, name: str) -> MobileStyleGANGenerator:
    """Read the generator of a file of ours."""
    require_plain(file.own.tensors)
    with fitting("MobileStyleGAN"):
        state = plain(file.own.tensors)
        architecture = MobileStyleGANArchitecture.of(state)
        stated = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(architecture).items()
        }
        if file.own.structured("architecture") not in (None, stated):
            raise WeightsError("its header describes another network", hint="the file is damaged: fetch it again")
        generator = loaded(lambda: MobileStyleGANGenerator(architecture), state)
    generator.name, generator.digest = name, file.own.digest or digest(state)
    generator.about = {"format": "canonical", **file.own.about}
    return generator
