"""`ganinvert swap`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from ganinvert.cli import _options as options
from ganinvert.cli._batch import treat
from ganinvert.cli._bundles import Pair, Read, dated, inverted, read
from ganinvert.cli._console import Show
from ganinvert.cli._results import Item, png_text
from ganinvert.cli._signature import with_options
from ganinvert.cli._work import Done, Work
from ganinvert.errors import UsageError
from ganinvert.settings import preset_of

if TYPE_CHECKING:
    from ganinvert.tasks import Inverter

FILES = {"a": ".a.png", "b": ".b.png", "grid": ".grid.png", "bundle_b": ".b.pt", "bundle": ".a.pt"}
"""Kind of file to what its name ends with; the last is the sign that the others are complete."""


@with_options(Pair, preset_of("pmsfc", "edit"))
def swap(
    pair: Pair,
    chosen: Annotated[
        str | None,
        options.opt(
            options.METHOD,
            "--subspaces",
            help="Numbers of the subspaces to exchange, from 1, with commas between.",
            metavar="LIST",
            show_default=False,
        ),
    ] = None,
    strength: Annotated[
        float,
        options.opt(
            options.METHOD,
            "--strength",
            help="Strength of the exchange: 1 exchanges the subspaces, less mixes them.",
            metavar="S",
            min=0,
            max=1,
        ),
    ] = 1.0,
    grid: Annotated[
        bool,
        options.opt(
            options.IO,
            "--grid",
            help="Also write a picture with the exchange of every subspace, as the paper's figure 4.",
        ),
    ] = False,
) -> None:
    """Exchange subspaces between two photos or bundles: expression, age, colours … of one in the other.

    Writes A-B.swap.a.png, A with the subspaces of B, and A-B.swap.b.png the other way round, with their bundles.

    Example: ganinvert swap ann.jpg bob.jpg --subspaces 2,5 --grid
    """
    numbers = _numbers(chosen) if chosen is not None else []
    if not numbers and not grid:
        raise UsageError(
            "nothing says what to exchange", hint="name subspaces with --subspaces 2,5, or see all with --grid"
        )
    kinds = [
        *(["a", "b"] if numbers else []),
        *(["grid"] if grid else []),
        *(["bundle_b", "bundle"] if numbers else []),
    ]
    suffixes = {kind: FILES[kind] for kind in kinds}
    items = pair.items("swap", suffixes)
    inverter = pair.inverter()
    inverter.partition.channels(numbers)  # refuses subspaces that do not exist before any work
    settings = {"subspaces": numbers, "strength": strength}

    def run(batch: Sequence[tuple[Item, Read]], show: Show) -> list[Done]:
        return [_done(made, inverter, show, numbers, strength, metadata=not pair.no_metadata) for _, made in batch]

    work = Work(
        prepare=lambda item: read(item.inputs, settings, inverter=inverter),
        identity=lambda made: made.hashes,
        run=run,
        done="exchanged",
    )
    treat(items, work, pair.conduct, command="swap")


def _numbers(text: str) -> list[int]:
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise UsageError(f"--subspaces {text} is no list of numbers", hint="for instance --subspaces 2,5") from error


def _done(
    made: Read, inverter: Inverter, show: Show, numbers: Sequence[int], strength: float, *, metadata: bool
) -> Done:
    from ganinvert.images import encode_png
    from ganinvert.tasks import swap, swap_grid

    a, b = inverted(made, inverter, show)
    generator = inverter.generator.cpu()
    first, second = swap(a, b, generator, subspaces=numbers, strength=strength)
    bundles = [dated(edit.bundle, made) for edit in (first, second)]
    text = png_text(bundles[0]) if metadata else None
    distances = {
        f"{side}_{name}": value
        for side, edit in zip("ab", bundles, strict=True)
        for name, value in edit.metrics.items()
    }
    return Done(
        files={
            "a": lambda: encode_png(first.image, text),
            "b": lambda: encode_png(second.image, text),
            "grid": lambda: encode_png(swap_grid(a, b, generator, strength=strength), text),
            "bundle_b": bundles[1].encode,
            "bundle": bundles[0].encode,
        },
        metrics=distances if numbers else {},
        verdict="LPIPS to A and to B: a {a_lpips_a:.3f}, {a_lpips_b:.3f}; b {b_lpips_a:.3f}, {b_lpips_b:.3f}".format(
            **distances
        )
        if numbers
        else "",
    )
