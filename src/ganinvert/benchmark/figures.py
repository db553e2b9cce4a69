"""Figures of a benchmark; `OutputError` when one cannot be written. matplotlib is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ganinvert.figures import save_figure


def draw_sweep(
    rows: Sequence[tuple[str, Mapping[str, int], Sequence[float]]], titles: Sequence[str], path: Path
) -> None:
    """Draw the paper's figure 7: quality over the swept setting, a panel per metric, which `titles` name.

    A row is a method, its point of the sweep, and a mean per metric. The last swept setting is on the axis; there is a
    line for every method and value of the others.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(titles), 3.6), layout="constrained")
    *others, axis = rows[0][1]
    several = len({method for method, _, _ in rows}) > 1
    lines: dict[str, list[tuple[int, Sequence[float]]]] = {}
    for method, point, means in rows:
        name = " ".join([*([method] if several or not others else []), *(f"{key} = {point[key]}" for key in others)])
        lines.setdefault(name, []).append((point[axis], means))
    for n, (axes, title) in enumerate(zip(figure.subplots(1, len(titles), squeeze=False)[0], titles, strict=True)):
        for style, (name, points) in zip(_styles(), lines.items(), strict=False):
            axes.plot([value for value, _ in points], [means[n] for _, means in points], label=name, **style)
        axes.set(xlabel=axis, ylabel=title, xticks=sorted({point[axis] for _, point, _ in rows}))
        _finish(axes, figure, path)


def draw_curves(curves: Mapping[str, Sequence[tuple[int, float, float]]], path: Path) -> None:
    """Draw quality over time, a line per label, of rows of steps, seconds per photo and PSNR in dB."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for style, (label, curve) in zip(_styles(), curves.items(), strict=False):
        axes.plot([row[1] for row in curve], [row[2] for row in curve], label=label, markevery=3, **style)
    axes.set(xscale="log", xlabel="seconds per photo", ylabel="mean PSNR of what is known, dB")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    _finish(axes, figure, path)


def draw_smoothness(paths: Mapping[str, Sequence[Sequence[float]]], path: Path) -> None:
    """Draw the paper's figure 6 in numbers: mean and range, over interpolations, of LPIPS between neighbours."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for style, (label, interpolations) in zip(_styles(), paths.items(), strict=False):
        steps = np.array(interpolations)
        share = (np.arange(steps.shape[1]) + 0.5) / steps.shape[1]
        axes.plot(share, steps.mean(axis=0), label=label, **style)
        axes.fill_between(share, steps.min(axis=0), steps.max(axis=0), color=style["color"], alpha=0.12, linewidth=0)
    axes.set(xlabel="way from one photo to the next", ylabel="LPIPS between neighbouring frames", ylim=(0, None))
    _finish(axes, figure, path)


def _styles() -> Iterator[dict[str, Any]]:
    """Cycle through colours for colour-blind readers (Okabe and Ito 2008), with markers and dashes for print."""
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#F0E442")
    for n in count():
        yield {
            "color": colours[n % len(colours)],
            "marker": "osD^vPX*"[n % 8],
            "linestyle": ("-", "--", "-.", ":")[n % 4],
            "markersize": 4,
            "linewidth": 1.2,
        }


def _finish(axes: Any, figure: Any, path: Path) -> None:
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    save_figure(figure, path)
