"""Files of MobileStyleGANs, built into networks.

The canonical state dict has `mapping.layers.{n}.{weight,bias}`, and the mean and deviation of w; `constant`; per
convolution `layers.{n}.{weight,bias,noise}`, the linear map from w to its style, `layers.{n}.style.{weight,bias}`, and
`layers.{n}.depthwise` but for the first; `layers.{n}.up.{weight,bias}` for the style of an inverse Haar transform; and
`to_rgb.{weight,bias}` with `to_rgb.style`.
"""

from __future__ import annotations

from dataclasses import asdict

from torch import Tensor

from ganinvert import paths
from ganinvert.errors import WeightsError
from ganinvert.generators.loading import fitting, loaded, plain
from ganinvert.generators.mobilestylegan.architecture import MobileStyleGANArchitecture
from ganinvert.generators.mobilestylegan.layout import from_openvino
from ganinvert.generators.mobilestylegan.network import MobileStyleGANGenerator
from ganinvert.generators.style_encoder import is_style_encoder
from ganinvert.weights import TensorFile, digest
from ganinvert.weights.catalog import CATALOG
from ganinvert.weights.openvino import Graph
from ganinvert.weights.reading import WeightsFile
from ganinvert.weights.torchfile import require_plain

_ENTRY = CATALOG["ffhq-1024"]


def recognises(file: WeightsFile) -> bool:
    """True if the file is a wheel with graphs of OpenVINO, or if its header says so, or names an encoder of styles."""
    if file.container == "openvino" or is_style_encoder(file):
        return True
    return file.own.about.get("kind") == MobileStyleGANGenerator.kind


def read_generator(file: WeightsFile, name: str) -> MobileStyleGANGenerator:
    """Read the generator of a file of ours, or of the one wheel in which such a network is published."""
    require_plain(file.own.tensors)
    with fitting("MobileStyleGAN"):
        state = _published(file) if file.container == "openvino" else plain(file.own.tensors)
        architecture = MobileStyleGANArchitecture.of(state)
        stated = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(architecture).items()
        }
        if file.own.structured("architecture") not in (None, stated):
            raise WeightsError("its header describes another network", hint="the file is damaged: fetch it again")
        generator = loaded(lambda: MobileStyleGANGenerator(architecture), state)
    generator.name, generator.digest = name, file.own.digest or digest(state)
    if file.container == "openvino":
        generator.about = {
            "format": "openvino",
            "licence": _ENTRY.terms,
            "origin": _ENTRY.origin,
            "domain": _ENTRY.domain,
        }
    else:
        generator.about = {"format": "canonical", **file.own.about}
    return generator


def _published(file: WeightsFile) -> dict[str, Tensor]:
    """The published network, with statistics of its w that were measured once: computed anew they differ in bits."""
    mapping, synthesis = (file.content[name] for name in ("MappingNetwork", "SynthesisNetwork"))
    assert isinstance(mapping, Graph)
    assert isinstance(synthesis, Graph)
    known = TensorFile.load(paths.embedded("fingerprints.safetensors")).tensors
    statistics = {f"mapping.{name}": known[f"{_ENTRY.fingerprints}.{name}"] for name in ("mean", "deviation")}
    return plain(from_openvino(mapping, synthesis) | statistics)
