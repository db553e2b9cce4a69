"""The square around a face that face generators know: that of the CelebA-HQ and FFHQ data sets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ganinvert import images
from ganinvert.errors import ImageError, UsageError
from ganinvert.faces.detection import Face, detect
from ganinvert.images import Placement
from ganinvert.settings import Align, FitMode

TOLERANCE = 0.1
"""How far a corner may be from where alignment would put it, as a share of the square's side, in an aligned photo.

Of 60 aligned photos of FairFace 56 are within, and of 150 images of the embedded generator all (at most 0.083); of 12
photos of FairFace that are not aligned none is within 0.24.
"""

SMALLEST_PICTURE = 48
"""In smaller ones, in pixels of the shorter side, no face is looked for unless that is asked for."""

# Karras et al. 2018, appendix C: half the side is twice the distance of the eyes or 1.8 times that from eyes to mouth,
# and the centre lies a tenth of the way from eyes to mouth. Theirs are dlib's landmarks; MTCNN's lie a little higher
# and wider, by medians over generated and aligned faces, hence 1.25 % less and 0.13.
_EYES, _MOUTH, _BELOW_EYES = 2.0 / 1.0125, 1.8 / 1.0125, 0.13


@dataclass(frozen=True)
class Alignment:
    """What to do about faces.

    Attributes:
        mode: "auto" aligns when the generator knows aligned faces and the photo is not aligned yet, "force" always;
            "off" never, and only warns.
        face: Which, counted from the largest.
    """

    mode: Align = "auto"
    face: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: Faces are counted from 1, and none is chosen when nothing is aligned.
        """
        if self.face < 1:
            raise UsageError(f"face cannot be {self.face}", hint="choose 1 for the largest, 2 for the next")
        if self.face > 1 and self.mode == "off":
            raise UsageError("no face can be chosen when faces are not aligned", hint="use --align auto or force")

    def fit(
        self, picture: images.Picture, size: int, *, mode: FitMode, knows_faces: bool
    ) -> tuple[images.Fit, list[str]]:
        """Fit a picture to the square, by its face or else as `images.fit` does.

        Args:
            picture: With any number of faces.
            size: Side of the square, in pixels.
            mode: How pictures without alignment become square.
            knows_faces: Whether the generator shows faces that are aligned so.

        Returns:
            The fit, and what to say besides; what begins with "warning:" is one.

        Raises:
            ImageError: There is no such face, and "force" or `face` asks for it.
        """
        plain = images.fit(picture, size, mode=mode)
        wanted = self.mode == "force" or self.face > 1
        if not wanted and (not knows_faces or min(picture.rgb.size) < SMALLEST_PICTURE):
            return plain, []
        faces = detect(picture)
        if len(faces) < self.face and not wanted:
            return plain, ["warning: no face was found, but this generator knows only faces; taken as it is"]
        if len(faces) < self.face:
            raise ImageError(
                f"only {_counted(len(faces))} found" if faces else "no face was found",
                hint="faces must be upright and not too small; --align off takes the picture as it is",
            )
        placement = face_square(faces[self.face - 1], picture.rgb.size)
        if not wanted and misplacement(placement, plain.placement) <= TOLERANCE:
            return plain, []
        if self.mode == "off":
            return plain, ["warning: the face is not where this generator expects one; --align auto moves it there"]
        return images.place(picture, placement, size, note=_described(placement)), _choice(len(faces), self.face)


def face_square(face: Face, frame: tuple[int, int]) -> Placement:
    """The square of CelebA-HQ and FFHQ around a face, upright by its eyes and mouth.

    Args:
        face: In a frame.
        frame: Its width and height in pixels.
    """
    left, right, _, mouth_left, mouth_right = face.landmarks
    eyes, mouth = _middle(left, right), _middle(mouth_left, mouth_right)
    between = right[0] - left[0], right[1] - left[1]
    below = mouth[0] - eyes[0], mouth[1] - eyes[1]
    # The direction to the right is that of the eyes and that across the line from eyes to mouth, together.
    x, y = between[0] + below[1], between[1] - below[0]
    half = max(_EYES * math.hypot(*between), _MOUTH * math.hypot(*below)) / (math.hypot(x, y) or 1)
    x, y = half * x, half * y
    centre = eyes[0] + _BELOW_EYES * below[0], eyes[1] + _BELOW_EYES * below[1]
    return Placement(frame, (centre[0] - x + y, centre[1] - y - x), (2 * x, 2 * y), (-2 * y, 2 * x))


def misplacement(wanted: Placement, given: Placement) -> float:
    """The largest distance between corresponding corners, as a share of the wanted side."""
    distances = [math.dist(a, b) for a, b in zip(wanted.corners, given.corners, strict=True)]
    return max(distances) / (max(wanted.sides) or 1)


def _middle(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _described(placement: Placement) -> str:
    side = round(placement.sides[0])
    degrees = round(math.degrees(math.atan2(placement.across[1], placement.across[0])))
    tilt = f", tilted by {abs(degrees)}°" if degrees else ""
    return f"aligned to the face in {side}×{side}{tilt}"


def _choice(found: int, face: int) -> list[str]:
    if found == 1:
        return []
    which = "the largest" if face == 1 else f"number {face} by size"
    return [f"{_counted(found)} found: {which} is used; --face N takes another"]


def _counted(faces: int) -> str:
    return f"{faces} faces were" if faces > 1 else "1 face was"
