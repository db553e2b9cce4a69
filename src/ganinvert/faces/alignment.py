"""Alignment of faces as in the CelebA-HQ and FFHQ data sets, from which face generators learned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ganinvert import images
from ganinvert.errors import ImageError, UsageError
from ganinvert.faces.detection import Face, detect
from ganinvert.images import Placement
from ganinvert.settings.common import Align, FitMode

TOLERANCE = 0.1
"""Largest distance of a corner from its aligned position at which a photo counts as aligned, as a share of the side.

56 of 60 aligned photos of FairFace are within it, and all of 150 images of the embedded generator (at most 0.083); of
12 photos of FairFace that are not aligned, none is within 0.24.
"""

SMALLEST_PICTURE = 48
"""Shorter side, in pixels, from which faces are searched for without being asked for."""

# Karras et al. 2018, appendix C: half the side is twice the distance of the eyes or 1.8 times that from eyes to mouth,
# and the centre lies a tenth of the way from eyes to mouth. They use dlib's landmarks; MTCNN's lie a little higher
# and wider, by medians over generated and aligned faces, hence 1.25 % less and 0.13.
_EYES, _MOUTH, _BELOW_EYES = 2.0 / 1.0125, 1.8 / 1.0125, 0.13


@dataclass(frozen=True)
class Note:
    """A sentence for the user about a photo: a remark on what was done with it, or a warning."""

    severity: Literal["remark", "warning"]
    text: str

    def __str__(self) -> str:
        return self.text if self.severity == "remark" else f"warning: {self.text}"


@dataclass(frozen=True)
class Alignment:
    """Rule for aligning the largest face, or another by its number from the largest to the smallest.

    "auto" aligns a photo that is not aligned yet if the generator knows aligned faces; "force" always aligns; "off"
    never aligns, but warns.
    """

    mode: Align = "auto"
    face: int = 1

    def __post_init__(self) -> None:
        """Refuse a face under 1, or any with "off"."""
        if self.face < 1:
            raise UsageError(f"face cannot be {self.face}", hint="choose 1 for the largest, 2 for the next")
        if self.face > 1 and self.mode == "off":
            raise UsageError("a face cannot be chosen with --align off", hint="use --align auto or force")

    def fit(
        self, picture: images.Picture, size: int, *, mode: FitMode, knows_faces: bool
    ) -> tuple[images.Fit, list[Note]]:
        """Fit a picture to the square of a generator that knows aligned faces or not, or else as `images.fit` does.

        Raises:
            ImageError: "force" or `face` asks for a face that was not found.
        """
        plain = images.fit(picture, size, mode=mode)
        required = self.mode == "force" or self.face > 1
        if not required and (not knows_faces or min(picture.rgb.size) < SMALLEST_PICTURE):
            return plain, []
        faces = detect(picture)
        if len(faces) < self.face:
            text = "no face was found, but this generator knows only faces; used without alignment"
            if not required:
                return plain, [Note("warning", text)]
            text = f"only {len(faces)} face{'s were' if len(faces) > 1 else ' was'} found"
            raise ImageError(
                text if faces else "no face was found",
                hint="faces must be upright and not too small; --align off uses the picture without alignment",
            )
        placement = face_square(faces[self.face - 1], picture.rgb.size)
        if not required and misplacement(placement, plain.placement) <= TOLERANCE:
            return plain, []
        if self.mode == "off":
            text = "the face is not where this generator expects one; --align auto moves it there"
            return plain, [Note("warning", text)]
        notes = []
        if len(faces) > 1:
            which = "the largest" if self.face == 1 else f"number {self.face} by size"
            notes = [Note("remark", f"{len(faces)} faces were found: {which} is used; --face N takes another")]
        return images.place(picture, placement, size, note=_describe(placement)), notes


def face_square(face: Face, frame: tuple[int, int]) -> Placement:
    """Compute the square of CelebA-HQ and FFHQ around a face in a frame, upright by its eyes and mouth."""
    left, right, _, mouth_left, mouth_right = face.landmarks
    eyes, mouth = _middle(left, right), _middle(mouth_left, mouth_right)
    between = right[0] - left[0], right[1] - left[1]
    below = mouth[0] - eyes[0], mouth[1] - eyes[1]
    # The direction to the right is the sum of the line of the eyes and the normal of the line from eyes to mouth.
    x, y = between[0] + below[1], between[1] - below[0]
    half = max(_EYES * math.hypot(*between), _MOUTH * math.hypot(*below)) / (math.hypot(x, y) or 1)
    x, y = half * x, half * y
    centre = eyes[0] + _BELOW_EYES * below[0], eyes[1] + _BELOW_EYES * below[1]
    return Placement(frame, (centre[0] - x + y, centre[1] - y - x), (2 * x, 2 * y), (-2 * y, 2 * x))


def misplacement(reference: Placement, placement: Placement) -> float:
    """Compute the largest distance between corresponding corners, as a share of the reference's side."""
    return max(map(math.dist, reference.corners, placement.corners)) / (max(reference.sides) or 1)


def _middle(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _describe(placement: Placement) -> str:
    side = round(placement.sides[0])
    degrees = round(math.degrees(math.atan2(placement.across[1], placement.across[0])))
    tilt = f", tilted by {abs(degrees)}°" if degrees else ""
    return f"aligned to the face in {side}×{side}{tilt}"
