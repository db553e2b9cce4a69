"""Loss terms of the optimisation. Every loss returns one value per image, (b,)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert import paths
from ganinvert.errors import WeightsError
from ganinvert.weights import TensorFile
from ganinvert.weights.catalog import CATALOG
from ganinvert.weights.store import Store

COARSEST = 8
"""Side in pixels at which a Laplacian pyramid ends; larger images have more levels. No source gives a depth."""
SMALLEST_FOR_ALEXNET = 32
"""Least side in pixels that AlexNet's poolings allow."""

ORIENTATIONS = 8
"""Number of orientations, over half a turn, in a histogram of gradients."""
FAINTEST = 0.05
"""Gradient, per pixel of images in [-1, 1], below which the histograms of a cell fade."""

LpipsNet = Literal["alex", "vgg"]


def pixel_loss(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean squared difference per image: (b, …), (b, …) → (b,)."""
    return (x - y).square().flatten(1).mean(dim=1)


def absolute_loss(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean absolute difference per image: (b, …), (b, …) → (b,)."""
    return (x - y).abs().flatten(1).mean(dim=1)


class VGG16Features(nn.Module):
    """V of PmSFC eq. 8: VGG16 (Simonyan and Zisserman 2015) up to relu3_3, frozen.

    The paper does not name the layer; mGANprior's program uses relu3_3. The weights, embedded in the package, are
    torchvision's for ImageNet.
    """

    # Channels of the convolutions; 0 is a 2×2 maximum pooling.
    PLAN = (64, 64, 0, 128, 128, 0, 256, 256, 256)

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential()
        widths = [3, *(width for width in self.PLAN if width)]
        convolutions = iter(pairwise(widths))
        for width in self.PLAN:
            if width:
                self.features.extend([nn.Conv2d(*next(convolutions), 3, padding=1), nn.ReLU(inplace=True)])
            else:
                self.features.append(nn.MaxPool2d(2))
        self.load_state_dict(TensorFile.load(paths.embedded("vgg16.safetensors")).tensors)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None], persistent=False)
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> Tensor:
        """Map images (b, 3, h, w) in [-1, 1], or gray ones (b, 1, h, w), to features (b, 256, h/4, w/4)."""
        normalised = ((image + 1) / 2 - self.mean) / self.std
        features: Tensor = self.features(normalised.contiguous(memory_format=torch.channels_last))
        return features


class TargetLoss:
    """Loss of images against target images (b, 3, h, w) in [-1, 1], or gray ones (b, 1, h, w).

    `distance` compares what `features` computes, to losses (b,); the target's features are computed once.
    """

    def __init__(self, features: Callable[[Tensor], Any], distance: Callable[[Any, Any], Tensor], target: Tensor):
        self.features, self.distance = features, distance
        with torch.no_grad():
            self.target = features(target)

    def __call__(self, image: Tensor) -> Tensor:
        """Map images shaped like the target to losses (b,)."""
        return self.distance(self.features(image), self.target)


def perceptual_loss(network: VGG16Features, target: Tensor) -> TargetLoss:
    """Mean absolute difference of VGG16 features, in single precision under autocast; losses share the network."""
    return TargetLoss(network, lambda x, y: F.l1_loss(x, y, reduction="none").flatten(1).mean(dim=1), target)


def alexnet_loss(target: Tensor) -> TargetLoss:
    """Mean squared difference of AlexNet's relu4 features (Zhu et al. 2016)."""
    return TargetLoss(lambda image: _alexnet_maps(image)[3].float(), pixel_loss, target)


def lpips_loss(target: Tensor) -> TargetLoss:
    """LPIPS (AlexNet)."""
    return TargetLoss(lpips_vectors, lambda x, y: (x - y).square().sum(dim=1), target)


