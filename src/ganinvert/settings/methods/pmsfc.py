"""PmSFC (Li et al., AAAI 2021), alone and with fine-tuning after it or after a single code."""

from __future__ import annotations

from dataclasses import replace

from ganinvert.settings.methods.composition import PmSFC
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
