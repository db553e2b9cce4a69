"""Restoring: the photo is small, blurred, gray, noisy, compressed or holed, or several of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ganinvert.errors import UsageError
from ganinvert.settings.common import at_least
from ganinvert.settings.options import option
from ganinvert.settings.tasks.base import Trial
from ganinvert.settings.tasks.inpaint import InpaintTask

Blur = float | Literal["auto"]
MOST_NOISE, MOST_BLUR = 100.0, 100.0


def _require(*, blur: Blur, noise: float, jpeg: int | None) -> None:
    """Raise UsageError unless a blur, a noise and a quality of JPEG can be."""
    for name, value, most in (("blur", blur, MOST_BLUR), ("noise", noise, MOST_NOISE)):
        if value != "auto" and not 0 <= value <= most:
            raise UsageError(f"{name} cannot be {value:g}", hint=f"choose a number from 0 to {most:g}")
    if jpeg is not None and not 1 <= jpeg <= 100:
        raise UsageError(f"a JPEG quality cannot be {jpeg}", hint="choose one from 1 to 100")


def _parsed_blur(text: str) -> Blur:
    try:
        return "auto" if text == "auto" else float(text)
    except ValueError as error:
        raise UsageError(f"--blur {text} is not a number", hint="give a number of pixels, or auto") from error


@dataclass(frozen=True)
class RestoreTrial(Trial):
    """The photo blurred, made smaller and gray, with noise, and compressed, in this order."""

    gray: bool = option(False, "--gray", help="restore: take the colours away.")
    downscale: int = option(1, "--downscale", help="restore: factor by which photos are made smaller.", metavar="N")
    blur: float = option(0.0, "--blur", help="restore: standard deviation of the blur, in pixels.", metavar="S")
    noise: float = option(10.0, "--noise", help="restore: standard deviation of the noise, in levels.", metavar="S")
    jpeg: int | None = option(None, "--jpeg", help="restore: quality of the compression.", metavar="Q")

    def __post_init__(self) -> None:
        at_least("downscale", self.downscale, 1)
        _require(blur=self.blur, noise=self.noise, jpeg=self.jpeg)

    def task(self) -> RestoreTask:
        """Restoration of the same from the degraded photo's own size."""
        return RestoreTask(gray=self.gray, downscale=self.downscale, blur=self.blur, noise=self.noise, jpeg=self.jpeg)


@dataclass(frozen=True)
class RestoreTask(InpaintTask):
    """The photo is the wanted image after some losses: blur, smaller size, no colours, noise, JPEG, a hole.

    Attributes:
        gray: The photo has lost its colours; one in colour is reduced to gray.
        downscale: Factor by which the photo is smaller than the wanted image; 1: not at all.
        blur: Standard deviation of the Gaussian that blurred it, in pixels of the photo; "auto": estimated.
        noise: Standard deviation of its noise, in 8-bit levels.
        jpeg: Quality of its JPEG compression; None: none that matters.
    """

    name = "restore"
    help = """Restore photos that have lost several things: colours, size, sharpness, parts; or that have noise.

    Say what happened to them; then the image is found that gives the photo when the same is done to it, but
    not its noise. Writes NAME.restore.png and the bundle NAME.restore.pt.

    Example: ganinvert restore scan.jpg --gray --downscale 4 --noise 5
    """
    done = "restored"
    implementation = "ganinvert.tasks.restore:Restore"
    trial: ClassVar[type[Trial]] = RestoreTrial
    main_metrics: ClassVar[tuple[str, str]] = ("psnr", "lpips_alex")
    gray: bool = option(False, "--gray", help="The photo has lost its colours.")
    downscale: int = option(
        1,
        "--downscale",
        help="Factor by which the photo is smaller than the generator's images; it is resized if it is not.",
        metavar="N",
        min=1,
    )
    blur: Blur = option(
        0.0,
        "--blur",
        help="Standard deviation of its blur, in pixels of the photo; auto estimates it.",
        metavar="S|auto",
        kind=str,
        parse=_parsed_blur,
    )
    noise: float = option(
        0.0, "--noise", help="Standard deviation of its noise, in levels of 255.", metavar="S", min=0, max=MOST_NOISE
    )
    jpeg: int | None = option(
        None, "--jpeg", help="Quality with which it was compressed, for JPEG artefacts.", metavar="Q", min=1, max=100
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("downscale", self.downscale, 1)
        _require(blur=self.blur, noise=self.noise, jpeg=self.jpeg)
        if not (self.has_hole or self.gray or self.downscale > 1 or self.blur or self.noise or self.jpeg):
            raise UsageError(
                "nothing is said to have happened to the photo",
                hint="say it, for instance with --gray --downscale 4 --noise 5",
            )

    @property
    def has_hole(self) -> bool:
        """True if a mask, a box or paint says what is missing."""
        return self.mask is not None or self.box is not None or self.paint is not None

    @property
    def identity(self) -> Mapping[str, Any]:
        """The name, and the losses except the hole, which is part of the input."""
        names = ("gray", "downscale", "blur", "noise", "jpeg")
        return {"task": self.name, **{name: getattr(self, name) for name in names}}
