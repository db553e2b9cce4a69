"""What an inversion needs of a generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ganinvert.errors import UsageError


@dataclass(frozen=True)
class LayerInfo:
    """Shape of the features at a layer: `channels` maps of `size`×`size`."""

    channels: int
    size: int


class Generator(nn.Module, ABC):
    """A frozen network G = synthesize(·, l) ∘ features(·, l) for every layer l in 0 … num_layers.

    Layer l is the output of the l-th convolution after its bias and LeakyReLU and BEFORE the next
    PixelNorm, as the reference programs cut it; layer 0 is z itself as (n, z, 1, 1).

    Attributes:
        name: What outputs call the generator.
        digest: Of its weights; subspaces and bundles are tied to it.
        latent_dim: Length of z, drawn from N(0, I).
        resolution: Side of the image in pixels.
        num_layers: Number of convolutions.
        file: Which it was read from, when it was chosen by its path; None for one with a name.
        knows_faces: Whether it shows faces in the square of CelebA-HQ and FFHQ, as far as is known.
    """

    name: str
    digest: str
    latent_dim: int
    resolution: int
    num_layers: int
    file: Path | None = None
    knows_faces: bool = False

    @abstractmethod
    def layer_info(self, layer: int) -> LayerInfo:
        """Shape of the features at `layer`.

        Raises:
            UsageError: There is no such layer.
        """

    @abstractmethod
    def carry(self, h: Tensor, start: int, stop: int) -> Tensor:
        """Features (n, c, h, w) at layer `start` to features at layer `stop`, not before it."""

    def features(self, z: Tensor, layer: int) -> Tensor:
        """G1: codes (n, z) to features (n, c, h, w) at `layer`."""
        return self.carry(z[:, :, None, None], 0, layer)

    @abstractmethod
    def synthesize(self, h: Tensor, layer: int) -> Tensor:
        """G2: features (n, c, h, w) at `layer` to images (n, 3, r, r), about [-1, 1], not clamped.

        The layers are convolutions: features of another size than the layer's give a crop or a larger canvas.
        """

    @abstractmethod
    def weights_after(self, layer: int) -> dict[str, Tensor]:
        """The parameters that `synthesize` uses from `layer` on, by name: what can be tuned behind it."""

    def forward(self, z: Tensor) -> Tensor:
        """Codes (n, z) to images (n, 3, r, r)."""
        return self.synthesize(self.features(z, 0), 0)

    def grouped_features(self, z: Tensor, layer: int, groups: Sequence[Tensor]) -> Tensor:
        """Features whose channels come from different codes: group g's channels from the g-th block of codes.

        Args:
            z: (g, n, z), one block of n codes per group.
            layer: Where to cut.
            groups: Channel indices per group, a partition of the layer's channels.

        Returns:
            (n, c, h, w) in the layer's own channel order.
        """
        h = self.features(z.flatten(0, 1), layer).unflatten(0, z.shape[:2])
        return reorder([h[g][:, group] for g, group in enumerate(groups)], groups)

    def check_layer(self, layer: int) -> None:
        """Refuse a layer that does not exist.

        Raises:
            UsageError: `layer` is outside 0 … num_layers.
        """
        if not 0 <= layer <= self.num_layers:
            raise UsageError(
                f"layer {layer} does not exist in {self.name}", hint=f"its layers are 0 … {self.num_layers}"
            )


def reorder(parts: Sequence[Tensor], groups: Sequence[Tensor]) -> Tensor:
    """Eq. 7's re-order: put the channels of each group, (n, c_g, h, w), at their place in the layer's order."""
    return torch.cat(list(parts), dim=1)[:, torch.cat(list(groups)).argsort()]
