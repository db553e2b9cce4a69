"""What an encoder makes of a photo, without optimisation; and features that are known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganinvert.degradations import Degradation
from ganinvert.generators import Generator
from ganinvert.methods.base import Code
from ganinvert.methods.initialization import encoder_of
from ganinvert.methods.latent import LatentCode
from ganinvert.settings import Encoded, SingleCode


@dataclass(frozen=True)
class Encoding:
    """One forward pass of the generator's encoder.

    Attributes:
        settings: Whether it gives features or a code.
    """

    settings: Encoded

    @torch.no_grad()
    def start(self, generator: Generator, y: Tensor, degradation: Degradation, *, seed: int) -> Code:
        """What the encoder sees in the measurement.

        Raises:
            WeightsError: The generator has no encoder.
        """
        encoder = encoder_of(generator)
        z, h = encoder(degradation.guess(y).expand(-1, 3, -1, -1))
        if self.settings.into == "code":
            return LatentCode(z.float(), SingleCode(init="encoder"), seed=seed)
        return FeatureCode(h.float(), encoder.layer)


class FeatureCode(Code):
    """Features themselves, which nothing moves.

    Args:
        h: (b, c, h, w).
        layer: Whose they are.
    """

    h: Tensor

    def __init__(self, h: Tensor, layer: int) -> None:
        super().__init__()
        self.register_buffer("h", h)
        self.layer = layer

    def compose(self, generator: Generator) -> Tensor:  # noqa: ARG002  (they are composed already)
        """The features."""
        return self.h

    def tensors(self, image: int) -> dict[str, Tensor]:
        """H (c, h, w) of one image."""
        return {"h": self.h[image].detach().cpu().clone()}
