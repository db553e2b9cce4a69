"""Metrics for reports, not for optimisation. Images are (b, 3, h, w) in [0, 1]; results are (b,)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.images.color import to_lab
from ganinvert.perception import LpipsNet, lpips_network, lpips_vectors

SSIM_WINDOW = 11
_CPU = torch.device("cpu")
"""Device of all reported metrics, so that they are the same on every machine."""
FEATURE_SIDE = 128
"""Side in pixels to which images are resized for `alexnet_moments`; smaller images lose AlexNet's last layers."""


def to_unit(x: Tensor) -> Tensor:
    """Convert images from the generator's range [-1, 1] to [0, 1]: (x + 1) / 2, clamped, float32."""
    return (x.float() / 2 + 0.5).clamp(0, 1)


def mse(x: Tensor, y: Tensor) -> Tensor:
    """Compute the mean squared difference of images rescaled to [-1, 1]: 0 if equal, at most 4.

    Papers on inversion by fine-tuning do not state the range; generators work in [-1, 1].
    """
    return 4 * (x - y).square().flatten(1).mean(dim=1)


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Compute the peak signal-to-noise ratio in dB, -10·log10 of the mean squared difference; higher is better."""
    return -10 * (x - y).square().flatten(1).mean(dim=1).log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Compute the structural similarity (Wang et al. 2004), at most 1; higher is better.

    Gaussian window of 11×11 with σ = 1.5, K1 = 0.01, K2 = 0.03, biased covariances, mean over the colour channels and
    the positions where the whole window fits. Smaller images use the largest odd window that fits.
    """
    window = min(SSIM_WINDOW, *(side - 1 + side % 2 for side in x.shape[-2:]))
    offsets = torch.arange(window, device=x.device, dtype=x.dtype) - window // 2
    line = torch.exp(-offsets.square() / (2 * 1.5**2))
    line = line / line.sum()
    kernel = torch.outer(line, line).expand(3, 1, -1, -1)

    def blur(image: Tensor) -> Tensor:
        return F.conv2d(image, kernel, groups=3)

    mean_x, mean_y = blur(x), blur(y)
    variance_x, variance_y = blur(x * x) - mean_x.square(), blur(y * y) - mean_y.square()
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    denominator = (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    return (numerator / denominator).flatten(1).mean(dim=1)


def color_auc(x: Tensor, y: Tensor, *, top: int = 149) -> Tensor:
    """Compute the colour AuC (Zhang et al. 2016, without class weights) in per cent; higher is better.

    It is the mean over thresholds 0, 1 … `top` of the share of pixels whose a*b* distance is within the threshold.
    Sources differ in `top`: 149 or 150.
    """
    distance = (to_lab(x) - to_lab(y))[:, 1:].norm(dim=1).flatten(1)
    thresholds = torch.arange(top + 1, device=x.device, dtype=x.dtype)
    return 100 * torch.stack([(distance <= threshold).to(x.dtype).mean(dim=1) for threshold in thresholds]).mean(dim=0)


def lpips(x: Tensor, y: Tensor, *, net: LpipsNet = "alex") -> Tensor:
    """Compute LPIPS (Zhang et al. 2018, eq. 1) with the heads of version 0.1; at least 0, lower is better.

    Values of its two networks are not comparable: "alex" is embedded, "vgg" needs `ganinvert fetch-weights vgg16`.

    Raises:
        WeightsError: VGG16 is not in the cache.
    """
    return (lpips_features(x, net=net) - lpips_features(y, net=net)).square().sum(dim=1)


@torch.no_grad()
def lpips_features(x: Tensor, *, net: LpipsNet = "alex") -> Tensor:
    """Compute vectors (b, d) whose squared Euclidean distances are `lpips`, to compare many images with many."""
    return lpips_vectors(x.float().cpu() * 2 - 1, net)


def image_metrics(x: Tensor, y: Tensor) -> list[dict[str, float]]:
    """Compute PSNR, SSIM and LPIPS of results and targets (b, 3, r, r) in the generator's range, about [-1, 1]."""
    x, y = to_unit(x).cpu(), to_unit(y).cpu()
    columns = {"psnr": psnr(x, y), "ssim": ssim(x, y), "lpips": lpips(x, y)}
    return [{name: float(values[n]) for name, values in columns.items()} for n in range(len(x))]


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and unbiased covariance (d, d) of the features of a set of images, float64, and their number."""

    mean: Tensor
    covariance: Tensor
    count: int


def alexnet_moments(images: Iterable[Tensor]) -> Moments:
    """Compute the moments of AlexNet's relu5 features, averaged over positions: 256 numbers per image.

    There are at least 2 images (3, h, w) in [0, 1], which are resized to `FEATURE_SIDE` pixels.
    """
    network, _ = lpips_network("alex", _CPU)
    with torch.no_grad():
        means = [network(image.cpu()[None] * 2 - 1, FEATURE_SIDE)[-1].mean(dim=(2, 3)).double() for image in images]
    features = torch.cat(means)
    return Moments(features.mean(dim=0), features.T.cov(), len(features))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Compute the Fréchet distance of two normal distributions, ‖μ_a - μ_b‖² + tr(A + B - 2 (A B)^½); 0 if equal.

    It is an FID (Heusel et al. 2017) only for features of the Inception network. Fewer images make it larger:
    compare equal numbers of images only.
    """
    # (A B)^½ has the trace of (A^½ B A^½)^½, which is symmetric.
    values, vectors = torch.linalg.eigh(a.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross
    return max(float(distance), 0.0)
