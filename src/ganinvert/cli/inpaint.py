"""`ganinvert inpaint`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ganinvert.cli import _options as options
from ganinvert.cli._inputs import PICTURES, Input
from ganinvert.cli._photos import Photos
from ganinvert.cli._results import Item
from ganinvert.cli._signature import with_options
from ganinvert.errors import InputError, UsageError
from ganinvert.settings import INPAINT, Box

if TYPE_CHECKING:
    from ganinvert.tasks import Inverter, PreparedImage


@with_options(Photos, INPAINT["default"], task="inpaint")
def inpaint(
    photos: Photos,
    mask: Annotated[
        Path | None,
        options.opt(
            options.IO,
            "--mask",
            help="White where photos are missing: one mask for all, or a folder with a mask of each photo's name.",
            metavar="FILE|DIR",
            show_default="transparent pixels are missing",
        ),
    ] = None,
    box: Annotated[
        str | None,
        options.opt(
            options.IO,
            "--box",
            help="A missing rectangle instead: left, top, width, height, in pixels of the photo.",
            metavar="X,Y,W,H",
        ),
    ] = None,
    mask_keep: Annotated[
        Literal["black", "white"], options.opt(options.IO, "--mask-keep", help="What marks the known part of a mask.")
    ] = "black",
) -> None:
    """Fill the holes of photos; the known pixels stay as they are.

    Writes NAME.inpaint.png and the bundle NAME.inpaint.pt.

    Example: ganinvert inpaint photo.png --mask scratches.png
    """
    if mask is not None and box is not None:
        raise UsageError("--mask and --box both say what is missing", hint="give one of them")
    if mask is not None and not mask.exists():
        raise UsageError(f"--mask {mask}: no such file or folder", hint="check the spelling of the path")
    if mask is None and mask_keep == "white":
        raise UsageError("--mask-keep says what the white of a mask means, and there is none", hint="give --mask")
    rectangle = _box(box) if box is not None else None

    def preparing(inverter: Inverter, inputs: Sequence[Input]) -> Callable[[Item], PreparedImage]:
        masks = _masks(mask, inputs)

        def prepare(item: Item) -> PreparedImage:
            from ganinvert.images import read
            from ganinvert.tasks import holed

            source = item.inputs[0]
            picture = read(source.path)
            return inverter.prepare(holed(picture, mask=masks(source), box=rectangle, keep_white=mask_keep == "white"))

        return prepare

    from ganinvert.tasks import InpaintTask

    photos.treat("inpaint", task=InpaintTask, done="inpainted", preparing=preparing)


def _box(text: str) -> Box:
    try:
        left, top, width, height = (int(number) for number in text.split(","))
    except ValueError as error:
        raise UsageError(f"--box {text} is not a rectangle", hint="give four whole numbers: --box X,Y,W,H") from error
    if left < 0 or top < 0 or width < 1 or height < 1:
        raise UsageError(f"--box {text} holds no pixel", hint="X and Y count from the top left corner, from 0")
    return left, top, width, height


def _masks(mask: Path | None, inputs: Sequence[Input]) -> Callable[[Input], Path | None]:
    """Which mask belongs to an input."""
    if mask is None or not mask.is_dir():
        return lambda _source: mask
    found: dict[str, Path] = {}
    for path in sorted(mask.iterdir()):
        if path.suffix.lower() in PICTURES:
            found.setdefault(path.stem, path)
    if not any(source.stem in found for source in inputs):
        raise UsageError(
            f"--mask {mask} has no mask of any input's name", hint="a mask is named as its photo, with any suffix"
        )

    def match(source: Input) -> Path:
        if source.stem not in found:
            raise InputError(f"{source.label}: no mask {source.stem}.* in {mask}", hint="add one, or leave it out")
        return found[source.stem]

    return match
