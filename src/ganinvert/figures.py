"""Figures like those of the paper. matplotlib is imported when one is drawn."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    _write(figure, path)


def draw_training(losses: Sequence[Sequence[float]], evaluations: Sequence[Mapping[str, float]], path: Path) -> None:
    """How a training went: losses and augmentation above, Fréchet distances below, over the images shown.

    Args:
        losses: Rows of images shown, generator's loss, discriminator's loss, probability of augmentation.
        evaluations: Rows with "images", "frechet_training" and "frechet_held_out".
        path: A PNG file, written atomically.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    curves, distances = figure.subplots(2, 1, sharex=True)
    table = np.array(losses).reshape(-1, 4)
    for column, name in enumerate(("generator", "discriminator", "augmentation probability"), start=1):
        curves.plot(table[:, 0], table[:, column], label=name, linewidth=0.9)
    curves.set(title="losses")
    shown = [row["images"] for row in evaluations]
    for key, name in (("frechet_training", "training images"), ("frechet_held_out", "held-out images")):
        distances.plot(shown, [row[key] for row in evaluations], "o-", label=f"to {name}", markersize=3)
    distances.set(title="Fréchet distance (AlexNet)", xlabel="images shown", yscale="log")
    for axes in (curves, distances):
        axes.grid(alpha=0.3)
        axes.legend()
    _write(figure, path)


def draw_memorisation(
    samples: NDArray[np.float32], nearest: NDArray[np.float32], distances: Sequence[float], typical: float, path: Path
) -> None:
    """Samples above their nearest training images, the nearest pair first.

    Args:
        samples: (k, 3, r, r) in [0, 1].
        nearest: The same shape.
        distances: LPIPS of every pair.
        typical: Median LPIPS of held-out images to their nearest training image.
        path: A PNG file, written atomically.

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
