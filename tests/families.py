"""Two toy families: a style-based one with skip images, and a class-conditional one. `src` knows neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.errors import MissingNetworkError
from ganinvert.generators import (
    Activations,
    Family,
    Generator,
    LatentSpace,
    LayerInfo,
    NormalSpace,
    StyleInput,
    Window,
)
from ganinvert.weights import TensorFile, digest
from ganinvert.weights.reading import WeightsFile

CHANNELS, STYLE, LAYERS, CLASSES = 8, 6, 4, 3


class MappedSpace(LatentSpace):
    """W or W+ of a mapping network."""

    def __init__(self, name: str, mapping: nn.Module, copies: int = 0) -> None:
        self.name, self.shape = name, (copies, STYLE) if copies else (STYLE,)
        self.mapping = mapping

    @torch.no_grad()
    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            w: Tensor = self.mapping(torch.randn(n, STYLE, generator=rng))
        return w if len(self.shape) == 1 else w[:, None].repeat(1, self.shape[0], 1)

    def prior(self, x: Tensor) -> Tensor:
        return (x - self.mean().to(x)).square().flatten(1).mean(dim=1) / 2

    def mean(self) -> Tensor:
        return self.sample(256, torch.Generator().manual_seed(0)).mean(dim=0)


class StyleToy(Generator):
    """z → mapping → w; a constant, modulated convolutions, and an image that every layer adds to."""

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.Sequential(nn.Linear(STYLE, STYLE), nn.LeakyReLU(0.2))
        self.constant = nn.Parameter(torch.zeros(1, CHANNELS, 8, 8))
        self.convolutions = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(LAYERS))
        self.scales = nn.ModuleList(nn.Linear(STYLE, CHANNELS) for _ in range(LAYERS))
        self.rgb = nn.ModuleList(nn.Conv2d(CHANNELS, 3, 1) for _ in range(LAYERS))
        for n in range(LAYERS):
            self.register_buffer(f"noise{n}", torch.randn(8 if n < 2 else 16, 8 if n < 2 else 16))
        self.resolution, self.num_layers = 16, LAYERS
        self.spaces = {
            "z": NormalSpace("z", STYLE),
            "w": MappedSpace("w", self.mapping),
            "w+": MappedSpace("w+", self.mapping, LAYERS),
        }

    def layer_info(self, layer: int) -> LayerInfo:
        self.check_layer(layer)
        return LayerInfo(CHANNELS, 8 if layer < 3 else 16)

    def styles(self, code: Tensor, space: str = "") -> Tensor:
        name = self.space(space).name
        if name == "w+":
            return code
        w: Tensor = self.mapping(code) if name == "z" else code
        return w[:, None].repeat(1, LAYERS, 1)

    def begin(self, styles: Tensor) -> Activations:
        constant = self.constant.expand(len(styles), -1, -1, -1)
        return Activations(constant, styles, styles.new_zeros(len(styles), 3, 8, 8))

    def carry(self, activations: Activations, start: int, stop: int) -> Activations:
        self.check_layer(stop)
        for n in range(start, stop):
            activations = self.convolve(activations, n, self.get_buffer(f"noise{n}"))
        return activations

    def carry_part(self, activations: Activations, start: int, window: Window) -> Activations:
        noise = self.get_buffer(f"noise{start}")
        return self.convolve(activations, start, window.enlarged(2 if start == 2 else 1).of(noise))

    def convolve(self, activations: Activations, n: int, noise: Tensor) -> Activations:
        h, styles, image = activations.features, activations.styles, activations.image
        assert styles is not None
        assert image is not None
        h = h * (1 + self.scales[n](styles[:, n]))[:, :, None, None]
        if n == 2:
            h, image = (F.interpolate(x, scale_factor=2.0) for x in (h, image))
        h = F.leaky_relu(self.convolutions[n](h) + noise, 0.2)
        return Activations(h, styles, image + self.rgb[n](h))

    def reach(self, layer: int) -> int:
        return 1

    def to_image(self, activations: Activations) -> Tensor:
        assert activations.image is not None
        return activations.image

    def style_inputs(self) -> tuple[StyleInput, ...]:
        return tuple(StyleInput(n, each.weight) for n, each in enumerate(self.scales, 1))

    def weights_after(self, layer: int) -> dict[str, Tensor]:
        used = {f"{part}.{n}" for part in ("convolutions", "scales", "rgb") for n in range(layer, LAYERS)}
        return {name: value for name, value in self.named_parameters() if name.rpartition(".")[0] in used}


class ClassToy(Generator):
    """z and the embedding of a class drive every layer, as in BigGAN."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CLASSES, 2)
        self.first = nn.Linear(STYLE, CHANNELS * 16)
        self.convolutions = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(LAYERS))
        self.scales = nn.ModuleList(nn.Linear(STYLE + 2, CHANNELS) for _ in range(LAYERS))
        self.rgb = nn.Conv2d(CHANNELS, 3, 1)
        self.classes, self.resolution, self.num_layers = CLASSES, 16, LAYERS
        self.spaces = {"z": NormalSpace("z", STYLE), "z+class": NormalSpace("z+class", STYLE + 2)}

    def layer_info(self, layer: int) -> LayerInfo:
        self.check_layer(layer)
        return LayerInfo(CHANNELS, 4 if layer < 2 else 8 if layer < 3 else 16)

    def styles(self, code: Tensor, space: str = "") -> Tensor:
        if self.space(space).name == "z":
            label = self.embedding(torch.full((len(code),), self.label, device=code.device))
            code = torch.cat([code, label], dim=1)
        return code[:, None].repeat(1, LAYERS, 1)

    def begin(self, styles: Tensor) -> Activations:
        return Activations(self.first(styles[:, 0, :STYLE]).unflatten(1, (CHANNELS, 4, 4)), styles)

    def carry(self, activations: Activations, start: int, stop: int) -> Activations:
        self.check_layer(stop)
        h, styles = activations.features, activations.styles
        assert styles is not None
        for n in range(start, stop):
            h = h * (1 + self.scales[n](styles[:, n]))[:, :, None, None]
            h = F.interpolate(h, scale_factor=2.0) if n in (1, 2) else h
            h = F.leaky_relu(self.convolutions[n](h), 0.2)
        return Activations(h, styles)

    def to_image(self, activations: Activations) -> Tensor:
        image: Tensor = self.rgb(activations.features)
        return image

    def weights_after(self, layer: int) -> dict[str, Tensor]:
        used = {"rgb", *(f"{part}.{n}" for part in ("convolutions", "scales") for n in range(layer, LAYERS))}
        return {name: value for name, value in self.named_parameters() if name.rpartition(".")[0] in used}


def toy_family(name: str, network: type[Generator]) -> Family:
    """All that there is to a family: it recognises and reads."""

    def read(file: WeightsFile, called: str) -> Generator:
        generator = network()
        generator.load_state_dict(dict(file.own.tensors))
        generator.name, generator.digest, generator.about = called, file.own.digest, file.own.about
        return generator.requires_grad_(False).eval()

    def none(_: object) -> Any:
        raise MissingNetworkError("holds no other network", hint="toys have none")

    return Family(lambda file: file.own.about.get("kind") == name, read, none, none, styled=name == "style")


TOYS = {"style": StyleToy, "class": ClassToy}


def toy(name: str, seed: int = 0) -> Generator:
    """A frozen toy with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = TOYS[name]()
        nn.init.normal_(generator.get_parameter("constant" if name == "style" else "first.weight"))
    generator.name, generator.digest = name, digest(generator.state_dict())
    return generator.requires_grad_(False).eval()


def write(name: str, path: Path) -> Path:
    """Write the file of a toy."""
    TensorFile(toy(name).state_dict(), {"kind": name}).save(path)
    return path
