"""Evaluating methods on photos whose truth is known: photos are degraded here, restored, and compared with themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import torch
from torch import Tensor

from ganinvert import images
from ganinvert.bundle import LatentBundle
from ganinvert.degradations import Downsample, Grayscale
from ganinvert.errors import UsageError
from ganinvert.generators import Generator
from ganinvert.metrics import (
    alexnet_moments,
    color_auc,
    frechet_distance,
    has_lpips,
    lpips,
    mse,
    psnr,
    ssim,
)
from ganinvert.settings import METHODS, EvaluatedTask, Invert, Preset, Protocol
from ganinvert.subspaces import SubspaceMasks, find_masks
from ganinvert.tasks.editing import interpolate
from ganinvert.tasks.inversion import Inverter
from ganinvert.tasks.measuring import Colorizing, Inpainting, Inverting, Target, Task, Upscaling

INPUT = "input"
"""What tables call the degraded photos themselves: gray, enlarged, or filled with the mean colour."""
SWEEPS = {"R": "subspaces", "K": "codes", "layer": "layer", "steps": "steps"}
"""What can be swept, and the setting that it is."""


@dataclass(frozen=True)
class Metric:
    """A number that tables hold.

    Attributes:
        title: Heads its column.
        definition: What it is, in one line, for a reader who has nothing but the table.
        digits: After the point.
        better: "higher", "lower" or "".
    """

    title: str
    definition: str
    digits: int
    better: str = ""


METRICS: Mapping[str, Metric] = {
    "psnr": Metric("PSNR, dB", "-10 log10 of the mean squared difference, images in [0, 1], 8 bits", 2, "higher"),
    "psnr_missing": Metric("PSNR of the hole, dB", "PSNR of the missing pixels only", 2, "higher"),
    "ssim": Metric(
        "SSIM",
        "Wang et al. 2004: Gaussian window 11x11, sigma 1.5, K1 .01, K2 .03, biased covariances, mean over RGB",
        3,
        "higher",
    ),
    "color_auc_149": Metric(
        "colour AuC 0…149, %",
        "mean over thresholds 0, 1 … 149 of the share of pixels whose distance in a*b* (CIELAB, D65) is within",
        2,
        "higher",
    ),
    "color_auc_150": Metric("colour AuC 0…150, %", "the same with thresholds 0, 1 … 150", 2, "higher"),
    "lpips_alex": Metric("LPIPS alex", "Zhang et al. 2018, version 0.1, AlexNet, images in [-1, 1]", 4, "lower"),
    "lpips_vgg": Metric("LPIPS vgg", "Zhang et al. 2018, version 0.1, VGG16, images in [-1, 1]", 4, "lower"),
    "mse": Metric("MSE", "mean squared difference, images in [-1, 1]", 4, "lower"),
    "frechet_alexnet": Metric(
        "Fréchet (AlexNet)",
        "Fréchet distance of all results to all photos in AlexNet's relu5 features averaged over positions, images"
        " at 128 px; not an FID; biased upwards by few photos",
        2,
        "lower",
    ),
    "seconds": Metric("s/photo", "wall time of the optimisation per photo, photos of a batch in equal parts", 1),
    "memory": Metric(
        "memory, MB", "peak while optimising: of tensors on CUDA, else resident memory of the whole process", 0
    ),
}
"""In the order of the columns."""
COSTS = ("seconds", "memory")
"""Metrics that are measured anew by every run."""

MAIN: Mapping[EvaluatedTask, tuple[str, str]] = {
    "invert": ("psnr", "lpips_alex"),
    "colorize": ("color_auc_149", "lpips_alex"),
    "upscale": ("psnr", "lpips_alex"),
    "inpaint": ("psnr_missing", "lpips_alex"),
}
"""The two metrics that figures show."""


@dataclass(frozen=True)
class Contender:
    """A method, loaded for the task.

    Attributes:
        name: As in `settings.METHODS`.
        inverter: With its settings and masks.
        point: Where in a sweep, empty without one.
    """

    name: str
    inverter: Inverter
    point: Mapping[str, int]

    @property
    def label(self) -> str:
        """The method's name and the point of the sweep."""
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.point.items())])


