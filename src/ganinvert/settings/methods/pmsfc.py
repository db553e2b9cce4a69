"""Presets of the composition: PmSFC (Li et al. 2021), near-perfect inversion after it, mGANprior (Gu et al. 2020)."""

from __future__ import annotations

from dataclasses import replace

from ganinvert.settings.methods.composition import PmSFC
from ganinvert.settings.methods.fine_tuning import FineTuningSettings
from ganinvert.settings.methods.inversion import RESTORE, InversionSettings, MethodEntry, Presets
from ganinvert.settings.optimization import Objective, Optimization

INVERTING: Presets = {
    "default": InversionSettings(),
    # 7000 steps at 1e-4 with N(0, I) codes would stand still: see Composition.start.
    "paper": InversionSettings(
        PmSFC(init="random", sphere=False, weight_rate=1.0),
        Optimization(steps=7000, lr=1e-4, schedule="constant", warmup=0.0),
        Objective(perceptual_every=1),
    ),
    # No weights, one code per subspace, no VGG. The program adds a code for all channels, which it never saves.
    "official": InversionSettings(
        PmSFC(codes=1, weighting="linear", weight_rate=0.0, init="random", sphere=False),
        Optimization(steps=20_000, lr=1e-4, schedule="constant", warmup=0.0),
        Objective(perceptual=0.0),
    ),
}

_EQUATION_9 = replace(INVERTING["paper"], objective=Objective(perceptual=0.0, perceptual_every=1))
_FEW_STEPS = InversionSettings(optimization=Optimization(steps=40), objective=Objective(perceptual=0.0))
"""Settings for degraded photos: further steps explain the known part better and invent more of the rest, so results of
40 steps are nearer to the truth than those of 300. See docs/explanation/tasks.md."""

PMSFC = MethodEntry(
    "pmsfc",
    "codes composed by subspaces of features (Li et al. 2021)",
    {
        "invert": INVERTING,
        RESTORE: {"default": _FEW_STEPS, "paper": _EQUATION_9},
        # A small photo says little of which codes are near: random ones are better and cheaper, and differ by seed.
        "upscale": {
            "default": replace(_FEW_STEPS, method=PmSFC(init="random", sigma=1.0)),
            "paper": _EQUATION_9,
        },
        "inpaint": {
            # One subspace: with codes of their own, the subspaces of a hole drift apart, and nothing there corrects it.
            "default": replace(_FEW_STEPS, method=PmSFC(subspaces=1, codes=30)),
            "paper": _EQUATION_9,
        },
        # Photos that are then swapped or interpolated. Codes that stay nearer to the generator's own reconstruct less
        # and take a change of subspaces better.
        "edit": {**INVERTING, "default": InversionSettings(optimization=Optimization(steps=60, lr=0.2))},
    },
)
NEAR_PERFECT = MethodEntry(
    "near-perfect",
    "PmSFC, then fine-tuning with an adversary",
    {"invert": {"default": replace(INVERTING["default"], tuning=FineTuningSettings(), name="near-perfect")}},
)

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
