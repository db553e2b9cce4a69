"""Figures of discovery and training. matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganinvert.files import write_atomically
from ganinvert.settings.common import Affinity
from ganinvert.subspaces import SelfExpression, SubspacePartition, affinity_matrix


def draw_discovery(expression: SelfExpression, partition: SubspacePartition, path: Path) -> None:
    """Draw the paper's figure 3: loss curves, and the clustered affinity with channels in block order."""
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
    """Draw the course of a training over the number of images: losses above, labelled measures below, in log scale.

    Losses are rows of the number of images and one loss per curve; evaluations are rows with "images" and the measures.
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
    below.set(title=title, xlabel="number of images", yscale="log")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, path)


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as a PNG file, atomically."""
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
