"""Writers of foreign checkpoints, in their exact layouts, from a canonical network; the inverse of `layouts`."""

from __future__ import annotations

import io
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import sqrt
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganinvert.generators import PGGANGenerator
from ganinvert.generators.pggan import PGGANArchitecture

FORMATS = ("nvidia-pkl", "genforce", "genforce-fused", "gandissect", "gan-zoo", "gan-zoo-legacy", "mmgen", "canonical")


def network(resolution: int, *, per_position: bool = False, seed: int = 0) -> PGGANGenerator:
    """A random network with few channels, not the same number everywhere, and biases."""
    widths = {4: 24, 8: 22, 16: 20, 32: 18, 64: 16, 128: 16, 256: 16}  # fewer would make PixelNorm ill-conditioned
    sides = [side for side in widths if side <= resolution]
    architecture = PGGANArchitecture(16, tuple(widths[side] for side in sides for _ in range(2)))
    generator = PGGANGenerator.random(architecture, seed=seed)
    rng = torch.Generator().manual_seed(seed + 1)
    for key, value in generator.state_dict().items():
        if key.endswith("bias"):
            value.normal_(0, 0.2, generator=rng)
            if key == "layers.0.bias" and not per_position:
                value.copy_(value[:, :1, :1].expand_as(value))
        elif key == "to_rgb.weight":
            value.mul_(0.25)  # images within about [-1, 1], as those of trained networks
    return generator


def write(kind: str, generator: PGGANGenerator, path: Path) -> Path:
    state = {key: value.detach().clone().contiguous() for key, value in generator.state_dict().items()}
    if kind == "nvidia-pkl":
        path.write_bytes(nvidia_pickle(tf_variables(state), others=tf_discriminator(generator.resolution)))
    elif kind.startswith("gan-zoo"):
        with _module("models.utils.config") as module:
            config = _class("BaseConfig", module)()
            vars(config).update(alpha=0, depthScale0=12, perChannelNormalization=True, equalizedlR=True, lossMode=None)
            content = {"config": config, "netG": _gan_zoo(network(generator.resolution, seed=7).state_dict())}
            content |= {"netD": gan_zoo_discriminator(generator.resolution), "avgG": _gan_zoo(state)}
            torch.save(content, path, _use_new_zipfile_serialization=kind == "gan-zoo")
    elif kind == "mmgen":
        trained = {f"generator.{key}": torch.zeros_like(value) for key, value in _mmgen(state).items()}
        averaged = {f"generator_ema.{key}": value for key, value in _mmgen(state).items()}
        other = {"discriminator.decision.conv.weight_orig": torch.zeros(3)}
        torch.save({"meta": {"mmgen_version": "0.1.0", "iter": 3}, "state_dict": trained | other | averaged}, path)
    else:
        torch.save({"canonical": lambda s: s, "gandissect": _gandissect}.get(kind, _genforce(kind))(state), path)
    return path


