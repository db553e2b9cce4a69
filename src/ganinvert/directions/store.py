"""The cache of directions: they take seconds, and every edit of a generator's images needs them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from ganinvert import paths
from ganinvert.directions.directions import Directions
from ganinvert.directions.ganspace import ganspace
from ganinvert.directions.sefa import sefa
from ganinvert.errors import OutputError, WeightsError
from ganinvert.generators import Generator
from ganinvert.settings.directions import DirectionKind
from ganinvert.weights import TensorFile

logger = logging.getLogger(__name__)
VERSION = "1"
"""Version of the arithmetic, by which directions of older ones are found anew."""


def find_directions(generator: Generator, kind: DirectionKind, styles: Sequence[int] | None = None) -> Directions:
    """Find the directions of a generator, or read them from the cache.

    Args:
        generator: Generator, by whose digest they are kept.
        kind: Way to find them.
        styles: Numbers of the styles that an edit changes, for which "sefa" finds directions of their own.

    Raises:
        UsageError: The generator has no such style, or no matrices of styles.
    """
    if styles is not None:
        generator.check_styles(styles)
    own = kind == "sefa" and styles is not None
    key = hashlib.sha256(repr(sorted(set(styles or ()))).encode()).hexdigest()[:12]
    path = paths.directions_dir() / generator.digest[:16] / f"{kind}{f'.{key}' if own else ''}.safetensors"
    about = {"kind": f"directions-{kind}", "version": VERSION, "generator": generator.digest}
    try:
        file = TensorFile.load(path)
        if all(file.about.get(name) == value for name, value in about.items()):
            return Directions(file.about["space"], file.tensors["vectors"], file.tensors["deviations"])
    except (KeyError, WeightsError) as error:
        logger.info("found anew: %s", error)
    found = sefa(generator, styles) if kind == "sefa" else ganspace(generator)
    try:
        tensors = {"vectors": found.vectors, "deviations": found.deviations}
        TensorFile(tensors, {**about, "space": found.space}).save(path)
    except OutputError as error:
        logger.info("not kept for the next time: %s", error)
    return found
