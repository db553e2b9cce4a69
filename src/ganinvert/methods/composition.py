"""Composition of features by subspaces: PmSFC (eqs. 6 and 7), and mGANprior as its case R = 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.errors import UsageError
from ganinvert.generators import Generator
from ganinvert.losses import pixel_loss
from ganinvert.methods.base import Code
from ganinvert.subspaces import SubspaceMasks

Weighting = Literal["tanh", "linear"]
DENOMINATOR_FLOOR = 0.05
"""Eq. 6 divides by Σ tanh(w), which can cross zero; its size is kept above this and its sign as it is."""


@dataclass(frozen=True)
class GaussianStart:
    """z ~ N(0, σ²I), different for every code.

    The paper does not state its start. With its learning rate σ decides everything, because PixelNorm makes G
    blind to the length of z: the step's angle is lr / ‖z‖. σ = 0 would keep the K codes of a subspace equal for ever.
    """

    sigma: float = 1e-4

    def codes(self, generator: Generator, y: Tensor, degradation: Degradation, *, count: int, seed: int) -> Tensor:  # noqa: ARG002
        """(b, count, z)."""
        rng = torch.Generator().manual_seed(seed)
        z = self.sigma * torch.randn(count, generator.latent_dim, generator=rng)
        return z.to(y.device).expand(len(y), -1, -1)


@dataclass(frozen=True)
class NearestStart:
    """The codes whose images are nearest to the measurement among random candidates.

    Attributes:
        candidates: How many codes are drawn from N(0, I) and rendered.
    """

    candidates: int = 256

    def codes(self, generator: Generator, y: Tensor, degradation: Degradation, *, count: int, seed: int) -> Tensor:
        """(b, count, z), nearest first; candidates are repeated when there are fewer than `count`."""
        rng = torch.Generator().manual_seed(seed)
        z = torch.randn(max(self.candidates, count), generator.latent_dim, generator=rng).to(y.device)
        shown = torch.cat([degradation(generator(part)) for part in z.split(64)])
        distance = torch.stack([pixel_loss(shown, measurement[None].expand_as(shown)) for measurement in y])
        return z[distance.argsort(dim=1)[:, :count]]


@dataclass(frozen=True)
class PmSFC:
    """Prior multi-subspace feature composition (Li et al., AAAI 2021).

    Attributes:
        masks: R subspaces of the layer's channels.
        codes: K, codes per subspace.
        layer: Where features are composed.
        weighting: "tanh" is eq. 6; "linear" is mGANprior's Σ G1(z) ⊙ α without a denominator, started at 1/K.
        start: Where the codes start.
        sphere: Keep every code at length √z, the typical length of a draw from N(0, I), after each step.
        weight_rate: Learning rate of the weights as a multiple of the codes'.
    """

    masks: SubspaceMasks
    codes: int = 5
    layer: int = 3
    weighting: Weighting = "tanh"
    start_from: GaussianStart | NearestStart = NearestStart()
    sphere: bool = True
    weight_rate: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: K is below 1.
        """
        if self.codes < 1:
            raise UsageError(f"{self.codes} codes per subspace make no image", hint="choose -K of at least 1")

    @property
    def name(self) -> str:
        """What bundles call the method."""
        return "pmsfc"

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> ComposedCode:
        """Codes by `start_from`, dealt to the subspaces in turn; equal weights."""
        channels = generator.layer_info(self.layer).channels
        if len(self.masks.labels) != channels:
            raise UsageError(
                f"the masks are for {len(self.masks.labels)} channels, but layer {self.layer} has {channels}",
                hint="use masks that were discovered for this generator and layer",
            )
        count = self.masks.subspaces * self.codes
        z = self.start_from.codes(generator, y, degradation, count=count, seed=seed)
        z = z.unflatten(1, (self.codes, self.masks.subspaces)).transpose(1, 2).contiguous()
        value = 1.0 if self.weighting == "tanh" else 1 / self.codes
        w = torch.full((len(y), self.codes, channels), value, device=y.device)
        code = ComposedCode(z, w, self.masks, self.layer, self.weighting, sphere=self.sphere, rate=self.weight_rate)
        code.retract()
        return code


def mganprior(generator: Generator, *, codes: int = 30, layer: int = 6) -> PmSFC:
    """mGANprior (Gu et al. 2020): one subspace of all channels, linear weights."""
    masks = SubspaceMasks.whole(generator.layer_info(layer).channels)
    return PmSFC(masks, codes=codes, layer=layer, weighting="linear")


class ComposedCode(Code):
    """Codes and composition weights of b images.

    Because the masks are a partition, channel c needs the K weights of its own subspace only, so w is (b, K, c).

    Args:
        z: Codes, (b, R, K, z).
        w: Weights before the activation, (b, K, c).
        masks: The subspaces.
        layer: Where features are composed.
        weighting: See `PmSFC`.
        sphere: See `PmSFC`.
        rate: See `PmSFC.weight_rate`.
    """

    def __init__(
        self,
        z: Tensor,
        w: Tensor,
        masks: SubspaceMasks,
        layer: int,
        weighting: Weighting,
        *,
        sphere: bool = False,
        rate: float = 1.0,
    ) -> None:
        super().__init__()
        self.z, self.w = nn.Parameter(z), nn.Parameter(w)
        self.layer, self.weighting, self.sphere, self.rate = layer, weighting, sphere, rate
        self.groups = [group.to(z.device) for group in masks.groups]

    def compose(self, generator: Generator) -> Tensor:
        """Eqs. 6 and 7: the composed features (b, c, h, w) in the layer's channel order."""
        b, subspaces, codes, _ = self.z.shape
        z = self.z.transpose(0, 1).reshape(subspaces, b * codes, -1)
        features = generator.grouped_features(z, self.layer, self.groups).unflatten(0, (b, codes))
        return torch.einsum("bkchw,bkc->bchw", features, self.shares())

    def shares(self) -> Tensor:
        """What each code gives to each channel, (b, K, c): σ(w) / Σ σ(w) of eq. 6, or w itself when linear."""
        if self.weighting == "linear":
            return self.w
        activated = torch.tanh(self.w)
        total = activated.sum(dim=1, keepdim=True)
        floor = torch.copysign(torch.full_like(total, DENOMINATOR_FLOOR), total)
        return activated / torch.where(total.abs() < DENOMINATOR_FLOOR, floor, total)

    def render(self, generator: Generator) -> Tensor:
        """Images (b, 3, r, r): x̂ of eq. 7."""
        return generator.synthesize(self.compose(generator), self.layer)

    def rates(self) -> Mapping[str, float]:
        """The weights move at their own rate."""
        return {"z": 1.0, "w": self.rate}

    @torch.no_grad()
    def retract(self) -> None:
        """Put every code back on the sphere of radius √z, in place."""
        if self.sphere:
            self.z.mul_(self.z.shape[-1] ** 0.5 / self.z.norm(dim=-1, keepdim=True))

    def tensors(self, image: int) -> dict[str, Tensor]:
        """z (R, K, z) and w (K, c) of one image."""
        return {"z": self.z[image].detach().cpu().clone(), "w": self.w[image].detach().cpu().clone()}
