from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2lab
from torch import Tensor

from ganinvert.degradations import (
    Chain,
    Degradation,
    Downsample,
    Grayscale,
    Identity,
    Lens,
    Mask,
    Measurement,
    estimate_blur,
    stack,
)
from ganinvert.degradations.downsample import resampling_matrix
from ganinvert.errors import UsageError
from ganinvert.generators import Window
from ganinvert.images.color import from_linear, lab_to_linear, to_lab
from ganinvert.settings import UpscaleTask

from .conftest import EXAMPLE


def _random_mask(share: float) -> Tensor:
    return torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(3)) < share


def _box() -> Tensor:
    known = torch.ones(1, 1, 16, 16, dtype=torch.bool)
    known[..., 4:12, 5:11] = False
    return known


OPERATORS: dict[str, Callable[[], Degradation]] = {
    "gray rec601": Grayscale,
    "gray rec709": lambda: Grayscale("rec709"),
    "gray lab": lambda: Grayscale("lab"),
    "bicubic": lambda: Downsample(16, 4),
    "area": lambda: Downsample(16, 4, kernel="area"),
    "bilinear": lambda: Downsample(16, 4, kernel="bilinear"),
    "lanczos": lambda: Downsample(16, 4, kernel="lanczos"),
    "uneven": lambda: Downsample(16, 7),
    "box": lambda: Mask(_box()),
    "dust": lambda: Mask(_random_mask(0.2)),
    "blurred": lambda: Lens(16, 16, blur=0.8),
    "small and blurred": lambda: Lens(16, 8, blur=0.7),
    "gray, small and holed": lambda: Chain([Downsample(16, 8), Grayscale(), Mask(_box()[..., ::2, ::2])], 16),
}
TRUSTED = pytest.mark.parametrize("operator", [make() for make in OPERATORS.values()], ids=list(OPERATORS))


@pytest.fixture
def x(rng: torch.Generator) -> Tensor:
    """Two smooth images well inside the range, as float64."""
    coarse = torch.rand(2, 3, 6, 6, generator=rng, dtype=torch.float64) * 1.6 - 0.8
    return F.interpolate(coarse, 16, mode="bilinear")


@pytest.fixture
def other(rng: torch.Generator) -> Tensor:
    return torch.rand(2, 3, 16, 16, generator=rng, dtype=torch.float64) * 2.4 - 1.2


@TRUSTED
def test_every_operator_is_differentiable(operator: Degradation, x: Tensor) -> None:
    assert torch.autograd.gradcheck(operator, x.clone().requires_grad_(), fast_mode=True)


@TRUSTED
def test_projections_agree_with_the_measurement_and_change_nothing_twice(
    operator: Degradation, x: Tensor, other: Tensor
) -> None:
    y = operator(x)
    projected = operator.project(other, y)
    assert projected.abs().max() <= 1 + 1e-6
    step = 2 / 255
    assert (operator(projected) - y).abs().max() < (step if isinstance(operator, Lens) else step / 2)
    assert (operator.project(projected, y) - projected).abs().max() < step / 4
    # What already agrees stays.
    assert torch.allclose(operator.project(x, y), x, atol=step / 4)


@TRUSTED
def test_device_and_dtype_follow_the_input(operator: Degradation, x: Tensor) -> None:
    y = operator(x.float())
    assert y.dtype == operator.project(x.float(), y).dtype == operator.guess(y).dtype == torch.float32
    assert torch.allclose(y.double(), operator(x), atol=1e-5)