def laplacian_loss(target: Tensor) -> TargetLoss:
    """Mean absolute difference, summed over the levels of the Laplacian pyramid.

    Fine detail, which counts little in a mean over pixels, weighs as much as coarse shape. Levels are Burt and
    Adelson's (1983): the details that blurring and halving loses, from full size to `COARSEST`, and the residual image.
    """
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=target.device) / 16
    kernel = torch.outer(line, line)[None, None]

    def blur(x: Tensor) -> Tensor:
        padded = F.pad(x, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(padded, kernel.expand(x.shape[1], -1, -1, -1), groups=x.shape[1])

    def levels(image: Tensor) -> list[Tensor]:
        details = []
        with torch.autocast(image.device.type, enabled=False):  # half precision would lose the fine detail
            x = image.float()
            while min(x.shape[-2:]) >= 2 * COARSEST:
                smaller = blur(x)[..., ::2, ::2]
                larger = torch.zeros_like(x)
                larger[..., ::2, ::2] = 4 * smaller
                details.append(x - blur(larger))
                x = smaller
        return [*details, x]

    def distance(x: list[Tensor], y: list[Tensor]) -> Tensor:
        return torch.stack([absolute_loss(a, b) for a, b in zip(x, y, strict=True)]).sum(0)

    return TargetLoss(levels, distance, target)


def sketch_loss(ink: Tensor) -> Callable[[Tensor], Tensor]:
    """Mean squared difference to the edges of a sketch, in the cells that its strokes touch.

    Edges are histograms of gradients' orientations, as the sketching brush of Zhu et al. (2016, section 4.1) compares
    them: `ORIENTATIONS` of them in cells of 1/16 of the side, divided by their length in the 3×3 cells around.

    Args:
        ink: Opacity of the strokes, (b, 1, h, w) in [0, 1]; dark lines and bright ones have the same orientations.

    Returns:
        A function from images (b, 3, h, w) in [-1, 1] to losses (b,).
    """
    cell = max(2, ink.shape[-1] // 16)
    touched = F.avg_pool2d(ink, cell) > 0
    wanted = _orientations(ink, cell)
    return lambda x: (
        ((_orientations(x.mean(dim=1, keepdim=True), cell) - wanted).square() * touched).sum(dim=(1, 2, 3))
        / touched.sum(dim=(1, 2, 3))
    )


def _orientations(gray: Tensor, cell: int) -> Tensor:
    """Histograms (b, orientations, h/cell, w/cell) of gradients of images (b, 1, h, w).

    A gradient (u, v) = m (cos φ, sin φ) votes for the angle θ with m² max(0, cos 2(φ - θ)), which has a derivative
    also where m = 0.
    """
    padded = F.pad(gray.float(), (1, 1, 1, 1), mode="replicate")
    u = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    v = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    twice = 2 * torch.pi * torch.arange(ORIENTATIONS, device=gray.device)[:, None, None] / ORIENTATIONS
    votes = ((u.square() - v.square()) * twice.cos() + 2 * u * v * twice.sin()).relu()
    histograms = F.avg_pool2d(votes, cell)
    around = F.avg_pool2d(histograms.square().sum(dim=1, keepdim=True), 3, 1, padding=1, count_include_pad=False)
    return histograms / (around + FAINTEST**4).sqrt()


def lpips_vectors(image: Tensor) -> Tensor:
    """Compute vectors (b, d) whose squared Euclidean distances are LPIPS (AlexNet); differentiable.

    Images are (b, 3, h, w) in [-1, 1], or gray ones (b, 1, h, w); under 32 pixels they are enlarged.
    """
    maps, heads = _alexnet_maps(image), lpips_network("alex", image.device).lins
    weights = [layer.model[-1].weight for layer in heads]  # type: ignore[union-attr]  # nn.Module's attributes are modules
    parts = []
    for features, weight in zip(maps, weights, strict=True):
        # The root of the squared length would have an infinite gradient where all channels are 0.
        inverse = torch.rsqrt(features.float().square().sum(dim=1, keepdim=True) + 1e-20)
        parts.append(features * inverse * weight.sqrt() / (features.shape[-1] * features.shape[-2]) ** 0.5)
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def _alexnet_maps(image: Tensor) -> list[Tensor]:
    """Compute the outputs of AlexNet's five convolutions, after ReLU, for images (b, 3 or 1, h, w) in [-1, 1]."""
    network = lpips_network("alex", image.device)
    maps: list[Tensor] = network.net(network.scaling_layer(enlarge_for_alexnet(image).expand(-1, 3, -1, -1)))  # type: ignore[operator]
    return maps


def enlarge_for_alexnet(image: Tensor) -> Tensor:
    """Enlarge images (b, c, h, w) that are smaller than AlexNet needs."""
    if min(image.shape[-2:]) >= SMALLEST_FOR_ALEXNET:
        return image
    side = SMALLEST_FOR_ALEXNET
    return F.interpolate(image, size=(side, side), mode="bilinear", antialias=True)


@cache
def lpips_network(net: LpipsNet, device: torch.device) -> nn.Module:
    """Load LPIPS of Zhang et al. (2018) with the heads of version 0.1, frozen.

    Raises:
        WeightsError: VGG16 is not in the cache.
    """
    from lpips import LPIPS

    trunk = _trunk(net)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # lpips uses arguments of torchvision that are deprecated.
        warnings.simplefilter("ignore")
        network: nn.Module = LPIPS(net=net, pnet_rand=True, verbose=False)
    # lpips keeps torchvision's numbering inside five slices: net.slice2.3 is features.3.
    keys = [key for key in network.state_dict() if key.startswith("net.slice")]
    state = {key: trunk[f"features.{key.split('.', 2)[2]}"].float() for key in keys}
    if len(state) != len(trunk):
        raise RuntimeError(f"this version of lpips has another layout of {net}; LPIPS would be random")
    network.load_state_dict(state, strict=False)
    return network.requires_grad_(False).eval().to(device)


def has_lpips(net: LpipsNet) -> bool:
    """Return True if the network's weights are embedded or in the cache."""
    return net == "alex" or Store().has(CATALOG["vgg16"])


def _trunk(net: LpipsNet) -> dict[str, Tensor]:
    if net == "alex":
        return dict(TensorFile.load(paths.embedded("alexnet.safetensors")).tensors)
    if not has_lpips(net):
        raise WeightsError("LPIPS with VGG needs the whole VGG16", hint="fetch it once: ganinvert fetch-weights vgg16")
    return dict(TensorFile.load(Store().path(CATALOG["vgg16"])).tensors)
