"""Generators that can be split at any layer."""

from __future__ import annotations

from pathlib import Path

from ganinvert import paths
from ganinvert.errors import WeightsError
from ganinvert.generators.base import Generator, LayerInfo
from ganinvert.generators.pggan import PGGANDiscriminator, PGGANGenerator
from ganinvert.generators.selfcheck import check_render
from ganinvert.settings import DEFAULT_GENERATOR
from ganinvert.weights import GeneratorWeights, read_discriminator, read_generator

__all__ = ["Generator", "LayerInfo", "PGGANDiscriminator", "PGGANGenerator", "load_discriminator", "load_generator"]


def load_generator(name: str | Path = DEFAULT_GENERATOR) -> PGGANGenerator:
    """Load a frozen generator, on the CPU in float32.

    Args:
        name: The embedded `portraits-64`, or the path of a generator file.

    Raises:
        WeightsError: No such generator or file, or the file is damaged or incomplete.
    """
    if str(name) == DEFAULT_GENERATOR:
        return _checked(read_generator(paths.embedded(f"{name}.safetensors"), name=str(name)))
    if not Path(name).exists():
        raise WeightsError(
            f"{name}: neither a known generator nor a file",
            hint=f"known: {DEFAULT_GENERATOR}; or name a weights file",
        )
    return _checked(read_generator(Path(name)))


def load_discriminator(path: Path) -> PGGANDiscriminator:
    """Load the discriminator of a GAN Zoo checkpoint, on the CPU in float32.

    Raises:
        WeightsError: The file holds none, or is damaged or incomplete.
    """
    weights = read_discriminator(path)
    discriminator = PGGANDiscriminator(weights.architecture)
    discriminator.load_state_dict(dict(weights.state))
    return discriminator


def _checked(weights: GeneratorWeights) -> PGGANGenerator:
    generator = PGGANGenerator(weights)
    check_render(generator)
    return generator
