"""Tasks as data: name, options, and the degradation with which `evaluate` tests them; inverting, the plain one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ganinvert.settings.common import require_types


@dataclass(frozen=True)
class Trial:
    """Degradation of photos whose truth is known, here none; the fields of subclasses are options of `evaluate`."""

    def task(self) -> TaskOptions:
        """The task that undoes the degradation."""
        return InvertTask()


@dataclass(frozen=True)
class TaskOptions:
    """A task on photos. The fields of subclasses are the options of the task's command and of its library function.

    Attributes:
        name: Name of the task and of its command.
        help: Help text of the command.
        done: Past participle for the summary, for instance "inverted".
        implementation: Module and class of the task's code, a subclass of `ganinvert.tasks.base.Task`.
        trial: Degradation with which `evaluate` tests the task.
        degrades: True if the photo shows less than the wanted image.
        refinable: True if the task's command offers fine-tuning.
        main_metrics: The two metrics that tables and figures of `evaluate` show first.
        caveat: Sentence in the report of `evaluate` on what it does not measure.
    """

    name: ClassVar[str]
    help: ClassVar[str]
    done: ClassVar[str] = "done"
    implementation: ClassVar[str]
    trial: ClassVar[type[Trial]] = Trial
    degrades: ClassVar[bool] = True
    refinable: ClassVar[bool] = False
    main_metrics: ClassVar[tuple[str, str]] = ("psnr", "lpips_alex")
    caveat: ClassVar[str] = ""

    def __post_init__(self) -> None:
        require_types(self)

    def check_inputs(self, paths: Sequence[Path]) -> None:
        """Raise UsageError if something that the task needs beside the photos is missing; nothing is loaded yet."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """The task's name, and the options that a result depends on beside its input, as plain values."""
        return {"task": self.name, **vars(self)}


@dataclass(frozen=True)
class InvertTask(TaskOptions):
    """The photo shows the wanted image itself."""

    name = "invert"
    help = """Invert photos: find codes from which the generator makes them again, by PmSFC or another --method.

    Writes NAME.invert.png and the bundle NAME.invert.pt, which holds everything to render the result again.
    What is up to date is skipped: to go on after a stop, give the same command again.

    Example: ganinvert invert face.jpg -R 6 -K 5
    """
    done = "inverted"
    implementation = "ganinvert.tasks.base:Task"
    degrades = False
    refinable = True
