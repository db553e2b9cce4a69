"""Presets of every method and task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ganinvert.errors import UsageError
from ganinvert.settings.common import MethodName, Preset, Refinement
from ganinvert.settings.methods import (
    Encoded,
    FineTuningSettings,
    GenerativePrior,
    InversionSettings,
    LayerResiduals,
    PmSFC,
    SingleCode,
)
from ganinvert.settings.optimization import Objective, Optimization

Presets = Mapping[Preset, InversionSettings]

INVERT: Presets = {
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

_EQUATION_9 = replace(INVERT["paper"], objective=Objective(perceptual=0.0, perceptual_every=1))
_FEW_STEPS = InversionSettings(optimization=Optimization(steps=40), objective=Objective(perceptual=0.0))
"""Where much is missing, every further step explains what is known better and invents more of the rest: in 40 steps,
results are nearer to the truth than in 300. See docs/explanation/tasks.md."""

COLORIZE: Presets = {"default": _FEW_STEPS, "paper": _EQUATION_9}
UPSCALE: Presets = {"default": _FEW_STEPS, "paper": _EQUATION_9}
INPAINT: Presets = {
    # One subspace: with codes of their own, the subspaces of a hole drift apart, and nothing there corrects it.
    "default": replace(_FEW_STEPS, method=PmSFC(subspaces=1, codes=30)),
    "paper": _EQUATION_9,
}
EDIT: Presets = {
    # Codes that stay nearer to the generator's own reconstruct less and take a change of subspaces better.
    "default": InversionSettings(optimization=Optimization(steps=60, lr=0.2)),
    "paper": INVERT["paper"],
    "official": INVERT["official"],
}
"""How photos are inverted that are then swapped or interpolated."""


@dataclass(frozen=True)
class MethodEntry:
    """A method by its name.

    Attributes:
        about: What it is, in a few words.
        presets: Of every task that it can do.
    """

    about: str
    presets: Mapping[str, Presets]


def as_mganprior(base: InversionSettings) -> InversionSettings:
    """One subspace and linear weights, with the optimiser, layer and R·K codes of PmSFC's settings."""
    method = base.method
    assert isinstance(method, PmSFC)
    codes = method.subspaces * method.codes
    composition = replace(method, subspaces=1, codes=codes, weighting="linear", weight_rate=LINEAR_WEIGHT_RATE)
    return replace(base, name="mganprior", method=composition)


LINEAR_WEIGHT_RATE = 0.05
"""Best of those tried for linear weights: docs/explanation/optimisation.md."""


def _official_mganprior(layer: int, codes: int, steps: int, *, vgg: float = 1.0) -> InversionSettings:
    """Settings of the published program: plain gradient descent from z ~ N(0, I) and α = 1/N."""
    return InversionSettings(
        PmSFC(1, codes, layer, weighting="linear", init="random", sigma=1.0, sphere=False, weight_rate=1.0),
        Optimization(steps, 1.0, "constant", warmup=0.0, optimizer="sgd"),
        Objective(perceptual=1e-3 * vgg, perceptual_every=1),
        name="mganprior",
    )


def _on_all_tasks(**presets: InversionSettings) -> Mapping[str, Presets]:
    """The same presets for every task, without the terms with a network where the photo is degraded (eq. 9)."""
    inverting: dict[Any, InversionSettings] = dict(presets)
    restoring = {
        preset: replace(chosen, objective=replace(chosen.objective, perceptual=0.0, alexnet=0.0))
        for preset, chosen in inverting.items()
    }
    return {"invert": inverting, "colorize": restoring, "upscale": restoring, "inpaint": restoring}


_PTI = FineTuningSettings(
    "pti",
    Optimization(350, 3e-4, "constant", warmup=0.0),
    Objective(perceptual=0.0, lpips=1.0, perceptual_every=1),
    rank=0,
    adversarial=0.0,
    cohesion=0.0,
    locality=0.1,
)
_PTI_PAPER = replace(_PTI, stop=0.06)
_DESCENT = Objective(perceptual=0.0)
_SINGLE = InversionSettings(SingleCode(), Optimization(lr=0.3), name="single")

