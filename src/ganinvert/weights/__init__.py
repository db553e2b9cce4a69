"""Network files: the catalogue, fetching, what is inside them, and how to turn them into the canonical form.

Loaded when used: the catalogue and the cache do without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganinvert.weights.architecture import EncoderArchitecture, PGGANArchitecture
    from ganinvert.weights.formats import read_discriminator, read_encoder, read_generator, read_perceptual
    from ganinvert.weights.networks import DiscriminatorWeights, EncoderWeights, GeneratorWeights, rounded
    from ganinvert.weights.tensorfile import TensorFile, digest

_HOMES = {
    "architecture": ["EncoderArchitecture", "PGGANArchitecture"],
    "formats": ["read_discriminator", "read_encoder", "read_generator", "read_perceptual"],
    "networks": ["DiscriminatorWeights", "EncoderWeights", "GeneratorWeights", "rounded"],
    "tensorfile": ["TensorFile", "digest"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DiscriminatorWeights",
    "EncoderArchitecture",
    "EncoderWeights",
    "GeneratorWeights",
    "PGGANArchitecture",
    "TensorFile",
    "digest",
    "read_discriminator",
    "read_encoder",
    "read_generator",
    "read_perceptual",
    "rounded",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
