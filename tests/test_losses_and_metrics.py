from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from lpips import LPIPS
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchvision.models import vgg16

from ganinvert import metrics, paths, perception
from ganinvert.degradations import Identity
from ganinvert.losses import perceptual_loss, pixel_loss
from ganinvert.weights import TensorFile


@pytest.fixture
def pair(rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    smooth = F.interpolate(torch.rand(2, 3, 8, 8, generator=rng), size=64, mode="bicubic").clamp(0, 1)
    return smooth, (smooth + 0.1 * torch.randn(smooth.shape, generator=rng)).clamp(0, 1)


def test_vgg_features_are_torchvisions(rng: torch.Generator) -> None:
    reference = vgg16().features[:16].eval()
    weights = TensorFile.load(paths.embedded("vgg16.safetensors")).tensors
    reference.load_state_dict({key.removeprefix("features."): value.float() for key, value in weights.items()})
    image = torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1
    normalised = ((image + 1) / 2 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    features = perception.vgg16()(image)[-1]
    assert features.shape == (2, 256, 8, 8)
    assert torch.allclose(features, reference(normalised), atol=1e-3)
    loss = perceptual_loss(perception.vgg16(), image)
    assert torch.equal(loss(image), torch.zeros(2))
    other = image.flip(0)
    expected = (perception.vgg16()(other)[-1] - features).abs().mean(dim=(1, 2, 3))
    assert torch.allclose(loss(other), expected, rtol=1e-4)


def test_pixel_loss_is_per_image() -> None:
    x = torch.zeros(2, 3, 4, 4)
    x[1] = 0.5
    assert pixel_loss(x, torch.zeros(2, 3, 4, 4)).tolist() == [0, 0.25]


def test_psnr_and_ssim_agree_with_scikit_image(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    x, y = pair
    for n in range(2):
        a, b = (image[n].permute(1, 2, 0).double().numpy() for image in (x, y))
        assert float(metrics.psnr(x, y)[n]) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), abs=1e-3)
        reference = structural_similarity(
            a, b, data_range=1, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert float(metrics.ssim(x, y)[n]) == pytest.approx(reference, abs=1e-4)


def test_metrics_of_equal_images(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    x = pair[0]
    assert metrics.psnr(x, x).tolist() == [float("inf")] * 2
    assert torch.allclose(metrics.ssim(x, x), torch.ones(2))
    assert metrics.lpips(x, x).tolist() == [0, 0]


@pytest.mark.parametrize("side", [4, 8, 16])
def test_metrics_of_tiny_images_are_finite(side: int, rng: torch.Generator) -> None:
    x, y = (torch.rand(1, 3, side, side, generator=rng) for _ in range(2))
    for value in metrics.image_metrics(x, y)[0].values():
        assert abs(value) < 100


def test_lpips_is_that_of_its_package(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    """With torchvision's AlexNet and its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lpips uses arguments of torchvision that are deprecated
        package = LPIPS(net="alex", pnet_rand=True, verbose=False)
    weights = TensorFile.load(paths.embedded("alexnet.safetensors")).tensors
    # Inside its slices, lpips keeps torchvision's numbers: net.slice2.3 is features.3.
    names = {name: name.split(".", 2)[2] for name in package.state_dict() if name.startswith("net.slice")}
    state = {name: weights[f"features.{ours}"].float() for name, ours in names.items()}
    assert len(state) == len(weights)
    package.load_state_dict(state, strict=False)
    expected = package(pair[0] * 2 - 1, pair[1] * 2 - 1).flatten()
    assert torch.allclose(metrics.lpips(*pair), expected, atol=1e-5)
    assert (expected > 0.01).all()


def test_lpips_is_the_same_whatever_torchs_default_type(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    expected = metrics.lpips(*pair)
    perception.lpips_network.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.allclose(metrics.lpips(pair[0].double(), pair[1].double()).float(), expected)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(metrics.lpips(*pair), expected)


def test_lpips_leaves_the_random_state_alone() -> None:
    perception.lpips_network.cache_clear()
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    perception.lpips_network("alex", torch.device("cpu"))
    assert torch.equal(torch.rand(1), expected)


def test_identity_changes_nothing(rng: torch.Generator) -> None:
    x, y = torch.rand(2, 1, 3, 4, 4, generator=rng)
    identity = Identity()
    assert identity(x) is x
    assert identity.project(x, y) is x
    assert identity.guess(y) is y
