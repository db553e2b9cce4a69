from __future__ import annotations

import copy
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from typer.testing import CliRunner

import ganinvert
from ganinvert.cli import app
from ganinvert.cli._console import output
from ganinvert.errors import InputError, OutputError, TrainingError, UsageError, WeightsError
from ganinvert.generators import PGGANDiscriminator, PGGANGenerator, load_discriminator, load_generator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.images.folder import ImageFolder
from ganinvert.metrics import Moments, alexnet_moments, frechet_distance, lpips, lpips_features
from ganinvert.settings import Training, preset_of
from ganinvert.training import (
    FILE_NAME,
    Checkpoint,
    GeneratorEvaluation,
    GeneratorJob,
    GeneratorTrainer,
    Memorisation,
    TrainingStep,
    discriminator_path,
    loop,
    memorisation,
    run_folder,
)
from ganinvert.training.augmentation import Strength, augment
from ganinvert.training.batches import Batches
from ganinvert.training.generator import _adopt
from ganinvert.training.growing import GrowingDiscriminator, GrowingGenerator, Stage, shrink
from ganinvert.training.losses import gradient_penalty, r1_penalty
from ganinvert.weights import TensorFile

from . import checkpoints

TINY = Training(
    resolution=16,
    latent_dim=8,
    base=128,
    cap=8,
    images=128,
    phase_images=16,
    batch=8,
    features=0.0,
    evaluation_images=16,
    evaluations=1,
)
CPU = torch.device("cpu")
ARCHITECTURE = PGGANArchitecture(5, (8, 7, 6, 6, 5, 4))


def draw_shapes(folder: Path, count: int, *, side: int = 32) -> Path:
    """Dark discs and squares on light grounds."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for n in range(count):
        image = Image.new("RGB", (side, side), tuple(map(int, rng.integers(150, 255, 3))))
        centre, radius = rng.uniform(0.35, 0.65, 2) * side, rng.uniform(0.15, 0.3) * side
        pen = ImageDraw.Draw(image)
        colour = tuple(map(int, rng.integers(0, 120, 3)))
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)([*(centre - radius), *(centre + radius)], fill=colour)
        image.save(folder / f"{n:03d}.png")
    return folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_shapes(tmp_path_factory.mktemp("images") / "shapes", 60)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plots, which take longer than short trainings; the fixture `trained` has drawn them."""
    output.verbosity = 0
    monkeypatch.setattr(loop.TrainingLoop, "draw", lambda _self: None)
    monkeypatch.setattr(Memorisation, "draw", lambda _self, _path: None)


def spread(images: Tensor) -> float:
    """Mean absolute difference between neighbours: near 0 when all samples are one image."""
    return float((images - images.roll(1, 0)).abs().mean())


def stop_at(images: int) -> object:
    def callback(step: TrainingStep) -> None:
        if step.images >= images:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize(
    "change",
    [{"images": 480, "phase_images": 0, "lr": 1e-2}, {"resolution": 32, "images": 960, "phase_images": 64, "lr": 6e-3}],
    ids=["16 px", "32 px"],
)
def test_training_learns_from_the_images(shapes: Path, tmp_path: Path, change: dict[str, float]) -> None:
    settings = replace(TINY, latent_dim=16, base=256, cap=16, evaluation_images=50, **change)
    job = GeneratorJob.open(shapes, tmp_path / "net.safetensors", settings, device="cpu")
    job.loop.run()
    first, last = job.loop.history.evaluations[0], job.loop.history.evaluations[-1]
    assert last["frechet_training"] < first["frechet_training"] / 2
    assert last["frechet_held_out"] < first["frechet_held_out"] / 2
    samples = job.loop.trainer.samples(job.loop.evaluation.codes[:32])
    reals = job.images.training.float() / 127.5 - 1
    assert spread(samples) > 0.2 * spread(reals)


