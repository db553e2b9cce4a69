"""ganinvert: put real photos into a pretrained PGGAN.

Everything public is here and loaded when first used: importing ganinvert does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganinvert.bundle import LatentBundle
    from ganinvert.errors import (
        BundleError,
        GanInvertError,
        ImageError,
        InputError,
        OutputError,
        TrainingError,
        UsageError,
        WeightsError,
    )
    from ganinvert.generators import Encoder, Generator, load_encoder, load_generator
    from ganinvert.optimize import Outcome, Step
    from ganinvert.settings import (
        COLORIZE,
        DISCOVERY,
        EDIT,
        INPAINT,
        INVERT,
        METHODS,
        REFINEMENTS,
        UPSCALE,
        Discovery,
        Encoded,
        EncoderTraining,
        GenerativePrior,
        Invert,
        LayerResiduals,
        Objective,
        Optimization,
        PmSFC,
        SingleCode,
        Training,
        Tuning,
        preset_of,
    )
    from ganinvert.subspaces import SelfExpressionStep, SubspaceMasks
    from ganinvert.tasks import (
        Colorizing,
        DiscoveredSubspaces,
        Edit,
        Inpainting,
        Inversion,
        Inverter,
        Inverting,
        Upscaling,
        colorize,
        discover,
        inpaint,
        interpolate,
        invert,
        render,
        swap,
        swap_grid,
        train,
        train_encoder,
        upscale,
    )
    from ganinvert.training import EncoderStep, TrainedEncoder, TrainedGenerator, TrainingStep

__version__ = version("ganinvert")

_HOMES = {
    "bundle": ["LatentBundle"],
    "errors": [
        "BundleError",
        "GanInvertError",
        "ImageError",
        "InputError",
        "OutputError",
        "TrainingError",
        "UsageError",
        "WeightsError",
    ],
    "generators": ["Encoder", "Generator", "load_encoder", "load_generator"],
    "optimize": ["Outcome", "Step"],
    "settings": [
        "COLORIZE",
        "DISCOVERY",
        "EDIT",
        "INPAINT",
        "INVERT",
        "METHODS",
        "REFINEMENTS",
        "UPSCALE",
        "Discovery",
        "Encoded",
        "EncoderTraining",
        "GenerativePrior",
        "Invert",
        "LayerResiduals",
        "Objective",
        "Optimization",
        "PmSFC",
        "SingleCode",
        "Training",
        "Tuning",
        "preset_of",
    ],
    "subspaces": ["SelfExpressionStep", "SubspaceMasks"],
    "tasks": [
        "Colorizing",
        "DiscoveredSubspaces",
        "Edit",
        "Inpainting",
        "Inversion",
        "Inverter",
        "Inverting",
        "Upscaling",
        "colorize",
        "discover",
        "inpaint",
        "interpolate",
        "invert",
        "render",
        "swap",
        "swap_grid",
        "train",
        "train_encoder",
        "upscale",
    ],
    "training": ["EncoderStep", "TrainedEncoder", "TrainedGenerator", "TrainingStep"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "COLORIZE",
    "DISCOVERY",
    "EDIT",
    "INPAINT",
    "INVERT",
    "METHODS",
    "REFINEMENTS",
    "UPSCALE",
    "BundleError",
    "Colorizing",
    "DiscoveredSubspaces",
    "Discovery",
    "Edit",
    "Encoded",
    "Encoder",
    "EncoderStep",
    "EncoderTraining",
    "GanInvertError",
    "GenerativePrior",
    "Generator",
    "ImageError",
    "Inpainting",
    "InputError",
    "Inversion",
    "Invert",
    "Inverter",
    "Inverting",
    "LatentBundle",
    "LayerResiduals",
    "Objective",
    "Optimization",
    "Outcome",
    "OutputError",
    "PmSFC",
    "SelfExpressionStep",
    "SingleCode",
    "Step",
    "SubspaceMasks",
    "TrainedEncoder",
    "TrainedGenerator",
    "Training",
    "TrainingError",
    "TrainingStep",
    "Tuning",
    "Upscaling",
    "UsageError",
    "WeightsError",
    "__version__",
    "colorize",
    "discover",
    "inpaint",
    "interpolate",
    "invert",
    "load_encoder",
    "load_generator",
    "preset_of",
    "render",
    "swap",
    "swap_grid",
    "train",
    "train_encoder",
    "upscale",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
