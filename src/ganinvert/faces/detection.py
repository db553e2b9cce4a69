"""Finding faces and their landmarks: an image pyramid, and three networks each of which sorts out and corrects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import nms, roi_align

from ganinvert import images
from ganinvert.faces.networks import Cascade, OutputNetwork, ProposalNetwork, RefineNetwork, embedded_cascade

Box = tuple[float, float, float, float]

LONGEST_SIDE = 640
"""Photos are scaled down to this many pixels before faces are looked for."""

SMALLEST_FACE = 24
"""In pixels of the scaled photo."""

_CELL, _STRIDE = 12, 2  # what the proposal network looks at, and its steps
_PYRAMID = 0.709  # 1/√2: half the area from level to level
_THRESHOLDS = 0.6, 0.7, 0.9
_MOST_PROPOSALS = 1000
_MOST_SHARED = 0.6


@dataclass(frozen=True)
class Face:
    """A face, in pixels of the photo; (0, 0) is the top left corner of the top left pixel.

    Attributes:
        box: Left, top, right, bottom.
        probability: That it is one.
        landmarks: Left eye as one sees it, right eye, nose, left and right corner of the mouth, as (x, y).
    """

    box: Box
    probability: float
    landmarks: tuple[tuple[float, float], ...]

    @property
    def size(self) -> float:
        """Square root of the box's area, in pixels."""
        left, top, right, bottom = self.box
        return math.sqrt(max(0.0, right - left) * max(0.0, bottom - top))


@torch.no_grad()
def detect(picture: images.Picture, *, cascade: Cascade | None = None) -> list[Face]:
    """Find faces that are upright or tilted by up to about 40°.

    Args:
        picture: Scaled down to `LONGEST_SIDE` first, so that a large photo takes no longer.
        cascade: The networks; the embedded ones by default.

    Returns:
        The faces, the largest first.
    """
    networks = cascade or embedded_cascade()
    image = torch.from_numpy(images.shrunk(picture.rgb, LONGEST_SIDE))[None] / 127.5 - 1
    # What the sides were really divided by, after rounding.
    to_photo = torch.tensor([picture.rgb.width / image.shape[3], picture.rgb.height / image.shape[2]])
    boxes = _proposals(image, networks.pnet)
    boxes = _refined(image, boxes, networks.rnet)
    found = _described(image, boxes, networks.onet, to_photo)
    return sorted(_distinct(found), key=lambda face: face.size, reverse=True)


def _proposals(image: Tensor, network: ProposalNetwork) -> Tensor:
    """Square boxes (n, 4) where a face of at least `SMALLEST_FACE` pixels may be."""
    scale = _CELL / SMALLEST_FACE
    boxes, scores, corrections = [], [], []
    while scale * min(image.shape[2:]) >= _CELL:
        size = [round(scale * side) for side in image.shape[2:]]
        probabilities, moves = network(F.interpolate(image, size, mode="bilinear", antialias=True))
        rows, columns = torch.nonzero(probabilities[0] > _THRESHOLDS[0], as_tuple=True)
        corner = _STRIDE * torch.stack([columns, rows], dim=1)
        box, score = torch.cat([corner, corner + _CELL], dim=1) / scale, probabilities[0, rows, columns]
        kept = nms(box, score, 0.5)
        boxes.append(box[kept])
        scores.append(score[kept])
        corrections.append(moves[0, :, rows, columns].T[kept])
        scale *= _PYRAMID
    if not boxes:
        return torch.empty(0, 4)
    kept = nms(torch.cat(boxes), torch.cat(scores), 0.7)[:_MOST_PROPOSALS]
    return _squared(_corrected(torch.cat(boxes)[kept], torch.cat(corrections)[kept]))


def _refined(image: Tensor, boxes: Tensor, network: RefineNetwork) -> Tensor:
    """Those of the boxes (n, 4) that the second network believes in, moved and made square."""
    scores, corrections = network(_crops(image, boxes, 24))
    sure = torch.nonzero(scores > _THRESHOLDS[1])[:, 0]
    kept = sure[nms(boxes[sure], scores[sure], 0.7)]
    return _squared(_corrected(boxes[kept], corrections[kept]))


def _described(image: Tensor, boxes: Tensor, network: OutputNetwork, to_photo: Tensor) -> list[Face]:
    """The faces in the boxes (n, 4), the surest first."""
    scores, corrections, landmarks = network(_crops(image, boxes, 48))
    places = boxes[:, None, :2] + landmarks * (boxes[:, None, 2:] - boxes[:, None, :2])
    moved = _corrected(boxes, corrections)
    order = [n for n in scores.argsort(descending=True).tolist() if scores[n] > _THRESHOLDS[2]]
    return [
        Face(
            _as_box(moved[n] * to_photo.repeat(2)),
            float(scores[n]),
            tuple((x, y) for x, y in (places[n] * to_photo).tolist()),
        )
        for n in order
    ]


def _as_box(edges: Tensor) -> Box:
    left, top, right, bottom = edges.tolist()
    return left, top, right, bottom


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Drop a face of which another, surer one covers most, or the other way round."""
    kept: list[Face] = []
    for face in faces:
        if all(_shared(face.box, other.box) <= _MOST_SHARED for other in kept):
            kept.append(face)
    return kept


def _shared(a: Box, b: Box) -> float:
    """Intersection over the smaller area."""
    width, height = (max(0.0, min(a[n + 2], b[n + 2]) - max(a[n], b[n])) for n in (0, 1))
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / smaller if smaller > 0 else 1.0


def _corrected(boxes: Tensor, corrections: Tensor) -> Tensor:
    """Move every edge by a share of the box's own width or height."""
    sizes = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + corrections * sizes


def _squared(boxes: Tensor) -> Tensor:
    """Around the same centre, with the longer side."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    return torch.cat([centre - half, centre + half], dim=1)


def _crops(image: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Boxes (n, 4) of an image (1, 3, h, w) as (n, 3, size, size), antialiased; beyond the image is gray."""
    crops: Tensor = roi_align(image, [boxes], output_size=size, aligned=True)
    return crops
