"""mGANprior (Gu et al. 2020): PmSFC's composition with one subspace and linear weights."""

from __future__ import annotations

from dataclasses import replace

from ganinvert.settings.methods.composition import PmSFC
from ganinvert.settings.methods.inversion import RESTORE, InversionSettings, MethodEntry, Presets
from ganinvert.settings.methods.pmsfc import PMSFC
from ganinvert.settings.optimization import Objective, Optimization

LINEAR_WEIGHT_RATE = 0.05
"""Best of those tried for linear weights: docs/explanation/optimisation.md."""


def as_mganprior(base: InversionSettings) -> InversionSettings:
    """One subspace and linear weights, with the optimiser, layer and R·K codes of PmSFC's settings."""
    fields = vars(base.method)
    changes = {"subspaces": 1, "codes": fields["subspaces"] * fields["codes"], "weighting": "linear"}
    return replace(base, name="mganprior", method=PmSFC(**{**fields, **changes, "weight_rate": LINEAR_WEIGHT_RATE}))


def _presets(task: str, layer: int, codes: int, steps: int, *, vgg: float = 1.0) -> Presets:
    """Default and official presets; the official program descends plainly from z ~ N(0, I) and α = 1/N."""
    official = InversionSettings(
        PmSFC(1, codes, layer, weighting="linear", init="random", sigma=1.0, sphere=False, weight_rate=1.0),
        Optimization(steps, 1.0, "constant", warmup=0.0, optimizer="sgd"),
        Objective(perceptual=1e-3 * vgg, perceptual_every=1),
        name="mganprior",
    )
    return {"default": as_mganprior(PMSFC.presets_for(task)["default"]), "official": official}


MGANPRIOR = MethodEntry(
    "mganprior",
    "codes composed by all features together, with linear weights (Gu et al. 2020)",
    {
        "invert": _presets("invert", 6, 30, 3000),
        "colorize": _presets("colorize", 4, 20, 1500),
        "upscale": _presets("upscale", 6, 30, 2000),
        "inpaint": _presets("inpaint", 4, 30, 3000, vgg=0.1),
        RESTORE: {"default": as_mganprior(PMSFC.presets[RESTORE]["default"])},
    },
    fixed={"subspaces": 1},
    derive=as_mganprior,
)
