"""The residual discriminator of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganinvert.errors import WeightsError
from ganinvert.generators.base import Discriminator
from ganinvert.generators.pggan import minibatch_stddev
from ganinvert.generators.stylegan2.network import blur, clamped
from ganinvert.generators.styles import SLOPE


@dataclass(frozen=True)
class DiscriminatorArchitecture:
    """Everything needed to build the discriminator.

    Attributes:
        channels: Channels at each resolution from the image's down to 4×4, after the last convolution, and after the
            first dense layer.
        clamp: Largest absolute value after a convolution; 0 for no limit.
        group: Number of images over which the deviation is taken; 0 for all of a batch.
    """

    channels: tuple[int, ...]
    clamp: float = 0.0
    group: int = 4

    def __post_init__(self) -> None:
        if not 3 <= len(self.channels) <= 12 or min(self.channels) < 1 or not 0 <= self.clamp < 1e9 or self.group < 0:
            raise WeightsError(
                "these tensors do not make a discriminator", hint="the file is damaged or of another network"
            )

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> DiscriminatorArchitecture:
        """Read the architecture from the tensors of a canonical state dict, which may lack some."""
        blocks = sum(key.startswith("blocks.") and key.endswith(".skip.weight") for key in state)
        names = ["from_rgb", *(f"blocks.{n}.last" for n in range(blocks)), "final", "dense"]
        widths = [len(state[f"{name}.weight"]) for name in names if f"{name}.weight" in state]
        clamp, group = (float(state[key]) if key in state else 0.0 for key in ("clamp", "group"))
        return cls(tuple(widths), clamp, int(group))


class _Block(nn.Module):
    """Two 3×3 convolutions, the second of which halves the side, and a 1×1 one beside them."""

    def __init__(self, inputs: int, outputs: int, clamp: float) -> None:
        super().__init__()
        self.clamp = clamp
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.last = nn.Conv2d(inputs, outputs, 3, stride=2)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = clamped(F.leaky_relu(self.first(x), SLOPE), self.clamp)
        y = clamped(F.leaky_relu(self.last(blur(y, padding=2)), SLOPE), self.clamp * 0.5**0.5)
        shortcut: Tensor = self.skip(blur(x))
        return shortcut + y


class StyleGAN2Discriminator(Discriminator):
    """The discriminator with residual blocks and minibatch standard deviation, without classes.

    The gain √2 of LeakyReLU, and √½ of the residual sums, are folded into weights and biases.

    Args:
        architecture: Sizes of its layers; the weights are not initialised.
    """

    kind = "stylegan2-discriminator"

    def __init__(self, architecture: DiscriminatorArchitecture) -> None:
        super().__init__()
        *widths, final, dense = architecture.channels
        self.architecture, self.resolution = architecture, 2 << len(widths)
        self.from_rgb = nn.Conv2d(3, widths[0], 1)
        self.blocks = nn.ModuleList(_Block(*pair, architecture.clamp) for pair in pairwise(widths))
        # One more input channel: the minibatch standard deviation.
        self.final = nn.Conv2d(widths[-1] + 1, final, 3, padding=1)
        self.dense = nn.Linear(final * 16, dense)
        self.score = nn.Linear(dense, 1)
        self.register_buffer("clamp", torch.tensor(architecture.clamp))
        self.register_buffer("group", torch.tensor(float(architecture.group)))

    @property
    def header(self) -> Mapping[str, str]:
        """Kind."""
        return {"kind": self.kind}

    def features(self, image: Tensor) -> list[Tensor]:
        """Images (n, 3, r, r) in [-1, 1] to maps (n, c, h, w) before every block, of r to 8, and 4×4 after the last."""
        maps = [clamped(F.leaky_relu(self.from_rgb(image), SLOPE), self.architecture.clamp)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps

    def forward(self, image: Tensor) -> Tensor:
        """Images (n, 3, r, r) in [-1, 1] to scores (n,), higher for more real."""
        x = self.features(image)[-1]
        x = torch.cat([x, minibatch_stddev(x, group=self.architecture.group or len(x))], dim=1)
        x = clamped(F.leaky_relu(self.final(x), SLOPE), self.architecture.clamp)
        score: Tensor = self.score(F.leaky_relu(self.dense(x.flatten(1)), SLOPE))
        return score[:, 0]

    @torch.no_grad()
    def reset_head(self) -> None:
        """Set weights and bias of the score to 0."""
        for value in self.score.parameters():
            value.zero_()
