"""One picture: inverting, colorizing, upscaling, inpainting; `Inverter` does the same for many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ganinvert import images
from ganinvert.optimize import Step
from ganinvert.settings import (
    COLORIZE,
    DEFAULT_GENERATOR,
    INPAINT,
    INVERT,
    UPSCALE,
    Align,
    Box,
    FitMode,
    InversionSettings,
    Kernel,
    Luma,
    MethodName,
    MethodSettings,
    Precision,
    preset_of,
)
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks.base import ColorizeTask, InpaintTask, UpscaleTask, holed
from ganinvert.tasks.results import Inversion
from ganinvert.tasks.session import Inverter

if TYPE_CHECKING:
    from PIL.Image import Image


def invert(
    picture: str | Path | Image,
    *,
    generator: str | Path = DEFAULT_GENERATOR,
    settings: InversionSettings = INVERT["default"],
    method: MethodSettings | MethodName | None = None,
    partition: SubspacePartition | None = None,
    fit: FitMode = "crop",
    align: Align = "auto",
    face: int = 1,
    paste_back: bool = False,
    reals: Path | None = None,
    device: str = "auto",
    dtype: Precision = "auto",
    seed: int = 0,
    callback: Callable[[Step], None] | None = None,
) -> Inversion:
    """Invert one picture: find codes whose composed features the generator turns into it (PmSFC, eqs. 6–8).

    Args:
        picture: A file or a Pillow image, of any size and mode.
        generator: `portraits-64` or a generator file.
        settings: Method, optimisation and objective; `settings.INVERT["paper"]` is the paper's.
        method: The name of one, whose default preset replaces `settings`; or what replaces `settings.method`, for
            instance `PmSFC(subspaces=6, codes=5)`.
        partition: Subspaces to use instead of the discovered ones.
        fit: How a picture that is not square becomes so: "crop", "pad" or "squash".
        align: "auto" moves a face to where a face generator expects it, unless it is there; "force" always; "off"
            never, and says when it should.
        face: Which face, counted from the largest.
        paste_back: Also put the result back into the picture, at its own size: `Inversion.whole`.
        reals: Folder of photos that near-perfect fine-tuning takes for real, instead of the generator's samples.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: What convolutions compute in: "auto", "float32" or "bfloat16".
        seed: Of the codes' start.
        callback: Called after every step; an exception it raises ends the inversion.

    Raises:
        ImageError: The picture cannot be used.
        UsageError: A setting cannot be.
        WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
    """
    if isinstance(method, str):
        settings = preset_of(method, "invert")
    elif method is not None:
        settings = settings.of(method)
    inverter = Inverter.load(
        generator,
        settings,
        partition=partition,
        fit=fit,
        align=align,
        face=face,
        paste_back=paste_back,
        reals=reals,
        device=device,
        dtype=dtype,
        seed=seed,
    )
    return inverter.run([inverter.prepare(picture)], callback=callback)[0]


def colorize(
    picture: str | Path | Image,
    *,
    luma: Luma = "rec601",
    generator: str | Path = DEFAULT_GENERATOR,
    settings: InversionSettings = COLORIZE["default"],
    fit: FitMode = "crop",
    align: Align = "auto",
    paste_back: bool = False,
    device: str = "auto",
    seed: int = 0,
    callback: Callable[[Step], None] | None = None,
) -> Inversion:
    """Give a gray picture colours: its luminance, with the chroma of the image that explains it (PmSFC, eq. 9).

    Args:
        picture: A file or a Pillow image of any mode; one in colour is reduced to gray.
        luma: What is kept: the Y′ of "rec601" or "rec709", or with "lab" the L* of CIELAB.
        generator: `portraits-64` or a generator file.
        settings: Method, optimisation and objective; `settings.COLORIZE["paper"]` is the paper's.
        fit: How a picture that is not square becomes so: "crop", "pad" or "squash".
        align: What to do about a face that is not where the generator expects it: see `invert`.
        paste_back: Also put the result back into the picture, at its own size: `Inversion.whole`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        seed: Of the codes' start.
        callback: Called after every step; an exception it raises ends the optimisation.

    Raises:
        ImageError: The picture cannot be used.
        UsageError: A setting cannot be.
        WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
    """
    task = ColorizeTask(luma)
    inverter = Inverter.load(
        generator, settings, task=task, fit=fit, align=align, paste_back=paste_back, device=device, seed=seed
    )
    return inverter.run([inverter.prepare(picture)], callback=callback)[0]


def upscale(
    picture: str | Path | Image,
    *,
    factor: int | None = None,
    kernel: Kernel = "bicubic",
    generator: str | Path = DEFAULT_GENERATOR,
    settings: InversionSettings = UPSCALE["default"],
    fit: FitMode = "crop",
    align: Align = "auto",
    device: str = "auto",
    seed: int = 0,
    callback: Callable[[Step], None] | None = None,
) -> Inversion:
    """Find the image that, made smaller, is the picture (super-resolution; PmSFC, eq. 9).

    Args:
        picture: The small picture, a file or a Pillow image.
        factor: How many times smaller it is than the generator's images; a picture of another size is resized to
            it. None takes the picture's own size, whatever factor that makes.
        kernel: How it was made smaller: see `degradations.Downsample`.
        generator: `portraits-64` or a generator file.
        settings: Method, optimisation and objective; `settings.UPSCALE["paper"]` is the paper's.
        fit: How a picture that is not square becomes so: "crop", "pad" or "squash".
        align: What to do about a face that is not where the generator expects it: see `invert`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        seed: Of the codes' start.
        callback: Called after every step; an exception it raises ends the optimisation.

    Raises:
        ImageError: The picture cannot be used, or is not smaller than the generator's images.
        UsageError: A setting cannot be.
        WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
    """
    task = UpscaleTask(factor, kernel)
    inverter = Inverter.load(generator, settings, task=task, fit=fit, align=align, device=device, seed=seed)
    return inverter.run([inverter.prepare(picture)], callback=callback)[0]


def inpaint(
    picture: str | Path | Image,
    mask: str | Path | Image | None = None,
    *,
    box: Box | None = None,
    keep_white: bool = False,
    generator: str | Path = DEFAULT_GENERATOR,
    settings: InversionSettings = INPAINT["default"],
    fit: FitMode = "crop",
    align: Align = "auto",
    paste_back: bool = False,
    device: str = "auto",
    seed: int = 0,
    callback: Callable[[Step], None] | None = None,
) -> Inversion:
    """Fill the missing part of a picture; the known pixels stay as they are (PmSFC, eq. 9).

    Args:
        picture: A file or a Pillow image.
        mask: White where the picture is missing; a file or a Pillow image of the picture's size.
        box: Left, top, width and height, in pixels of the picture, of a missing rectangle; used without a mask.
            With neither, the transparent part is missing.
        keep_white: White in the mask is known and black missing.
        generator: `portraits-64` or a generator file.
        settings: Method, optimisation and objective; `settings.INPAINT["paper"]` is the paper's.
        fit: How a picture that is not square becomes so: "crop", "pad" or "squash".
        align: What to do about a face that is not where the generator expects it: see `invert`.
        paste_back: Also put the result back into the picture, at its own size: `Inversion.whole`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        seed: Of the codes' start.
        callback: Called after every step; an exception it raises ends the optimisation.

    Raises:
        ImageError: The picture or the mask cannot be used, or the mask leaves nothing missing or nothing known.
        UsageError: A setting cannot be.
        WeightsError: The generator is unknown or damaged, or no subspaces were discovered for it.
    """
    task = InpaintTask()
    inverter = Inverter.load(
        generator, settings, task=task, fit=fit, align=align, paste_back=paste_back, device=device, seed=seed
    )
    read = images.read(Path(picture)) if isinstance(picture, str | Path) else images.from_pil(picture)
    target = inverter.prepare(holed(read, mask=mask, box=box, keep_white=keep_white))
    return inverter.run([target], callback=callback)[0]
