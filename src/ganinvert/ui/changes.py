"""Changes of an inversion that the page's sliders ask for, one after another: directions, styles, subspaces."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ganinvert.bundle import LatentBundle
from ganinvert.generators import Generator
from ganinvert.tasks.directions import move
from ganinvert.tasks.editing import exchange

LAST = "edited"


@dataclass(frozen=True)
class Changes:
    """Positions of all sliders.

    Attributes:
        kind: Kind of the directions, "ganspace" or "sefa".
        directions: Strength along each direction, in standard deviations; 0 for none.
        styles: First and last number of the styles that are taken from the other photo.
        mixing: Share of those styles that is taken.
        subspaces: Share of each subspace that is taken from the other photo.
    """

    kind: str = "ganspace"
    directions: tuple[float, ...] = ()
    styles: tuple[int, int] = (0, 0)
    mixing: float = 0.0
    subspaces: tuple[float, ...] = ()

    @property
    def needs_other(self) -> bool:
        """True if something is taken from the other photo."""
        return bool(self.mixing or any(self.subspaces))

    def calls(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Names of the library's functions and their keywords, in order."""
        for n, strength in enumerate(self.directions):
            if strength:
                yield "edit", {"direction": f"{self.kind}-{n}", "strength": strength}
        if self.mixing:
            first, last = sorted(self.styles)
            yield "swap", {"styles": list(range(first, last + 1)), "strength": self.mixing}
        for strength in sorted({share for share in self.subspaces if share}):
            chosen = [n for n, share in enumerate(self.subspaces, 1) if share == strength]
            yield "swap", {"subspaces": chosen, "strength": strength}

    def apply(self, bundle: LatentBundle, other: LatentBundle | None, generator: Generator) -> LatentBundle | None:
        """Make the changes of a bundle, without its image; None if there are none. See `edit` and `swap` for errors."""
        edited = None
        for name, options in self.calls():
            if name == "edit":
                edited = move(edited or bundle, generator, **options)
            elif other is not None:
                edited, _ = exchange(edited or bundle, other, generator, **options)
        return edited

    def commands(self, bundle: str, other: str, generator: str) -> list[str]:
        """The command lines, from bundles of these names; the results are named edited-1, edited-2 and so on."""
        lines = []
        for n, (name, options) in enumerate(self.calls(), 1):
            words = ["ganinvert", name, bundle, *([other] if name == "swap" else []), "-g", generator]
            for option, value in options.items():
                text = (
                    ",".join(map(str, value))
                    if isinstance(value, list)
                    else f"{value:g}"
                    if option == "strength"
                    else value
                )
                words += [f"--{option}", text]
            lines.append(shlex.join([*words, "--name", f"{LAST}-{n}"]))
            bundle = f"{LAST}-{n}.pt" if name == "edit" else f"{LAST}-{n}.a.pt"
        return lines

    def python(self, bundle: str, other: str, generator: str) -> list[str]:
        """The lines of Python, from bundles of these names; see `program`."""
        lines = [f"generator = ganinvert.load_generator({generator!r})"]
        lines += [f"bundle = ganinvert.LatentBundle.load({bundle!r})"]
        lines += [f"other = ganinvert.LatentBundle.load({other!r})"] if self.needs_other else []
        for name, options in self.calls():
            given = ", ".join(f"{option}={value!r}" for option, value in options.items())
            if name == "edit":
                lines.append(f"edited = ganinvert.edit(bundle, generator, {given})")
            else:
                lines.append(f"edited, _ = ganinvert.swap(bundle, other, generator, {given})")
            lines.append("bundle = edited.bundle")
        return [*lines, f"edited.image.save('{LAST}.png')", f"bundle.save('{LAST}.pt')"]
