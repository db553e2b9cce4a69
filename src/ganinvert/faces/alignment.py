"""Alignment of faces as in the CelebA-HQ and FFHQ data sets, from which face generators learned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ganinvert import images
from ganinvert.errors import ImageError, UsageError
from ganinvert.faces.detection import Face, detect
from ganinvert.images import Placement
from ganinvert.settings.common import Align, FaceChoice, FitMode

TOLERANCE = 0.1
"""Largest distance of a corner from its aligned position at which a photo counts as aligned, as a share of the side.

56 of 60 aligned photos of FairFace are within it, and all of 150 images of the embedded generator (at most 0.083); of
12 photos of FairFace that are not aligned, none is within 0.24.
"""

TOLERANCE_BESIDE_HOLES = 0.35
"""The same tolerance for a face of which landmarks lie in missing pixels: their places are guesses.

Of 115 aligned photos with holes over the eyes, the mouth or the left half in which a face was still found, the guesses
would move 42 by more than 0.1 of the side, and 3 by more than 0.3 (FairFace and CelebA-HQ).
"""

LEAST_KNOWN, AROUND_LANDMARK = 2, 0.06
"""Least number of landmarks of a face that are no guesses, and the half side of what must be known around one."""

SMALLEST_FACE, AROUND_FACE = 32, 1.5
"""Side of the smallest face, in pixels, that is searched for without being asked for, and the least photo around it."""

# Karras et al. 2018, appendix C: half the side is twice the distance of the eyes or 1.8 times that from eyes to mouth,
# and the centre lies a tenth of the way from eyes to mouth. They use dlib's landmarks; MTCNN's lie a little higher
# and wider, by medians over generated and aligned faces, hence 1.25 % less and 0.13.
_EYES, _MOUTH, _BELOW_EYES = 2.0 / 1.0125, 1.8 / 1.0125, 0.13

Square = tuple[Placement, str]
"""A place of the generator's square in a photo, and a note on it."""


@dataclass(frozen=True)
class Note:
    """A sentence for the user about a photo: a remark on what was done with it, or a warning."""

    severity: Literal["remark", "warning"]
    text: str

    def __str__(self) -> str:
        return self.text if self.severity == "remark" else f"warning: {self.text}"


@dataclass(frozen=True)
class Alignment:
    """Rule for aligning one face, by its number from the largest to the smallest, or all faces.

    "auto" aligns a photo that is not aligned yet if the generator knows aligned faces; "force" always aligns; "off"
    never aligns, but warns.
    """

    mode: Align = "auto"
    face: FaceChoice = 1

    def __post_init__(self) -> None:
        """Refuse a face under 1, or any with "off"."""
        if isinstance(self.face, int) and self.face < 1:
            raise UsageError(f"face cannot be {self.face}", hint="choose 1 for the largest, 2 for the next, or all")
        if self._number > 1 and self.mode == "off":
            raise UsageError("a face cannot be chosen with --align off", hint="use --align auto or force")

    def find(
        self, picture: images.Picture, *, mode: FitMode, knows_faces: bool, smallest: float | None = None
    ) -> tuple[list[Square], list[Note]]:
        """Find the squares of a photo for a generator that knows aligned faces or not.

        Args:
            picture: The photo; faces are not searched for in its transparent part.
            mode: Way of making a photo square whose faces are not aligned; see `images.fit`.
            knows_faces: The generator knows aligned faces alone.
            smallest: Side in pixels of the smallest face to find; None: large ones alone, which is fast.

        Returns:
            The squares, that of the largest face first, and notes on all of them.

        Raises:
            ImageError: "force" or `face` asks for a face that was not found.
        """
        plain = images.default_square(picture.rgb.size, mode)
        required = self.mode == "force" or self._number > 1
        if not required and not (knows_faces and min(picture.rgb.size) >= AROUND_FACE * (smallest or SMALLEST_FACE)):
            return [plain], []
        faces = detect(picture, smallest=smallest)
        if len(faces) < self._number:
            text = "no face was found, but this generator knows only faces; used without alignment"
            if not required:
                return [plain], [Note("warning", text)]
            text = f"only {len(faces)} face{'s were' if len(faces) > 1 else ' was'} found"
            raise ImageError(
                text if faces else "no face was found",
                hint="faces must be upright and not too small; --align off uses the picture without alignment",
            )
        notes: list[Note] = []
        if len(faces) > 1 and self.mode != "off":
            which = "the largest" if self.face in (1, "largest") else f"number {self.face} by size"
            text = "all are restored" if self.face == "all" else f"{which} is used; --face N takes another"
            notes = [Note("remark", f"{len(faces)} faces were found: {text}")]
        chosen = faces if self.face == "all" and self.mode != "off" else [faces[self._number - 1]]
        squares = [self._square(face, picture, plain, required, notes) for face in chosen]
        return list(dict.fromkeys(squares)), list(dict.fromkeys(notes))

    @property
    def _number(self) -> int:
        return self.face if isinstance(self.face, int) else 1

    def _square(self, face: Face, picture: images.Picture, plain: Square, required: bool, notes: list[Note]) -> Square:
        """The square of a face; further notes are added."""
        placement = face_square(face, picture.rgb.size)
        known = known_landmarks(face, picture)
        distance, is_guess = misplacement(placement, plain[0]), known < len(face.landmarks)
        if not required and distance <= TOLERANCE:
            return plain
        if self.mode == "off":
            text = "the face is not where this generator expects one; --align auto moves it there"
            notes.append(Note("warning", text))
            return plain
        if not required and is_guess and (distance <= TOLERANCE_BESIDE_HOLES or known < LEAST_KNOWN):
            notes.append(Note("remark", "the place of the face is a guess from missing pixels: not aligned"))
            return plain
        return placement, _describe(placement)


def known_landmarks(face: Face, picture: images.Picture) -> int:
    """Count the landmarks of a face around which the picture is opaque."""
    if picture.alpha is None:
        return len(face.landmarks)
    reach, known = AROUND_LANDMARK * face.size, 0
    for x, y in face.landmarks:
        box = math.floor(x - reach), math.floor(y - reach), math.ceil(x + reach), math.ceil(y + reach)
        inside = max(0, box[0]), max(0, box[1]), min(picture.alpha.width, box[2]), min(picture.alpha.height, box[3])
        if inside[0] < inside[2] and inside[1] < inside[3]:
            known += int(np.asarray(picture.alpha.crop(inside)).min()) >= 128
    return known


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
