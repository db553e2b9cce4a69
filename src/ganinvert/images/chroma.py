"""Carry the colours of a part of a gray picture over the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ganinvert.images.pasting import Patch
from ganinvert.images.raster import resample

SOLVED_SIDE = 256
"""Longer side in pixels at which colours are carried."""
STRIP = 1024
"""Rows of a picture that are worked on together, which keeps the memory small."""
CONTRAST = 0.04
"""Difference of neighbours' gray values, of white, at which they hardly share colours."""
LOOSEST = 1e-4
"""Least weight of a pair of neighbours."""
FADING = 0.5
"""Distance over which colours fade to gray in a flat region, as a share of the picture's longer side."""
FIT_RADIUS, FIT_SOFTNESS = 4, 1e-3
"""Window in pixels at the side above, and regularisation, of the fit of colours to gray values."""
_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)

Plane = NDArray[np.float32]


def carry_chroma(gray: Plane, patches: Sequence[Patch]) -> Iterator[tuple[slice, Plane]]:
    """Carry the chroma of patches over a gray picture (h, w) in [0, 1]: strips of rows and their chroma (n, w, 3).

    Neighbours of the like gray values get the like colours (Levin et al. 2004), and farther ones more and more gray:
    Σ w_rs (u_r - u_s)² + Σ c_r (u_r - v_r)² + ε Σ u_r² is minimised for a small picture. The large one follows by the
    guided filter (He and Sun 2015), the best linear function of the gray values in every window.
    """
    height, width = gray.shape
    scale = min(1.0, SOLVED_SIDE / max(gray.shape))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = resample(gray[..., None], size, "area")[..., 0]
    known = np.zeros((*small.shape, 4), dtype=np.float32)
    for patch in patches:
        _add(known, patch, scale)
    chroma = _solve(small, known[..., :3], known[..., 3])
    slopes, offsets = _linear_fit(small, chroma)
    for start in range(0, height, STRIP):
        rows = slice(start, min(start + STRIP, height))
        box = (0.0, rows.start * size[1] / height, float(size[0]), rows.stop * size[1] / height)
        slope, offset = (_enlarged(each, (width, rows.stop - rows.start), box) for each in (slopes, offsets))
        yield rows, slope * gray[rows, :, None] + offset


def _add(known: Plane, patch: Patch, scale: float) -> None:
    """Add the chroma of a patch, times its weight, and the weight to the small picture, in place."""
    rgb = np.asarray(patch.image, dtype=np.float32) / np.float32(255)
    chroma = rgb - (rgb @ _WEIGHTS)[..., None]
    values = np.concatenate([chroma * patch.weight, patch.weight], axis=2)
    top, left = round(patch.rows.start * scale), round(patch.columns.start * scale)
    bottom = min(max(round(patch.rows.stop * scale), top + 1), known.shape[0])
    right = min(max(round(patch.columns.stop * scale), left + 1), known.shape[1])
    if bottom > top and right > left:
        known[top:bottom, left:right] += resample(values, (right - left, bottom - top), "area")


def _solve(gray: Plane, weighted: Plane, weight: Plane) -> Plane:
    """Minimise the sum of `carry_chroma`, (h, w, 3); `weighted` is c v, and `weight` is c."""
    from scipy.sparse import coo_array, diags_array  # not for every picture: it takes longer than reading one
    from scipy.sparse.linalg import spsolve

    numbers = np.arange(gray.size).reshape(gray.shape)
    pairs, ties = [], []
    for rows, columns in ((1, 0), (0, 1), (1, 1), (1, -1)):
        first = numbers[: gray.shape[0] - rows, max(0, -columns) : gray.shape[1] - max(0, columns)]
        second = numbers[rows:, max(0, columns) : gray.shape[1] + min(0, columns)]
        difference = gray.flat[first.ravel()] - gray.flat[second.ravel()]
        pairs.append((first.ravel(), second.ravel()))
        ties.append(np.maximum(np.exp(-np.square(difference / CONTRAST)), LOOSEST))
    first, second = (np.concatenate(each) for each in zip(*pairs, strict=True))
    tie = np.concatenate(ties).astype(np.float64)
    graph = coo_array((np.tile(tie, 2), (np.r_[first, second], np.r_[second, first])), shape=(gray.size, gray.size))
    fading = (FADING * max(gray.shape)) ** -2
    system = diags_array(graph.sum(axis=1) + weight.ravel() + fading) - graph
    chroma: Plane = spsolve(system.tocsc(), weighted.reshape(-1, 3).astype(np.float64)).astype(np.float32)
    return chroma.reshape(weighted.shape)


def _linear_fit(gray: Plane, chroma: Plane) -> tuple[Plane, Plane]:
    """Fit chroma ≈ slope · gray + offset in every window: slopes and offsets (h, w, 3), averaged over windows."""
    from scipy.ndimage import uniform_filter

    def mean(x: Plane) -> Plane:
        filtered: Plane = uniform_filter(x, size=(2 * FIT_RADIUS + 1, 2 * FIT_RADIUS + 1, 1), mode="nearest")
        return filtered

    guide = gray[..., None]
    centre, middle = mean(guide), mean(chroma)
    slope = (mean(guide * chroma) - centre * middle) / (mean(guide * guide) - centre**2 + FIT_SOFTNESS)
    return mean(slope), mean(middle - slope * centre)


def _enlarged(plane: Plane, size: tuple[int, int], box: tuple[float, float, float, float]) -> Plane:
    """Enlarge a box of a plane (h, w, 3) to a size (width, height)."""
    bands = [Image.fromarray(np.ascontiguousarray(band)) for band in np.moveaxis(plane, 2, 0)]
    return np.stack([np.asarray(band.resize(size, Image.Resampling.BILINEAR, box)) for band in bands], axis=2)
