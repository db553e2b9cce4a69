"""The encoder of a PGGAN."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganinvert.generators.activations import Activations
from ganinvert.generators.encoders import ConvolutionalEncoder
from ganinvert.generators.pggan.architecture import EncoderArchitecture


class PGGANEncoder(ConvolutionalEncoder):
    """Predicts the latent code z and the features of one layer from an image.

    Args:
        architecture: Numbers of layers and channels; the weights are random.
    """

    kind = "pggan-encoder"
    space = "z"

    def __init__(self, architecture: EncoderArchitecture) -> None:
        super().__init__(
            architecture,
            side=architecture.side,
            widths=architecture.widths,
            outputs=architecture.latent_dim,
            layer=architecture.layer,
            channels=architecture.channels,
            size=architecture.size,
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Activations]:
        """Images (n, 3, r, r) in [-1, 1] to z (n, d) of length √d and activations at `layer`, z itself at layer 0."""
        coarse, matching = self.maps(image)
        z = F.normalize(self.values(coarse), dim=1)
        z = z * self.code.out_features**0.5
        return z, Activations(self.features(coarse, matching) if self.layer else z[:, :, None, None])

    def error(self, code: Tensor, truth: Tensor) -> Tensor:
        """1 - cos(z, ẑ), because the length of z makes no difference to a PGGAN; the mean of all."""
        return 1 - F.cosine_similarity(code, truth).mean()
