"""What `evaluate` compares and how it degrades photos: methods by name, and protocols. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ganinvert.errors import UsageError
from ganinvert.settings import (
    COLORIZE,
    INPAINT,
    INVERT,
    UPSCALE,
    EvaluatedTask,
    Hole,
    Invert,
    Kernel,
    Luma,
    Preset,
    at_least,
    require_seed,
)

PRESETS: Mapping[EvaluatedTask, Mapping[Preset, Invert]] = {
    "invert": INVERT,
    "colorize": COLORIZE,
    "upscale": UPSCALE,
    "inpaint": INPAINT,
}


@dataclass(frozen=True)
class Contestant:
    """A method that `evaluate` knows by name.

    Attributes:
        about: What it is, in a few words.
        settings: Made of the presets of the task.
        random_masks: Whether the subspaces are random ones of the discovered ones' sizes.
    """

    about: str
    settings: Callable[[Mapping[Preset, Invert]], Invert]
    random_masks: bool = False


def _mganprior(presets: Mapping[Preset, Invert]) -> Invert:
    base = presets["default"]
    method = base.method
    codes = method.subspaces * method.codes
    return replace(
        base, method=replace(method, subspaces=1, codes=codes, weighting="linear", weight_rate=MGANPRIOR_WEIGHT_RATE)
    )


def _single(presets: Mapping[Preset, Invert]) -> Invert:
    base = presets["default"]
    alone = replace(base.method, subspaces=1, codes=1, layer=0, weighting="linear", weight_rate=0.0)
    return replace(base, method=alone)


MGANPRIOR_WEIGHT_RATE = 0.05
"""Best of those tried for linear weights: docs/explanation/optimisation.md."""

METHODS: Mapping[str, Contestant] = {
    "pmsfc": Contestant("the default preset", lambda presets: presets["default"]),
    "pmsfc-paper": Contestant("the paper's preset", lambda presets: presets["paper"]),
    "pmsfc-random": Contestant(
        "the default preset on random subspaces", lambda presets: presets["default"], random_masks=True
    ),
    "mganprior": Contestant(
        "one subspace and linear weights, with the default preset's optimiser, layer and R·K codes", _mganprior
    ),
    "single": Contestant("one latent code, with the default preset's optimiser", _single),
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
    def described(self) -> dict[str, str | int | float]:
        """The task, and the options that matter to it."""
        options: dict[EvaluatedTask, tuple[str, ...]] = {
            "invert": (),
            "colorize": ("luma",),
            "upscale": ("factor", "kernel"),
            "inpaint": ("hole", "share"),
        }
        return {"task": self.task, **{name: getattr(self, name) for name in options[self.task]}}
