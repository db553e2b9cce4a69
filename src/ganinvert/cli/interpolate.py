"""`ganinvert interpolate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from ganinvert.cli import _options as options
from ganinvert.cli._batch import treat
from ganinvert.cli._bundles import Pair, Read, dated, inverted, read
from ganinvert.cli._console import Show
from ganinvert.cli._results import Item, chosen_suffixes, png_text
from ganinvert.cli._signature import with_options
from ganinvert.cli._work import Done, Work
from ganinvert.settings import InterpolationPath, preset_of

if TYPE_CHECKING:
    from ganinvert.tasks import Inverter

FILES = {"webp": ".webp", "gif": ".gif", "frames": ".{:03d}.png", "strip": ".png"}
STRIP = 8
"""Images in a strip, at most."""


@with_options(Pair, preset_of("pmsfc", "edit"))
def interpolate(
    pair: Pair,
    frames: Annotated[
        int, options.opt(options.METHOD, "--frames", help="Number of images, both ends included.", metavar="N", min=2)
    ] = 60,
    path: Annotated[
        InterpolationPath,
        options.opt(
            options.METHOD, "--path", help="Interpolate composed features, as in the paper, or codes and weights."
        ),
    ] = "features",
    save: Annotated[
        str,
        options.opt(
            options.IO,
            "--save",
            help=f"File to write: webp or gif (animations), frames (PNG files), strip ({STRIP} of the images).",
            metavar="LIST",
        ),
    ] = "webp,strip",
) -> None:
    """Go from one photo or bundle to another: an animation, frames or a strip of the images between.

    Writes A-B.interpolate.webp, an animation, and A-B.interpolate.png, a strip.

    Example: ganinvert interpolate ann.jpg bob.pt --frames 60
    """
    kinds = chosen_suffixes(save, FILES)
    items = pair.items("interpolate", _suffixes(kinds, frames))
    inverter = pair.inverter()

    def run(batch: Sequence[tuple[Item, Read]], show: Show) -> list[Done]:
        return [_done(made, inverter, show, frames, path, metadata=not pair.no_metadata) for _, made in batch]

    work = Work(
        prepare=lambda item: read(item.inputs, {"frames": frames, "path": path}, inverter=inverter),
        identity=lambda made: made.hashes,
        run=run,
        done="interpolated",
    )
    treat(items, work, pair.conduct, command="interpolate")


def _suffixes(kinds: Mapping[str, str], frames: int) -> dict[str, str]:
    """Every file's own suffix; an animation alone comes last and, without text inside, is never up to date."""
    found: dict[str, str] = {}
    for kind, suffix in kinds.items():
        if kind == "frames":
            found |= {f"frame {n}": suffix.format(n) for n in range(1, frames + 1)}
        else:
            found[kind] = suffix
    return found


def _done(made: Read, inverter: Inverter, show: Show, frames: int, path: InterpolationPath, *, metadata: bool) -> Done:
    from ganinvert.images import encode_animation, encode_png, grid
    from ganinvert.tasks import interpolate

    a, b = inverted(made, inverter, show)
    edits = interpolate(a, b, inverter.generator.cpu(), frames=frames, path=path)
    images = [edit.image for edit in edits]
    text = png_text(dated(edits[0].bundle, made)) if metadata else None
    shown = sorted({round(n * (frames - 1) / (STRIP - 1)) for n in range(STRIP)})
    return Done(
        files={
            "webp": lambda: encode_animation(images, "webp"),
            "gif": lambda: encode_animation(images, "gif"),
            "strip": lambda: encode_png(grid([[images[n] for n in shown]]), text),
            **{f"frame {n}": lambda image=image: encode_png(image, text) for n, image in enumerate(images, 1)},  # type: ignore[misc]  # each its own image
        }
    )
