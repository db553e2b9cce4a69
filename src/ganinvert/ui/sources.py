"""Photos that the page inverts before they are edited, and bundles that need no inversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganinvert.bundle import LatentBundle
from ganinvert.tasks import render
from ganinvert.ui.commands import Run
from ganinvert.ui.glance import Glance
from ganinvert.ui.studio import Studio, save, view
from ganinvert.ui.work import Work


@dataclass(frozen=True)
class Source:
    """An inverted photo, or a bundle that was given.

    Attributes:
        bundle: The bundle.
        picture: Its image.
        target: The photo in the generator's square; None for a bundle that was given.
        files: Files of the inversion, the bundle's last.
        run: The inversion; None for a bundle that was given.
        photo: File of the photo; None for a bundle that was given.
        glance: Map for first looks at its edits; None if there are none.
    """

    bundle: LatentBundle
    picture: Any
    target: Any
    files: Sequence[Path]
    run: Run | None
    photo: Path | None = None
    glance: Glance | None = None

    @property
    def quality(self) -> str:
        """A sentence on how near the inversion is to the photo."""
        metrics = self.bundle.metrics
        if self.target is None or not {"psnr", "lpips"} <= metrics.keys():
            return ""
        stopped = self.bundle.provenance.get("stopped", "")
        text = f"PSNR {metrics['psnr']:.2f} dB, LPIPS {metrics['lpips']:.3f}"
        return f"{text}; stopped {stopped}" if stopped else text


def invert(studio: Studio, path: Path, steps: int | None, seed: int | None, work: Work[Any]) -> Source:
    """Invert a photo by the settings of edits, or read a bundle; None takes the usual number of steps, and seed 0."""
    if path.suffix.lower() == ".pt":
        bundle = LatentBundle.load(path)
        return Source(bundle, view(render(bundle, studio.editor).image), None, [path], None)
    chosen: tuple[int | None, int] = (int(steps) if steps else None, int(seed or 0))
    styled = studio.generator.is_styled
    made = Run("invert", path.name, studio.name, styled, steps=chosen[0], seed=chosen[1], preset="edit")
    session = studio.session(steps=chosen[0], preset="edit", seed=chosen[1])
    result = session.run([session.prepare(path)], callback=work.watch)[0]
    files = save(result, studio.new_folder(), made.stem)
    return Source(result.bundle, view(result.image), view(result.target), files, made, path)