@TRUSTED
def test_parts_are_parts_of_the_measurement(operator: Degradation, x: Tensor) -> None:
    y = operator(x)
    size = y.shape[-1]
    for window in (Window.tile(size, 2, 1), Window((size // 4, size // 2), (0, 1))):
        part = operator.part(window, x.shape[-1])
        assert torch.allclose(part.degrade(part.window.of(x)), window.of(y), atol=1e-6)


@TRUSTED
def test_averages_are_kept_where_that_is_said(operator: Degradation, x: Tensor) -> None:
    if operator.keeps_averages:
        assert torch.allclose(operator(F.avg_pool2d(x, 2)), F.avg_pool2d(operator(x), 2), atol=1e-5)


@TRUSTED
def test_no_image_depends_on_its_neighbours(operator: Degradation, x: Tensor, other: Tensor) -> None:
    if len(getattr(operator, "known", _box())) > 1:
        operator, x, other = Mask(operator.known[:1]), x, other
    y = operator(x)
    whole, single_image_only = operator.project(other, y), operator.project(other[:1], y[:1])
    assert torch.equal(whole[:1], single_image_only)


@TRUSTED
def test_guesses_are_images_that_resemble_the_original(operator: Degradation, x: Tensor) -> None:
    guess = operator.guess(operator(x))
    assert guess.shape == x.shape
    assert guess.abs().max() <= 1
    gray = Grayscale()
    assert (gray(guess) - gray(x)).square().mean() < gray(x).square().mean()


def test_gray_is_that_of_the_standards() -> None:
    red = torch.tensor([1.0, -1.0, -1.0])[None, :, None, None]
    assert float(Grayscale()(red)) == pytest.approx(2 * 0.299 - 1)
    assert float(Grayscale("rec709")(red)) == pytest.approx(2 * 0.2126 - 1)
    # L* of sRGB red is 53.24 (Lindbloom), that of the gray 127/255 is 53.2.
    assert (float(Grayscale("lab")(red)) + 1) / 2 * 255 == pytest.approx(127.0, abs=0.5)


def test_lab_is_that_of_scikit_image(rng: torch.Generator) -> None:
    srgb = torch.rand(1, 3, 8, 8, generator=rng, dtype=torch.float64)
    expected = torch.from_numpy(rgb2lab(srgb[0].permute(1, 2, 0).numpy())).permute(2, 0, 1)
    assert torch.allclose(to_lab(srgb)[0], expected, atol=0.02)
    assert torch.allclose(from_linear(lab_to_linear(to_lab(srgb))), srgb, atol=1e-5)


@pytest.mark.parametrize("luma", ["rec601", "rec709", "lab"])
def test_colorizing_keeps_the_hue_where_it_must_fade(luma: str) -> None:
    operator = Grayscale(luma)  # type: ignore[arg-type]
    vivid, bright = torch.tensor([0.9, -0.9, -0.5])[None, :, None, None], torch.full((1, 1, 1, 1), 0.95)
    faded = operator.project(vivid, bright)
    assert float((operator(faded) - bright).abs().max()) < 1e-3
    red, green, blue = faded.flatten().tolist()
    assert red == max(red, green, blue)
    assert red - min(green, blue) > 0.05


@pytest.mark.parametrize(
    ("kernel", "resample"),
    [("bicubic", Image.Resampling.BICUBIC), ("area", Image.Resampling.BOX), ("lanczos", Image.Resampling.LANCZOS)],
)
def test_resampling_is_that_of_pillow(kernel: str, resample: Image.Resampling, rng: torch.Generator) -> None:
    line = torch.rand(1, 48, generator=rng)
    expected = torch.from_numpy(np.array(Image.fromarray(line.numpy()).resize((12, 1), resample)))
    assert torch.allclose(resampling_matrix(48, 12, kernel).float() @ line[0], expected[0], atol=1e-5)  # type: ignore[arg-type]


def test_bilinear_is_that_of_torch_without_antialiasing(x: Tensor) -> None:
    expected = F.interpolate(x, 4, mode="bilinear", align_corners=False)
    assert torch.allclose(Downsample(16, 4, kernel="bilinear")(x), expected)


def test_clipped_ringing_is_met_as_far_as_an_image_can(rng: torch.Generator) -> None:
    """A small file of hard edges has lost its overshoot to the clamp: no image has exactly this measurement."""
    operator = Downsample(64, 8)
    hard = torch.where(torch.rand(1, 3, 64, 64, generator=rng).round() < 0.5, -1.0, 1.0)
    hard[..., 20:50, 20:50] = 1.0
    y = (1.2 * operator(hard)).clamp(-1, 1)
    projected = operator.project(torch.zeros(1, 3, 64, 64), y)
    assert projected.abs().max() <= 1
    assert (operator(projected) - y).abs().mean() < 2 / 255


def test_seams_are_blended_and_hole_centres_left_alone() -> None:
    known = torch.ones(1, 1, 64, 64, dtype=torch.bool)
    known[..., 8:56, 8:56] = False
    operator = Mask(known)
    x, y = torch.zeros(1, 3, 64, 64), operator(torch.full((1, 3, 64, 64), 0.5))
    line = operator.project(x, y)[0, 0, 32]
    assert torch.equal(line[:8], torch.full((8,), 0.5))
    assert (line[7:32].diff() <= 0).all()
    assert line[8] > 0.35
    assert abs(line[32]) < 0.02


def test_nothing_known_changes_nothing() -> None:
    operator, x = Mask(torch.zeros(1, 1, 8, 8)), torch.rand(1, 3, 8, 8)
    assert torch.equal(operator.project(x, torch.zeros_like(x)), x)


def test_the_identity_trusts_nothing(x: Tensor, other: Tensor) -> None:
    operator = Identity()
    assert operator(x) is x
    assert operator.project(other, x) is other
    assert operator.guess(x) is x
    assert operator.coverage(x).tolist() == [1, 1]


def test_a_share_of_the_detail_is_kept_and_the_small_photo_still_comes_out() -> None:
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2)) - 0.5
    whole, half = Downsample(32, 8), Downsample(32, 8, detail=0.5)
    y = whole(x / 2)
    results = [each.project(x, y) for each in (whole, half)]
    assert all((whole(result) - y).abs().max() < 0.01 for result in results)
    distances = [float((result - whole.guess(y)).square().mean()) for result in results]
    assert distances[1] < 0.5 * distances[0]
    options = {"kernel": "bicubic", "detail": 0.5}
    levels = torch.zeros(3, 8, 8, dtype=torch.uint8)
    assert Measurement("downsample", levels, options=options).is_sound()
    assert not Measurement("downsample", levels, options=options | {"detail": 2.0}).is_sound()
    assert not Measurement("grayscale", levels[:1], options={"luma": "lab", "detail": 0.5}).is_sound()
    assert UpscaleTask().identity == {"task": "upscale", "factor": None, "kernel": "bicubic"}
    with pytest.raises(UsageError, match="detail"):
        UpscaleTask(detail=1.5)


def test_noise_is_not_put_back(x: Tensor) -> None:
    """The estimate from a noisy measurement and a generator's image is better than both."""
    noise = 25 / 127.5
    rng = torch.Generator().manual_seed(1)
    y = x + noise * torch.randn(x.shape, generator=rng, dtype=x.dtype)
    near = x + 0.2 * torch.randn(x.shape, generator=rng, dtype=x.dtype)
    estimate = Chain([Lens(16, 16, noise=25)], 16, noise=25).project(near, y)
    errors = [float((each - x).square().mean()) for each in (y, near, estimate)]
    assert errors[2] < 0.8 * min(errors[:2])
    assert torch.equal(Lens(16, 16, noise=25).project(x, x), x)


def test_a_blur_is_that_of_scipy(x: Tensor) -> None:
    expected = gaussian_filter(x.numpy(), (0, 0, 1.3, 1.3), mode="reflect", truncate=4.5)
    assert np.allclose(Lens(16, 16, blur=1.3)(x).numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("noise", [0, 5])
@pytest.mark.parametrize("blur", [0, 1, 2, 4])
def test_the_blur_of_a_photo_is_estimated(blur: float, noise: float) -> None:
    with Image.open(EXAMPLE) as image:
        face = torch.from_numpy(np.asarray(image.convert("RGB").resize((128, 128), Image.Resampling.LANCZOS)).copy())
    y = Lens(128, 128, blur=blur)(face.permute(2, 0, 1)[None].float())
    y += noise * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    assert estimate_blur(y[0].round().clamp(0, 255), noise=noise) == pytest.approx(max(blur, 0.5), abs=0.3)


def test_blurred_photos_get_sharper_by_the_guess_alone(x: Tensor) -> None:
    sharp = x.clone()
    sharp[..., 6:10, 6:10] += 0.5
    operator = Lens(16, 16, blur=1.2)
    y = operator(sharp)
    assert (operator.guess(y) - sharp).square().mean() < 0.5 * (y - sharp).square().mean()


@pytest.mark.parametrize("blur", [1.0, 2.5])
@pytest.mark.parametrize("where", ["in the square", "before it was resized"])
def test_deblurring_leaves_alone_what_no_blur_explains(blur: float, where: str) -> None:
    def shrunk(picture: Image.Image) -> Tensor:
        levels = np.asarray(picture.resize((64, 64), Image.Resampling.LANCZOS), dtype=np.float32)
        return torch.from_numpy(levels).permute(2, 0, 1)[None] / 127.5 - 1

    with Image.open(EXAMPLE) as image:
        face = image.convert("RGB")
    sharp, operator = shrunk(face), Lens(64, 64, blur=blur)
    y = ((operator(sharp) + 1) * 127.5).round() / 127.5 - 1
    if where == "before it was resized":
        y = shrunk(face.filter(ImageFilter.GaussianBlur(blur * face.width / 64)))
    assert (operator.guess(y) - sharp).square().mean() < 0.5 * (y - sharp).square().mean()


def test_chains_of_a_batch_have_their_own_masks() -> None:
    levels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    options = {"kernel": "bicubic", "luma": "rec601", "blur": 1.0, "noise": 5.0}
    known = [_box()[0, 0, ::2, ::2], _box()[0, 0, ::2, ::2].T.contiguous()]
    measured = [Measurement("chain", levels, each, options) for each in known]
    assert all(each.is_sound() for each in measured)
    assert measured[0].likeness == measured[1].likeness != replace(measured[0], known=None).likeness
    assert not replace(measured[0], options=options | {"noise": 1e9}).is_sound()
    assert not replace(measured[0], options=options | {"luma": ""}).is_sound()
    _, together = stack(measured, 16)
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for n, each in enumerate(measured):
        assert torch.equal(each.degradation(16)(x[n : n + 1]), together.of(n)(x[n : n + 1]))
        assert torch.allclose(together(x)[n], together.of(n)(x[n : n + 1])[0], atol=1e-6)
        assert float(together.coverage(torch.zeros(2, 1, 8, 8))[n]) == pytest.approx(float(each.known.float().mean()))  # type: ignore[union-attr]


def test_coarse_chains_are_about_the_same() -> None:
    x = F.interpolate(torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) - 0.5, 64, mode="bicubic")
    for size in (32, 8):
        known = torch.ones(1, 1, size, size, dtype=torch.bool)
        known[..., : size // 2] = False
        operator = Chain([Lens(64, size, blur=2.0), Grayscale(), Mask(known)], 64)
        y, degrade = operator.coarse(operator(x), 64, 16)
        assert (degrade(F.avg_pool2d(x, 4)) - y).square().mean() < 0.02 * y.square().mean()
