"""Generators that can be split at any layer."""

from __future__ import annotations

import difflib
from pathlib import Path

from ganinvert import paths
from ganinvert.errors import WeightsError
from ganinvert.generators.base import Generator, LayerInfo
from ganinvert.generators.pggan import PGGANDiscriminator, PGGANGenerator
from ganinvert.generators.provision import load_cached, obtain
from ganinvert.generators.selfcheck import check_render
from ganinvert.settings import DEFAULT_GENERATOR
from ganinvert.weights import GeneratorWeights, read_discriminator, read_generator
from ganinvert.weights.catalog import ALIGNED_FACES, CATALOG, CONVOLUTIONS
from ganinvert.weights.store import Store

__all__ = ["Generator", "LayerInfo", "PGGANDiscriminator", "PGGANGenerator", "load_discriminator", "load_generator"]


def load_generator(name: str | Path = DEFAULT_GENERATOR) -> PGGANGenerator:
    """Load a frozen generator, on the CPU in float32.

    Args:
        name: The embedded `portraits-64`, a name of the catalogue, or the path of a generator file. A network of the
            catalogue that is not in the cache is fetched, unless `GANINVERT_OFFLINE` is set.

    Raises:
        WeightsError: No such generator or file, it cannot be fetched, or the file is damaged or incomplete.
    """
    if str(name) == DEFAULT_GENERATOR:
        weights = read_generator(paths.embedded(f"{name}.safetensors"), name=str(name))
        return _checked(weights, domain=ALIGNED_FACES)
    if (entry := CATALOG.get(str(name))) is not None:
        if entry.network in CONVOLUTIONS:
            raise WeightsError(f"{name} is not a generator", hint="it is a network that compares images")
        store = Store()
        obtain(entry, store)
        return _checked(load_cached(entry, store), domain=entry.domain)
    if not Path(name).exists():
        near = difflib.get_close_matches(str(name), [DEFAULT_GENERATOR, *CATALOG], n=3)
        raise WeightsError(
            f"{name}: neither a known generator nor a file",
            hint=(f"did you mean {' or '.join(near)}? " if near else "")
            + f"known: {DEFAULT_GENERATOR} and those of `ganinvert fetch-weights --list`; or name a weights file",
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


def _checked(weights: GeneratorWeights, *, domain: str = "") -> PGGANGenerator:
    generator = PGGANGenerator(weights)
    generator.knows_faces = (domain or weights.about.get("domain", "")) == ALIGNED_FACES
    check_render(generator)
    return generator
