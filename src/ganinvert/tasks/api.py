"""Functions for one photo, one for each task; `Inverter` does the same for many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from ganinvert import images
from ganinvert.optimize import Step
from ganinvert.settings import InversionSettings, MethodSettings
from ganinvert.settings.common import Around, Box, Kernel, Luma, MethodName
from ganinvert.settings.request import chosen_settings
from ganinvert.settings.tasks import ColorizeTask, InpaintTask, InvertTask, RestoreTask, TaskOptions, UpscaleTask
from ganinvert.tasks.inpaint import holed
from ganinvert.tasks.results import Inversion
from ganinvert.tasks.session import Inverter, SessionOptions

if TYPE_CHECKING:
    from PIL.Image import Image


class Options(SessionOptions, total=False):
    """Options that the functions for one photo share: these, `partition`, and the fields of `Request`.

    Attributes:
        settings: Method, optimiser, loss weights and fine-tuning; by default the preset of `method`.
        method: Name of a method, whose default preset replaces `settings`; or a method's own settings, which replace
            `settings.method`, for instance `PmSFC(subspaces=6, codes=5)`.
        callback: Called after every step. StopIteration ends the optimisation, and the result is that of the step;
            another exception that it raises ends it without a result.
    """

    settings: InversionSettings
    method: MethodSettings | MethodName | None
    callback: Callable[[Step], None] | None


def invert(picture: str | Path | Image, **options: Unpack[Options]) -> Inversion:
    """Invert a photo: find codes whose composed features the generator turns into it (PmSFC, eqs. 6–8).

    Args:
        picture: A file or a Pillow image, of any size and mode.
        options: See `Options`.

    Raises:
        ImageError: The photo cannot be used.
        UsageError: A setting is invalid.
        WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
    """
    return _run(InvertTask(), picture, **options)


def colorize(
    picture: str | Path | Image, *, luma: Luma = "rec601", around: Around = "carry", **options: Unpack[Options]
) -> Inversion:
    """Colorize a gray photo: keep its luminance, with the chroma of the image that explains it (PmSFC, eq. 9).

    Args:
        picture: A file or a Pillow image of any mode; one in colour is reduced to gray.
        luma: Luminance that is kept: Y′ of "rec601" or "rec709", or with "lab" L* of CIELAB.
        around: Colour of the photo outside the squares: "gray", or "carry", that of the squares carried on up to edges.
        options: See `Options`.

    Raises:
        ImageError, UsageError, WeightsError: See `invert`.
    """
    return _run(ColorizeTask(luma, around), picture, **options)


def upscale(
    picture: str | Path | Image,
    *,
    factor: int | None = None,
    kernel: Kernel = "bicubic",
    detail: float = 1.0,
    **options: Unpack[Options],
) -> Inversion:
    """Find the image that gives the photo when it is made smaller (super-resolution; PmSFC, eq. 9).

    Args:
        picture: The small photo, a file or a Pillow image.
        factor: Factor by which it is smaller than the generator's images; a photo of another size is resized to that.
            None takes the photo's own size, whatever factor that is.
        kernel: Filter with which it was made smaller: see `degradations.Downsample`.
        detail: Share of the generator's detail, from 0 to 1; the rest is that of the bicubic enlargement.
        options: See `Options`.

    Raises:
        ImageError: The photo cannot be used, or is not smaller than the generator's images.
        UsageError, WeightsError: See `invert`.
    """
    return _run(UpscaleTask(factor, kernel, detail), picture, **options)


def inpaint(
    picture: str | Path | Image,
    mask: str | Path | Image | None = None,
    *,
    box: Box | None = None,
    keep_white: bool = False,
    paint: str | None = None,
    **options: Unpack[Options],
) -> Inversion:
    """Fill the missing part of a photo; the known pixels stay as they are (PmSFC, eq. 9).

    Args:
        picture: A file or a Pillow image.
        mask: White where the photo is missing; a file or a Pillow image of the photo's proportions.
        box: Left, top, width and height, in pixels of the photo, of a missing rectangle. With neither mask nor box,
            the transparent part is missing.
        keep_white: White marks the known part of the mask, and black the missing one.
        paint: Colour with which the missing part was painted over, in the mask or, without one, in the photo: a name,
            such as "red", or "#RRGGBB".
        options: See `Options`.

    Raises:
        ImageError: The photo or the mask cannot be used, or the mask leaves nothing missing or nothing known.
        UsageError, WeightsError: See `invert`.
    """
    file = Path(mask) if isinstance(mask, str | Path) else None
    if mask is None or file is not None:
        task = InpaintTask(file, box, keep_white, paint)
        task.check_inputs([Path(picture)] if isinstance(picture, str | Path) else [])
        return _run(task, picture, **options)
    InpaintTask(Path("mask"), box, keep_white, paint)  # checks them
    photo = images.read(Path(picture)) if isinstance(picture, str | Path) else images.from_pil(picture)
    return _run(InpaintTask(), holed(photo, mask=mask, keep_white=keep_white, paint=paint), **options)


def restore(picture: str | Path | Image, task: RestoreTask, **options: Unpack[Options]) -> Inversion:
    """Restore a photo that has lost several things: find the image that gives it after the same losses.

    Args:
        picture: A file or a Pillow image.
        task: Losses of the photo, for instance `RestoreTask(gray=True, downscale=4, noise=5)`.
        options: See `Options`.

    Raises:
        ImageError: The photo or the mask cannot be used.
        UsageError, WeightsError: See `invert`.
    """
    task.check_inputs([Path(picture)] if isinstance(picture, str | Path) else [])
    return _run(task, picture, **options)


def _run(
    task: TaskOptions,
    picture: str | Path | Image | images.Picture,
    *,
    settings: InversionSettings | None = None,
    method: MethodSettings | MethodName | None = None,
    callback: Callable[[Step], None] | None = None,
    **options: Unpack[SessionOptions],
) -> Inversion:
    session = Inverter.load(settings=chosen_settings(task, settings, method), task=task, **options)
    return session.run([session.prepare(picture)], callback=callback)[0]
