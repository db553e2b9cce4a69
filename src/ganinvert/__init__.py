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
        FineTuningSettings,
        GenerativePrior,
        InversionSettings,
        LayerResiduals,
        Objective,
        Optimization,
        PmSFC,
        SingleCode,
        Training,
        preset_of,
    )
    from ganinvert.subspaces import SelfExpressionStep, SubspacePartition
    from ganinvert.tasks import (
        ColorizeTask,
        DiscoveredSubspaces,
        Edit,
        InpaintTask,
        Inversion,
        Inverter,
        InvertTask,
        UpscaleTask,
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
        "InversionSettings",
        "LayerResiduals",
        "Objective",
        "Optimization",
        "PmSFC",
        "SingleCode",
        "Training",
        "FineTuningSettings",
        "preset_of",
    ],
    "subspaces": ["SelfExpressionStep", "SubspacePartition"],
    "tasks": [
        "ColorizeTask",
        "DiscoveredSubspaces",
        "Edit",
        "InpaintTask",
        "Inversion",
        "Inverter",
        "InvertTask",
        "UpscaleTask",
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
    "ColorizeTask",
    "DiscoveredSubspaces",
    "Discovery",
    "Edit",
    "Encoded",
    "Encoder",
    "EncoderStep",
    "EncoderTraining",
    "FineTuningSettings",
    "GanInvertError",
    "GenerativePrior",
    "Generator",
    "ImageError",
    "InpaintTask",
    "InputError",
    "Inversion",
    "InversionSettings",
    "InvertTask",
    "Inverter",
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
    "SubspacePartition",
    "TrainedEncoder",
    "TrainedGenerator",
    "Training",
    "TrainingError",
    "TrainingStep",
    "UpscaleTask",
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
