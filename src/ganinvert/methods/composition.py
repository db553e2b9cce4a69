"""Composition of features by subspaces: PmSFC (eqs. 6 and 7), and mGANprior as its case R = 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ganinvert.degradations import Degradation
from ganinvert.errors import UsageError
from ganinvert.generators import Generator
from ganinvert.losses import pixel_loss
from ganinvert.methods.base import Code
from ganinvert.settings import PmSFC
from ganinvert.subspaces import SubspaceMasks

WEIGHT_START = 0.5
"""Where w starts with tanh (the paper does not say): away from 0, where eq. 6 is 0/0, and where tanh still moves."""
DENOMINATOR_FLOOR = 0.05
"""Eq. 6 divides by Σ tanh(w), which can cross zero; its size is kept above this and its sign as it is."""
_KEPT_PIXELS = 256 * 64**2
_KEPT: WeakKeyDictionary[Generator, tuple[tuple[torch.device, bool], Tensor, list[Tensor]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Composition:
    """PmSFC on given subspaces; with one subspace of all channels it is mGANprior's composition.

    Attributes:
        settings: R (which must be that of the masks), K, layer, weighting, start and rates.
        masks: The subspaces of the layer's channels.
    """

    settings: PmSFC
    masks: SubspaceMasks

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> ComposedCode:
        """R·K codes, dealt to the subspaces in turn, and equal weights.

        Raises:
            UsageError: The layer does not exist, or the masks are for another number of channels.
        """
        settings, channels = self.settings, generator.layer_info(self.settings.layer).channels
        if len(self.masks.labels) != channels:
            raise UsageError(
                f"the masks are for {len(self.masks.labels)} channels, but layer {settings.layer} has {channels}",
                hint="use masks that were discovered for this generator and layer",
            )
        rng = torch.Generator().manual_seed(seed)
        count = self.masks.subspaces * settings.codes
        if settings.candidates:
            z = nearest_codes(generator, y, degradation, count=count, candidates=settings.candidates, rng=rng)
        else:
            # The paper does not state its start. With its learning rate, σ decides everything: PixelNorm makes G
            # blind to the length of z, so a step turns z by lr / ‖z‖. Equal codes would get equal gradients for ever.
            drawn = settings.sigma * torch.randn(count, generator.latent_dim, generator=rng)
            z = drawn.to(y.device).expand(len(y), -1, -1)
        z = z.unflatten(1, (settings.codes, self.masks.subspaces)).transpose(1, 2).contiguous()
        value = WEIGHT_START if settings.weighting == "tanh" else 1 / settings.codes
        w = torch.full((len(y), settings.codes, channels), value, device=y.device)
        code = ComposedCode(z, w, self.masks, settings)
        code.retract()
        return code


def nearest_codes(
    generator: Generator, y: Tensor, degradation: Degradation, *, count: int, candidates: int, rng: torch.Generator
) -> Tensor:
    """The codes whose degraded images are nearest to each measurement, in mean squared difference.

    Args:
        generator: On the device of `y`.
        y: Measurements of b images.
        degradation: What made them.
        count: How many codes to keep per image.
        candidates: How many are drawn from N(0, I), at least `count`.
        rng: On the CPU.

    Returns:
        (b, count, z), nearest first.
    """
    z = torch.randn(max(candidates, count), generator.latent_dim, generator=rng).to(y.device)
    distance = torch.cat([_distances(degradation(part).float(), y) for part in _shown(generator, z)], dim=1)
    return z[distance.argsort(dim=1, stable=True)[:, :count]]


def _shown(generator: Generator, z: Tensor) -> Iterable[Tensor]:
    """Images of codes (n, z), as many at a time as make the memory of 64 images of 64 px.

    One photo after another asks for those of the same codes, so the last ones are kept when they are few pixels.
    """
    circumstances = z.device, torch.is_autocast_enabled(z.device.type)
    if (kept := _KEPT.get(generator)) is not None and kept[0] == circumstances and torch.equal(kept[1], z):
        return kept[2]
    parts = (generator(part) for part in z.split(max(1, 64 * 64**2 // generator.resolution**2)))
    if len(z) * generator.resolution**2 > _KEPT_PIXELS:
        return parts
    images = list(parts)
    _KEPT[generator] = circumstances, z, images
    return images


def _distances(shown: Tensor, y: Tensor) -> Tensor:
    """Pixel loss between every measurement and every image shown, (b, n)."""
    return torch.stack([pixel_loss(shown, measurement[None]) for measurement in y])


class ComposedCode(Code):
    """Codes and composition weights of b images.

    Because the masks are a partition, channel c needs the K weights of its own subspace only, so w is (b, K, c).

    Args:
        z: Codes, (b, R, K, z).
        w: Weights before the activation, (b, K, c).
        masks: The subspaces.
        settings: Layer, weighting, and how the variables move.
    """

    def __init__(self, z: Tensor, w: Tensor, masks: SubspaceMasks, settings: PmSFC) -> None:
        super().__init__()
        self.z, self.w = nn.Parameter(z), nn.Parameter(w)
        self.settings = settings
        self.groups = [group.to(z.device) for group in masks.groups]

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

    def render(self, generator: Generator) -> Tensor:
        """Images (b, 3, r, r): x̂ of eq. 7."""
        return generator.synthesize(self.compose(generator), self.settings.layer)

    def rates(self) -> Mapping[str, float]:
        """The weights move at their own rate."""
        return {"z": 1.0, "w": self.settings.weight_rate}

    @torch.no_grad()
    def retract(self) -> None:
        """Put every code back on the sphere of radius √z, in place."""
        if self.settings.sphere:
            self.z.mul_(self.z.shape[-1] ** 0.5 / self.z.norm(dim=-1, keepdim=True))

    def tensors(self, image: int) -> dict[str, Tensor]:
        """Z (R, K, z) and w (K, c) of one image."""
        return {"z": self.z[image].detach().cpu().clone(), "w": self.w[image].detach().cpu().clone()}
