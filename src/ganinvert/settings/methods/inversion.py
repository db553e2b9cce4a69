"""Settings of an inversion, and the entry of a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ganinvert.errors import UsageError
from ganinvert.settings.common import MethodName, Preset
from ganinvert.settings.methods.base import MethodSettings
from ganinvert.settings.methods.composition import PmSFC
from ganinvert.settings.methods.fine_tuning import FineTuningSettings
from ganinvert.settings.optimization import Objective, Optimization
from ganinvert.settings.tasks import TASKS

RESTORE = "restore"
"""Key of the presets for every task that has none of its own and whose photos are degraded."""


@dataclass(frozen=True)
class InversionSettings:
    """Settings of an inversion: method, optimiser, loss weights, optional fine-tuning.

    Attributes:
        method: Hyper-parameters of the method.
        optimization: Steps and learning rates.
        objective: Loss weights.
        tuning: Fine-tuning after the method; None leaves the generator as it is.
        name: Name of the method, as `--method` has it.
    """

    method: MethodSettings = PmSFC()
    optimization: Optimization = Optimization()
    objective: Objective = Objective()
    tuning: FineTuningSettings | None = None
    name: MethodName = "pmsfc"

    def __post_init__(self) -> None:
        if self.tuning is not None and self.method.tunes_generator:
            raise UsageError(f"{self.name} is fine-tuning already", hint="leave the refinement out")
        if self.optimization.steps and not self.method.optimized:
            raise UsageError("an encoder's result is not optimised", hint="take Optimization(steps=0)")
        if self.optimization.runs != self.method.runs:
            raise UsageError(
                f"{self.optimization.runs} runs do not go with {self.method.runs} descents",
                hint="a restart has 2 runs, everything else 1",
            )

    def of(self, method: MethodSettings) -> InversionSettings:
        """These settings with another method, under its name."""
        steps = self.optimization.steps if method.optimized else 0
        optimization = replace(self.optimization, steps=steps, runs=method.runs)
        return replace(self, method=method, optimization=optimization, name=method.title)

    @property
    def label(self) -> str:
        """The method, and the fine-tuning that follows unless the method's name says so."""
        refinement = self.tuning and self.tuning.kind
        return self.name if refinement in (None, self.name) else f"{self.name}+{refinement}"

    @property
    def networks(self) -> tuple[str, ...]:
        """Networks beside the generator: those of the method, and a discriminator, which fine-tuning can do without."""
        judged = self.tuning is not None and bool(self.tuning.adversarial or self.tuning.cohesion)
        return tuple(dict.fromkeys((*self.method.networks, *(("discriminator",) if judged else ()))))

    @property
    def shortest(self) -> InversionSettings:
        """These settings with one step of everything, to load what they need."""
        first, second = self.optimization, self.tuning
        if second is not None:
            second = replace(second, optimization=replace(second.optimization, steps=min(second.optimization.steps, 1)))
        return replace(self, optimization=replace(first, steps=min(first.steps, 1)), tuning=second)

    @property
    def tunes(self) -> bool:
        """True if the generator's weights change."""
        return self.tuning is not None or self.method.tunes_generator

    @property
    def single_image_only(self) -> bool:
        """True if photos cannot be optimised together."""
        return self.tunes or self.method.single_image_only or self.optimization.optimizer == "lbfgs"


Presets = Mapping[Preset, InversionSettings]


@dataclass(frozen=True)
class MethodEntry:
    """A method under its name.

    Attributes:
        name: Name of the method, as `--method` has it.
        about: Description in a few words.
        presets: Presets by task, and under `RESTORE` those of all other tasks that restore degraded photos.
        fixed: Fields of the method's settings that cannot be chosen, and their values.
        derive: Makes the default settings from those of PmSFC as a user changed them; None: they are its own.
        styled: Presets for style-based generators, instead of those of the same name in `presets`.
    """

    name: str
    about: str
    presets: Mapping[str, Presets]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    derive: Callable[[InversionSettings], InversionSettings] | None = None
    styled: Mapping[str, Presets] = field(default_factory=dict)

    def presets_for(self, task: str, *, styled: bool = False) -> Presets:
        """Presets of a task, for style-based generators if `styled`; empty if the method cannot do it.

        Photos that are edited, the task "edit", are inverted as others are if there are no presets of its own.
        """
        general = "invert" if task == "edit" else RESTORE if task in TASKS and TASKS[task].degrades else task
        tables = (self.presets, self.styled) if styled else (self.presets,)
        found = [table.get(task) or table.get(general, {}) for table in tables]
        return {name: preset for presets in found for name, preset in presets.items()}


def method(name: str, about: str, **presets: InversionSettings) -> MethodEntry:
    """A method with the same presets for every task, without network losses where the photo is degraded (eq. 9)."""
    inverting: dict[Any, InversionSettings] = {key: replace(preset, name=name) for key, preset in presets.items()}
    restoring = {
        key: replace(preset, objective=replace(preset.objective, perceptual=0.0, alexnet=0.0))
        for key, preset in inverting.items()
    }
    return MethodEntry(name, about, {"invert": inverting, RESTORE: restoring})
