"""Methods that style-based generators alone have, and the presets of the others for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ganinvert.settings.methods.composition import PmSFC
from ganinvert.settings.methods.inversion import RESTORE, InversionSettings, MethodEntry, Presets
from ganinvert.settings.methods.single import SingleCode
from ganinvert.settings.optimization import Objective, Optimization

IMAGE2STYLEGAN = MethodEntry("image2stylegan", "a style for each layer, W+ (Abdal et al. 2019)", {})
PROJECTOR = MethodEntry("stylegan2-projector", "one style, W (Karras et al. 2020)", {})
BDINVERT = MethodEntry("bdinvert", "features of a layer and later styles, F/W+ (Kang et al. 2021)", {})

_LPIPS = Objective(perceptual=0.0, lpips=0.2, perceptual_every=1)
_PIXELS = Objective(perceptual=0.0)
_RATES = Optimization(120, 0.05)
_W = SingleCode("mean", sphere=False, space="w", jitter=0.0)
_WPLUS = replace(_W, space="w+")
_FWPLUS = replace(_W, space="f")
_COMPOSED = PmSFC(layer=5, space="w")


def _presets(
    name: str, invert: InversionSettings, restore: InversionSettings, paper: InversionSettings | None = None
) -> Mapping[str, Presets]:
    inverting: Presets = {"default": replace(invert, name=name)}
    if paper is not None:
        inverting = {**inverting, "paper": replace(paper, name=name)}
    return {"invert": inverting, RESTORE: {"default": replace(restore, name=name)}}


STYLED: Mapping[str, Mapping[str, Presets]] = {
    "single": _presets("single", InversionSettings(_W, _RATES, _LPIPS), InversionSettings(_W, _RATES, _PIXELS)),
    "image2stylegan": _presets(
        "image2stylegan",
        InversionSettings(_WPLUS, _RATES, _LPIPS),
        InversionSettings(_WPLUS, _RATES, _PIXELS),
        paper=InversionSettings(
            _WPLUS, Optimization(5000, 0.01, "constant", 0.0), Objective(perceptual=1.0, perceptual_every=1)
        ),
    ),
    "stylegan2-projector": _presets(
        "stylegan2-projector",
        InversionSettings(replace(_W, jitter=0.05), _RATES, _LPIPS),
        InversionSettings(replace(_W, jitter=0.05), _RATES, _PIXELS),
        paper=InversionSettings(
            replace(_W, jitter=0.05),
            Optimization(1000, 0.1, "cosine", 0.05),
            Objective(pixel=0.0, perceptual=0.0, lpips=1.0, perceptual_every=1),
        ),
    ),
    "bdinvert": _presets(
        "bdinvert", InversionSettings(_FWPLUS, _RATES, _LPIPS), InversionSettings(_FWPLUS, _RATES, _PIXELS)
    ),
    "pmsfc": _presets(
        "pmsfc", InversionSettings(_COMPOSED, _RATES, _LPIPS), InversionSettings(_COMPOSED, _RATES, _PIXELS)
    ),
}
"""Presets for style-based generators, by method and task."""
