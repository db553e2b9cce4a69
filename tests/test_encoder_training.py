"""Training encoders: what they learn, how they stop and go on, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import ganinvert
from ganinvert import EncoderTraining, TrainedNetwork, TrainingStep, images
from ganinvert.errors import InputError, OutputError, TrainingError, UsageError, WeightsError
from ganinvert.generators import PGGANGenerator, load_encoder, load_generator
from ganinvert.generators.pggan import PGGANArchitecture
from ganinvert.metrics import to_unit
from ganinvert.training import FILE_NAME, Checkpoint, EncoderJob, EncoderTrainer, loop, run_folder
from ganinvert.weights import TensorFile

from .commandline import run

TOY = PGGANGenerator.random(PGGANArchitecture.official(16, latent_dim=8, base=128, cap=8))
TINY = EncoderTraining(cap=8, base=64, images=48, evaluation_images=4, evaluations=1, perceptual=0.0)
CPU = torch.device("cpu")
draw = loop.TrainingLoop.draw
FILES = {"checkpoint.pt", "log.jsonl", "losses.png"}


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetensors"
    TensorFile(TOY.state_dict()).save(path)
    return path


@pytest.fixture
def reals(tmp_path: Path) -> Path:
    """Twelve images that the generator can make, some fewer than two batches."""
    folder = tmp_path / "reals"
    folder.mkdir()
    made = to_unit(TOY(torch.randn(12, 8, generator=torch.Generator().manual_seed(5))))
    for n, image in enumerate(made):
        (folder / f"{n}.png").write_bytes(images.encode_png(images.to_pil(image.numpy())))
    return folder


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than all the rest; one test draws them."""
    monkeypatch.setattr(loop.TrainingLoop, "draw", lambda _self: None)


def stop_at(shown: int) -> Callable[[TrainingStep], None]:
    def stop(step: TrainingStep) -> None:
        if step.images >= shown:
            raise KeyboardInterrupt

    return stop