@pytest.fixture(scope="module")
def trained(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ganinvert.TrainedNetwork, Path]:
    """An uninterrupted training in directories of its own."""
    home = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANINVERT_DATA_DIR", str(home / "data"))
        result = ganinvert.train(
            shapes, home / "net.safetensors", settings=TINY, licence="CC0", credit="me", device="cpu"
        )
    return result, home / "data"


def test_the_result_is_complete_and_found_by_name(
    trained: tuple[ganinvert.TrainedNetwork, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, data = trained
    assert (result.name, result.images) == ("net", TINY.images)
    assert set(result.metrics) == {"frechet_training", "frechet_held_out", "memorisation_ratio"}
    files = {path.name for path in result.folder.iterdir()}
    assert files == {
        "checkpoint.pt",
        "log.jsonl",
        "losses.png",
        "memorisation.png",
        "samples-00000000.png",
        "samples-00000128.png",
    }
    monkeypatch.setenv("GANINVERT_DATA_DIR", str(data))
    by_name, by_file = load_generator("net"), load_generator(result.path)
    assert by_name.name == "net"
    assert by_name.digest == by_file.digest
    images = by_name(torch.randn(4, 8))
    assert torch.equal(load_discriminator("net")(images), load_discriminator(result.discriminator)(images))
    inverted = ganinvert.invert(
        result.folder / "samples-00000128.png",
        generator="net",
        settings=replace(preset_of("pmsfc", "invert"), optimization=ganinvert.Optimization(steps=2)),
        method=ganinvert.PmSFC(subspaces=1, codes=2),
        device="cpu",
    )
    assert inverted.bundle.provenance["licence"] == "CC0"
    with pytest.raises(WeightsError, match=r"nett: neither.*") as caught:
        load_generator("nett")
    assert "did you mean net" in caught.value.hint


def test_the_model_card_is_in_both_headers(trained: tuple[ganinvert.TrainedNetwork, Path]) -> None:
    result, _data = trained
    for path in (result.path, result.discriminator):
        about = TensorFile.load(path).about
        assert (about["licence"], about["credit"]) == ("CC0", "me")
        assert json.loads(about["training"])["images"] == TINY.images
        assert json.loads(about["data"])["training"] == 54
        assert json.loads(about["metrics"])["frechet_held_out"] == result.metrics["frechet_held_out"]


def test_a_resumed_training_gives_the_same_weights_bit_for_bit(
    trained: tuple[ganinvert.TrainedNetwork, Path], shapes: Path, tmp_path: Path
) -> None:
    target = tmp_path / "net.safetensors"
    with pytest.raises(KeyboardInterrupt):  # in the middle of a fade and of an epoch
        ganinvert.train(shapes, target, settings=TINY, device="cpu", callback=stop_at(72))
    assert not target.exists()
    resumed = ganinvert.train(shapes, target, resume=True, device="cpu")
    for path, again in ((trained[0].path, resumed.path), (trained[0].discriminator, resumed.discriminator)):
        before, after = TensorFile.load(path).tensors, TensorFile.load(again).tensors
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    # More images may be asked for afterwards.
    longer = ganinvert.train(shapes, target, settings=replace(TINY, images=136), resume=True, device="cpu")
    assert longer.images == 136
    assert load_generator(target).digest != load_generator(trained[0].path).digest


def test_what_is_not_finite_stops_and_keeps_the_checkpoint(shapes: Path, tmp_path: Path) -> None:
    target = tmp_path / "net.safetensors"
    with pytest.raises(KeyboardInterrupt):
        ganinvert.train(shapes, target, settings=TINY, device="cpu", callback=stop_at(24))
    kept = (run_folder(target) / FILE_NAME).read_bytes()
    job = GeneratorJob.open(shapes, target, resume=True, device="cpu")
    with torch.no_grad():
        job.loop.trainer.discriminator.score.bias.fill_(torch.nan)
    with pytest.raises(TrainingError, match="not finite") as caught:
        job.loop.run()
    assert "checkpoint.pt is from before" in caught.value.hint
    assert (run_folder(target) / FILE_NAME).read_bytes() == kept
    assert not target.exists()
    assert GeneratorJob.open(shapes, target, resume=True, device="cpu").loop.trainer.is_finite()


def test_a_training_can_start_from_a_generator(
    trained: tuple[ganinvert.TrainedNetwork, Path], shapes: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(trained[0].path.read_bytes())
    start = load_generator(alone)
    known = GeneratorJob.open(shapes, tmp_path / "a.safetensors", TINY, init=trained[0].path, device="cpu")
    assert known.loop.trainer.head_start == 0  # its discriminator is beside it
    job = GeneratorJob.open(
        shapes, tmp_path / "b.safetensors", replace(TINY, resolution=32), init=alone, device="cpu", dtype="float32"
    )
    z = torch.randn(3, 8)
    assert torch.allclose(job.loop.trainer.samples(z), start(z), atol=1e-4)
    assert job.loop.trainer.head_start > 0
    job.loop.trainer.step()
    assert torch.allclose(job.loop.trainer.samples(z), start(z), atol=1e-4)
    assert job.loop.trainer.stage == "16 px"


def test_resuming_needs_the_same_settings_and_images(shapes: Path, tmp_path: Path) -> None:
    target = tmp_path / "net.safetensors"
    with pytest.raises(InputError, match="no training to resume"):
        GeneratorJob.open(shapes, target, resume=True, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        ganinvert.train(shapes, target, settings=TINY, device="cpu", callback=stop_at(8))
    with pytest.raises(UsageError, match=r"lr was 0\.002, now 0\.01"):
        GeneratorJob.open(shapes, target, replace(TINY, lr=0.01), resume=True, device="cpu")
    with pytest.raises(UsageError, match="began from noise"):
        GeneratorJob.open(shapes, target, init="portraits-64", resume=True, device="cpu")
    with pytest.raises(UsageError, match="does not hold the images"):
        GeneratorJob.open(draw_shapes(tmp_path / "other", 12), target, resume=True, device="cpu")
    with pytest.raises(OutputError, match="begun already") as caught:
        GeneratorJob.open(shapes, target, TINY, device="cpu")
    assert "--resume" in caught.value.hint
    checkpoint = run_folder(target) / FILE_NAME
    content = checkpoint.read_bytes()
    for damaged in (content[:500], b""):
        checkpoint.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            Checkpoint.load(checkpoint, Training)
    torch.save({"kind": "generator", "version": 2, "settings": {"lr": 0.0}}, checkpoint)
    with pytest.raises(InputError, match="is incomplete"):
        Checkpoint.load(checkpoint, Training)
    torch.save({"a": 1}, checkpoint)
    with pytest.raises(InputError, match="is no generator's training"):
        Checkpoint.load(checkpoint, Training)


@pytest.mark.parametrize(
    ("target", "name", "message"),
    [
        ("net.pth", None, "not the name of a .safetensors file"),
        ("portraits-64.safetensors", None, "name of another generator"),
        ("bedroom-256.safetensors", None, "name of another generator"),
        ("my.net.safetensors", None, "cannot be a generator's name"),
        ("net.safetensors", "../net", "cannot be a generator's name"),
    ],
)
def test_names_that_could_not_be_found_again(shapes: Path, target: str, name: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GeneratorJob.open(shapes, Path(target), TINY, name=name, device="cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 48}, "resolution cannot be 48"),
        ({"resolution": 8}, "resolution cannot be 8"),
        ({"base": 32, "resolution": 64}, "base cannot be 32"),
        ({"batch": 1}, "batch cannot be 1"),
        ({"lr": 0.0}, "lr cannot be 0"),
        ({"features": -1.0}, "features cannot be -1"),
        ({"loss": "wgan-gp"}, "cannot follow wgan-gp"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        replace(Training(), **change)
    assert caught.value.hint


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        ImageFolder.load(tmp_path / "none", 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        ImageFolder.load(tmp_path / "empty", 16)
    with pytest.raises(InputError, match="holds 1 image that"):
        ImageFolder.load(draw_shapes(tmp_path / "one", 1), 16)


def test_a_mixed_folder_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    folder = draw_shapes(tmp_path / "mixed", 12, side=24)
    Image.open(folder / "000.png").resize((30, 20)).save(folder / "wide.jpg")
    Image.open(folder / "001.png").convert("L").save(folder / "gray.png")
    Image.open(folder / "001.png").resize((12, 12)).save(folder / "small.png")
    (folder / "text.png").write_text("hello")
    (folder / "cut.png").write_bytes((folder / "002.png").read_bytes()[:60])
    (folder / ".hidden").write_text("")
    found = ImageFolder.load(folder, 16)
    assert found.training.shape == (14, 3, 16, 16)
    assert found.held_out.shape == (1, 3, 16, 16)
    assert sorted(Path(line.split(":")[0]).name for line in found.skipped) == ["cut.png", "text.png"]
    notes = " ".join(found.notes)
    assert "1 of 15 images are not square" in notes
    assert "1 of 15 images are smaller than 16 pixels" in notes
    assert "1 of 15 images are gray" in notes
    without = ImageFolder.load(folder, 16, gray="skip")
    assert len(without.training) + len(without.held_out) == 14
    assert any("gray.png: is gray" in line for line in without.skipped)
    assert found.sha256 == ImageFolder.load(folder, 16).sha256 != without.sha256


def test_every_image_is_shown_once_per_epoch_in_a_known_order() -> None:
    pixels = torch.arange(10, dtype=torch.uint8)[:, None, None, None].expand(10, 3, 2, 2).contiguous()
    batches = Batches(pixels, 4, flip=False, seed=3, device=CPU)
    epoch = torch.cat([batches.at(shown) for shown in range(0, 20, 4)])[:, 0, 0, 0]
    levels = ((epoch + 1) * 127.5).round().int()
    assert sorted(levels[:10].tolist()) == sorted(levels[10:].tolist()) == list(range(10))
    assert levels[:10].tolist() != levels[10:].tolist()
    again = Batches(pixels, 4, flip=False, seed=3, device=CPU)
    assert torch.equal(again.at(12), batches.at(12))
    assert not torch.equal(Batches(pixels, 4, flip=False, seed=4, device=CPU).at(12), batches.at(12))


def test_fewer_images_than_a_batch_repeat_in_it() -> None:
    pixels = torch.randint(0, 256, (3, 3, 4, 4), dtype=torch.uint8)
    batch = Batches(pixels, 8, flip=True, seed=0, device=CPU).at(0)
    assert batch.shape == (8, 3, 4, 4)
    real = pixels / 127.5 - 1
    both = torch.cat([real, real.flip(3)])
    assert all((image - both).abs().amax(dim=(1, 2, 3)).min() < 1e-6 for image in batch)


def test_grown_networks_are_the_canonical_ones() -> None:
    generator, discriminator = GrowingGenerator(ARCHITECTURE), GrowingDiscriminator(ARCHITECTURE)
    for network in (generator, discriminator):
        for parameter in network.parameters():
            nn.init.normal_(parameter)
    canonical, judge = PGGANGenerator(ARCHITECTURE), PGGANDiscriminator(ARCHITECTURE)
    canonical.load_state_dict(generator.export())
    judge.load_state_dict(discriminator.export())
    z = torch.randn(8, 5)
    images = generator(z, 16)
    assert torch.allclose(images, canonical(z), atol=1e-4)
    assert torch.allclose(discriminator(images), judge(images), atol=1e-3, rtol=1e-3)
    other, rival = GrowingGenerator(ARCHITECTURE), GrowingDiscriminator(ARCHITECTURE)
    other.adopt(canonical.state_dict())
    rival.adopt(judge.state_dict())
    assert torch.allclose(other(z, 16), images, atol=1e-4)
    assert torch.allclose(rival(images), judge(images), atol=1e-3, rtol=1e-3)


def test_the_gan_zoos_discriminator_is_taken_over_with_its_deviations(tmp_path: Path) -> None:
    architecture = PGGANArchitecture(5, (6, 6, 4, 4, 4, 4))
    start, path = PGGANGenerator.random(architecture), tmp_path / "net.pth"
    torch.save({"netD": checkpoints.gan_zoo_discriminator(16)}, path)
    generators = {name: GrowingGenerator(architecture) for name in ("generator", "average")}
    trainer: Any = SimpleNamespace(**generators, discriminator=GrowingDiscriminator(architecture))
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert _adopt(trainer, start, str(path))
        expected = load_discriminator(path)(images)
        torch.testing.assert_close(trainer.discriminator(images), expected, rtol=1e-4, atol=1e-4)


def test_a_block_fades_in_without_a_jump() -> None:
    generator, discriminator = GrowingGenerator(ARCHITECTURE), GrowingDiscriminator(ARCHITECTURE)
    z, none = torch.randn(4, 5), torch.zeros(())
    before = generator(z, 8)
    assert torch.allclose(generator(z, 16, none), before.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-5)
    assert torch.equal(generator(z, 16, torch.ones(())), generator(z, 16))
    image = torch.randn(4, 3, 16, 16)
    pooled = nn.functional.avg_pool2d(image, 2)
    assert torch.allclose(discriminator(image, none), discriminator(pooled), atol=1e-5)
    assert torch.allclose(shrink(image, Stage(16, 1e-6))[:, :, ::2, ::2], pooled, atol=1e-4)
    assert torch.equal(shrink(image, Stage(8)), pooled)


def test_stages_follow_the_schedule() -> None:
    settings = replace(TINY, phase_images=10)
    stages = [Stage.after(images, settings, 16) for images in (0, 9, 15, 20, 35, 40, 10**9)]
    assert stages == [Stage(4), Stage(4), Stage(8, 0.5), Stage(8), Stage(16, 0.5), Stage(16), Stage(16)]
    assert str(stages[2]) == "4 → 8 px, 50%"
    assert Stage.after(0, replace(settings, phase_images=0), 16) == Stage(16)


def test_augmentation_changes_images_as_strongly_as_asked(rng: torch.Generator) -> None:
    images = torch.randn(16, 3, 16, 16, generator=rng, requires_grad=True)
    assert torch.allclose(augment(images, torch.zeros(()), rng), images, atol=1e-6)
    changed = augment(images, torch.ones(()), rng)
    assert ((changed - images).abs().amax(dim=(1, 2, 3)) > 0.1).all()
    assert (changed == 0).float().mean() > 0.1  # covered
    (gradient,) = torch.autograd.grad(changed.square().sum(), images)
    assert torch.isfinite(gradient).all()
    assert float(gradient.abs().sum()) > 0
    some = augment(images, torch.tensor(0.1), rng)
    same = ((some - images).abs().amax(dim=(1, 2, 3)) < 1e-6).sum()
    assert 4 <= same <= 15  # 0.9⁵ of 16, five operations


def test_augmentation_is_exact_in_half_precision() -> None:
    images = torch.randn(8, 3, 128, 128)
    seeds = [torch.Generator().manual_seed(0) for _ in range(2)]
    exact = augment(images, torch.ones(()), seeds[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augment(images, torch.ones(()), seeds[1]), exact)


def test_trainings_measure_the_same_distance_as_evaluations(rng: torch.Generator) -> None:
    images = torch.randint(256, (30, 3, 16, 16), generator=rng, dtype=torch.uint8)
    half, other = images[:15], images[15:]
    folder = ImageFolder(half, other, skipped=(), notes=())
    evaluation = GeneratorEvaluation(folder, replace(TINY, evaluation_images=15), device=CPU)
    found = evaluation(lambda codes: other[: len(codes)] / 127.5 - 1)
    expected = frechet_distance(alexnet_moments(half / 255), alexnet_moments(other / 255))
    assert found["frechet_training"] == pytest.approx(expected, rel=1e-4)
    assert found["frechet_held_out"] == pytest.approx(0, abs=1e-4)


def test_adaptive_augmentation_follows_the_discriminator() -> None:
    strength = Strength("adaptive", CPU)
    for _ in range(8):
        strength.observe(torch.ones(1000))
    assert float(strength.probability) == pytest.approx(8 * 1000 / 200_000)
    resumed = Strength("adaptive", CPU)
    resumed.load_state_dict(strength.state_dict())
    for each in (strength, resumed):
        for _ in range(4):
            each.observe(torch.tensor([1.0, -1.0]).repeat(500))
        assert float(each.probability) == pytest.approx(4 * 1000 / 200_000)
    for kind, expected in (("fixed", 1.0), ("none", 0.0)):
        still = Strength(kind, CPU)
        still.observe(torch.ones(1000))
        assert float(still.probability) == expected


def test_penalties_against_a_linear_discriminator(rng: torch.Generator) -> None:
    slope = torch.randn(3 * 4 * 4, generator=rng)
    real, fake = torch.randn(2, 5, 3, 4, 4, generator=rng)
    norm = slope.norm()

    def score(x: Tensor) -> Tensor:
        return x.flatten(1) @ slope

    assert float(r1_penalty(score, real)) == pytest.approx(float(norm**2 / 2), rel=1e-4)
    assert float(gradient_penalty(score, real, fake, rng)) == pytest.approx(float(10 * (norm - 1) ** 2), rel=1e-4)


@pytest.mark.parametrize(
    "change", [{"loss": "wgan-gp", "augmentation": "none"}, {"features": 1.0, "resolution": 32, "base": 256}]
)
def test_every_kind_of_step_moves_both_networks(change: dict[str, object]) -> None:
    settings = replace(TINY, phase_images=0, **change)
    architecture = PGGANArchitecture.official(settings.resolution, latent_dim=8, base=settings.base, cap=8)
    pixels = torch.randint(0, 256, (12, 3, settings.resolution, settings.resolution), dtype=torch.uint8)
    trainer = GeneratorTrainer(settings, architecture, pixels, device=CPU, dtype=torch.float32)
    before = {key: value.clone() for key, value in trainer.generator.state_dict().items()}
    heads = [parameter.clone() for parameter in trainer.heads.heads.parameters()] if trainer.heads else []
    trainer.step()
    resumed = GeneratorTrainer(settings, architecture, pixels, device=CPU, dtype=torch.float32)
    resumed.restore(copy.deepcopy(trainer.state()))
    losses, again = trainer.step(), resumed.step()
    assert torch.equal(losses["generator"], again["generator"])
    assert torch.equal(resumed.discriminator.score.weight, trainer.discriminator.score.weight)
    assert torch.isfinite(losses["generator"])
    assert torch.isfinite(losses["discriminator"])
    assert trainer.is_finite()
    assert not torch.equal(trainer.generator.layers[0].weight, before["layers.0.weight"])
    if trainer.heads is not None:
        moved = [not torch.equal(a, b) for a, b in zip(heads, trainer.heads.heads.parameters(), strict=True)]
        assert all(moved)
        frozen = [*trainer.heads.network.parameters(), *trainer.heads.mixers.parameters()]
        assert not any(parameter.requires_grad for parameter in frozen)
        next(trainer.heads.heads.parameters()).data.fill_(torch.nan)
        assert not trainer.is_finite()


def test_bfloat16_steps_keep_float32_parameters() -> None:
    pixels = torch.randint(0, 256, (12, 3, 16, 16), dtype=torch.uint8)
    trainer = GeneratorTrainer(TINY, ARCHITECTURE, pixels, device=CPU, dtype=torch.bfloat16)
    for shown in (24, 120):  # fading in, and grown
        trainer.images_seen = shown
        losses = trainer.step()
        assert torch.isfinite(losses["generator"] + losses["discriminator"])
    assert {parameter.dtype for parameter in trainer.generator.parameters()} == {torch.float32}
    assert trainer.samples(torch.randn(2, 5)).dtype == torch.float32


def test_frechet_distance_of_known_gaussians() -> None:
    a = Moments(torch.zeros(2).double(), torch.diag(torch.tensor([4.0, 1.0]).double()), 9)
    b = Moments(torch.tensor([3.0, 0.0]).double(), torch.diag(torch.tensor([1.0, 9.0]).double()), 9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(9 + (2 - 1) ** 2 + (1 - 3) ** 2)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b))


def test_lpips_features_have_lpips_as_their_distance(rng: torch.Generator) -> None:
    x, y = torch.rand(2, 3, 3, 40, 40, generator=rng)
    found = (lpips_features(x) - lpips_features(y)).square().sum(dim=1)
    assert torch.allclose(found, lpips(x, y), atol=1e-5)


def test_memorisation_finds_repeated_images_even_mirrored(rng: torch.Generator) -> None:
    training = torch.randint(0, 256, (9, 3, 32, 32), dtype=torch.uint8, generator=rng)
    unseen = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=rng)
    copies = training[[5, 2]].float() / 127.5 - 1
    copies[1] = copies[1].flip(2)
    found = memorisation(torch.cat([torch.randn(1, 3, 32, 32, generator=rng), copies]), training, unseen)
    assert found.distances[:2].tolist() == pytest.approx([0, 0], abs=1e-3)
    assert float(found.distances[2]) > 0.02
    nearest = {tuple(image.flatten()[:3].tolist()) for image in (found.nearest[:2] * 255).round()}
    assert nearest == {tuple(training[n].flatten()[:3].float().tolist()) for n in (2, 5)}
    assert found.ratio < 0.1


SMALL = ["--resolution", 16, "--latent", 8, "--base", 256, "--cap", 16, "--phase", 0, "--batch-size", 8]


def run(*arguments: object) -> object:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_trains_stops_resumes_and_discovers(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "net.safetensors"
    command = ["train", shapes, "-o", target, "--device", "cpu"]
    step, taken = GeneratorTrainer.step, 0

    def press_ctrl_c(self: GeneratorTrainer) -> object:
        nonlocal taken
        taken += 1
        if taken == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(GeneratorTrainer, "step", press_ctrl_c)
    module = sys.modules["ganinvert.cli.train"]  # whose name in the package is the command's
    monkeypatch.setattr(module, "DEFAULT", replace(Training(), evaluation_images=16, evaluations=1))
    monkeypatch.setitem(module.DISCOVERY, "default", replace(ganinvert.Discovery(), steps=5))
    stopped = run(*command, *SMALL, "--features", 0, "--images", 40)
    assert stopped.exit_code == 130, stopped.output
    assert "--resume goes on" in stopped.stderr
    assert Checkpoint.load(run_folder(target) / FILE_NAME, Training).trainer["images_seen"] == 24
    changed = run(*command, "--resume", "--lr", 0.5)
    assert (changed.exit_code, target.exists()) == (2, False)
    assert "lr was 0.002, now 0.5" in changed.stderr
    done = run(*command, "--resume", "--store", "float16")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [str(target), str(discriminator_path(target)), str(run_folder(target))]
    assert "16 of 40 still to show" in done.stderr
    assert "54 images are few" in done.stderr
    assert "discovered 6 subspaces" in done.stderr
    assert {tensor.dtype for tensor in TensorFile.load(target).tensors.values()} == {torch.float16}
    assert run("invert", shapes / "000.png", "-g", "net", "-o", tmp_path / "out", "--steps", 2).exit_code == 0
    again = run(*command, *SMALL)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


def test_the_command_lists_what_it_skips(tmp_path: Path) -> None:
    folder = draw_shapes(tmp_path / "images", 8)
    for n in range(8):
        (folder / f"{n}.txt").write_text("hello")
    result = run("train", folder, "-o", tmp_path / "net.safetensors", *SMALL)
    assert result.exit_code == 1
    assert "holds 8 images that can be used, and 8 files that cannot" in result.stderr
    both = run("train", folder, "-o", tmp_path / "net.safetensors", "--init", "portraits-64", *SMALL)
    assert both.exit_code == 2
    assert "--init brings its own size" in both.stderr
