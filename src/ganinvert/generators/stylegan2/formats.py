"""Files of StyleGAN2s of any origin, built into networks.

The canonical state dict has `mapping.layers.{n}.{weight,bias}`, the mean and deviation of w, and the vectors of the
classes, `mapping.labels`; `constant`; per convolution `layers.{n}.{weight,bias,noise,strength}`, and the linear map
from w to its style, `layers.{n}.style.{weight,bias}`; per resolution `to_rgb.{n}.{weight,bias}`, and `to_rgb.{n}.style`
likewise; and `clamp`, 0 for no limit. Scales of equalised learning rates are folded in.

Files are told apart by their content, never by their name, and no pickle is executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators.loading import fitting, loaded, plain, require_colour
from ganinvert.generators.stylegan2 import layouts
from ganinvert.generators.stylegan2.architecture import StyleGAN2Architecture
from ganinvert.generators.stylegan2.discriminator import DiscriminatorArchitecture, StyleGAN2Discriminator
from ganinvert.generators.stylegan2.network import StyleGAN2Generator
from ganinvert.weights import digest
from ganinvert.weights.nvidia import ModuleTree
from ganinvert.weights.pickles import PickledModule
from ganinvert.weights.reading import WeightsFile
from ganinvert.weights.states import choose, find_networks
from ganinvert.weights.torchfile import require_plain

_FAMILY = "StyleGAN2"
_KEY = r"conv1\.conv\.modulation\.weight"  # only the community's generators have it
_DISCRIMINATOR_KEY = r"final_linear\.1\.weight"
_WHOLE = "generators are in NVIDIA's `G_ema`, the community's `g_ema`, and files of ganinvert"


def recognises(file: WeightsFile) -> bool:
    """True if the file holds a network of this family, or any network that PyTorch pickled with its source code."""
    if file.container == "nvidia":
        return bool(_modules(file))
    if file.container == "torch":
        return any(find_networks(file.tensors, key) for key in (_KEY, _DISCRIMINATOR_KEY))
    return file.own.about.get("kind") in (StyleGAN2Generator.kind, StyleGAN2Discriminator.kind)


def read_generator(file: WeightsFile, name: str) -> StyleGAN2Generator:
    """Read the averaged generator of a file of any known layout."""
    with fitting(_FAMILY):
        layout, place, state = _generator_state(file)
        known, w = set(state), len(state["to_rgb.0.style.weight"].T)
        state = {"mapping.mean": torch.zeros(w), "mapping.deviation": torch.ones(w), **plain(state)}
        require_colour(len(state["to_rgb.0.weight"]))
        architecture = StyleGAN2Architecture.of(state)
        if file.own.structured("architecture") not in (None, json.loads(json.dumps(asdict(architecture)))):
            raise WeightsError("its header describes another network", hint="the file is damaged: fetch it again")
        generator = loaded(lambda: StyleGAN2Generator(architecture), state)
    if "mapping.deviation" not in known:  # nor, in some files, the mean
        generator.mapping.measure()
        if "mapping.mean" in known:
            generator.mapping.mean.copy_(state["mapping.mean"])
    generator.name, generator.digest = name, file.own.digest or digest(generator.state_dict())
    generator.about = {"format": layout, **({"network": place} if place else {}), **file.own.about}
    return generator


def read_discriminator(file: WeightsFile) -> StyleGAN2Discriminator:
    """Read a discriminator of ours, `D` of NVIDIA's pickle, or the community's `d`."""
    state: dict[str, Tensor] = {}
    with fitting(f"{_FAMILY} discriminator"):
        if file.container == "nvidia" and (module := _modules(file).get("D")) is not None:
            tree = ModuleTree(module, file.size)
            if tree.setting("", "c_dim") != 0:
                raise MissingNetworkError("holds a discriminator of classes", hint="only those without can be used")
            state = layouts.discriminator_from_nvidia(tree, tree.tensors())
        elif file.container == "torch":
            networks = find_networks(file.tensors, _DISCRIMINATOR_KEY)
            if networks:
                _, raw = choose(networks)
                require_plain(raw)
                state = layouts.discriminator_from_community(raw)
        elif file.own.about.get("kind") == StyleGAN2Discriminator.kind:
            require_plain(file.own.tensors)
            state = dict(file.own.tensors)
        if not state:
            raise MissingNetworkError(
                "holds no discriminator", hint="NVIDIA's pickles with `D` and the community's files with `d` do"
            )
        require_colour(state["from_rgb.weight"].shape[1])
        architecture = DiscriminatorArchitecture.of(state)
        discriminator = loaded(lambda: StyleGAN2Discriminator(architecture), plain(state))
    discriminator.about, discriminator.digest = file.own.about, file.own.about.get("generator", "")
    return discriminator


def _generator_state(file: WeightsFile) -> tuple[str, str, dict[str, Tensor]]:
    """The layout, the key that the generator lies under, and its canonical state dict.

    Statistics of w that the file does not have are left out.
    """
    if file.container == "torch":
        if not (networks := find_networks(file.tensors, _KEY)):
            raise WeightsError("holds no generator", hint=_WHOLE)
        place, raw = choose(networks)
        require_plain(raw)
        means = (file.tensors.get(f"{above}latent_avg") for above in (place.rpartition(".")[0] + ".", ""))
        mean = next((each for each in means if each is not None), None)
        return "rosinality", place, layouts.from_community(raw, mean)
    if file.container == "safetensors":
        require_plain(file.own.tensors)
        return "canonical", "", dict(file.own.tensors)
    modules = _modules(file)
    place = next((name for name in ("G_ema", "G") if name in modules), "")
    if not (module := modules.get(place)):
        raise WeightsError("holds no generator", hint=_WHOLE)
    tree = ModuleTree(module, file.size)
    tensors = tree.tensors()
    if any(key.endswith("magnitude_ema") for key in tensors):
        raise WeightsError(
            "holds a StyleGAN3-T or -R generator, not StyleGAN2",
            hint="StyleGAN3 computes otherwise; its repository offers StyleGAN2 networks of the same photos, too",
        )
    if "synthesis.b4.const" not in tensors:
        raise WeightsError(f"holds a {tree.kind[:40]} of PyTorch that is not StyleGAN2", hint=_WHOLE)
    return "nvidia-persistence", place, layouts.from_nvidia(tree, tensors)


def _modules(file: WeightsFile) -> Mapping[str, PickledModule]:
    """The modules of a pickle of PyTorch, by name; one that is alone is called G_ema."""
    networks = file.networks if isinstance(file.networks, dict) else {"G_ema": file.networks}
    return {key: module for key, module in networks.items() if isinstance(module, PickledModule)}
