"""Generators of any family, and how they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

from ganinvert import paths
from ganinvert.devices import undisturbed
from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators.activations import Activations as Activations
from ganinvert.generators.base import Discriminator as Discriminator
from ganinvert.generators.base import Encoder as Encoder
from ganinvert.generators.base import Generator as Generator
from ganinvert.generators.base import LayerInfo as LayerInfo
from ganinvert.generators.base import StyleInput as StyleInput
from ganinvert.generators.checks import check_render
from ganinvert.generators.families import FAMILIES as FAMILIES
from ganinvert.generators.families import Family as Family
from ganinvert.generators.families import family_of as family_of
from ganinvert.generators.families import read_discriminator as read_discriminator
from ganinvert.generators.families import read_encoder as read_encoder
from ganinvert.generators.families import read_generator as read_generator
from ganinvert.generators.fetch import load_cached, obtain
from ganinvert.generators.latents import LatentSpace as LatentSpace
from ganinvert.generators.latents import NormalSpace as NormalSpace
from ganinvert.generators.pggan import PGGANDiscriminator as PGGANDiscriminator
from ganinvert.generators.pggan import PGGANEncoder as PGGANEncoder
from ganinvert.generators.pggan import PGGANGenerator as PGGANGenerator
from ganinvert.generators.style_encoder import StyleEncoder as StyleEncoder
from ganinvert.generators.tuned import apply_deltas as apply_deltas
from ganinvert.generators.tuned import blended as blended
from ganinvert.generators.views import View as View
from ganinvert.generators.views import Window as Window
from ganinvert.settings.common import DEFAULT_GENERATOR
from ganinvert.weights import registry
from ganinvert.weights.catalog import ALIGNED_FACES, CATALOG, CONVOLUTIONS
from ganinvert.weights.store import Store

N = TypeVar("N", Discriminator, Encoder)


@undisturbed()
def load_generator(name: str | Path = DEFAULT_GENERATOR) -> Generator:
    """Load a frozen generator, on the CPU in float32.

    Args:
        name: The embedded `portraits-64`, a name of the catalogue, one that `train` was given, or the path of a
            generator file. A network of the catalogue that is not in the cache is fetched, unless
            `GANINVERT_OFFLINE` is set.

    Raises:
        WeightsError: No such generator or file, it cannot be fetched, or the file is damaged or incomplete.
    """
    if str(name) == DEFAULT_GENERATOR:
        embedded = read_generator(paths.embedded(f"{name}.safetensors"), name=str(name))
        return _checked(embedded, domain=ALIGNED_FACES)
    if (entry := CATALOG.get(str(name))) is not None:
        if entry.network in CONVOLUTIONS:
            raise WeightsError(f"{name} is not a generator", hint="it is a network that compares images")
        store = Store()
        obtain(entry, store)
        return _checked(load_cached(entry, store), domain=entry.domain)
    if (trained := registry.find(name)) is not None:
        return _checked(read_generator(trained, name=str(name)))
    registry.require_known(name)
    generator = _checked(read_generator(Path(name)))
    generator.file = Path(name)
    return generator


@undisturbed()
def load_discriminator(name: str | Path = DEFAULT_GENERATOR) -> Discriminator:
    """Load a frozen discriminator, on the CPU in float32.

    Args:
        name: The generator it was trained with: the embedded `portraits-64`, a name of the catalogue or one that
            `train` was given, or the path of a file that has it beside it; or the path of a discriminator file of
            `train`, a GAN Zoo checkpoint or a pickle of NVIDIA.

    Raises:
        MissingNetworkError: The generator has none.
        WeightsError: The file holds none, or is damaged or incomplete.
    """
    hint = f"`ganinvert train` makes one with its generators, and {DEFAULT_GENERATOR} has one"
    if str(name) in CATALOG:
        hint = f"`ganinvert fetch-weights --remove {name}` and fetching it again keeps one if its file has one, {hint}"
    return _companion(name, "discriminator", read_discriminator, hint)


@undisturbed()
def load_encoder(name: str | Path = DEFAULT_GENERATOR, *, generator: Generator | None = None) -> Encoder:
    """Load a frozen encoder, on the CPU in float32.

    Args:
        name: The generator that it inverts: the embedded `portraits-64`, the name of one that `train-encoder` was
            given, or the path of a file that has it beside it; or the path of an encoder file.
        generator: Generator that it must have been trained with; None to leave that unchecked.

    Raises:
        MissingNetworkError: The generator has none.
        WeightsError: The file holds none, is damaged or incomplete, or belongs to another generator.
    """
    hint = f"`ganinvert train-encoder -g {name}` makes one, and {DEFAULT_GENERATOR} has one"
    encoder = _companion(name, "encoder", read_encoder, hint)
    if generator is not None and encoder.digest != generator.digest:
        raise WeightsError(
            f"the encoder found for {Path(name).name} belongs to another generator than {generator.name}",
            hint=f"`ganinvert train-encoder -g {generator.name}` makes one",
        )
    return encoder


def _companion(name: str | Path, kind: Literal["discriminator", "encoder"], read: Callable[[Path], N], hint: str) -> N:
    """Read another network of a generator: embedded, cached, under its name, or beside its file.

    The discriminator of a generator file counts only if it lies beside it: one of the same name may be another's.
    """
    file = Path(name)
    registered = registry.find(f"{file.stem}.{kind}")
    places: list[Path | None]
    if str(name) == DEFAULT_GENERATOR:
        places = [paths.embedded(f"{name}.{kind}.safetensors")]
    elif file.is_file():
        places = [file.with_name(f"{file.stem}.{kind}.safetensors"), file, registered if kind == "encoder" else None]
    elif file.suffix or file.is_dir():
        problem = "is a folder" if file.is_dir() else "no such file"
        raise WeightsError(f"{name}: {problem}", hint="check the spelling of the path")
    else:
        entry = CATALOG.get(str(name))
        places = [Store().path(entry, f".{kind}") if entry else None, registered]
    for place in places:
        if place is not None and place.is_file():
            with suppress(MissingNetworkError):
                return read(place)
    raise MissingNetworkError(f"{file.name} has no {kind}", hint=hint)


def _checked(generator: Generator, *, domain: str = "") -> Generator:
    generator.domain = domain
    check_render(generator)
    return generator
