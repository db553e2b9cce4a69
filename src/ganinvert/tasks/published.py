"""The paper's own figures (Li et al., AAAI 2021, tables 1 to 3), where they may stand beside measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganinvert.protocols import Protocol
from ganinvert.settings import EvaluatedTask
from ganinvert.tasks.comparison import INPUT

_PHOTOS = 300
_FACTOR = 16
_GENERATORS = (("celebahq-1024", 1024), ("bedroom-256", 256), ("church-256", 256))


def published_figures(
    protocol: Protocol, *, generator: str, resolution: int, photos: int
) -> tuple[dict[tuple[str, str], float], str]:
    """The paper's means for a comparison, and the sentence that says what they are or why there are none.

    Args:
        protocol: How photos were degraded.
        generator: Its name.
        resolution: Of its images, in pixels.
        photos: How many were measured.
    """
    table = _FIGURES.get(protocol.task)
    if table is None:
        return {}, "The paper has no table of this task."
    reasons = []
    if (generator, resolution) not in _GENERATORS or generator not in table:
        reasons.append(
            f"its generators are PGGANs of {', '.join(f'{name} ({side} px)' for name, side in _GENERATORS)},"
            f" this is {generator} ({resolution} px)"
        )
    if photos != _PHOTOS:
        reasons.append(f"it measured {_PHOTOS} photos, these are {photos}")
    if protocol.task == "upscale" and protocol.factor != _FACTOR:
        reasons.append(f"it upscaled {_FACTOR} times, this is {protocol.factor} times")
    if reasons:
        return {}, f"No published figures stand beside these, because protocols differ: {'; '.join(reasons)}."
    return {(method, metric): value for method, found in table[generator].items() for metric, value in found.items()}, (
        "Published: Li et al., AAAI 2021, tables 1 to 3, on 300 random photos of the generator's data set, with the"
        " papers' own settings of the methods; which photos, the LPIPS net and P's kernel are not stated there."
    )


def _table(
    names: tuple[str, ...], rows: Mapping[str, Sequence[tuple[float, ...]]]
) -> dict[str, dict[str, dict[str, float]]]:
    """Generator to method to metric to mean, of rows with one tuple of metrics per generator."""
    return {
        generator: {method: dict(zip(names, cells[n], strict=True)) for method, cells in rows.items()}
        for n, (generator, _) in enumerate(_GENERATORS)
        if all(n < len(cells) for cells in rows.values())
    }


_FIGURES: Mapping[EvaluatedTask, Mapping[str, Mapping[str, Mapping[str, float]]]] = {
    "invert": _table(
        ("lpips_alex", "psnr"),
        {
            "pmsfc-paper": [(0.4068, 27.88), (0.1300, 27.59), (0.1501, 29.67)],
            "mganprior": [(0.4432, 23.59), (0.1578, 25.13), (0.1799, 22.76)],
        },
    ),
    "colorize": _table(
        ("color_auc_149",),
        {
            "pmsfc-paper": [(91.50,), (91.34,), (90.44,)],
            "mganprior": [(90.35,), (90.02,), (89.43,)],
            INPUT: [(87.33,), (88.02,), (85.50,)],
        },
    ),
    "upscale": _table(
        ("psnr", "lpips_alex"),
        {"pmsfc-paper": [(28.90, 0.3450)], "mganprior": [(26.93, 0.3584)]},
    ),
}
