"""Where results go, and whether they are there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganinvert.errors import BundleError, OutputError, UsageError

if TYPE_CHECKING:
    from ganinvert.tasks import Inversion

SUFFIXES = {"image": "png", "comparison": "comparison.png", "bundle": "pt"}
"""In the order of writing: the bundle is last, as the sign that the rest is complete."""


@dataclass(frozen=True)
class Item:
    """One input and the files its result becomes.

    Attributes:
        source: The input.
        paths: Kind of file to its path, in the order of writing.
    """

    source: Path
    paths: Mapping[str, Path]

    def is_up_to_date(self, settings_hash: str, input_sha256: str, *, overwrite: bool) -> bool:
        """Whether the same input was already treated with the same settings.

        Raises:
            OutputError: Another result is in the way, and `overwrite` is False.
        """
        existing = [path for path in self.paths.values() if path.exists()]
        if overwrite or not existing:
            return False
        if len(existing) == len(self.paths) and "bundle" in self.paths:
            from ganinvert.bundle import LatentBundle

            try:
                found = LatentBundle.load(self.paths["bundle"]).provenance
            except BundleError as error:
                raise OutputError(
                    f"{self.source}: an unreadable bundle is in the way: {error.message}",
                    hint="replace it with --overwrite, or choose another folder with -o",
                ) from error
            if (found.get("settings_hash"), found.get("input_sha256")) == (settings_hash, input_sha256):
                return True
        raise OutputError(
            f"{self.source}: {existing[0]} exists already, and no bundle shows that it is the same result",
            hint="replace it with --overwrite, or choose another folder with -o",
        )

    def write(self, result: Inversion) -> None:
        """Write every file, the bundle last, or none.

        Raises:
            OutputError: One cannot be written.
        """
        from ganinvert import __version__
        from ganinvert.files import write_together
        from ganinvert.images import comparison, encode_png

        metadata = {
            "version": __version__,
            "method": result.bundle.method,
            "generator": result.bundle.generator,
            "digest": result.bundle.digest,
            "seed": result.bundle.provenance["seed"],
            "settings_hash": result.bundle.provenance["settings_hash"],
        }
        encoders = {
            "image": lambda: encode_png(result.image, metadata),
            "comparison": lambda: encode_png(comparison(result.target, result.image), metadata),
            "bundle": result.bundle.encode,
        }
        write_together({path: encoders[kind]() for kind, path in self.paths.items()})


def plan(sources: Sequence[Path], folder: Path, *, task: str, kinds: Sequence[str]) -> list[Item]:
    """Name the files of every input, each input once.

    Raises:
        UsageError: Two inputs would be written to the same name, or `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give a folder with -o; it is created if it does not exist")
    items: dict[Path, Item] = {}
    for source in dict.fromkeys(sources):
        paths = {kind: folder / f"{source.stem}.{task}.{suffix}" for kind, suffix in SUFFIXES.items() if kind in kinds}
        first = next(iter(paths.values()))
        if first in items:
            raise UsageError(
                f"{items[first].source} and {source} would both be written to {first}",
                hint="treat them in two runs with different -o folders",
            )
        items[first] = Item(source, paths)
    return list(items.values())
