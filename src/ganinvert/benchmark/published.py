"""Published figures (Li et al., AAAI 2021, tables 1 to 3), shown only where they compare with the measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ganinvert.benchmark.comparison import INPUT
from ganinvert.benchmark.protocol import EvaluationProtocol

_PHOTOS = 300
_FACTOR = 16
_GENERATORS = (("celebahq-1024", 1024), ("bedroom-256", 256), ("church-256", 256))


def published_figures(
    protocol: EvaluationProtocol, *, generator: str, resolution: int, photos: int
) -> tuple[dict[tuple[str, str], float], str]:
    """Look up the paper's means for a comparison.

    Args:
        protocol: Degradation of the photos.
        generator: Name of the generator.
        resolution: Side of its images, in pixels.
        photos: Number of photos that were measured.

    Returns:
        Method and metric to mean, and a sentence on their source, or on why there are none.
    """
    table, factor = _FIGURES.get(protocol.task.name), protocol.described.get("factor", _FACTOR)
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
    if factor != _FACTOR:
        reasons.append(f"it upscaled {_FACTOR} times, this is {factor} times")
    if reasons:
        return {}, f"No published figures stand beside these, because protocols differ: {'; '.join(reasons)}."
    figures = table[generator]
    return {(method, metric): mean for method, means in figures.items() for metric, mean in means.items()}, (
        "Published: Li et al., AAAI 2021, tables 1 to 3, on 300 random photos of the generator's data set, with the"
        " papers' own settings of the methods; which photos, the LPIPS net and P's kernel are not stated there."
    )


def _table(
    names: tuple[str, ...], rows: Mapping[str, Sequence[tuple[float, ...]]]
) -> dict[str, dict[str, dict[str, float]]]:
    """Mapping of generator to method to metric to mean, from rows with one tuple of means per generator."""
    return {
        generator: {method: dict(zip(names, cells[n], strict=True)) for method, cells in rows.items()}
        for n, (generator, _) in enumerate(_GENERATORS)
        if all(n < len(cells) for cells in rows.values())
    }


_FIGURES: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]] = {
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
