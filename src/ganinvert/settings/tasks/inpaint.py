"""Inpainting: the photo shows the wanted image except in a hole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from ganinvert.errors import InputError, UsageError
from ganinvert.settings.common import PAINTS, PICTURE_SUFFIXES, Box, Hole
from ganinvert.settings.options import option
from ganinvert.settings.tasks.base import TaskOptions, Trial


@dataclass(frozen=True)
class InpaintTrial(Trial):
    """The photo with a hole."""

    hole: Hole = option("box", "--hole", help="inpaint: shape of the hole, a box in the middle or random pixels.")
    share: float = option(0.25, "--share", help="inpaint: share of the photo that is missing.", metavar="S")

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise UsageError(f"the missing share cannot be {self.share:g}", hint="choose one between 0 and 1")

    def task(self) -> InpaintTask:
        """Inpainting of the transparent part."""
        return InpaintTask()


def _parsed_box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        left, top, width, height = (int(number) for number in text.split(","))
    except ValueError as error:
        raise UsageError(f"--box {text} is not a rectangle", hint="give four whole numbers: --box X,Y,W,H") from error
    return left, top, width, height


@dataclass(frozen=True)
class InpaintTask(TaskOptions):
    """The photo shows the wanted image except in a hole. Without mask and box, transparent pixels are missing.

    Attributes:
        mask: Image file, white where every photo is missing; or a folder with a mask of each photo's name.
        box: Left, top, width and height, in pixels of the photo, of a missing rectangle.
        keep_white: White marks the known part of the mask, and black the missing one.
        paint: Colour with which the missing part was painted over, in the mask or, without one, in the photo: a name
            of `PAINTS`, or "#RRGGBB".
    """

    name = "inpaint"
    help = """Fill the holes of photos; the known pixels stay as they are.

    Writes NAME.inpaint.png and the bundle NAME.inpaint.pt.

    Example: ganinvert inpaint photo.png --mask scratches.png
    """
    done = "inpainted"
    implementation = "ganinvert.tasks.inpaint:Inpaint"
    trial: ClassVar[type[Trial]] = InpaintTrial
    main_metrics: ClassVar[tuple[str, str]] = ("psnr_missing", "lpips_alex")
    mask: Path | None = option(
        None,
        "--mask",
        help="Mask that is white where photos are missing; or a folder with a mask for each photo, of its name.",
        metavar="FILE|DIR",
        show_default="transparent pixels are missing",
        panel="Input/Output",
    )
    box: Box | None = option(
        None,
        "--box",
        help="Missing rectangle, instead of a mask: left, top, width, height, in pixels of the photo.",
        metavar="X,Y,W,H",
        kind=str | None,
        parse=_parsed_box,
        panel="Input/Output",
    )
    keep_white: bool = option(
        False,
        "--mask-keep",
        help="Colour of the known part of a mask.",
        kind=Literal["black", "white"],
        parse=lambda colour: colour == "white",
        panel="Input/Output",
    )
    paint: str | None = option(
        None,
        "--mask-color",
        help="Colour of paint over the missing part, in the mask or in the photo itself: red, #00FF00, …",
        metavar="COLOR",
        show_default="none",
        panel="Input/Output",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mask is not None and self.box is not None:
            raise UsageError("--mask and --box both say what is missing", hint="give one of them")
        if self.mask is None and self.keep_white:
            raise UsageError("--mask-keep says what the white of a mask means, and there is none", hint="give --mask")
        if self.paint is not None and (self.box is not None or self.keep_white):
            raise UsageError(
                "the colour of a paint (--mask-color) says alone what is missing",
                hint="leave --box and --mask-keep out",
            )
        if self.paint is not None and self.paint not in PAINTS and not re.fullmatch("#[0-9A-Fa-f]{6}", self.paint):
            raise UsageError(
                f"--mask-color {self.paint} is no colour", hint=f"choose from {', '.join(PAINTS)}, or give #RRGGBB"
            )
        if self.box is not None and (min(self.box[:2]) < 0 or min(self.box[2:]) < 1):
            raise UsageError(
                f"--box {','.join(map(str, self.box))} holds no pixel",
                hint="X and Y count from the top left corner, from 0",
            )

    def check_inputs(self, paths: Sequence[Path]) -> None:
        """Raise UsageError if the mask does not exist, or the folder has a mask of none of the photos."""
        if self.mask is None:
            return
        if not self.mask.exists():
            raise UsageError(f"--mask {self.mask}: no such file or folder", hint="check the spelling of the path")
        if self.mask.is_dir() and not any(path.stem in self._masks for path in paths):
            raise UsageError(
                f"--mask {self.mask} has no mask of any input's name",
                hint="a mask is named as its photo, with any suffix",
            )

    def mask_of(self, path: Path | None) -> Path | None:
        """The mask of a photo, or None; raises InputError if the folder has no mask of the photo's name."""
        if self.mask is None or not self.mask.is_dir():
            return self.mask
        stem = path.stem if path is not None else ""
        if stem not in self._masks:
            raise InputError(f"{path}: no mask {stem}.* in {self.mask}", hint="add one, or leave it out")
        return self._masks[stem]

    @property
    def identity(self) -> Mapping[str, Any]:
        """The name alone: the hole is part of the input."""
        return {"task": self.name}

    @cached_property
    def _masks(self) -> dict[str, Path]:
        """The first mask of each name in the folder."""
        assert self.mask is not None
        paths = sorted(self.mask.iterdir(), reverse=True)
        return {path.stem: path for path in paths if path.suffix.lower() in PICTURE_SUFFIXES}
