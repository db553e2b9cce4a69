"""Methods that style-based generators alone have, and the presets of the others for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ganinvert.settings.common import Refinement
from ganinvert.settings.methods.base import MethodSettings
from ganinvert.settings.methods.composition import PmSFC
from ganinvert.settings.methods.fine_tuning import refinement
from ganinvert.settings.methods.inversion import RESTORE, InversionSettings, MethodEntry, Presets
from ganinvert.settings.methods.single import SingleCode
from ganinvert.settings.optimization import Objective, Optimization

IMAGE2STYLEGAN = MethodEntry("image2stylegan", "a style for each layer, W+ (Abdal et al. 2019)", {})
PROJECTOR = MethodEntry("stylegan2-projector", "one style, W (Karras et al. 2020)", {})
BDINVERT = MethodEntry("bdinvert", "features of a layer and later styles, F/W+ (Kang et al. 2021)", {})

_LPIPS = Objective(perceptual=0.0, lpips=0.2, perceptual_every=1, side=256)
"""Squared difference and LPIPS at 256 pixels: the networks see faces as large as those that they were trained on."""
_PIXELS = replace(_LPIPS, lpips=0.0)
_RATES = Optimization(120, 0.05, warmup=0.07, parts=2)
_W = SingleCode("mean", sphere=False, space="w")
_PROJECTED = replace(_W, jitter=0.05)
_WPLUS = replace(_W, space="w+")
_FEATURES = replace(_W, space="f", layer=7, anchor=0.5, prior=0.2)
"""Pulls that cost nothing in PSNR and LPIPS; without them the finest details look painted."""
_EDITED = replace(_FEATURES, layer=0)
_RESTORED = replace(_W, space="f", anchor=1.0, prior=0.5)
"""Strong pulls to what the generator knows: in F/W+ what is known is explained easily, and the rest invented freely."""
_COLORIZED = replace(_RESTORED, anchor=4.0, prior=4.0)
"""Stronger ones: gray says nothing of hues, and those of dark photos became garish."""
_UPSCALED = replace(_W, space="f", anchor=0.1, prior=0.3)
"""A small photo says something everywhere, so the pulls are weaker."""
_COMPOSED = PmSFC(layer=5, space="w", weight_rate=1.0)


def _presets(
    name: str, method: MethodSettings, *, paper: InversionSettings | None = None, **others: MethodSettings
) -> Mapping[str, Presets]:
    """Presets of a method: its settings for inverting, and `others` for photos that are edited or restored."""

    def default(settings: MethodSettings, objective: Objective) -> Presets:
        return {"default": InversionSettings(settings, _RATES, objective, name=name)}

    restoring = others.get(RESTORE, method)
    chosen = {"invert": method, "edit": method, "upscale": restoring, RESTORE: restoring, **others}
    presets = {task: default(each, _PIXELS if task == "upscale" else _LPIPS) for task, each in chosen.items()}
    if paper is not None:
        presets["invert"] = {**presets["invert"], "paper": replace(paper, name=name)}
    return presets


def _tuned(name: str, method: MethodSettings, kind: Refinement) -> Mapping[str, Presets]:
    return {"invert": {"default": InversionSettings(method, _RATES, _LPIPS, refinement(kind, styled=True), name)}}


STYLED: Mapping[str, Mapping[str, Presets]] = {
    "single": _presets("single", _W),
    "image2stylegan": _presets(
        "image2stylegan",
        _WPLUS,
        restore=replace(_WPLUS, prior=0.5),
        paper=InversionSettings(
            _WPLUS, Optimization(5000, 0.01, "constant", 0.0), Objective(perceptual=1.0, perceptual_every=1)
        ),
    ),
    "stylegan2-projector": _presets(
        "stylegan2-projector",
        _PROJECTED,
        paper=InversionSettings(
            replace(_PROJECTED, noise=1e5),
            Optimization(1000, 0.1),
            Objective(0.0, perceptual=0.0, lpips=1.0, perceptual_every=1, side=256),
        ),
    ),
    "bdinvert": _presets(
        "bdinvert", _FEATURES, edit=_EDITED, restore=_RESTORED, upscale=_UPSCALED, colorize=_COLORIZED
    ),
    "pmsfc": _presets("pmsfc", _COMPOSED),
    "mganprior": _presets("mganprior", replace(_COMPOSED, subspaces=1, codes=30, weighting="linear")),
    "pti": _tuned("pti", _W, "pti"),
    "near-perfect": _tuned("near-perfect", _FEATURES, "near-perfect"),
}
"""Presets for style-based generators, by method and task."""
