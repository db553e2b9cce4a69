"""Figures of discovery. matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
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
    names = (("features, eq. 3", "-"), ("images, eq. 4", "--"), ("‖S‖₁", ":"))
    for (name, style), losses in zip(names, expression.losses.T.numpy(), strict=True):
        curves.plot(np.arange(1, len(losses) + 1), losses, style, label=name, linewidth=1.2)
    curves.set(yscale="log", xlabel="step", title=f"{expression.generator}, layer {expression.layer}: losses")
    curves.grid(alpha=0.3)
    curves.legend()
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


def save_figure(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as a PNG file, atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    write_atomically(path, buffer.getvalue())
