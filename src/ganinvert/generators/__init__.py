"""Generators that can be split at any layer."""

from __future__ import annotations

from pathlib import Path

from ganinvert import paths
from ganinvert.errors import WeightsError
from ganinvert.generators.base import Generator, LayerInfo
from ganinvert.generators.pggan import PGGANDiscriminator, PGGANGenerator
from ganinvert.settings import DEFAULT_GENERATOR
from ganinvert.weights import read_generator

__all__ = ["Generator", "LayerInfo", "PGGANDiscriminator", "PGGANGenerator", "load_generator"]


def load_generator(name: str | Path = DEFAULT_GENERATOR) -> PGGANGenerator:
    """Load a frozen generator, on the CPU in float32.

    Args:
        name: The embedded `portraits-64`, or the path of a generator file.

    Raises:
        WeightsError: No such generator or file, or the file is damaged or incomplete.
    """
    if str(name) == DEFAULT_GENERATOR:
        return PGGANGenerator(read_generator(paths.embedded(f"{name}.safetensors"), name=str(name)))
    if not Path(name).exists():
        raise WeightsError(
            f"{name}: neither a known generator nor a file",
            hint=f"known: {DEFAULT_GENERATOR}; or name a weights file",
        )
    return PGGANGenerator(read_generator(Path(name)))