def contenders(
    base: Inverter, names: Sequence[str], presets: Mapping[Preset, Invert], *, sweep: Mapping[str, Sequence[int]]
) -> list[Contender]:
    """Every method at every point of the sweep, on one generator.

    Layers that are swept get random subspaces of equal sizes, all of them: most were never discovered, and discovered
    ones would not compare with random ones.

    Args:
        base: Loaded for the task; its settings are replaced.
        names: Of `METHODS`.
        presets: Of the task, with what the user changed.
        sweep: Of `SWEEPS`, names to values; empty for none.

    Raises:
        UsageError: There is no such layer, or there are fewer channels than subspaces.
        WeightsError: No subspaces were discovered for this generator and layer.
    """
    found = []
    for name, values in product(names, product(*sweep.values())):
        point = dict(zip(sweep, values, strict=True))
        settings = METHODS[name].settings(presets)
        changes = {SWEEPS[key]: value for key, value in point.items()}
        if (steps := changes.pop("steps", None)) is not None:
            settings = replace(settings, optimization=replace(settings.optimization, steps=steps))
        settings = replace(settings, method=replace(settings.method, **changes))
        masks = _masks(base.generator, settings, swept="layer" in point, shuffled=METHODS[name].random_masks)
        found.append(Contender(name, replace(base, settings=settings, masks=masks), point))
    return found


def _masks(generator: Generator, settings: Invert, *, swept: bool, shuffled: bool) -> SubspaceMasks:
    method = settings.method
    if swept and method.subspaces > 1:
        return SubspaceMasks.random(generator.layer_info(method.layer).channels, method.subspaces)
    masks = find_masks(generator, method.layer, method.subspaces, affinity=method.affinity)
    return masks.shuffled() if shuffled and masks.subspaces > 1 else masks


def task_of(protocol: Protocol) -> Task:
    """The task that undoes the degradation."""
    match protocol.task:
        case "colorize":
            return Colorizing(protocol.luma)
        case "upscale":
            return Upscaling(None, protocol.kernel)
        case "inpaint":
            return Inpainting()
        case _:
            return Inverting()


def degrade(truth: Target, protocol: Protocol) -> Target:
    """What a user would have had instead of the photo, made ready for the task.

    Args:
        truth: The photo, prepared for `Inverting`.
        protocol: How to degrade it.

    Raises:
        UsageError: The photo cannot be so many times smaller.
    """
    resolution = truth.fit.pixels.shape[-1]
    x = truth.measurement.y
    picture = images.Picture(images.to_pil(((x[0] + 1) / 2).numpy()))
    match protocol.task:
        case "colorize":
            picture = _picture(Grayscale(protocol.luma)(x).expand(-1, 3, -1, -1))
        case "upscale":
            side = Upscaling(protocol.factor, protocol.kernel).side(picture, resolution)
            picture = _picture(Downsample(resolution, side, kernel=protocol.kernel)(x))
        case "inpaint":
            missing = missing_pixels(protocol, resolution, truth.sha256)
            hole = images.to_pil(np.repeat(missing.numpy()[None].astype(np.float32), 3, axis=0)).convert("L")
            picture = images.with_hole(picture, hole)
    return task_of(protocol).target(picture, images.fit(picture, picture.rgb.width))


def missing_pixels(protocol: Protocol, side: int, input_sha256: str) -> Tensor:
    """The hole, (side, side) bool: a box in the middle, or pixels drawn for this photo whatever its place in a folder.

    Raises:
        UsageError: The share is less than half a pixel, or all but that.
    """
    missing = np.zeros((side, side), dtype=bool)
    if protocol.hole == "box":
        length = round(side * math.sqrt(protocol.share))
        start = (side - length) // 2
        missing[start : start + length, start : start + length] = True
    else:
        rng = np.random.default_rng([protocol.seed, int(input_sha256[:16], 16)])
        missing.flat[rng.permutation(side * side)[: round(protocol.share * side * side)]] = True
    if not missing.any() or missing.all():
        raise UsageError(
            f"a missing share of {protocol.share:g} leaves {'nothing' if missing.all() else 'everything'} known at"
            f" {side} pixels",
            hint="choose one farther from 0 and 1",
        )
    return torch.from_numpy(missing)


