"""What an optimisation minimises. Every loss returns one value per image, shape (b,)."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert import paths
from ganinvert.weights import TensorFile


def pixel_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference per image: (b, …), (b, …) → (b,)."""
    return (x - y).square().flatten(1).mean(dim=1)


def absolute_loss(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference per image: (b, …), (b, …) → (b,)."""
    return (x - y).abs().flatten(1).mean(dim=1)


class VGG16Features(nn.Module):
    """V of PmSFC eq. 8: VGG16 (Simonyan and Zisserman 2015) up to relu3_3, frozen.

    The paper does not name the layer; relu3_3 is what mGANprior's program uses. The weights are
    torchvision's for ImageNet, embedded in the package.
    """

    # Outputs of the convolutions; 0 is a 2×2 maximum pooling.
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
        """Images (b, 3, h, w) in [-1, 1], or gray ones (b, 1, h, w), to features (b, 256, h/4, w/4)."""
        normalised = ((image + 1) / 2 - self.mean) / self.std
        features: Tensor = self.features(normalised.contiguous(memory_format=torch.channels_last))
        return features


class PerceptualLoss(nn.Module):
    """Mean absolute difference of VGG16 features to those of a fixed image, which are computed once.

    Args:
        network: Shared by all losses.
        target: (b, 3, h, w) in [-1, 1].
    """

    target: Tensor

    def __init__(self, network: VGG16Features, target: Tensor) -> None:
        super().__init__()
        self.network = network
        with torch.no_grad():
            self.register_buffer("target", network(target), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Images (b, 3, h, w) in [-1, 1] to losses (b,)."""
        return F.l1_loss(self.network(image), self.target, reduction="none").flatten(1).mean(dim=1)
