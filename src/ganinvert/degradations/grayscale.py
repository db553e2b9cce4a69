"""Conversion to gray: the P of colorization."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.degradations.base import Degradation, Part
from ganinvert.generators import Window
from ganinvert.images.color import TO_XYZ, from_linear, lab_to_linear, to_lab, to_linear, weigh
from ganinvert.settings.common import Luma

LUMA = {"rec601": (0.299, 0.587, 0.114), "rec709": (0.2126, 0.7152, 0.0722)}
BISECTIONS = 24
GAMUT_TOLERANCE = 1e-6


class Grayscale(Degradation):
    """Luminance of images, (b, 3, h, w) → (b, 1, h, w), both in [-1, 1].

    Args:
        luma: "rec601" is .299R + .587G + .114B, the Y′ of JPEG's YCbCr and of the papers; "rec709" has the weights of
            HDTV; "lab" is the gray with the same CIE L*, which agrees best with human vision.
    """

    def __init__(self, luma: Luma = "rec601") -> None:
        super().__init__()
        self.luma, self.keeps_averages = luma, luma != "lab"

    def forward(self, x: Tensor) -> Tensor:
        """Compute the luminance of every pixel."""
        if self.luma == "lab":
            return 2 * from_linear(weigh(to_linear((x + 1) / 2), TO_XYZ[1])) - 1
        return weigh(x, LUMA[self.luma])

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Combine the luminance of `y` with the chroma of `x`: CbCr, or a*b* for "lab".

        Where the combination is out of gamut, the chroma is scaled down, which keeps the hue.
        """
        if self.luma == "lab":
            return _with_lightness(x.clamp(-1, 1), y.clamp(-1, 1))
        y = y.clamp(-1, 1)
        # Cb and Cr are multiples of B - Y′ and R - Y′: an equal offset of all channels leaves them as they are.
        chroma = x - self.forward(x)
        room = torch.where(chroma > 0, 1 - y, 1 + y) / chroma.abs().clamp(min=1e-12)
        return y + chroma * room.amin(dim=1, keepdim=True).clamp(max=1)

    def guess(self, y: Tensor) -> Tensor:
        """Repeat the gray image in three channels."""
        return y.expand(-1, 3, -1, -1)

    def coarse(self, y: Tensor, resolution: int, side: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:  # noqa: ARG002
        """The luminance of averaged images, which for "lab" is only about the averaged one."""
        return F.adaptive_avg_pool2d(y, side), self

    def part(self, window: Window, resolution: int) -> Part:  # noqa: ARG002
        """The same window of the image."""
        return Part(window, self)


def _with_lightness(x: Tensor, y: Tensor) -> Tensor:
    """Combine the a*b* of `x` with the L* of the gray `y`; scale the chroma to the gamut's border by bisection."""
    lightness = to_lab((y.expand(-1, 3, -1, -1) + 1) / 2)[:, :1]
    chroma = to_lab((x + 1) / 2)[:, 1:]

    def linear(share: Tensor) -> Tensor:
        return lab_to_linear(torch.cat([lightness, share * chroma], dim=1))

    def fits(share: Tensor) -> Tensor:
        rgb = linear(share)
        return ((rgb >= -GAMUT_TOLERANCE) & (rgb <= 1 + GAMUT_TOLERANCE)).all(dim=1, keepdim=True)

    inside, outside = torch.zeros_like(y), torch.ones_like(y)
    inside = torch.where(fits(outside), outside, inside)
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        fitting = fits(middle)
        inside, outside = torch.where(fitting, middle, inside), torch.where(fitting, outside, middle)
    return (2 * from_linear(linear(inside)) - 1).clamp(-1, 1)
