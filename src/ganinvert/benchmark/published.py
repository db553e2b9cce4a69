"""Published figures (Li et al., AAAI 2021, tables 1 to 3), shown only where they compare with the measured ones."""

from __future__ import annotations

from ganinvert.benchmark.comparison import INPUT
from ganinvert.benchmark.protocol import EvaluationProtocol

_PHOTOS = 300
_FACTOR = 16
_GENERATORS = (("celebahq-1024", 1024), ("bedroom-256", 256), ("church-256", 256))
_MEANS: tuple[tuple[str, str, str, tuple[float, ...]], ...] = (
    ("invert", "pmsfc-paper", "lpips_alex", (0.4068, 0.1300, 0.1501)),
    ("invert", "pmsfc-paper", "psnr", (27.88, 27.59, 29.67)),
    ("invert", "mganprior", "lpips_alex", (0.4432, 0.1578, 0.1799)),
    ("invert", "mganprior", "psnr", (23.59, 25.13, 22.76)),
    ("colorize", "pmsfc-paper", "color_auc_149", (91.50, 91.34, 90.44)),
    ("colorize", "mganprior", "color_auc_149", (90.35, 90.02, 89.43)),
    ("colorize", INPUT, "color_auc_149", (87.33, 88.02, 85.50)),
    ("upscale", "pmsfc-paper", "psnr", (28.90,)),
    ("upscale", "pmsfc-paper", "lpips_alex", (0.3450,)),
    ("upscale", "mganprior", "psnr", (26.93,)),
    ("upscale", "mganprior", "lpips_alex", (0.3584,)),
)
"""Task, method, metric, and the means of the generators in their order."""


def published_figures(
    protocol: EvaluationProtocol, *, generator: str, resolution: int, photos: int
) -> tuple[dict[tuple[str, str], float], str]:
    """Look up the paper's means: method and metric to mean, and a sentence on their source or absence."""
    rows = [row[1:] for row in _MEANS if row[0] == protocol.task.name]
    factor = protocol.described.get("factor", _FACTOR)
    if not rows:
        return {}, "The paper has no table of this task."
    reasons = []
    generators = _GENERATORS[: len(rows[0][2])]
    if (generator, resolution) not in generators:
        reasons.append(
            f"its generators are PGGANs of {', '.join(f'{name} ({side} px)' for name, side in generators)},"
            f" this is {generator} ({resolution} px)"
        )
    if photos != _PHOTOS:
        reasons.append(f"it measured {_PHOTOS} photos, these are {photos}")
    if factor != _FACTOR:
        reasons.append(f"it upscaled {_FACTOR} times, this is {factor} times")
    if reasons:
        return {}, f"No published figures stand beside these, because protocols differ: {'; '.join(reasons)}."
    column = generators.index((generator, resolution))
    return {(method, metric): means[column] for method, metric, means in rows}, (
        "Published: Li et al., AAAI 2021, tables 1 to 3, on 300 random photos of the generator's data set, with the"
        " papers' own settings of the methods; which photos, the LPIPS net and P's kernel are not stated there."
    )
