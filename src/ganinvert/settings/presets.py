"""Presets of every task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ganinvert.settings.common import Preset
from ganinvert.settings.methods import Invert, Objective, Optimization, PmSFC

INVERT: Mapping[Preset, Invert] = {
    "default": Invert(),
    # 7000 steps at 1e-4 with N(0, I) codes would stand still: see Composition.start.
    "paper": Invert(
        PmSFC(init="random", sphere=False, weight_rate=1.0),
        Optimization(steps=7000, lr=1e-4, schedule="constant", warmup=0.0),
        Objective(perceptual_every=1),
    ),
}

_EQUATION_9 = replace(INVERT["paper"], objective=Objective(perceptual=0.0, perceptual_every=1))
_FEW_STEPS = Invert(optimization=Optimization(steps=40), objective=Objective(perceptual=0.0))
"""Where much is missing, every further step explains what is known better and invents more of the rest: in 40 steps,
results are nearer to the truth than in 300. See docs/explanation/tasks.md."""

COLORIZE: Mapping[Preset, Invert] = {"default": _FEW_STEPS, "paper": _EQUATION_9}
UPSCALE: Mapping[Preset, Invert] = {"default": _FEW_STEPS, "paper": _EQUATION_9}
INPAINT: Mapping[Preset, Invert] = {
    # One subspace: with codes of their own, the subspaces of a hole drift apart, and nothing there corrects it.
    "default": replace(_FEW_STEPS, method=PmSFC(subspaces=1, codes=30)),
    "paper": _EQUATION_9,
}
EDIT: Mapping[Preset, Invert] = {
    # Codes that stay nearer to the generator's own reconstruct less and take a change of subspaces better.
    "default": Invert(optimization=Optimization(steps=60, lr=0.2)),
    "paper": INVERT["paper"],
}
"""How photos are inverted that are then swapped or interpolated."""
