"""What a newcomer writes: a method in two classes, and a task with its degradation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F
from torch import Tensor

from ganinvert import images
from ganinvert.degradations import DEGRADATIONS, Degradation, DegradationEntry, Measurement
from ganinvert.methods import Code, Latent, Method
from ganinvert.settings import METHODS, TASKS, InversionSettings, MethodSettings, Optimization, SingleCode, TaskOptions
from ganinvert.settings.methods.inversion import method
from ganinvert.settings.options import option
from ganinvert.settings.tasks import Trial
from ganinvert.tasks.base import Task, levels_of, picture_of


@dataclass(frozen=True)
class Patient(MethodSettings):
    """The nearest of many random codes, optimised slowly."""

    title = "patient"
    implementation = f"{__name__}:PatientMethod"
    candidates: int = 32


class PatientMethod(Method):
    """Starts a single code."""

    settings: Patient

    def start(self, generator: Any, y: Tensor, degradation: Degradation, *, seed: int) -> Code:
        return Latent(SingleCode(candidates=self.settings.candidates)).start(generator, y, degradation, seed=seed)


PATIENT = method("patient", "one code, slowly", default=InversionSettings(Patient(), Optimization(3, 0.1)))


class Blur(Degradation):
    """Mean of the pixels around each pixel."""

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, [self.radius] * 4, mode="replicate"), 2 * self.radius + 1, stride=1)

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        return (x + y - self(x)).clamp(-1, 1)

    def guess(self, y: Tensor) -> Tensor:
        return y


@dataclass(frozen=True)
class DeblurTrial(Trial):
    radius: int = option(1, "--radius", help="deblur: radius of the blur, in pixels.")

    def task(self) -> DeblurTask:
        return DeblurTask(self.radius)


@dataclass(frozen=True)
class DeblurTask(TaskOptions):
    """The photo is the wanted image, blurred."""

    name = "deblur"
    help = "Make blurred photos sharp."
    done = "deblurred"
    implementation = f"{__name__}:Deblur"
    trial = DeblurTrial
    radius: int = option(1, "--radius", help="Radius of the blur, in pixels of the generator.")


class Deblur(Task[DeblurTask]):
    def measure(self, fitted: images.Fit) -> tuple[Measurement, str]:
        return Measurement("blur", levels_of(fitted), options={"radius": self.options.radius}), ""

    def degrade(self, levels: Tensor, trial: Any, rng: np.random.Generator) -> images.Picture:
        return picture_of(Blur(trial.radius)(levels[None].float() / 127.5 - 1))


BLUR = DegradationEntry(lambda measured, _: Blur(measured.options["radius"]), choices={"radius": (1, 2)})


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows."""
    monkeypatch.setitem(METHODS, "patient", PATIENT)
    monkeypatch.setitem(TASKS, "deblur", DeblurTask)
    monkeypatch.setitem(DEGRADATIONS, "blur", BLUR)
