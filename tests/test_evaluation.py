"""What `evaluate` computes: degradations, metrics, statistics, tables, and what stands beside them."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.color import rgb2lab
from torchvision.models import alexnet, vgg16

from ganinvert import metrics, paths, perception
from ganinvert.benchmark.candidates import load_candidates
from ganinvert.benchmark.comparison import INPUT, Comparison, bootstrap_interval
from ganinvert.benchmark.cost import CostRecord, mean_curve
from ganinvert.benchmark.protocol import EvaluationProtocol, variants
from ganinvert.benchmark.published import published_figures
from ganinvert.benchmark.smoothness import Smoothness, measure_smoothness
from ganinvert.benchmark.tables import metrics_csv, photos_csv, to_json, to_markdown
from ganinvert.benchmark.truth import GroundTruth, compare, degrade, read_truth
from ganinvert.errors import ImageError, UsageError, WeightsError
from ganinvert.generators import PGGANGenerator
from ganinvert.settings import METHODS, REFINEMENTS, TASKS, InversionSettings, PmSFC, preset_of
from ganinvert.subspaces import SubspacePartition
from ganinvert.tasks import Inverter
from ganinvert.weights import TensorFile


def protocol_of(task: str = "invert", **options: Any) -> EvaluationProtocol:
    return EvaluationProtocol(TASKS[task].trial(**options))


@pytest.fixture
def truth(rng: torch.Generator) -> GroundTruth:
    smooth = F.interpolate(torch.rand(1, 3, 4, 4, generator=rng), size=16, mode="bicubic")[0].clamp(0, 1)
    return GroundTruth((smooth * 255).round().byte(), "5e" * 32)


def test_mse_is_of_images_between_minus_one_and_one() -> None:
    assert metrics.mse(torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)).tolist() == [4]
    assert metrics.mse(torch.full((1, 3, 2, 2), 0.5), torch.zeros(1, 3, 2, 2)).tolist() == [1]


def test_colour_auc_by_hand() -> None:
    """One pixel at ab distance d counts from threshold ceil(d) on; lightness does not count."""
    x, y = torch.tensor([0.2, 0.5, 0.9])[None, :, None, None], torch.full((1, 3, 1, 1), 0.7)
    distance = np.linalg.norm((rgb2lab(x[0, :, 0, 0].numpy()) - rgb2lab(y[0, :, 0, 0].numpy()))[1:])
    for top in (149, 150):
        expected = 100 * (top + 1 - math.ceil(distance)) / (top + 1)
        assert float(metrics.color_auc(x, y, top=top)) == pytest.approx(expected, abs=1e-4)
    gray = torch.full((1, 3, 1, 1), 0.1)
    assert float(metrics.color_auc(gray, y)) == pytest.approx(100, abs=0.7)  # threshold 0 is hit or not by rounding


def test_frechet_distance_by_hand() -> None:
    """In one dimension (μ₁ - μ₂)² + (σ₁ - σ₂)²; for commuting covariances the sum over axes."""
    a = metrics.Moments(torch.tensor([1.0, 0.0]).double(), torch.diag(torch.tensor([4.0, 1.0])).double(), 9)
    b = metrics.Moments(torch.tensor([3.0, 0.0]).double(), torch.diag(torch.tensor([9.0, 25.0])).double(), 9)
    assert metrics.frechet_distance(a, b) == pytest.approx(4 + 1 + 16)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]]).double()
    turned = [metrics.Moments(turn @ m.mean, turn @ m.covariance @ turn.T, 9) for m in (a, b)]
    assert metrics.frechet_distance(*turned) == pytest.approx(21)


def test_alexnet_moments_are_of_torchvisions_features(rng: torch.Generator) -> None:
    trunk = alexnet().features.eval()
    weights = TensorFile.load(paths.embedded("alexnet.safetensors")).tensors
    trunk.load_state_dict({key.removeprefix("features."): value.float() for key, value in weights.items()})
    images = torch.rand(3, 3, metrics.FEATURE_SIDE, metrics.FEATURE_SIDE, generator=rng)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        features = trunk[:12]((images - mean[:, None, None]) / std[:, None, None]).mean(dim=(2, 3)).double()
    found = metrics.alexnet_moments(images)
    assert found.count == 3
    assert torch.allclose(found.mean, features.mean(dim=0), atol=1e-4)
    assert np.allclose(found.covariance.numpy(), np.cov(features.numpy().T), atol=1e-4)


def test_lpips_with_vgg_says_what_it_needs(rng: torch.Generator) -> None:
    x = torch.rand(1, 3, 32, 32, generator=rng)
    assert not perception.has_lpips("vgg")
    with pytest.raises(WeightsError, match="needs the whole VGG16") as caught:
        metrics.lpips(x, x, net="vgg")
    assert "fetch-weights vgg16" in caught.value.hint


@pytest.mark.shared
def test_lpips_with_vgg_is_the_published_formula(assets: Path, rng: torch.Generator) -> None:
    state = torch.load(assets / "perceptual" / "vgg16_features.fp16.pth", weights_only=True)
    TensorFile(state).save(paths.weights_dir() / "vgg16.safetensors")
    perception.lpips_network.cache_clear()
    trunk = vgg16().features.eval()
    trunk.load_state_dict({key.removeprefix("features."): value.float() for key, value in state.items()})
    _, heads = perception.lpips_network("vgg", torch.device("cpu"))
    perception.lpips_network.cache_clear()
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x, y = torch.rand(2, 1, 3, 32, 32, generator=rng)

    def stages(image: torch.Tensor) -> list[torch.Tensor]:
        image = (image * 2 - 1 - shift[:, None, None]) / scale[:, None, None]
        kept = []
        for n, layer in enumerate(trunk):
            image = layer(image)
            if n in (3, 8, 15, 22, 29):
                kept.append(image / image.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-10))
        return kept

    distances = [
        F.conv2d((a - b).square(), heads[n]).mean() for n, (a, b) in enumerate(zip(stages(x), stages(y), strict=True))
    ]
    expected = float(torch.stack(distances).sum().detach())
    assert float(metrics.lpips(x, y, net="vgg")) == pytest.approx(expected, abs=1e-4)
    perception.lpips_network.cache_clear()


def test_bootstrap_by_hand() -> None:
    """The mean of three draws of (0, 0, 3) is the number of threes: binomial with n = 3, p = ⅓."""
    assert bootstrap_interval(np.array([0.0, 0.0, 3.0]), level=0.6) == (0, 2)
    assert bootstrap_interval(np.array([2.0, 2.0, 2.0])) == (2, 2)
    assert bootstrap_interval(np.array([1.0])) == (None, None)
    assert bootstrap_interval(np.array([1.0, math.inf])) == (None, None)
    values = np.random.default_rng(3).normal(5, 2, 200)
    low, high = bootstrap_interval(values)
    normal = 1.96 * values.std(ddof=1) / math.sqrt(200)
    assert (low, high) == pytest.approx((values.mean() - normal, values.mean() + normal), abs=0.05)
    assert bootstrap_interval(values) == (low, high)


def test_degraded_photos_are_what_a_user_would_have(truth: GroundTruth) -> None:
    gray = degrade(truth, protocol_of("colorize")).measurement
    assert gray.kind == "grayscale"
    luma = (torch.tensor([0.299, 0.587, 0.114])[:, None, None] * truth.levels).sum(dim=0)
    assert (gray.levels[0].float() - luma).abs().max() <= 1
    small = degrade(truth, protocol_of("upscale", factor=4, kernel="area")).measurement
    assert (small.levels.float() - F.avg_pool2d(truth.levels.float(), 4)).abs().max() <= 0.51
    hole = degrade(truth, protocol_of("inpaint")).measurement
    assert hole.known is not None
    assert not hole.known[4:12, 4:12].any()
    assert int(hole.known.sum()) == 256 - 64
    assert torch.equal(hole.levels[:, hole.known], truth.levels[:, hole.known])
    plain = degrade(truth, protocol_of("invert")).measurement
    assert torch.equal(plain.levels, truth.levels)


def test_gray_photos_are_no_truth_of_colours(small_file: Path, tmp_path: Path) -> None:
    base = Inverter.load(small_file, variants()["single"].settings("colorize"), device="cpu")
    Image.new("L", (16, 16), 90).save(tmp_path / "gray.png")
    assert read_truth(tmp_path / "gray.png", base, protocol_of("upscale")).levels.unique().tolist() == [90]
    with pytest.raises(ImageError, match="no colours that could be restored"):
        read_truth(tmp_path / "gray.png", base, protocol_of("colorize"))


def test_random_holes_are_the_photos_own(truth: GroundTruth) -> None:
    protocol = protocol_of("inpaint", hole="pixels", share=0.3)
    other = replace(truth, sha256="5f" * 32)
    hole = degrade(truth, protocol).measurement.known
    assert hole is not None
    assert int((~hole).sum()) == round(0.3 * 256)
    assert torch.equal(hole, degrade(truth, protocol).measurement.known)
    assert not torch.equal(hole, degrade(other, protocol).measurement.known)
    assert not torch.equal(hole, degrade(truth, replace(protocol, seed=1)).measurement.known)


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("inpaint", {"share": 0.0}, "between 0 and 1"),
        ("inpaint", {"share": 1.0}, "between 0 and 1"),
        ("upscale", {"factor": 1}, "at least 2"),
    ],
)
def test_protocols_that_cannot_be(task: str, options: dict[str, float], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        protocol_of(task, **options)
    assert words in caught.value.hint


def test_degradations_that_do_not_fit_the_generator(truth: GroundTruth) -> None:
    with pytest.raises(UsageError, match="5 times smaller"):
        degrade(truth, protocol_of("upscale", factor=5))
    with pytest.raises(UsageError, match="everything known"):
        degrade(truth, protocol_of("inpaint", share=0.0001))


def test_methods_differ_in_what_their_names_say() -> None:
    made = {name: each.settings("invert", styled=not METHODS[each.method].presets) for name, each in variants().items()}
    default = made["pmsfc"]
    assert default == made["pmsfc-random"] == preset_of("pmsfc", "invert")
    assert made["pmsfc-paper"] == preset_of("pmsfc", "invert", "paper")
    mganprior = made["mganprior"].method
    assert (mganprior.subspaces, mganprior.codes) == (1, default.method.subspaces * default.method.codes)
    assert (mganprior.layer, mganprior.weighting) == (default.method.layer, "linear")
    assert made["pmsfc+pti"] == replace(default, tuning=REFINEMENTS["pti"])
    assert {each.name for each in made.values()} == set(METHODS)
    fewer = variants()["mganprior"].settings("invert", lambda chosen: replace(chosen, method=PmSFC(2, 3)))
    assert fewer.method.codes == 6


def test_candidates_are_methods_at_the_points_of_a_sweep(small: PGGANGenerator, generator: list[str]) -> None:
    def adjust(chosen: InversionSettings) -> InversionSettings:
        return replace(chosen, method=PmSFC(2, 2)) if isinstance(chosen.method, PmSFC) else chosen

    base = Inverter.load(generator[1], variants()["single"].settings("invert"), device="cpu")
    plain = load_candidates(base, protocol_of(), ["pmsfc", "pmsfc-random", "single"], adjust=adjust, sweep={})
    assert [each.label for each in plain] == ["pmsfc", "pmsfc-random", "single"]
    assert [each.inverter.partition.source for each in plain] == ["thresholded", "random", "thresholded"]
    assert plain[1].inverter.partition.sizes == [plain[0].inverter.partition.sizes[n] for n in (0, 1)]
    swept = load_candidates(
        base, protocol_of(), ["pmsfc"], adjust=adjust, sweep={"layer": [2, 4], "K": [1, 3], "steps": [7]}
    )
    assert [each.label for each in swept][:2] == ["pmsfc layer=2 K=1 steps=7", "pmsfc layer=2 K=3 steps=7"]
    assert {each.inverter.partition.source for each in swept} == {"random"}
    channels = small.layer_info(4).channels
    assert sorted(swept[-1].inverter.partition.sizes) == sorted([channels // 2, channels - channels // 2])
    assert swept[-1].inverter.settings.optimization.steps == 7
    assert len({each.inverter.settings_hash for each in (*plain, *swept)}) == 7
    with pytest.raises(UsageError, match="20 subspaces cannot be made"):
        SubspacePartition.random(10, 20)


def test_mganprior_has_one_subspace_and_all_codes_at_every_point(small_file: Path) -> None:
    base = Inverter.load(small_file, variants()["single"].settings("invert"), device="cpu")
    swept = load_candidates(base, protocol_of(), ["mganprior"], sweep={"R": [1, 4], "K": [2]})
    shapes = [(each.inverter.settings.method.subspaces, each.inverter.settings.method.codes) for each in swept]
    assert shapes == [(1, 2), (1, 8)]


def test_only_inversions_are_fine_tuned() -> None:
    assert variants()["pmsfc+pti"].settings("invert").tuning == REFINEMENTS["pti"]
    with pytest.raises(UsageError, match="pti cannot inpaint"):
        variants()["pmsfc+pti"].settings("inpaint")


def test_what_a_method_has_not_cannot_be_swept(small_file: Path) -> None:
    base = Inverter.load(small_file, variants()["single"].settings("invert"), device="cpu")
    with pytest.raises(UsageError, match="single has no K that could be swept"):
        load_candidates(base, protocol_of(), ["single"], sweep={"K": [1, 2]})


def test_the_single_code_moves(truth: GroundTruth, small_file: Path) -> None:
    base = Inverter.load(small_file, variants()["single"].settings("invert"), device="cpu", dtype="float32")
    [single] = load_candidates(base, protocol_of(), ["single"], sweep={"steps": [60]})
    bundle = single.inverter.run([degrade(truth, protocol_of())])[0].bundle
    assert bundle.tensors["z"].shape == (12,)
    assert bundle.method == "single"
    assert float(bundle.losses[-1]) < float(bundle.losses[0])


def test_measured_against_the_truth(truth: GroundTruth) -> None:
    class Fixed:
        def __init__(self, levels: torch.Tensor) -> None:
            self.levels, self.cost = levels, CostRecord(2.0, None, [])

    other = GroundTruth(truth.levels.flip(2), "5f" * 32)
    truths = {"a": truth, "b": other}
    results = {"perfect": {name: Fixed(each.levels) for name, each in truths.items()},
               "flipped": {name: Fixed(each.levels.flip(2)) for name, each in truths.items()}}  # fmt: skip
    values, sets = compare(results, truths, protocol_of("inpaint"))  # type: ignore[arg-type]  # duck
    assert list(values) == ["perfect", "flipped", INPUT]
    assert values["perfect"]["a"]["mse"] == 0
    assert values["perfect"]["a"]["ssim"] == pytest.approx(1)
    assert "memory" not in values["perfect"]["a"]
    x, y = truth.levels.double() / 255, truth.levels.flip(2).double() / 255
    hole = (slice(None), slice(4, 12), slice(4, 12))
    assert values["flipped"]["a"]["psnr"] == pytest.approx(-10 * float((x - y).square().mean().log10()), abs=1e-4)
    missing = -10 * float((x[hole] - y[hole]).square().mean().log10())
    assert values["flipped"]["a"]["psnr_missing"] == pytest.approx(missing, abs=1e-4)
    assert sets["perfect"]["frechet_alexnet"] == pytest.approx(0, abs=1e-6)
    assert sets[INPUT]["frechet_alexnet"] > 0
    assert compare({"one": {"a": Fixed(truth.levels)}}, {"a": truth}, protocol_of())[1] == {}  # type: ignore[dict-item]


def comparison() -> Comparison:
    values = {
        "first": {"a": {"psnr": 20.0, "seconds": 1.0}, "b": {"psnr": 24.0, "seconds": 2.0}},
        "second": {"a": {"psnr": 21.0, "seconds": 1.0}, "b": {"psnr": 27.0, "seconds": 2.0}},
        INPUT: {"a": {"psnr": 10.0}, "b": {"psnr": math.inf}},
    }
    return Comparison(
        about={"generator": "small", "digest": "d1", "seed": 0, "torch": "2"},
        methods={"first": {"codes": 5}, "second": {"codes": 1}},
        values=values,
        sets={"second": {"frechet_alexnet": 3.5}},
        published={("second", "psnr"): 27.88},
        notes=["A note."],
    )


def test_statistics_of_a_table_by_hand() -> None:
    found = {(row.method, row.metric): row for row in comparison().summaries}
    first, second = found["first", "psnr"], found["second", "psnr"]
    assert (first.mean, first.difference, first.low) == (22, None, None)
    assert first.sd == pytest.approx(math.sqrt(8))
    assert (second.mean, second.difference, second.low, second.high, second.published) == (24, 2, 1, 3, 27.88)
    assert found["second", "frechet_alexnet"].mean == 3.5
    assert (INPUT, "seconds") not in found
    perfect = found[INPUT, "psnr"]
    assert (perfect.mean, perfect.sd, perfect.difference, perfect.low) == (math.inf, None, None, None)


def test_every_row_of_the_csv_stands_alone() -> None:
    rows = list(csv.DictReader(io.StringIO(metrics_csv(comparison()))))
    assert len(rows) == 6
    for row in rows:
        assert {"digest": "d1", "seed": "0", "torch": "2"}.items() <= row.items()
        assert row["definition"]
    assert [row["codes"] for row in rows if row["metric"] == "psnr"] == ["5", "1", ""]
    photos = list(csv.DictReader(io.StringIO(photos_csv(comparison()))))
    assert [(row["method"], row["photo"], row["psnr"]) for row in photos][1] == ("first", "b", "24.0")


def test_json_and_markdown_say_the_same() -> None:
    content = json.loads(to_json(comparison()))
    assert content["photos"][INPUT]["b"]["psnr"] is None
    assert content["summaries"][0]["mean"] == 22
    text = to_markdown(comparison())
    assert "| second | 24.00 ± 4.24<br>+2.00 [+1.00, +3.00]<br>27.88 |" in text
    assert "A note." in text
    assert "- digest: d1" in text


def test_published_figures_stand_only_beside_their_like() -> None:
    known = {"generator": "celebahq-1024", "resolution": 1024, "photos": 300}
    figures, words = published_figures(protocol_of("invert"), **known)
    assert figures["pmsfc-paper", "psnr"] == 27.88
    assert "LPIPS net" in words
    assert published_figures(protocol_of("colorize"), **known | {"generator": "church-256", "resolution": 256})[0][
        INPUT, "color_auc_149"
    ] == 85.50  # fmt: skip
    assert published_figures(protocol_of("upscale", factor=16), **known)[0]["mganprior", "psnr"] == 26.93
    for protocol, changes, why in (
        (protocol_of("invert"), {"photos": 12}, "these are 12"),
        (protocol_of("invert"), {"generator": "portraits-64", "resolution": 64}, "this is portraits-64"),
        (protocol_of("upscale"), {}, "this is 4 times"),
        (protocol_of("upscale", factor=16), {"generator": "church-256", "resolution": 256}, "this is church-256"),
        (protocol_of("inpaint"), {}, "no table of this task"),
    ):
        figures, words = published_figures(protocol, **known | changes)
        assert figures == {}
        assert why in words


def test_the_steps_of_an_interpolation_are_summed_up() -> None:
    summary = Smoothness([0.1, 0.3, 0.2], 0.5).summary
    assert summary == pytest.approx(
        {"neighbours_mean": 0.2, "neighbours_max": 0.3, "ends": 0.5, "detour": 1.2, "jump": 1.5}
    )


def test_interpolated_ways_begin_and_end_at_the_inversions(truth: GroundTruth, small_file: Path) -> None:
    base = Inverter.load(small_file, variants()["single"].settings("invert"), device="cpu", dtype="float32")
    [single] = load_candidates(base, protocol_of(), ["single"], sweep={"steps": [2]})
    other = GroundTruth(truth.levels.flip(1), "5f" * 32)
    results = single.inverter.run([degrade(each, protocol_of()) for each in (truth, other)])
    [way] = measure_smoothness([result.bundle for result in results], base.generator, frames=4)
    ends = [torch.from_numpy(np.array(result.image)).permute(2, 0, 1)[None] / 255 for result in results]
    assert way.ends == pytest.approx(float(metrics.lpips(*ends)), abs=1e-6)
    assert len(way.neighbours) == 3


def test_curves_are_means_over_photos() -> None:
    records = [
        CostRecord(2.0, None, [(1, 0.5, 10.0), (9, 2.0, 20.0)]),
        CostRecord(4.0, None, [(1, 1.5, 12.0), (9, 4.0, 30.0)]),
    ]
    assert mean_curve(records) == [(1, 1.0, 11.0), (9, 3.0, 25.0)]
