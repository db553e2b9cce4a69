"""What `evaluate` compares and how it degrades photos: methods by name, and protocols. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

from ganinvert.errors import UsageError
from ganinvert.settings import (
    METHODS,
    REFINEMENTS,
    TASKS,
    EvaluatedTask,
    Hole,
    InversionSettings,
    Kernel,
    Luma,
    MethodName,
    Preset,
    Refinement,
    Trial,
    at_least,
    preset_of,
    require_seed,
)


@dataclass(frozen=True)
class Contestant:
    """A method with its settings, by the name that `evaluate` knows.

    Attributes:
        about: What it is, in a few words.
        method: Of `settings.METHODS`.
        preset: Of the method.
        random_partition: Whether the subspaces are random ones of the discovered ones' sizes.
        refinement: What follows.
    """

    about: str
    method: MethodName = "pmsfc"
    preset: Preset = "default"
    random_partition: bool = False
    refinement: Refinement | None = None

    def settings(
        self, task: str, adjust: Callable[[InversionSettings], InversionSettings] = lambda chosen: chosen
    ) -> InversionSettings:
        """Its settings for a task.

        Args:
            task: What is undone.
            adjust: Makes the changes that the user wants.

        Raises:
            UsageError: The method cannot do the task.
        """
        if self.preset == "default" and (derive := METHODS[self.method].derive) is not None:
            return derive(adjust(preset_of("pmsfc", task)))
        chosen = adjust(preset_of(self.method, task, self.preset))
        if self.refinement is None:
            return chosen
        if task != "invert":
            raise UsageError(f"{self.refinement} cannot {task}", hint="leave that method out")
        return replace(chosen, tuning=REFINEMENTS[self.refinement])


CONTESTANTS: Mapping[str, Contestant] = {
    "pmsfc": Contestant("the default preset"),
    "pmsfc-paper": Contestant("the paper's preset", preset="paper"),
    "pmsfc-random": Contestant("the default preset on random subspaces", random_partition=True),
    **{name: Contestant(entry.about, name) for name, entry in METHODS.items() if name != "pmsfc"},
    "pmsfc+pti": Contestant("the default preset, then fine-tuning", refinement="pti"),
}
"""What `evaluate` compares."""

SWEPT: Mapping[str, str] = {"R": "subspaces", "K": "codes", "layer": "layer", "steps": "steps"}
"""What `evaluate` can sweep, and the setting that it is."""


@dataclass(frozen=True)
class Protocol:
    """How `evaluate` degrades photos.

    Attributes:
        task: What is to be undone.
        luma: Of `colorize`: what stays of the colours.
        factor: Of `upscale`: how many times smaller.
        kernel: Of `upscale`: how it is made smaller.
        hole: Of `inpaint`: a "box" in the middle, or random "pixels", others in every photo.
        share: Of `inpaint`: how much of the photo is missing, above 0 and below 1.
        seed: Of the random pixels.
    """

    task: EvaluatedTask = "invert"
    luma: Luma = "rec601"
    factor: int = 4
    kernel: Kernel = "bicubic"
    hole: Hole = "box"
    share: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: The share leaves nothing missing or nothing known.
        """
        require_seed(self.seed)
        at_least("factor", self.factor, 2)
        if not 0 < self.share < 1:
            raise UsageError(f"the missing share cannot be {self.share:g}", hint="choose one between 0 and 1")

    @property
    def trial(self) -> Trial:
        """The degradation."""
        kind = TASKS[self.task].trial
        return kind(**{each.name: getattr(self, each.name) for each in fields(kind)})

    @property
    def described(self) -> dict[str, str | int | float]:
        """The task, and the options of the degradation."""
        return {"task": self.task, **self.trial.described}
