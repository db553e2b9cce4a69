"""Figures of discovery, evaluation and training. matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganinvert.files import write_atomically
from ganinvert.settings import Affinity
from ganinvert.subspaces import SelfExpression, SubspacePartition, affinity_matrix


def draw_discovery(expression: SelfExpression, partition: SubspacePartition, path: Path) -> None:
    """Draw the paper's figure 3: loss curves, and the clustered affinity with channels in block order.

    Args:
        expression: Learned self-expression and its losses.
        partition: Subspaces, whose borders are drawn.
        path: PNG file to write.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    curves, blocks = figure.subplots(1, 2)
    _draw_losses(curves, expression)
    order = np.argsort(partition.labels.numpy(), kind="stable")
    kind: Affinity = "thresholded" if partition.source == "thresholded" else "paper"
    affinity = affinity_matrix(expression.matrix, partition.subspaces, kind)[np.ix_(order, order)]
    np.fill_diagonal(affinity, 0)
    blocks.imshow(affinity, cmap="magma", vmax=float(np.quantile(affinity, 0.99)), interpolation="nearest")
    for border in np.cumsum(partition.sizes)[:-1]:
        blocks.axhline(border - 0.5, color="white", linewidth=0.6)
        blocks.axvline(border - 0.5, color="white", linewidth=0.6)
    blocks.set(title=f"{kind.capitalize()} affinity, {partition.subspaces} subspaces", xlabel="channels in block order")
    _write(figure, path)


def draw_sweep(
    rows: Sequence[tuple[str, Mapping[str, int], Sequence[float]]], titles: Sequence[str], path: Path
) -> None:
    """The paper's figure 7: quality against what was swept, a panel per metric.

    The last thing swept is on the axis; there is a line for every method and value of the others.

    Args:
        rows: Method, point of the sweep, and a mean per metric.
        titles: Of the metrics.
        path: A PNG file, written atomically.

    Raises:
        OutputError: The file cannot be written.
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
        axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    _write(figure, path)


def draw_curves(curves: Mapping[str, Sequence[tuple[int, float, float]]], path: Path) -> None:
    """Quality against time, a line per method.

    Args:
        curves: Label to rows of steps, seconds per photo and PSNR of the measurement in dB.
        path: A PNG file, written atomically.

    Raises:
        OutputError: The file cannot be written.
    """
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
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    _write(figure, path)


def draw_walks(walks: Mapping[str, Sequence[Sequence[float]]], path: Path) -> None:
    """The paper's figure 6 in numbers: steps along interpolations, mean over the ways and their range.

    Args:
        walks: Label to ways, each the LPIPS between neighbouring frames.
        path: A PNG file, written atomically.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for style, (label, ways) in zip(_styles(), walks.items(), strict=False):
        steps = np.array(ways)
        share = (np.arange(steps.shape[1]) + 0.5) / steps.shape[1]
        axes.plot(share, steps.mean(axis=0), label=label, **style)
        axes.fill_between(share, steps.min(axis=0), steps.max(axis=0), color=style["color"], alpha=0.12, linewidth=0)
    axes.set(xlabel="way from one photo to the next", ylabel="LPIPS between neighbouring frames", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    _write(figure, path)


def draw_course(
    losses: Sequence[Sequence[float]],
    evaluations: Sequence[Mapping[str, float]],
    path: Path,
    *,
    curves: Sequence[str],
    measures: Mapping[str, str],
    title: str,
) -> None:
    """Draw the course of a training: losses above, measures below, over the number of images.

    Args:
        losses: Rows of the number of images and one loss per curve.
        evaluations: Rows with "images" and the measures.
        path: PNG file to write.
        curves: Names of the losses.
        measures: Keys of evaluations and their names; drawn on a logarithmic axis.
        title: Title of the measures.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    table = np.array(losses).reshape(-1, 1 + len(curves))
    for column, name in enumerate(curves, start=1):
        above.plot(table[:, 0], table[:, column], label=name, linewidth=0.9)
    above.set(title="losses")
    images = [row["images"] for row in evaluations]
    for key, name in measures.items():
        below.plot(images, [row[key] for row in evaluations], "o-", label=name, markersize=3)
    below.set(title=title, xlabel="images shown", yscale="log")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend()
    _write(figure, path)


def draw_memorisation(
    samples: NDArray[np.float32], nearest: NDArray[np.float32], distances: Sequence[float], typical: float, path: Path
) -> None:
    """Draw samples above their nearest training images, the nearest pair first.

    Args:
        samples: Samples (k, 3, r, r) in [0, 1].
        nearest: Nearest training image of each sample, of the same shape.
        distances: LPIPS of every pair.
        typical: Median LPIPS of held-out images to their nearest training image.
        path: PNG file to write.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    columns, side = min(8, len(samples)), samples.shape[-1]
    rows, gap = -(-len(samples) // columns), side // 4
    sheet = np.ones((rows * (2 * side + gap), columns * (side + 1), 3), dtype=np.float32)
    figure = Figure(figsize=(1.2 * columns, 1.2 * sheet.shape[0] / side + 0.4), layout="constrained")
    axes = figure.subplots()
    for n, distance in enumerate(distances):
        top, left = n // columns * (2 * side + gap), n % columns * (side + 1)
        pair = np.concatenate([samples[n], nearest[n]], axis=1).transpose(1, 2, 0)
        sheet[top : top + 2 * side, left : left + side] = pair
        axes.text(left + side / 2, top + 2 * side + gap * 0.4, f"{distance:.3f}", fontsize=7, ha="center", va="center")
    axes.imshow(sheet, interpolation="nearest")
    axes.axis("off")
    axes.set_title(
        f"Samples above their nearest training images, and their LPIPS; held-out images: {typical:.3f} (median)",
        fontsize=9,
    )
    _write(figure, path)


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


def _write(figure: Any, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    write_atomically(path, buffer.getvalue())


def _draw_losses(axes: Any, expression: SelfExpression) -> None:
    steps = np.arange(1, len(expression.losses) + 1)
    names = (("features, eq. 3", "-"), ("images, eq. 4", "--"), ("‖S‖₁", ":"))
    for (name, style), values in zip(names, expression.losses.T.numpy(), strict=True):
        axes.plot(steps, values, style, label=name, linewidth=1.2)
    axes.set(yscale="log", xlabel="step", title=f"{expression.generator}, layer {expression.layer}: losses")
    axes.grid(alpha=0.3)
    axes.legend()
