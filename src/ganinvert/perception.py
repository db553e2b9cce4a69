"""Networks that classify ImageNet's pictures, through whose features images are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert import paths
from ganinvert.errors import WeightsError
from ganinvert.weights import TensorFile
from ganinvert.weights.catalog import CATALOG
from ganinvert.weights.store import Store

LpipsNet = Literal["alex", "vgg"]
ALEXNET_WIDTHS = (64, 192, 384, 256, 256)
"""Channels after the five convolutions."""

_SMALLEST_FOR_ALEXNET = 32  # side in pixels that its poolings allow
_VGG16_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # widths between the poolings


class ImageNetFeatures(nn.Module):
    """Maps after some ReLUs of a network that classifies ImageNet's pictures, frozen, with torchvision's weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, layers: Sequence[nn.Module], state: Mapping[str, Tensor], maps: Sequence[int]) -> None:
        """Give layers their weights: the state names them as torchvision does, `maps` are the numbers of ReLUs."""
        super().__init__()
        self.features, self.maps = nn.Sequential(*layers), frozenset(maps)
        self.load_state_dict({key: tensor.float() for key, tensor in state.items()}, assign=True)
        self.register_buffer("mean", _channels(0.485, 0.456, 0.406), persistent=False)
        self.register_buffer("std", _channels(0.229, 0.224, 0.225), persistent=False)
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, side: int | None = None) -> list[Tensor]:
        """Map images (b, 3, h, w) in [-1, 1], or gray ones (b, 1, h, w), resized to a side in pixels, to features."""
        if side is not None and image.shape[-2:] != (side, side):
            antialias = max(image.shape[-2:]) > side
            image = F.interpolate(image, size=(side, side), mode="bilinear", antialias=antialias)
        x = (((image + 1) / 2 - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        maps = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.maps:
                maps.append(x)
        return maps


def _channels(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None, None]


def alexnet() -> ImageNetFeatures:
    """AlexNet (Krizhevsky 2014) without its classifier, embedded: five maps."""
    with torch.device("meta"):
        layers = [nn.Conv2d(3, ALEXNET_WIDTHS[0], 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
        layers += [nn.Conv2d(*ALEXNET_WIDTHS[:2], 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)]
        for widths in pairwise(ALEXNET_WIDTHS[1:]):
            layers += [nn.Conv2d(*widths, 3, padding=1), nn.ReLU(inplace=True)]
    return ImageNetFeatures(layers, TensorFile.load(paths.embedded("alexnet.safetensors")).tensors, (1, 4, 7, 9, 11))


def vgg16() -> ImageNetFeatures:
    """V of PmSFC eq. 8: VGG16 (Simonyan and Zisserman 2015) up to relu3_3, embedded: one map.

    The paper does not name the layer; mGANprior's program uses relu3_3.
    """
    return ImageNetFeatures(_vgg16_layers(3), TensorFile.load(paths.embedded("vgg16.safetensors")).tensors, (15,))


def _vgg16_layers(blocks: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    before = 3
    with torch.device("meta"):
        for widths in _VGG16_WIDTHS[:blocks]:
            layers += [nn.MaxPool2d(2)] if layers else []
            for inputs, outputs in pairwise((before, *widths)):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
            before = widths[-1]
    return layers


@cache
@torch.inference_mode(False)
def lpips_network(net: LpipsNet, device: torch.device) -> tuple[ImageNetFeatures, list[Tensor]]:
    """Load LPIPS (Zhang et al. 2018): a network, and the weights (1, c, 1, 1) of its maps, of version 0.1.

    Raises:
        WeightsError: VGG16 is not in the cache.
    """
    if not has_lpips(net):
        raise WeightsError("LPIPS with VGG needs the whole VGG16", hint="fetch it once: ganinvert fetch-weights vgg16")
    if net == "alex":
        network = alexnet()
    else:
        state = TensorFile.load(Store().path(CATALOG["vgg16"])).tensors
        network = ImageNetFeatures(_vgg16_layers(5), state, (3, 8, 15, 22, 29))
    # The weights' file is read without importing the package, which takes seconds: it imports torchvision.
    package = find_spec("lpips")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "weights" / "v0.1" / f"{net}.pth"
    heads = torch.load(file, map_location=device, weights_only=True)
    return network.to(device), [heads[f"lin{n}.model.1.weight"] for n in range(len(network.maps))]


def has_lpips(net: LpipsNet) -> bool:
    """Return True if the network's weights are embedded or in the cache."""
    return net == "alex" or Store().has(CATALOG["vgg16"])


def lpips_vectors(image: Tensor, net: LpipsNet = "alex") -> Tensor:
    """Compute vectors (b, d) whose squared Euclidean distances are LPIPS; differentiable.

    Images are (b, 3, h, w) in [-1, 1], or gray ones (b, 1, h, w); under 32 pixels they are enlarged.
    """
    network, weights = lpips_network(net, image.device)
    parts = []
    for features, weight in zip(network(image, side_for_alexnet(image)), weights, strict=True):
        # The root of the squared length would have an infinite gradient where all channels are 0.
        inverse = torch.rsqrt(features.float().square().sum(dim=1, keepdim=True) + 1e-20)
        parts.append(features * inverse * weight.sqrt() / (features.shape[-1] * features.shape[-2]) ** 0.5)
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def side_for_alexnet(image: Tensor) -> int | None:
    """Side in pixels to which images (b, c, h, w) are resized that are smaller than AlexNet needs; None for others."""
    return None if min(image.shape[-2:]) >= _SMALLEST_FOR_ALEXNET else _SMALLEST_FOR_ALEXNET