METHODS: Mapping[MethodName, MethodEntry] = {
    "pmsfc": MethodEntry(
        "codes composed by subspaces of features (Li et al. 2021)",
        {"invert": INVERT, "colorize": COLORIZE, "upscale": UPSCALE, "inpaint": INPAINT},
    ),
    "mganprior": MethodEntry(
        "codes composed by all features together (Gu et al. 2020)",
        {
            "invert": {"default": as_mganprior(INVERT["default"]), "official": _official_mganprior(6, 30, 3000)},
            "colorize": {"default": as_mganprior(COLORIZE["default"]), "official": _official_mganprior(4, 20, 1500)},
            "upscale": {"default": as_mganprior(UPSCALE["default"]), "official": _official_mganprior(6, 30, 2000)},
            "inpaint": {
                "default": as_mganprior(INPAINT["default"]),
                "official": _official_mganprior(4, 30, 3000, vgg=0.1),
            },
        },
    ),
    "single": MethodEntry(
        "one code (Creswell and Bharath 2018)",
        _on_all_tasks(
            default=_SINGLE,
            paper=InversionSettings(
                SingleCode(init="random", sphere=False, prior=0.01),
                Optimization(5000, 0.01, "constant", 0.0, "rmsprop"),
                _DESCENT,
                name="single",
            ),
        ),
    ),
    "clipping": MethodEntry(
        "one code with stochastic clipping (Lipton and Tripathi 2017)",
        _on_all_tasks(
            default=InversionSettings(
                SingleCode(sphere=False, clip=3.0), Optimization(lr=0.1), _DESCENT, name="clipping"
            ),
            paper=InversionSettings(
                SingleCode(init="random", sphere=False, clip=3.0),
                Optimization(10_000, 1.0, "constant", 0.0, "sgd"),
                _DESCENT,
                name="clipping",
            ),
        ),
    ),
    "invertgennet": MethodEntry(
        "one code, descended to from z and from −ẑ (Ma et al. 2018)",
        _on_all_tasks(
            default=InversionSettings(
                SingleCode(init="random", restart=True), Optimization(lr=0.3, runs=2), _DESCENT, name="invertgennet"
            ),
            paper=InversionSettings(
                SingleCode(init="random", sphere=False, restart=True),
                Optimization(2000, 0.01, "constant", 0.0, runs=2),
                _DESCENT,
                name="invertgennet",
            ),
        ),
    ),
    "genvismani": MethodEntry(
        "an encoder's code, then L-BFGS (Zhu et al. 2016)",
        _on_all_tasks(
            default=InversionSettings(
                SingleCode(init="encoder", sphere=False),
                Optimization(200, 1.0, "constant", 0.0, "lbfgs"),
                Objective(perceptual=0.0, alexnet=0.002, perceptual_every=1),
                name="genvismani",
            ),
        ),
    ),
    "invertlayers": MethodEntry(
        "an encoder's code, then residuals of the first layers (Bau et al. 2019)",
        _on_all_tasks(
            default=InversionSettings(LayerResiduals(), Optimization(lr=0.05), name="invertlayers"),
            paper=InversionSettings(
                LayerResiduals(),
                Optimization(3000, 0.01, "halving", 0.0),
                Objective(pixel=0.0, absolute=1.0, perceptual=1.0, perceptual_every=1),
                name="invertlayers",
            ),
        ),
    ),
    "encoder": MethodEntry(
        "what the encoder sees, in one forward pass",
        _on_all_tasks(default=InversionSettings(Encoded(), Optimization(steps=0), _DESCENT, name="encoder")),
    ),
    "dgp": MethodEntry(
        "one code and the generator's weights, layer by layer (Pan et al. 2020)",
        _on_all_tasks(
            default=InversionSettings(
                GenerativePrior(weight_rate=0.03, rank=16), Optimization(200, 0.1), _DESCENT, name="dgp"
            ),
            # The authors lower both rates by hand in every stage.
            paper=InversionSettings(GenerativePrior(), Optimization(1500, 2e-3, "cosine", 0.0), _DESCENT, name="dgp"),
        ),
    ),
    "near-perfect": MethodEntry(
        "PmSFC, then fine-tuning with an adversary",
        {
            "invert": {
                "default": replace(INVERT["default"], tuning=FineTuningSettings("near-perfect"), name="near-perfect")
            }
        },
    ),
    "pti": MethodEntry(
        "one code, then fine-tuning around it (Roich et al. 2021)",
        {
            "invert": {
                "default": replace(_SINGLE, tuning=_PTI, name="pti"),
                "paper": replace(
                    _SINGLE, optimization=replace(_SINGLE.optimization, steps=450), tuning=_PTI_PAPER, name="pti"
                ),
            }
        },
    ),
}

REFINEMENTS: Mapping[Refinement, FineTuningSettings] = {"near-perfect": FineTuningSettings(), "pti": _PTI}
"""What can follow any inversion."""


def preset_of(method: MethodName, task: str, preset: Preset = "default") -> InversionSettings:
    """The settings of a method.

    Raises:
        UsageError: The method cannot do the task, or has no such preset for it.
    """
    presets = METHODS[method].presets.get(task)
    if presets is None:
        able = [name for name, recipe in METHODS.items() if task in recipe.presets]
        raise UsageError(f"{method} cannot {task}", hint=f"choose another method: {', '.join(able)}")
    if preset not in presets:
        raise UsageError(
            f"{method} has no preset {preset} to {task}",
            hint=f"it has {', '.join(presets)}: docs/methods tells of them",
        )
    return presets[preset]


def divergences(chosen: InversionSettings, task: str) -> dict[str, str]:
    """What differs from the publication: setting to "chosen instead of published"; empty for one without a preset."""
    published = _published(chosen.name, task)
    found = {} if published is None else _differences(replace(chosen, tuning=None), replace(published, tuning=None))
    if chosen.tuning is not None and (tuned := _published(chosen.tuning.kind, "invert")) is not None:
        assert tuned.tuning is not None
        found |= {f"tuning.{key}": text for key, text in _differences(chosen.tuning, tuned.tuning).items()}
    return found


def _published(method: MethodName, task: str) -> InversionSettings | None:
    presets = METHODS[method].presets.get(task, {})
    return presets.get("paper") or presets.get("official")


def _differences(
    chosen: InversionSettings | FineTuningSettings, published: InversionSettings | FineTuningSettings
) -> dict[str, str]:
    ours, theirs = _flat(asdict(chosen)), _flat(asdict(published))
    return {
        key: f"{ours.get(key)} instead of {theirs.get(key)}"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    }


def _flat(nested: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in nested.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return found