def gan_zoo_discriminator(resolution: int, *, seed: int = 0) -> dict[str, Tensor]:
    """A random `netD`."""
    rng = torch.Generator().manual_seed(seed)
    widths = [6, *[4] * (resolution.bit_length() - 3)]
    shapes: dict[str, tuple[int, ...]] = {f"fromRGBLayers.{n}": (width, 3, 1, 1) for n, width in enumerate(widths)}
    for n, (narrow, wide) in enumerate(pairwise(widths)):
        shapes |= {f"scaleLayers.{n}.0": (wide, wide, 3, 3), f"scaleLayers.{n}.1": (narrow, wide, 3, 3)}
    shapes |= {"groupScaleZero.0": (6, 7, 3, 3), "groupScaleZero.1": (6, 6 * 16), "decisionLayer": (1, 6)}
    state = {f"{name}.module.weight": torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    return state | {f"{name}.module.bias": torch.randn(shape[0], generator=rng) for name, shape in shapes.items()}


def raw(weight: Tensor, gain: float = sqrt(2)) -> Tensor:
    return weight * (sqrt(weight[0].numel()) / gain)


def dense(kernel: Tensor) -> Tensor:
    """The matrix (C·16, z) that gives what the padded 4×4 convolution gives."""
    return kernel.flip(2, 3).permute(0, 2, 3, 1).reshape(-1, kernel.shape[1])


def count(state: dict[str, Tensor]) -> int:
    return sum(key.startswith("layers.") and key.endswith("weight") for key in state)


def _genforce(kind: str) -> Any:
    def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
        out = {"lod": torch.tensor(0.0)}
        for n in range(count(state)):
            weight = raw(state[f"layers.{n}.weight"])
            if kind == "genforce-fused" and n >= 2 and n % 2 == 0:
                out[f"layer{n}.weight"] = weight.flip(2, 3).permute(2, 3, 1, 0).contiguous()
            else:
                out[f"layer{n}.conv.weight"] = weight
            bias = state[f"layers.{n}.bias"]
            out[f"layer{n}.wscale.bias"] = bias[:, 0, 0].clone() if n == 0 else bias
        last = count(state) // 2 - 1
        for n in range(last):
            out[f"output{n}.conv.weight"], out[f"output{n}.wscale.bias"] = torch.randn(3, 12, 1, 1), torch.randn(3)
        out[f"output{last}.conv.weight"] = raw(state["to_rgb.weight"], 1)
        return out | {f"output{last}.wscale.bias": state["to_rgb.bias"]}

    return convert


def _gandissect(state: dict[str, Tensor]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for n in range(count(state)):
        out[f"layer{n + 1}.conv.weight"] = raw(state[f"layers.{n}.weight"])
        bias = state[f"layers.{n}.bias"]
        out[f"layer{n + 1}.wscale.b"] = bias[:, 0, 0].clone() if n == 0 else bias
    side = 2 << (count(state) // 2)
    out[f"output_{side}x{side}.conv.weight"] = raw(state["to_rgb.weight"], 1)
    return out | {f"output_{side}x{side}.wscale.b": state["to_rgb.bias"]}


def _gan_zoo(state: dict[str, Tensor]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}

    def put(name: str, weight: Tensor, bias: Tensor) -> None:
        out[f"{name}.module.weight"] = raw(weight)
        out[f"{name}.module.bias"] = bias * sqrt(weight[0].numel() / 2)

    put("formatLayer", dense(state["layers.0.weight"]), state["layers.0.bias"].flatten())
    put("groupScale0.0", state["layers.1.weight"], state["layers.1.bias"])
    for n in range(2, count(state)):
        put(f"scaleLayers.{n // 2 - 1}.{n % 2}", state[f"layers.{n}.weight"], state[f"layers.{n}.bias"])
    last = count(state) // 2 - 1
    for n in range(last):
        put(f"toRGBLayers.{n}", torch.randn(3, 12, 1, 1), torch.randn(3))
    put(f"toRGBLayers.{last}", state["to_rgb.weight"], state["to_rgb.bias"])
    return out


def _mmgen(state: dict[str, Tensor]) -> dict[str, Tensor]:
    out = {
        "noise2feat.linear.weight_orig": raw(dense(state["layers.0.weight"]), sqrt(2) / 4),
        "noise2feat.bias": state["layers.0.bias"][:, 0, 0][None, :, None, None],
    }
    for n in range(1, count(state)):
        weight = state[f"layers.{n}.weight"]
        if n >= 2 and n % 2 == 0:
            weight = weight.flip(2, 3).transpose(0, 1).contiguous()
        out[f"conv_blocks.{n - 1}.conv.weight_orig"] = raw(weight)
        out[f"conv_blocks.{n - 1}.conv.bias"] = state[f"layers.{n}.bias"]
    last = count(state) // 2 - 1
    for n in range(last):
        out[f"torgb_layers.{n}.conv.weight_orig"] = torch.randn(3, 12, 1, 1)
        out[f"torgb_layers.{n}.conv.bias"] = torch.randn(3)
    out[f"torgb_layers.{last}.conv.weight_orig"] = raw(state["to_rgb.weight"], 1)
    return out | {f"torgb_layers.{last}.conv.bias": state["to_rgb.bias"]}


def tf_variables(state: dict[str, Tensor], *, fused: bool = True) -> list[tuple[str, Any]]:
    """Variables of the TensorFlow network: HWIO, but HWOI where upsampling is fused."""
    first = raw(dense(state["layers.0.weight"]), sqrt(2) / 4).T
    out: list[tuple[str, Any]] = [("lod", np.float32(0)), ("4x4/Dense/weight", first)]
    out.append(("4x4/Dense/bias", state["layers.0.bias"][:, 0, 0]))
    for n in range(1, count(state)):
        weight, side = raw(state[f"layers.{n}.weight"]), 4 << (n // 2)
        name = "Conv" if n == 1 else "Conv1" if n % 2 else "Conv0_up" if fused else "Conv0"
        fusing = name == "Conv0_up"
        weight = weight.flip(2, 3).permute(2, 3, 0, 1) if fusing else weight.permute(2, 3, 1, 0)
        out += [(f"{side}x{side}/{name}/weight", weight), (f"{side}x{side}/{name}/bias", state[f"layers.{n}.bias"])]
    for lod in range(count(state) // 2):
        own = lod == 0
        weight = raw(state["to_rgb.weight"], 1).permute(2, 3, 1, 0) if own else torch.randn(1, 1, 12, 3)
        out += [
            (f"ToRGB_lod{lod}/weight", weight),
            (f"ToRGB_lod{lod}/bias", state["to_rgb.bias"] if own else weight[0, 0, 0]),
        ]
    return [(name, np.ascontiguousarray(value) if isinstance(value, Tensor) else value) for name, value in out]


def tf_discriminator(resolution: int, *, fused: bool = True, seed: int = 0) -> list[tuple[str, Any]]:
    """Variables of a random D: HWIO, and (in, out) where a layer is dense."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"4x4/Conv": (3, 3, 7, 6), "4x4/Dense0": (6 * 16, 6), "4x4/Dense1": (6, 1)}
    side = 8
    while side <= resolution:
        shapes[f"{side}x{side}/Conv0"] = (3, 3, 4, 4)
        shapes[f"{side}x{side}/Conv1{'_down' * fused}"] = (3, 3, 4, 6 if side == 8 else 4)
        side *= 2
    for lod in range(resolution.bit_length() - 2):
        shapes[f"FromRGB_lod{lod}"] = (1, 1, 3, 6 if resolution >> lod == 4 else 4)
    arrays = {f"{name}/weight": rng.standard_normal(shape, "f4") for name, shape in shapes.items()}
    arrays |= {f"{name}/bias": rng.standard_normal(shape[-1], "f4") for name, shape in shapes.items()}
    return [("lod", np.float32(0)), *arrays.items()]


def nvidia_pickle(
    variables: list[tuple[str, Any]],
    *,
    protocol: int = 4,
    numpy: str = "numpy.core.multiarray",
    others: list[tuple[str, Any]] | None = None,
    **states: Any,
) -> bytes:
    """(G, D, Gs) as `tfutil` pickled it, with the module paths of that time; only Gs has `variables`."""
    others = others or [("lod", np.float32(0)), ("4x4/Dense/weight", np.ones(3, "f4"))]
    buffer = io.BytesIO()
    with _module("tfutil") as tfutil, _module(numpy) as multiarray:
        cls = _class("Network", tfutil)
        reconstruct, scalar = (_function(name, multiarray) for name in ("_reconstruct", "scalar"))

        class Pickler(pickle.Pickler):
            def reducer_override(self, value: Any) -> Any:
                if isinstance(value, np.ndarray):
                    return reconstruct, (np.ndarray, (0,), b"b"), (1, value.shape, value.dtype, False, value.tobytes())
                if isinstance(value, np.generic):
                    return scalar, (value.dtype, value.tobytes())
                return NotImplemented

        networks = []
        for name in ("G", "D", "Gs"):
            made = cls()
            made.__dict__ = {
                "version": 2,
                "name": name,
                "static_kwargs": {"num_channels": 3, "resolution": 8, "label_size": 0, "fused_scale": True},
                "build_module_src": "import os\nos.abort()\n",
                "build_func_name": "G_paper",
                **states,
                "variables": variables if name == "Gs" else [(key, np.array(value)) for key, value in others],
            }
            networks.append(made)
        Pickler(buffer, protocol=protocol).dump(tuple(networks))
    return buffer.getvalue()


def persistent_pickle(
    networks: dict[str, tuple[dict[str, Tensor], dict[str, dict[str, Any]]]], *, protocol: int = 4, extra: Any = None
) -> bytes:
    """State dicts and settings of modules, as `torch_utils.persistence` pickles them with their source code.

    Settings are by the modules' dotted names, with their "class"; `extra` is one more attribute of every module.
    """
    buffer = io.BytesIO()
    with _module("torch_utils.persistence") as persistence, _module("dnnlib.util") as util:
        reconstruct = _function("_reconstruct_persistent_obj", persistence)

        class Module:
            def __init__(self, kind: str, state: dict[str, Any]) -> None:
                code = "import os\nos.abort()\n"
                self.meta = {"type": "class", "version": 6, "module_src": code, "class_name": kind, "state": state}

            def __reduce__(self) -> Any:
                return reconstruct, (self.meta,), None

        def made(name: str, state: dict[str, Tensor], settings: dict[str, dict[str, Any]]) -> Module:
            prefix = f"{name}." if name else ""
            inner = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            buffers = {key for key in inner if key.endswith(("noise_const", "_filter", "w_avg", "magnitude_ema"))}
            parts = [key.removeprefix(prefix) for key in settings if key.startswith(prefix) and key != name]
            attributes = {key: np.float64(v) if isinstance(v, float) else v for key, v in settings[name].items()}
            kind = attributes.pop("class")
            groups = {
                "_parameters": {k: nn.Parameter(v) for k, v in inner.items() if "." not in k and k not in buffers},
                "_buffers": {key: value for key, value in inner.items() if "." not in key and key in buffers},
                "_modules": {part: made(prefix + part, state, settings) for part in parts if "." not in part},
            }
            others = {"training": False, "_non_persistent_buffers_set": set(), "_backward_hooks": OrderedDict()}
            ordered = {key: OrderedDict({"nothing": None} | group) for key, group in groups.items()}
            return Module(kind, attributes | others | ordered | ({} if extra is None else {"extra": extra}))

        easy = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
        util.EasyDict = easy  # type: ignore[attr-defined]
        content = {name: made("", *network) for name, network in networks.items()}
        options = {"training_set_kwargs": easy(path="images.zip"), "augment_pipe": None}
        pickle.Pickler(buffer, protocol=protocol).dump(content | options)
    return buffer.getvalue()


@contextmanager
def _module(name: str) -> Iterator[ModuleType]:
    """A module of that name which exists while a pickle is written, and not when it is read."""
    missing = object()
    parts = (
        [".".join(name.split(".")[: n + 1]) for n in range(name.count(".") + 1)]
        if name.startswith(("models", "torch_utils", "dnnlib"))
        else [name]
    )
    before = {part: sys.modules.get(part, missing) for part in parts}
    for part in parts:
        sys.modules[part] = ModuleType(part)
    try:
        yield sys.modules[name]
    finally:
        for part, module in before.items():
            if module is missing:
                del sys.modules[part]
            else:
                sys.modules[part] = module  # type: ignore[assignment]


def _class(name: str, module: ModuleType) -> type:
    cls = type(name, (), {"__module__": module.__name__})
    setattr(module, name, cls)
    return cls


def _function(name: str, module: ModuleType) -> Any:
    def function(*_arguments: object) -> None:
        raise AssertionError("only written, never called")

    function.__name__ = function.__qualname__ = name
    function.__module__ = module.__name__
    setattr(module, name, function)
    return function
