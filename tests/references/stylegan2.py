"""Makes `stylegan2.safetensors`: tiny random StyleGAN2s of other programs, and the images and scores that they give.

The programs are NVIDIA's own networks and rosinality's port, both as version 1.1.6 of the distribution draggan carries
them; nothing of it is installed, and nothing of its code is kept. To make the file again, in this folder:

    python -m pip download --no-deps draggan==1.1.6 && python -m zipfile -e draggan-1.1.6-*.whl wheel
    python stylegan2.py wheel
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.utils.cpp_extension
from safetensors.torch import save_file
from torch import Tensor, nn

HERE = Path(__file__).parent
PLAIN = str | int | float | bool | None


def nvidia(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """States, images and scores of a generator with three classes and of a discriminator; the modules' settings."""
    sys.path.insert(0, str(folder))
    sys.modules["requests"] = ModuleType("requests")  # only its downloads need it
    from training import networks

    sizes = {"channel_base": 64, "channel_max": 6, "conv_clamp": 2.0}
    generator = networks.Generator(8, 3, 7, 16, 3, mapping_kwargs={"num_layers": 2}, synthesis_kwargs=sizes).eval()
    critic = networks.Discriminator(0, 16, 3, **sizes, epilogue_kwargs={"mbstd_group_size": 2}).eval()
    generator.mapping.w_avg.normal_()
    tensors, settings = {}, {}
    for name, network in (("G_ema", generator), ("D", critic)):
        disturb(network)
        tensors |= {f"nvidia.{name}.{key}": value for key, value in network.state_dict().items()}
        settings[name] = {
            key: {"class": type(part).__name__} | {k: number(v) for k, v in vars(part).items() if not k.startswith("_")}
            for key, part in network.named_modules()
        }
    z = torch.randn(2, 8)
    images = [generator(z, label.expand(2, 3), noise_mode="const", force_fp32=True) for label in torch.eye(3)]
    real = torch.randn(4, 3, 16, 16)
    scores = critic(real, None)[:, 0]
    return tensors | {
        "nvidia.z": z,
        "nvidia.images": torch.stack(images),
        "real": real,
        "nvidia.scores": scores,
    }, settings


def community(folder: Path) -> dict[str, Tensor]:
    """States, images and scores of the port's networks, whose numbers of channels are made small."""
    torch.utils.cpp_extension.load = lambda *_, **__: None  # the Python fallback computes on the CPU
    package = ModuleType("port")
    package.__path__ = [str(folder)]
    sys.modules["port"] = package
    specification = importlib.util.spec_from_file_location("port.model", folder / "model.py")
    assert specification is not None
    model = importlib.util.module_from_spec(specification)
    source = re.sub(r"\b(4|8|16): 512,", r"\1: 6,", (folder / "model.py").read_text())
    exec(compile(source, "model.py", "exec"), vars(model))
    generator, critic = model.Generator(16, 8, 2).eval(), model.Discriminator(16).eval()
    tensors = {}
    for name, network in (("g_ema", generator), ("d", critic)):
        disturb(network)
        tensors |= {f"community.{name}.{key}": value for key, value in network.state_dict().items()}
    z, real = torch.randn(2, 8), torch.randn(4, 3, 16, 16)
    outputs = {"z": z, "images": generator([z], randomize_noise=False)[0], "real": real, "scores": critic(real)[:, 0]}
    return tensors | {f"community.{key}": value for key, value in outputs.items()}


def disturb(network: nn.Module) -> None:
    """Give biases and strengths of the noise, which begin as zeros, random values."""
    for name, parameter in network.named_parameters():
        rate = 0.01 if name.startswith(("mapping.fc", "style.")) else 1.0
        if name.endswith(("bias", "noise_strength", "noise.weight")):
            parameter.data += 0.3 / rate * torch.randn_like(parameter)


def number(value: object) -> PLAIN:
    """Plain settings as they are, NumPy's numbers as such, others by their type."""
    if isinstance(value, PLAIN):
        return float(value) if isinstance(value, float) else value
    return type(value).__name__


if __name__ == "__main__":
    torch.manual_seed(0)
    wheel = Path(sys.argv[1]) / "draggan"
    with torch.no_grad():
        tensors, settings = nvidia(wheel / "stylegan2")
        tensors |= community(wheel / "deprecated" / "stylegan2")
    kept = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
    save_file(kept, HERE / "stylegan2.safetensors", {"settings": json.dumps(settings)})
