"""Settings that files of PGGANs state about their networks.

Only the network of Karras et al. 2018 can be built (see `network`), so that any other is refused by the name of its
setting. Numbers of channels, layers and codes are read from the tensors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.generators.loading import require_colour
from ganinvert.generators.pggan.architecture import PGGANArchitecture
from ganinvert.weights.nvidia import NetworkSettings
from ganinvert.weights.states import State

_ROUNDING = 1e-6
"""Distance from the end of the growth that is rounding and no growth."""

_TENSORFLOW = {  # of G_paper and D_paper, which ignore all settings they do not name
    "normalize_latents": True,
    "use_wscale": True,
    "use_pixelnorm": True,
    "pixelnorm_epsilon": 1e-8,
    "use_leakyrelu": True,
    "mbstd_group_size": 4,
}
_HARMLESS = {  # seen from the tensors, or another way to compute the same
    *("resolution", "fmap_base", "fmap_decay", "fmap_max", "latent_size"),
    *("fused_scale", "structure", "dtype", "is_template_graph"),
}
_GAN_ZOO = {"perChannelNormalization": True, "equalizedlR": True, "leakyReluLeak": 0.2}
_BY_TANH = ("MSE", "DCGAN")
"""Losses of the GAN Zoo with which its generators end with tanh."""

_HINT = "no PGGAN with this setting can be read"


def require_tensorflow(settings: NetworkSettings) -> None:
    """Refuse a network of NVIDIA's program that another function built, or that has settings of another network."""
    if settings.function not in ("", "G_paper", "D_paper"):
        hint = "PGGANs of NVIDIA are built by G_paper and D_paper"
        raise WeightsError(f"its network was built by the function {settings.function[:40]}", hint=hint)
    for name, value in settings.values.items():
        if name == "label_size":
            _require_no_labels(name, value)
        elif name == "num_channels":
            require_colour(_number(value))
        elif name in _TENSORFLOW:
            _require(name, value, _TENSORFLOW[name])
        elif name not in _HARMLESS and re.search(rf"\b{re.escape(name)}\b", settings.source):
            raise WeightsError(f"its source code knows the unusual setting {name[:40]}", hint=_HINT)


def require_gan_zoo(values: Mapping[str, object], *, discriminator: bool = False) -> None:
    """Refuse a network of the GAN Zoo whose `config` describes another one, or one that is still growing.

    `values` are all of the file's, by dotted keys.
    """
    config = {key.rpartition(".")[2]: value for key, value in values.items() if re.search(r"(^|\.)config\.\w+$", key)}
    for name, usual in (_GAN_ZOO | ({"miniBatchStdDev": True} if discriminator else {})).items():
        _require(name, config.get(name, usual), usual)
    require_colour(_number(config.get("dimOutput", 3)))
    _require_no_labels("categoryVectorDim", config.get("categoryVectorDim", 0))
    require_grown("alpha", config.get("alpha", 0))
    if (loss := config.get("lossCriterion")) in _BY_TANH:
        raise WeightsError(f"lossCriterion is {loss}, with which the generator ends with tanh", hint=_HINT)


def require_mmgen(values: Mapping[str, object], architecture: PGGANArchitecture) -> None:
    """Refuse a network of MMGeneration that is still growing; `values` are all of the file's, by dotted keys."""
    found = {
        key.rpartition(".")[2]: value for key, value in values.items() if key.rpartition(".")[2].startswith("_curr")
    }
    require_grown("_curr_transition_weight", found.get("_curr_transition_weight", 1), end=1)
    require_grown("_curr_scale_int", found.get("_curr_scale_int", architecture.resolution), end=architecture.resolution)


def require_grown(name: str, value: object, *, end: float = 0) -> None:
    """Refuse a network that is still growing, which a number tells that is `end` when the growth is finished."""
    number = _number(value)
    if not abs(number - end) < _ROUNDING:
        raise WeightsError(
            f"{name} is {number:g}, not {end:g}", hint="the network was still growing: use a finished one"
        )


def require_unconditional(score: Tensor) -> None:
    """Refuse a discriminator whose last weight (scores, channels) also gives labels."""
    if len(score) > 1:
        raise WeightsError(
            f"is a discriminator of labels, with {len(score)} scores", hint="only those without labels can be used"
        )


def describe_assumptions(layout: str, tensors: State, architecture: PGGANArchitecture) -> str:
    """Describe what the file of a layout does not tell, and is taken for granted; empty if there is nothing."""
    assumed = []
    if layout in ("genforce", "nvidia-pkl") and "lod" not in tensors:
        assumed.append("lod is missing: the network is taken to be fully grown")
    widths = architecture.channels
    unknown = layout == "mmgen" or ("layer2.weight" in tensors and "layer2.wscale.bias" not in tensors)
    if unknown and len(widths) > 2 and widths[1:-1:2] == widths[2::2]:
        way = "is" if layout == "mmgen" else "is not"
        assumed.append(f"all its layers have {widths[0]} channels: its upsampling is taken as one that {way} fused")
    return "; ".join(assumed)


def _require_no_labels(name: str, value: object) -> None:
    if (count := _number(value)) != 0:
        message = f"is a conditional network, which wants labels beside z ({name} is {count:g}, not 0)"
        raise WeightsError(message, hint="only networks without labels can be used")


def _require(name: str, value: object, usual: float) -> None:
    same = not isinstance(value, str) and value is not None and math.isclose(_number(value), usual, rel_tol=_ROUNDING)
    if not same:
        raise WeightsError(f"{name} is {str(value)[:40]}, not {usual}", hint=_HINT)


def _number(value: object) -> float:
    """A number, or the only one of a tensor; not a number for anything else."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value)
    return float(value) if isinstance(value, int | float) else math.nan
