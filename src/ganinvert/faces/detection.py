"""Detect faces and their landmarks by MTCNN: three networks on an image pyramid, each of which filters and corrects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert import images
from ganinvert.faces.networks import CascadeNetwork, embedded_cascade

LONGEST_SIDE = 640
"""Longer side to which photos are scaled down before detection, in pixels."""

LONGEST_SIDE_OF_CROWDS = 1920
"""Longer side to which photos are scaled before small faces are detected, in pixels."""

SMALLEST_FACE = 24
"""Side of the smallest face that is detected, in pixels of the scaled photo."""

_CELL, _STRIDE = 12, 2  # field of view and stride of the proposal network
_PYRAMID = 0.709  # 1/√2: half the area from level to level
_THRESHOLDS = 0.6, 0.7, 0.9
_MAX_PROPOSALS = 1000
_MAX_OVERLAP = 0.6


@dataclass(frozen=True)
class Face:
    """A face, in pixels of the photo; (0, 0) is the top left corner of the top left pixel.

    Attributes:
        box: Left, top, right, bottom.
        probability: Probability that the box shows a face.
        landmarks: Points (x, y): left eye of the image, right eye, nose, left and right corner of the mouth.
    """

    box: tuple[float, ...]
    probability: float
    landmarks: tuple[tuple[float, float], ...]

    @property
    def size(self) -> float:
        """Square root of the area of the box, in pixels."""
        left, top, right, bottom = self.box
        return math.sqrt(max(0.0, right - left) * max(0.0, bottom - top))


@torch.no_grad()
def detect(picture: images.Picture, *, smallest: float | None = None) -> list[Face]:
    """Detect faces that are upright or tilted by up to about 40°, from the largest to the smallest.

    Args:
        picture: The photo, which is scaled down to `LONGEST_SIDE` first.
        smallest: Side in pixels of the smallest face to find; if need be, the photo is larger then, and even enlarged,
            to at most `LONGEST_SIDE_OF_CROWDS`.
    """
    networks, side = embedded_cascade(), max(picture.rgb.size)
    longest = min(side, LONGEST_SIDE)
    if smallest is not None:
        longest = max(longest, min(round(side * SMALLEST_FACE / smallest), LONGEST_SIDE_OF_CROWDS))
    levels = images.resize_to_array(picture.rgb, longest)
    image = torch.from_numpy(levels)[None] / 127.5 - 1
    # Exact scales of both sides, after rounding to whole pixels.
    to_photo = torch.tensor([picture.rgb.width / image.shape[3], picture.rgb.height / image.shape[2]])
    boxes = _propose(image, networks["pnet"])
    boxes = _refine(image, boxes, networks["rnet"])
    faces = _locate_landmarks(image, boxes, networks["onet"], to_photo)
    return sorted(_drop_overlapping(faces), key=lambda face: face.size, reverse=True)


def _propose(image: Tensor, network: CascadeNetwork) -> Tensor:
    """Propose square boxes (n, 4) that may hold a face of at least `SMALLEST_FACE` pixels."""
    scale = _CELL / SMALLEST_FACE
    boxes, scores, corrections = [], [], []
    while scale * min(image.shape[2:]) >= _CELL:
        size = [round(scale * side) for side in image.shape[2:]]
        probabilities, moves = network(F.interpolate(image, size, mode="bilinear", antialias=True))
        rows, columns = torch.nonzero(probabilities[0] > _THRESHOLDS[0], as_tuple=True)
        corner = _STRIDE * torch.stack([columns, rows], dim=1)
        box, score = torch.cat([corner, corner + _CELL], dim=1) / scale, probabilities[0, rows, columns]
        best = _operators().nms(box, score, 0.5)
        boxes.append(box[best])
        scores.append(score[best])
        corrections.append(moves[0, :, rows, columns].T[best])
        scale *= _PYRAMID
    if not boxes:
        return torch.empty(0, 4)
    best = _operators().nms(torch.cat(boxes), torch.cat(scores), 0.7)[:_MAX_PROPOSALS]
    return _make_square(_correct(torch.cat(boxes)[best], torch.cat(corrections)[best]))


def _refine(image: Tensor, boxes: Tensor, network: CascadeNetwork) -> Tensor:
    """Select the boxes (n, 4) that the second network accepts, and correct them."""
    scores, corrections = network(_crop(image, boxes, 24))
    likely = torch.nonzero(scores > _THRESHOLDS[1])[:, 0]
    best = likely[_operators().nms(boxes[likely], scores[likely], 0.7)]
    return _make_square(_correct(boxes[best], corrections[best]))


def _locate_landmarks(image: Tensor, boxes: Tensor, network: CascadeNetwork, to_photo: Tensor) -> list[Face]:
    """List the faces in the boxes (n, 4), from the most to the least probable."""
    scores, corrections, landmarks = network(_crop(image, boxes, 48))
    landmarks = landmarks.unflatten(1, (2, 5)).transpose(1, 2)
    places = boxes[:, None, :2] + landmarks * (boxes[:, None, 2:] - boxes[:, None, :2])
    corrected = _correct(boxes, corrections)
    order = [n for n in scores.argsort(descending=True).tolist() if scores[n] > _THRESHOLDS[2]]
    edges, points = (corrected * to_photo.repeat(2)).tolist(), (places * to_photo).tolist()
    return [Face(tuple(edges[n]), float(scores[n]), tuple((x, y) for x, y in points[n])) for n in order]


def _drop_overlapping(faces: Sequence[Face]) -> list[Face]:
    """Drop each face that overlaps most of a more probable one, or is mostly covered by it."""
    distinct: list[Face] = []
    for face in faces:
        if all(_overlap(face.box, other.box) <= _MAX_OVERLAP for other in distinct):
            distinct.append(face)
    return distinct


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Compute the intersection over the smaller area."""
    width, height = (max(0.0, min(a[n + 2], b[n + 2]) - max(a[n], b[n])) for n in (0, 1))
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / smaller if smaller > 0 else 1.0


def _correct(boxes: Tensor, corrections: Tensor) -> Tensor:
    """Move every edge by a share of the box's own width or height."""
    sizes = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    return boxes + corrections * sizes


def _make_square(boxes: Tensor) -> Tensor:
    """Widen boxes to squares of the longer side around the same centre."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True) / 2
    return torch.cat([centre - half, centre + half], dim=1)


def _crop(image: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Crop boxes (n, 4) from an image (1, 3, h, w) to (n, 3, size, size), antialiased; gray beyond the image."""
    rows = F.pad(boxes, (1, 0))  # all boxes are of image 0
    crops: Tensor = _operators().roi_align(image, rows, 1.0, size, size, -1, True)
    return crops


@cache
def _operators() -> Any:
    """The compiled operators of torchvision, without its import where possible, which takes as long as torch's."""
    spec = find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    with suppress(OSError):
        for file in Path(spec.origin).parent.glob("_C*"):
            torch.ops.load_library(str(file))
    if not hasattr(torch.ops.torchvision, "nms"):
        import_module("torchvision.ops")
    return torch.ops.torchvision
