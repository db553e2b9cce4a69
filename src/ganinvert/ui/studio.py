"""Everything that all browser tabs share: the generator, its sessions, and the folder of their files."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

from ganinvert import images
from ganinvert.batch.outputs import png_text
from ganinvert.bundle import LatentBundle
from ganinvert.devices import resolve_device
from ganinvert.generators import Generator, load_generator
from ganinvert.settings import InversionSettings, InvertTask, Request, RequestOptions, TaskOptions, preset_of
from ganinvert.settings.presets import AUTOMATIC
from ganinvert.tasks import Inversion, Inverter
from ganinvert.ui.work import Work

VIEW = 1024
"""Longer side of the pictures that the page shows, in pixels; files have their own size."""


@dataclass(frozen=True)
class Studio:
    """A loaded generator for all browser tabs.

    Attributes:
        name: Name or path of the generator, as `-g` has it.
        device: Device, as `--device` has it.
        folder: Folder of all files of the page, which is removed when it ends.
        photo: Photo to begin with; None for none.
        running: Work that runs now, by browser tab.
    """

    name: str
    device: str
    folder: Path
    photo: Path | None = None
    running: dict[str, Work[Any]] = field(default_factory=dict)

    @cached_property
    def generator(self) -> Generator:
        """The generator that sessions use, on their device."""
        return load_generator(self.name)

    @cached_property
    def editor(self) -> Generator:
        """The generator on the CPU, where edits are the same to the bit as those of the commands."""
        return self.generator if resolve_device(self.device).type == "cpu" else load_generator(self.name)

    def settings(self, preset: str, steps: int | None = None) -> InversionSettings:
        """The settings of a preset for a task, or "edit", by default with its own number of steps."""
        chosen = preset_of(AUTOMATIC, preset, styled=self.generator.is_styled)
        if steps is None:
            return chosen
        return replace(chosen, optimization=replace(chosen.optimization, steps=steps))

    def session(
        self,
        task: TaskOptions = InvertTask(),
        steps: int | None = None,
        preset: str = "",
        **options: Unpack[RequestOptions],
    ) -> Inverter:
        """A session of the generator; see `Inverter.open` for errors."""
        options = {"device": self.device, **options}
        return Inverter.open(
            Request(task, self.settings(preset or task.name, steps), self.name, **options), generator=self.generator
        )

    def new_folder(self) -> Path:
        """A new folder for files."""
        return Path(tempfile.mkdtemp(dir=self.folder))


def view(image: Any) -> Any:
    """A picture as the page shows it: at most `VIEW` pixels wide and high."""
    small = image.copy()
    small.thumbnail((VIEW, VIEW))
    return small


def save(result: Inversion, folder: Path, stem: str) -> list[Path]:
    """Write the files that the command would write: STEM.png, and bundles of the faces, STEM.pt, STEM.2.pt etc."""
    paths = [folder / f"{stem}.png"]
    paths[0].write_bytes(images.encode_png(result.raster or result.image, png_text(result.bundle)))
    for n, face in enumerate(result.faces, 1):
        paths.append(folder / (f"{stem}.pt" if n == 1 else f"{stem}.{n}.pt"))
        face.bundle.save(paths[-1])
    return paths


def save_edit(image: Any, bundle: LatentBundle, folder: Path, stem: str) -> list[Path]:
    """Write the picture and the bundle of an edit, STEM.png and STEM.pt."""
    paths = [folder / f"{stem}.png", folder / f"{stem}.pt"]
    paths[0].write_bytes(images.encode_png(image, png_text(bundle)))
    bundle.save(paths[1])
    return paths
