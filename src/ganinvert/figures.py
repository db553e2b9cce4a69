"""Figures like those of the paper. matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from ganinvert.files import write_atomically
from ganinvert.settings import Affinity
from ganinvert.subspaces import SelfExpression, SubspaceMasks, affinity_matrix


def draw_discovery(expression: SelfExpression, masks: SubspaceMasks, path: Path) -> None:
    """The paper's figure 3: loss curves, and the affinity that was clustered, with channels in block order.

    Args:
        expression: What was learned.
        masks: The subspaces; their borders are drawn.
        path: A PNG file, written atomically.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    curves, blocks = figure.subplots(1, 2)
    _draw_losses(curves, expression)
    order = np.argsort(masks.labels.numpy(), kind="stable")
    kind: Affinity = "thresholded" if masks.source == "thresholded" else "paper"
    affinity = affinity_matrix(expression.matrix, masks.subspaces, kind)[np.ix_(order, order)]
    np.fill_diagonal(affinity, 0)
    blocks.imshow(affinity, cmap="magma", vmax=float(np.quantile(affinity, 0.99)), interpolation="nearest")
    for border in np.cumsum(masks.sizes)[:-1]:
        blocks.axhline(border - 0.5, color="white", linewidth=0.6)
        blocks.axvline(border - 0.5, color="white", linewidth=0.6)
    blocks.set(title=f"{kind.capitalize()} affinity, {masks.subspaces} subspaces", xlabel="channels in block order")
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
