"""Colorizing: the photo shows the luminance of the wanted image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ganinvert.settings.common import Around, Luma
from ganinvert.settings.options import option
from ganinvert.settings.tasks.base import TaskOptions, Trial


@dataclass(frozen=True)
class ColorizeTrial(Trial):
    """The photo without its colours."""

    luma: Luma = option("rec601", "--luma", help="colorize: luminance that is kept.")

    def task(self) -> ColorizeTask:
        """Colorization of the same luminance."""
        return ColorizeTask(self.luma)


@dataclass(frozen=True)
class ColorizeTask(TaskOptions):
    """The photo shows the luminance of the wanted image.

    Attributes:
        luma: Luminance that is kept: Y′ of "rec601" or "rec709", or with "lab" L* of CIELAB; see
            `degradations.Grayscale`.
        around: Colour of a whole photo outside the squares: "gray", or "carry", where that of the squares is carried
            outwards up to the edges of the luminance.
    """

    name = "colorize"
    help = """Colorize gray photos: keep their luminance, take the chroma from the image that explains it.

    Photos in colour are reduced to gray first. Writes NAME.colorize.png and the bundle NAME.colorize.pt.

    Example: ganinvert colorize old/*.jpg -o coloured
    """
    done = "colorized"
    implementation = "ganinvert.tasks.colorize:Colorize"
    trial: ClassVar[type[Trial]] = ColorizeTrial
    main_metrics: ClassVar[tuple[str, str]] = ("color_auc_149", "lpips_alex")
    luma: Luma = option(
        "rec601", "--luma", help="Luminance that is kept: Y' of Rec.601 (JPEG) or Rec.709 (HDTV), or L* of CIELAB."
    )
    around: Around = option(
        "carry", "--around", help="Colour around the faces: gray, or that of the faces, carried on up to edges."
    )

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name and options, without carried colours around."""
        return {name: value for name, value in super().identity.items() if (name, value) != ("around", "carry")}
