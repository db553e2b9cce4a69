"""The command lines and the lines of Python that do again what was done on the page."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ganinvert.settings import preset_of
from ganinvert.settings.presets import AUTOMATIC


@dataclass(frozen=True)
class Run:
    """A task that was run on the page.

    Attributes:
        task: Name of the task.
        photo: Name of the photo's file.
        generator: Name of the generator.
        styled: True if it is style-based.
        mask: Name of the mask's file; "" for none.
        steps: Number of steps; None for the default one.
        seed: Random seed.
        preset: Task of which the settings were taken if not its own: "edit", the gentler inversion before edits.
        losses: Options of `restore` by name, for instance "noise"; True for those without a value.
    """

    task: str
    photo: str
    generator: str
    styled: bool
    mask: str = ""
    steps: int | None = None
    seed: int = 0
    preset: str = ""
    losses: Mapping[str, float] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """Name of the result's files without suffix."""
        return f"{self.photo.rpartition('.')[0] or self.photo}.{self.task}"

    def command(self) -> str:
        """The command line."""
        words = ["ganinvert", self.task, self.photo, "-g", self.generator]
        words += ["--mask", self.mask] if self.mask else []
        for name, value in self.losses.items():
            words += [f"--{name}"] if value is True else [f"--{name}", f"{value:g}"]
        words += [word for option, value in self._chosen().items() for word in (option, f"{value:g}")]
        words += ["--seed", str(self.seed)] if self.seed else []
        return shlex.join(words)

    def python(self) -> list[str]:
        """The lines of Python that make `result` and save it; see `program`."""
        given, lines = [repr(self.photo), f"generator={self.generator!r}"], []
        if self.task == "restore":
            losses = [f"{name}={value!r}" for name, value in self.losses.items()]
            if self.mask:
                lines.append("from pathlib import Path")
                losses.append(f"mask=Path({self.mask!r})")
            given.insert(1, f"ganinvert.RestoreTask({', '.join(losses)})")
        elif self.mask:
            given.append(f"mask={self.mask!r}")
        given += [f"seed={self.seed}"] if self.seed else []
        if self.steps or self.preset:
            lines += [f"settings = ganinvert.preset_of('auto', {self.preset or self.task!r}, styled={self.styled})"]
            given.append("settings=settings")
        if self.steps:
            lines += [
                "from dataclasses import replace",
                f"optimization = replace(settings.optimization, steps={self.steps})",
                "settings = replace(settings, optimization=optimization)",
            ]
        picture = "image" if self.task == "invert" else "whole"
        return [
            *lines,
            f"result = ganinvert.{self.task}({', '.join(given)})",
            f"result.{picture}.save({self.stem + '.png'!r})",
            f"result.bundle.save({self.stem + '.pt'!r})",
        ]

    def _chosen(self) -> dict[str, float]:
        """Options of the command line by which the settings differ from the task's own, and their values."""
        own, taken = (preset_of(AUTOMATIC, each, styled=self.styled) for each in (self.task, self.preset or self.task))
        optimization = taken.optimization if self.steps is None else replace(taken.optimization, steps=self.steps)
        both = {
            "--steps": (own.optimization.steps, optimization.steps),
            "--lr": (own.optimization.lr, optimization.lr),
            "--layer": (vars(own.method).get("layer"), vars(taken.method).get("layer")),
        }
        return {option: new for option, (old, new) in both.items() if new != old and new is not None}


def script(commands: Sequence[str], stopped: str = "") -> str:
    """Command lines, with a remark if the work was stopped."""
    remark = [f"# on the page it was stopped {stopped}: the command goes to the end"] if stopped else []
    return "\n".join([*remark, *commands])


def program(lines: Sequence[str]) -> str:
    """Lines of Python that use ganinvert, with all imports before them."""
    imports = dict.fromkeys(line for line in lines if line.startswith("from "))
    return "\n".join(
        [*imports, *([""] if imports else []), "import ganinvert", "", *(line for line in lines if line not in imports)]
    )
