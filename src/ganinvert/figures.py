"""Figures of discovery and training. matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
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
    save_figure(figure, path)


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
    save_figure(figure, path)


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
    save_figure(figure, path)


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as a PNG file, atomically.

    Raises:
        OutputError: The file cannot be written.
    """
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