def test_an_encoder_recovers_z_far_better_than_chance() -> None:
    settings = EncoderTraining(cap=16, base=512, lr=3e-3, batch=16, images=1600, perceptual=0.0)
    trainer = EncoderTrainer(settings, TOY, None, device=CPU, dtype=torch.float32)
    while trainer.images_seen < settings.images:
        trainer.step()
    codes = torch.randn(256, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, features = trainer.encoder(TOY(codes))
    cosine = F.cosine_similarity(found, codes).mean()
    # By chance the mean of 256 cosines in 8 dimensions is 0 ± 0.022.
    assert cosine > 0.5
    truth = TOY.features(codes, 3).features
    variance = (truth - truth.mean(dim=(0, 2, 3), keepdim=True)).square().mean()
    assert (features.features - truth).square().mean() < 0.95 * variance


def test_the_result_is_complete_and_found_by_the_generators_name(
    toy: Path, reals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.TrainingLoop, "draw", draw)
    settings = replace(TINY, perceptual=0.5)
    result = ganinvert.train_encoder(
        toy, tmp_path / "e.safetensors", settings=settings, reals=reals, licence="CC0", credit="me", device="cpu"
    )
    assert isinstance(result, TrainedNetwork)
    assert (result.name, result.images) == ("toy", 48)
    assert {path.name for path in result.folder.iterdir()} == FILES | {
        f"{kind}-{shown:08d}.png" for kind in ("samples", "real") for shown in (0, 48)
    }
    generator = load_generator(toy)
    by_name, by_file = load_encoder("toy", generator=generator), load_encoder(result.path)
    image = TOY(torch.randn(1, 8))
    assert torch.equal(by_name(image)[0], by_file(image)[0])
    assert torch.equal(by_name(image)[1].features, by_file(image)[1].features)
    about = TensorFile.load(result.path).about
    assert (about["licence"], about["credit"], about["generator"]) == ("CC0", "me", generator.digest)
    assert json.loads(about["data"])["training"] == 11
    assert json.loads(about["training"])["images"] == 48
    assert json.loads(about["metrics"]) == result.metrics
    assert -1 <= result.metrics["cosine"] <= 1
    assert {tensor.dtype for tensor in TensorFile.load(result.path).tensors.values()} == {torch.float16}


@pytest.mark.parametrize("with_reals", [True, False])
def test_a_resumed_training_gives_the_same_weights_bit_for_bit(
    toy: Path, reals: Path, tmp_path: Path, with_reals: bool
) -> None:
    photos = reals if with_reals else None
    plain, resumed = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    ganinvert.train_encoder(toy, plain, settings=TINY, reals=photos, device="cpu", stored="float32", overwrite=True)
    with pytest.raises(KeyboardInterrupt):
        ganinvert.train_encoder(
            toy, resumed, settings=TINY, reals=photos, device="cpu", overwrite=True, callback=stop_at(24)
        )
    assert not resumed.exists()
    ganinvert.train_encoder(toy, resumed, reals=photos, device="cpu", stored="float32", resume=True)
    before, after = TensorFile.load(plain).tensors, TensorFile.load(resumed).tensors
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_only_the_encoder_learns(toy: Path, tmp_path: Path) -> None:
    job = EncoderJob.open(toy, tmp_path / "e.safetensors", settings=TINY, device="cpu")
    generator = job.loop.trainer.generator
    before = {key: tensor.clone() for key, tensor in generator.state_dict().items()}
    job.loop.run()
    assert all(torch.equal(before[key], tensor) for key, tensor in generator.state_dict().items())


def test_features_are_normalised_by_the_channels_own_statistics() -> None:
    trainer = EncoderTrainer(TINY, TOY, None, device=CPU, dtype=torch.float32)
    features = TOY.features(torch.randn(512, 8, generator=torch.Generator().manual_seed(2018)), 3).features
    deviation, mean = torch.std_mean(features, dim=(0, 2, 3))
    assert torch.allclose(trainer.encoder.mean, mean, atol=1e-5)
    assert torch.allclose(trainer.encoder.scale, deviation, rtol=1e-3)


def test_half_precision_trains_too() -> None:
    trainer = EncoderTrainer(replace(TINY, perceptual=0.5), TOY, None, device=CPU, dtype=torch.bfloat16)
    for _ in range(2):
        losses = trainer.step()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert trainer.is_finite()
    assert {parameter.dtype for parameter in trainer.encoder.parameters()} == {torch.float32}


def test_layer_0_has_no_features_but_z(toy: Path, tmp_path: Path) -> None:
    result = ganinvert.train_encoder(
        toy, tmp_path / "e.safetensors", settings=replace(TINY, layer=0, images=16), device="cpu"
    )
    z, features = load_encoder(result.path)(torch.zeros(1, 3, 16, 16))
    assert torch.equal(features.features.flatten(1), z)


def test_what_is_not_finite_stops_and_keeps_the_checkpoint(toy: Path, tmp_path: Path) -> None:
    target = tmp_path / "e.safetensors"
    with pytest.raises(KeyboardInterrupt):
        ganinvert.train_encoder(toy, target, settings=TINY, device="cpu", callback=stop_at(16))
    kept = (run_folder(target) / FILE_NAME).read_bytes()
    job = EncoderJob.open(toy, target, resume=True, device="cpu")
    with torch.no_grad():
        job.loop.trainer.encoder.code.bias.fill_(torch.nan)
    with pytest.raises(TrainingError, match="not finite") as caught:
        job.loop.run()
    assert "checkpoint.pt is from before" in caught.value.hint
    assert (run_folder(target) / FILE_NAME).read_bytes() == kept
    assert not target.exists()


def test_what_cannot_be_trained_is_refused(toy: Path, reals: Path, tmp_path: Path) -> None:
    target = tmp_path / "e.safetensors"
    with pytest.raises(WeightsError, match="neither a known generator"):
        EncoderJob.open("nothing", target, device="cpu")
    with pytest.raises(UsageError, match="layer 7 does not exist"):
        EncoderJob.open(toy, target, settings=replace(TINY, layer=7), device="cpu")
    with pytest.raises(UsageError, match="features of layer 5, which are nearly the image"):
        EncoderJob.open(toy, target, settings=replace(TINY, layer=5), device="cpu")
    with pytest.raises(UsageError, match=r"\.safetensors file"):
        EncoderJob.open(toy, tmp_path / "e.pt", device="cpu")
    with pytest.raises(InputError, match="no such folder"):
        EncoderJob.open(toy, target, settings=TINY, reals=tmp_path / "none", device="cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        EncoderJob.open(toy, target, settings=TINY, reals=tmp_path / "empty", device="cpu")
    with pytest.raises(InputError, match="no training to resume"):
        EncoderJob.open(toy, target, resume=True, device="cpu")
    assert not target.exists()
    assert not run_folder(target).exists()
    odd = tmp_path / "my net.safetensors"
    odd.write_bytes(toy.read_bytes())
    with pytest.raises(UsageError, match="cannot be a generator's name"):
        EncoderJob.open(odd, target, device="cpu")
    # Fewer photos than a batch has are repeated within it.
    job = EncoderJob.open(toy, target, settings=replace(TINY, batch=48), reals=reals, device="cpu")
    job.loop.run()
    assert job.loop.trainer.images_seen == 48


def test_resuming_needs_the_same_generator_settings_and_photos(toy: Path, reals: Path, tmp_path: Path) -> None:
    target = tmp_path / "e.safetensors"
    with pytest.raises(KeyboardInterrupt):
        ganinvert.train_encoder(toy, target, settings=TINY, device="cpu", callback=stop_at(8))
    with pytest.raises(UsageError, match=r"lr was 0\.001, now 0\.01"):
        EncoderJob.open(toy, target, settings=replace(TINY, lr=0.01), resume=True, device="cpu")
    with pytest.raises(UsageError, match="no real images"):
        EncoderJob.open(toy, target, reals=reals, resume=True, device="cpu")
    other = tmp_path / "other.safetensors"
    TensorFile(PGGANGenerator.random(TOY.architecture, seed=1).state_dict()).save(other)
    with pytest.raises(UsageError, match="another generator than other"):
        EncoderJob.open(other, target, resume=True, device="cpu")
    with pytest.raises(OutputError, match="begun already"):
        EncoderJob.open(toy, target, settings=TINY, device="cpu")
    checkpoint = run_folder(target) / FILE_NAME
    whole = checkpoint.read_bytes()
    for damaged in (whole[:500], b""):
        checkpoint.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            Checkpoint.load(checkpoint, EncoderTraining)
    torch.save({"kind": "generator", "version": 2}, checkpoint)  # that of a generator
    with pytest.raises(InputError, match="is no encoder's training"):
        Checkpoint.load(checkpoint, EncoderTraining)
    torch.save({"kind": "encoder", "version": 2, "settings": {"lr": 0.0}}, checkpoint)
    with pytest.raises(InputError, match="is incomplete"):
        Checkpoint.load(checkpoint, EncoderTraining)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": -1}, "layer cannot be -1"),
        ({"batch": 2}, "batch cannot be 2"),
        ({"lr": 0.0}, "lr cannot be 0"),
        ({"pixel": -1.0}, "pixel cannot be -1"),
        ({"noise": float("nan")}, "noise cannot be nan"),
        ({"code": 0.0, "features": 0.0, "pixel": 0.0, "perceptual": 0.0}, "all weights are 0"),
    ],
)
def test_settings_that_cannot_be(change: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        replace(EncoderTraining(), **change)
    assert caught.value.hint


def test_the_command_trains_stops_resumes_and_registers(
    toy: Path, reals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = Path("toy.encoder.safetensors")
    command = ["train-encoder", "-g", toy, "--reals", reals, "--device", "cpu"]
    step, taken = EncoderTrainer.step, 0

    def press_ctrl_c(self: EncoderTrainer) -> object:
        nonlocal taken
        taken += 1
        if taken == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(EncoderTrainer, "step", press_ctrl_c)
    monkeypatch.setattr(sys.modules["ganinvert.cli.train_encoder"], "DEFAULT", TINY)
    stopped = run(*command, "--images", 40, "--lr", 2e-3)
    assert stopped.exit_code == 130, stopped.output
    assert "--resume goes on" in stopped.stderr
    assert Checkpoint.load(run_folder(target) / FILE_NAME, EncoderTraining).trainer["images_seen"] == 24
    changed = run(*command, "--resume", "--lr", 0.5)
    assert (changed.exit_code, target.exists()) == (2, False)
    assert "lr was 0.002, now 0.5" in changed.stderr
    done = run(*command, "--resume")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [str(target), str(run_folder(target))]
    assert "16 of 40 still to show" in done.stderr
    assert "found by the name of its generator, toy" in done.stderr
    assert load_encoder("toy").layer == 3
    again = run(*command)
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr


def test_the_commands_mistakes(toy: Path, tmp_path: Path) -> None:
    target = tmp_path / "e.safetensors"
    assert run("train-encoder", "-g", "nothing", "-o", target).exit_code == 3
    layer = run("train-encoder", "-g", toy, "-o", target, "--layer", 9)
    assert (layer.exit_code, "its layers are 0 … 6" in layer.stderr) == (2, True)
    folder = run("train-encoder", "-g", toy, "-o", target, "--reals", tmp_path / "none")
    assert (folder.exit_code, "no such folder" in folder.stderr) == (1, True)
