"""The three networks of MTCNN (Zhang et al. 2016, "Joint Face Detection and Alignment Using Multitask Cascaded CNNs").

They see crops of 12, 24 and 48 pixels, and each is more precise than the one before. Images are (n, 3, h, w) in
[-1, 1]. The embedded weights are facenet-pytorch's, whose dense layers take features in the order width, height,
channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor, nn

from ganinvert import paths
from ganinvert.weights import TensorFile


def _pool(size: int) -> nn.MaxPool2d:
    return nn.MaxPool2d(size, stride=2, ceil_mode=True)


def _flat(features: Tensor) -> Tensor:
    return features.permute(0, 3, 2, 1).flatten(1)


class ProposalNetwork(nn.Module):
    """P-Net, which sees every 12×12 crop in steps of 2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = _pool(2)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map images of any size to probabilities (n, h', w') and corrections of the boxes (n, 4, h', w')."""
        h = self.pool1(self.prelu1(self.conv1(image)))
        h = self.prelu3(self.conv3(self.prelu2(self.conv2(h))))
        return self.conv4_1(h).softmax(dim=1)[:, 1], self.conv4_2(h)


class RefineNetwork(nn.Module):
    """R-Net, which sees crops of 24×24 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.pool = _pool(3)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Map crops (n, 3, 24, 24) to probabilities (n,) and corrections of their boxes (n, 4)."""
        h = self.pool(self.prelu1(self.conv1(crops)))
        h = self.pool(self.prelu2(self.conv2(h)))
        h = self.prelu4(self.dense4(_flat(self.prelu3(self.conv3(h)))))
        return self.dense5_1(h).softmax(dim=1)[:, 1], self.dense5_2(h)


class OutputNetwork(nn.Module):
    """O-Net, which sees crops of 48×48 pixels and also finds landmarks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.pool_3, self.pool_2 = _pool(3), _pool(2)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map crops (n, 3, 48, 48) to probabilities (n,), corrections (n, 4) and landmarks (n, 5, 2) in [0, 1].

        Landmarks are points (x, y): left eye of the image, right eye, nose, left and right corner of the mouth.
        """
        h = self.pool_3(self.prelu1(self.conv1(crops)))
        h = self.pool_3(self.prelu2(self.conv2(h)))
        h = self.pool_2(self.prelu3(self.conv3(h)))
        h = self.prelu5(self.dense5(_flat(self.prelu4(self.conv4(h)))))
        landmarks = self.dense6_3(h).unflatten(1, (2, 5)).transpose(1, 2)
        return self.dense6_1(h).softmax(dim=1)[:, 1], self.dense6_2(h), landmarks


class Cascade(nn.Module):
    """The three networks, frozen, from tensors whose names begin with `pnet.`, `rnet.` and `onet.`."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.pnet, self.rnet, self.onet = ProposalNetwork(), RefineNetwork(), OutputNetwork()
        self.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        self.requires_grad_(False).eval()


@cache
def embedded_cascade() -> Cascade:
    """Load the cascade whose weights are in the package, on the CPU."""
    with torch.random.fork_rng(devices=[]):  # drawing initial weights must not advance the caller's generator
        return Cascade(TensorFile.load(paths.embedded("mtcnn.safetensors")).tensors)
