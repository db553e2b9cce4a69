"""Composition of features by subspaces: PmSFC (eqs. 6 and 7), and mGANprior as its case R = 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.errors import UsageError
from ganinvert.generators import Generator
from ganinvert.methods.base import Code
from ganinvert.methods.initialization import initial_codes
from ganinvert.settings import PmSFC
from ganinvert.subspaces import SubspacePartition

WEIGHT_START = 0.5
"""Where w starts with tanh (the paper does not say): away from 0, where eq. 6 is 0/0, and where tanh still moves."""
DENOMINATOR_FLOOR = 0.05
"""Eq. 6 divides by Σ tanh(w), which can cross zero; its size is kept above this and its sign as it is."""


@dataclass(frozen=True)
class Composition:
    """PmSFC on given subspaces; with one subspace of all channels it is mGANprior's composition.

    Attributes:
        settings: R (which must be that of the masks), K, layer, weighting, start and rates.
        partition: The subspaces of the layer's channels.
    """

    settings: PmSFC
    partition: SubspacePartition

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> ComposedCode:
        """R·K codes, dealt to the subspaces in turn, and equal weights.

        Raises:
            UsageError: The layer does not exist, or the masks are for another number of channels.
        """
        settings, channels = self.settings, generator.layer_info(self.settings.layer).channels
        if len(self.partition.labels) != channels:
            raise UsageError(
                f"the masks are for {len(self.partition.labels)} channels, but layer {settings.layer} has {channels}",
                hint="use masks that were discovered for this generator and layer",
            )
        z = initial_codes(
            generator,
            y,
            degradation,
            init=settings.init,
            count=self.partition.subspaces * settings.codes,
            candidates=settings.candidates,
            seed=seed,
        )
        if settings.init == "random":
            # The paper does not state its start. With its learning rate, σ decides everything: PixelNorm makes G
            # blind to the length of z, so a step turns z by lr / ‖z‖. Equal codes would get equal gradients for ever.
            z = settings.sigma * z
        z = z.unflatten(1, (settings.codes, self.partition.subspaces)).transpose(1, 2).contiguous()
        value = WEIGHT_START if settings.weighting == "tanh" else 1 / settings.codes
        w = torch.full((len(y), settings.codes, channels), value, device=y.device)
        code = ComposedCode(z, w, self.partition, settings)
        code.project_()
        return code


class ComposedCode(Code):
    """Codes and composition weights of b images.

    Because the masks are a partition, channel c needs the K weights of its own subspace only, so w is (b, K, c).

    Args:
        z: Codes, (b, R, K, z).
        w: Weights before the activation, (b, K, c).
        partition: The subspaces.
        settings: Layer, weighting, and how the variables move.
    """

    def __init__(self, z: Tensor, w: Tensor, partition: SubspacePartition, settings: PmSFC) -> None:
        super().__init__()
        self.z, self.w = nn.Parameter(z), nn.Parameter(w)
        self.settings, self.layer = settings, settings.layer
        self.groups = [group.to(z.device) for group in partition.groups]

    def compose(self, generator: Generator) -> Tensor:
        """Eqs. 6 and 7: the composed features (b, c, h, w) in the layer's channel order."""
        b, subspaces, codes, _ = self.z.shape
        z = self.z.transpose(0, 1).reshape(subspaces, b * codes, -1)
        features = generator.grouped_features(z, self.settings.layer, self.groups).unflatten(0, (b, codes))
        return torch.einsum("bkchw,bkc->bchw", features, self.shares())

    def shares(self) -> Tensor:
        """What each code gives to each channel, (b, K, c): σ(w) / Σ σ(w) of eq. 6, or w itself when linear."""
        if self.settings.weighting == "linear":
            return self.w
        activated = torch.tanh(self.w)
        total = activated.sum(dim=1, keepdim=True)
        floor = torch.copysign(torch.full_like(total, DENOMINATOR_FLOOR), total)
        return activated / torch.where(total.abs() < DENOMINATOR_FLOOR, floor, total)

    def rates(self) -> Mapping[str, float]:
        """The weights move at their own rate."""
        return {"z": 1.0, "w": self.settings.weight_rate}

    @torch.no_grad()
    def project_(self) -> None:
        """Put every code back on the sphere of radius √z, in place."""
        if self.settings.sphere:
            self.z.mul_(self.z.shape[-1] ** 0.5 / self.z.norm(dim=-1, keepdim=True))

    def tensors(self, image: int) -> dict[str, Tensor]:
        """Z (R, K, z) and w (K, c) of one image."""
        return {"z": self.z[image].detach().cpu().clone(), "w": self.w[image].detach().cpu().clone()}
