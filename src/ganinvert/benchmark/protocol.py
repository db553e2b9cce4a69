"""Methods that `evaluate` compares, and how it degrades photos. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ganinvert.errors import UsageError
from ganinvert.settings import METHODS, InversionSettings, TaskOptions, Trial, preset_of, refinement
from ganinvert.settings.common import MethodName, Preset, Refinement

Adjustment = Callable[[InversionSettings], InversionSettings]
"""Makes the user's changes in the settings of a method."""


@dataclass(frozen=True)
class MethodVariant:
    """A method with a preset, compared under a name of its own.

    It may have random subspaces of the same sizes instead of the discovered ones, and be followed by fine-tuning.
    """

    about: str
    method: MethodName = "pmsfc"
    preset: Preset = "default"
    shuffled: bool = False
    refinement: Refinement | None = None

    def settings(
        self, task: str, adjust: Adjustment = lambda settings: settings, *, styled: bool = False
    ) -> InversionSettings:
        """Return the settings for a task, adjusted by the user; raise UsageError if the method cannot do it."""
        if self.preset == "default" and (derive := METHODS[self.method].derive) is not None:
            return derive(adjust(preset_of("pmsfc", task, styled=styled)))
        settings = adjust(preset_of(self.method, task, self.preset, styled=styled))
        if self.refinement is None:
            return settings
        if task != "invert":
            raise UsageError(f"{self.refinement} cannot {task}", hint="leave that method out")
        return replace(settings, tuning=refinement(self.refinement, styled=styled))


def variants() -> dict[str, MethodVariant]:
    """Method variants by the name that `evaluate --method` takes: every method, and more of PmSFC."""
    return {
        "pmsfc": MethodVariant("the default preset"),
        "pmsfc-paper": MethodVariant("the paper's preset", preset="paper"),
        "pmsfc-random": MethodVariant("the default preset on random subspaces", shuffled=True),
        **{name: MethodVariant(entry.about, name) for name, entry in METHODS.items() if name != "pmsfc"},
        "pmsfc+pti": MethodVariant("the default preset, then fine-tuning", refinement="pti"),
    }


SWEPT: Mapping[str, str] = {"R": "subspaces", "K": "codes", "layer": "layer", "steps": "steps"}
"""Names that `evaluate --sweep` takes, and the settings that they change."""


@dataclass(frozen=True)
class EvaluationProtocol:
    """Degradation of the photos of a benchmark, whose type decides the task, and the seed of what it draws."""

    trial: Trial
    seed: int = 0

    @property
    def task(self) -> TaskOptions:
        """Task that undoes the degradation, with its options."""
        return self.trial.task()

    @property
    def described(self) -> dict[str, Any]:
        """Name of the task, and options of the degradation."""
        return {"task": self.task.name, **vars(self.trial)}
