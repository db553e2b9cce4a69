"""Transfer of an edit to the photo: motion and change of colour between two images (Zhu et al. 2016, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.devices import undisturbed
from ganinvert.errors import ImageError
from ganinvert.faces import Alignment
from ganinvert.generators import Generator
from ganinvert.images import Picture, Placement, Raster
from ganinvert.metrics import to_unit
from ganinvert.settings.common import Align, FitMode
from ganinvert.tasks.base import signed
from ganinvert.tasks.editing import Edit
from ganinvert.tasks.strokes import film

if TYPE_CHECKING:
    from PIL.Image import Image

COARSEST, FINEST = 8, 256
"""Sides in pixels of the images between which motion is estimated, from the first to the last ones."""
STIFFNESS = 3e-4
"""Squared gradient of images in [0, 1] below which nothing is said to move."""
COLOUR_NOISE = 2e-4
"""Variance of colours in [0, 1] below which they are said to change by a shift alone."""
ROUNDS = 4
"""Refinements of the motion at every size."""
COMPARED, UNLIKE = 32, 0.18
"""Side in pixels at which photo and result are compared, and the root mean squared difference of images in [0, 1]
(15 dB) beyond which they do not belong together."""


@undisturbed()
def transfer_edit(
    before: LatentBundle,
    after: LatentBundle,
    generator: Generator,
    photo: str | Path | Image,
    *,
    align: Align = "auto",
    fit: FitMode = "crop",
    frames: Sequence[Edit] = (),
) -> Raster:
    """Carry the change of an edit over to the photo at its own size, whose detail the generator does not have.

    Args:
        before: Result on the photo.
        after: Edit of it by `edit_strokes` or along a direction, with codes.
        generator: Generator that made both.
        photo: Photo that `before` was made from, a file or a Pillow image.
        align: Alignment of the photo's face when it was inverted.
        fit: Way in which the photo was made square.
        frames: Film from `before` to `after`; by default it is made.

    Returns:
        The whole photo, in its own size, depth and colour space; `image` is that in 8 bits.

    Raises:
        BundleError: The bundles do not belong together.
        ImageError: The photo cannot be used, or it is not the one of the result.
    """
    picture = images.read(Path(photo)) if isinstance(photo, str | Path) else images.from_pil(photo)
    squares, _ = Alignment(align).find(picture, mode=fit, knows_faces=generator.knows_faces)
    return carry_over(frames or film(before, after, generator), picture, squares[0][0])


@torch.no_grad()
def carry_over(frames: Sequence[Edit], photo: Picture, placement: Placement) -> Raster:
    """Carry the change between the first and the last frame of a film over to a photo.

    From frame to frame a dense motion is estimated, coarse to fine (Lucas and Kanade 1981, smoothed), and all are
    chained. Then the colours of the moved first frame are brought to those of the last by an affine map of its own
    around every pixel. The photo is moved and coloured by the same two fields, so it is resampled only once.

    Args:
        frames: Film from before to after, at least two frames.
        photo: Photo that the first frame is an inversion of.
        placement: Place of the generator's square in the photo.

    Raises:
        ImageError: The photo has another size than the one that was placed, or does not look like the first frame.
    """
    small = torch.from_numpy(images.place(photo, placement, COMPARED, note="").pixels)[None]
    reduced = F.interpolate(signed(frames[0].image), size=(COMPARED, COMPARED), mode="area")
    if (small - reduced).square().mean().sqrt() > 2 * UNLIKE:
        raise ImageError(
            "the photo is not the one that the result was made from",
            hint="give the photo that was inverted, with the same --align and --fit",
        )
    film = [to_unit(signed(frame.image)) for frame in frames]
    while film[0].shape[-1] > FINEST:
        film = [F.avg_pool2d(frame, 2) for frame in film]
    way = torch.zeros_like(film[0][:, :2])
    for before, after in pairwise(film):
        step = motion(before, after)
        way = step + warped(way, step)
    matrix, shift = colour_change(warped(film[0], way), film[-1])
    side = max(1, round(max(placement.sides)))
    square = torch.from_numpy(images.place(photo, placement, side, note="").pixels)[None] / 2 + 0.5
    moved = warped(square, enlarged(way, side) * (side / way.shape[-1]))
    coloured = enlarged(shift, side)
    for n in range(9):  # one after another: all together would be three times the memory of a large photo
        coloured[:, n // 3] += enlarged(matrix[:, n // 3, n % 3][:, None], side)[:, 0] * moved[:, n % 3]
    patches = images.patches([(images.to_pil(coloured[0].numpy()), placement)], photo.rgb.size)
    return images.paste_back(photo.raster, patches)


def motion(before: Tensor, after: Tensor) -> Tensor:
    """Estimate the motion u (1, 2, h, w), in pixels, for which after(p) is about before(p + u(p)), up to its colours.

    Args:
        before: Image (1, 3, h, w) in [0, 1].
        after: Image of that shape.
    """
    pyramid = [(before, after)]
    while min(pyramid[-1][0].shape[-2:]) >= 2 * COARSEST:
        pyramid.append((F.avg_pool2d(pyramid[-1][0], 2), F.avg_pool2d(pyramid[-1][1], 2)))
    u = torch.zeros_like(pyramid[-1][0][:, :2])
    for a, b in reversed(pyramid):
        if u.shape[-1] != a.shape[-1]:
            u = 2 * enlarged(u, a.shape[-1])
        for _ in range(ROUNDS):
            moved = warped(a, u)
            matrix, shift = colour_change(moved, b)
            moved = torch.einsum("bijhw,bjhw->bihw", matrix, moved) + shift
            dy, dx = torch.gradient(moved, dim=(2, 3))
            rest = b - moved
            xx, xy, yy, xr, yr = (
                blurred((p * q).sum(1, keepdim=True)) for p, q in ((dx, dx), (dx, dy), (dy, dy), (dx, rest), (dy, rest))
            )
            xx, yy = xx + STIFFNESS, yy + STIFFNESS
            determinant = xx * yy - xy.square()
            step = torch.cat([yy * xr - xy * yr, xx * yr - xy * xr], dim=1) / determinant
            u = blurred(u + step.clamp(-1, 1))
    return u


def colour_change(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Fit colours (1, 3, h, w) to others around every pixel: after is about A before + a.

    Ridge regression towards A = I, as in the guided filter of He et al. (2010): where colours hardly vary, they shift.

    Returns:
        A (1, 3, 3, h, w) and a (1, 3, h, w).
    """
    mean, wanted = blurred(before), blurred(after)
    change = after - before

    def covariance(x: Tensor, y: Tensor) -> Tensor:
        products: Tensor = blurred((x[:, :, None] * y[:, None]).flatten(1, 2)).unflatten(1, (3, 3))
        return products - blurred(x)[:, :, None] * blurred(y)[:, None]

    own = covariance(before, before).permute(0, 3, 4, 1, 2) + COLOUR_NOISE * torch.eye(3)
    with_change = covariance(change, before).permute(0, 3, 4, 1, 2)
    matrix = torch.eye(3) + torch.linalg.solve(own, with_change, left=False)
    matrix = matrix.permute(0, 3, 4, 1, 2)
    return matrix, wanted - torch.einsum("bijhw,bjhw->bihw", matrix, mean)


def warped(x: Tensor, u: Tensor) -> Tensor:
    """Move an image or a field: x(p + u(p)), bilinear, with the edge repeated; u is (1, 2, h, w), x and y in pixels."""
    height, width = x.shape[-2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack([(columns + u[:, 0] + 0.5) * 2 / width - 1, (rows + u[:, 1] + 0.5) * 2 / height - 1], dim=-1)
    return F.grid_sample(x, place, padding_mode="border", align_corners=False)


def enlarged(x: Tensor, side: int) -> Tensor:
    """Resize a field (1, c, h, w) to (1, c, side, side)."""
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)


def blurred(x: Tensor) -> Tensor:
    """Blur by the window 1 2 3 2 1 in both directions, with the edge repeated."""
    padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
    for _ in range(2):
        padded = F.avg_pool2d(padded, 3, 1)
    return padded