def measure(result: Tensor, truth: Tensor, protocol: Protocol, *, missing: Tensor | None = None) -> dict[str, float]:
    """The metrics of one result, but for its costs.

    Args:
        result: (3, r, r) uint8.
        truth: (3, r, r) uint8.
        protocol: Whose task decides which.
        missing: (r, r) bool, the hole of `inpaint`.
    """
    x, y = (levels[None].float() / 255 for levels in (result, truth))
    found = {"psnr": psnr(x, y), "ssim": ssim(x, y), "lpips_alex": lpips(x, y), "mse": mse(x, y)}
    if has_lpips("vgg"):
        found["lpips_vgg"] = lpips(x, y, net="vgg")
    if protocol.task == "colorize":
        found |= {f"color_auc_{top}": color_auc(x, y, top=top) for top in (149, 150)}
    if missing is not None:
        found["psnr_missing"] = psnr(x[:, :, missing], y[:, :, missing])
    return {name: float(found[name]) for name in METRICS if name in found}


def measure_all(results: Iterable[Tensor], truths: Iterable[Tensor]) -> dict[str, float]:
    """The metrics of a set of results against a set of photos, (3, r, r) uint8 each; none when there is but one."""
    x, y = (torch.stack([levels.float() / 255 for levels in group]) for group in (list(results), list(truths)))
    if len(x) < 2:
        return {}
    return {"frechet_alexnet": frechet_distance(alexnet_moments(x), alexnet_moments(y))}


def guess(degraded: Target, resolution: int) -> Tensor:
    """What is seen without any method, (3, r, r) uint8; see `INPUT`."""
    shown = degraded.measurement.degradation(resolution).guess(degraded.measurement.y)[0]
    return ((shown.clamp(-1, 1) + 1) * 127.5).round().byte()


@dataclass(frozen=True)
class Path:
    """How smooth the way between two inversions is (PmSFC, figure 6).

    Attributes:
        neighbours: LPIPS between each frame and the next.
        ends: LPIPS between the first frame and the last.
    """

    neighbours: Sequence[float]
    ends: float

    @property
    def summary(self) -> dict[str, float]:
        """Mean, maximum, end-to-end distance; "detour", the length of the way as a multiple of that; and "jump"."""
        mean = sum(self.neighbours) / len(self.neighbours)
        longest = max(self.neighbours)
        detour = sum(self.neighbours) / self.ends if self.ends else math.nan
        return {
            "mean": mean,
            "max": longest,
            "ends": self.ends,
            "detour": detour,
            "jump": longest / mean if mean else math.nan,
        }


def walk(a: LatentBundle, b: LatentBundle, generator: Generator, *, frames: int) -> Path:
    """Interpolate between two inversions and measure the steps, on the 8-bit frames.

    Raises:
        BundleError: The bundles do not belong together.
        UsageError: Fewer than 2 frames.
    """
    edits = interpolate(a, b, generator, frames=frames)
    shown = torch.stack([torch.from_numpy(images.to_array(edit.image)) for edit in edits]).float() / 255
    return Path(lpips(shown[:-1], shown[1:]).tolist(), float(lpips(shown[:1], shown[-1:])))


def walks(
    bundles: Sequence[LatentBundle],
    generator: Generator,
    *,
    frames: int,
    callback: Callable[[int, int], None] | None = None,
) -> Iterator[Path]:
    """The ways from each photo to the next."""
    for n, (a, b) in enumerate(pairwise(bundles), 1):
        yield walk(a, b, generator, frames=frames)
        if callback:
            callback(n, len(bundles) - 1)


def _picture(x: Tensor) -> images.Picture:
    return images.Picture(images.to_pil(((x[0].clamp(-1, 1) + 1) / 2).numpy()))
