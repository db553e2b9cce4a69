"""Encoders of style-based generators: what they learn, how they are kept, and the methods that use them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

import ganinvert
from ganinvert import EncoderTraining, LatentBundle, images
from ganinvert.degradations import Identity
from ganinvert.errors import UsageError, WeightsError
from ganinvert.generators import Generator, StyleEncoder, Window, load_encoder, load_generator, read_encoder
from ganinvert.generators.mobilestylegan import MobileStyleGANArchitecture, MobileStyleGANGenerator
from ganinvert.generators.stylegan2 import StyleGAN2Architecture, StyleGAN2Generator
from ganinvert.methods.initialization import initial_codes
from ganinvert.metrics import psnr, to_unit
from ganinvert.settings import SingleCode
from ganinvert.training import EncoderTrainer, loop
from ganinvert.training.rendering import Rendering
from ganinvert.weights import TensorFile

from .commandline import photo, run

CPU = torch.device("cpu")
TOY = MobileStyleGANGenerator.random(MobileStyleGANArchitecture((12, 12, 12), 4, (16, 16, 16, 16, 12, 12)))
SKIPPED = StyleGAN2Generator.random(StyleGAN2Architecture((8, 8, 8), (8, 8, 8)))
TINY = EncoderTraining(cap=8, base=64, images=32, evaluation_images=4, evaluations=1, perceptual=0.0)


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.TrainingLoop, "draw", lambda _self: None)


@pytest.fixture
def styled(tmp_path: Path) -> Path:
    path = tmp_path / "styled.safetensors"
    TOY.save(path)
    return path


@pytest.fixture
def encoder(styled: Path) -> Path:
    """An encoder beside the generator's file, with random weights that tell images apart."""
    network = tiny_encoder(load_generator(styled))
    network.save(path := styled.with_name("styled.encoder.safetensors"))
    return path


def tiny_encoder(generator: Generator, layer: int = 3) -> StyleEncoder:
    settings = replace(TINY, layer=layer)
    trainer = EncoderTrainer(settings, generator, None, device=CPU, dtype=torch.float32)
    assert isinstance(trainer.encoder, StyleEncoder)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        trainer.encoder.code.weight.normal_(0, 0.1)
        trainer.encoder.offsets.weight.normal_(0, 0.1)
    return trainer.encoder.requires_grad_(False)


def square(path: Path) -> Tensor:
    """A photo as the toy generator's methods see it, (1, 3, 32, 32)."""
    return torch.from_numpy(images.fit(images.read(path), TOY.resolution).pixels)[None]


def stop_at(shown: int) -> Callable[[ganinvert.TrainingStep], None]:
    def stop(step: ganinvert.TrainingStep) -> None:
        if step.images >= shown:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("generator", [TOY, SKIPPED], ids=["mobilestylegan", "stylegan2"])
def test_an_encoder_inverts_samples_far_better_than_the_mean_does(generator: Generator) -> None:
    settings = EncoderTraining(3, cap=16, base=512, lr=3e-3, batch=16, images=2400, perceptual=0.0)
    trainer = EncoderTrainer(settings, generator, None, device=CPU, dtype=torch.float32)
    rendering, space = Rendering(generator), generator.space("w+")
    truth = space.sample(64, torch.Generator().manual_seed(1))
    samples = rendering.from_code(truth).clamp(-1, 1)
    mean = rendering.from_code(space.mean()[None]).expand_as(samples)
    before = trainer.encoder.predict(samples)[0]
    assert torch.allclose(before, space.mean().expand_as(before), atol=1e-6)
    while trainer.images_seen < settings.images:
        trainer.step()
    with torch.no_grad():
        styles, state = trainer.encoder.predict(samples)
        through_code = rendering.from_code(styles)
        through_features = rendering.from_features(styles, state, trainer.encoder.layer)
    assert trainer.encoder.error(styles, truth) < 0.8 * trainer.encoder.error(before, truth)
    for made in (through_code, through_features):
        assert (psnr(to_unit(made), to_unit(samples)) - psnr(to_unit(mean), to_unit(samples))).mean() > 1


def test_a_resumed_training_gives_the_same_encoder_which_is_read_back(styled: Path, tmp_path: Path) -> None:
    plain, resumed = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    result = ganinvert.train_encoder(styled, plain, settings=TINY, device="cpu", stored="float32")
    assert {"cosine", "psnr_samples_code", "lpips_samples_features"} <= result.metrics.keys()
    with pytest.raises(KeyboardInterrupt):
        ganinvert.train_encoder(styled, resumed, settings=TINY, device="cpu", overwrite=True, callback=stop_at(16))
    ganinvert.train_encoder(styled, resumed, device="cpu", stored="float32", resume=True)
    before, after = TensorFile.load(plain), TensorFile.load(resumed)
    assert all(torch.equal(before.tensors[key], after.tensors[key]) for key in before.tensors)
    assert json.loads(before.about["training"])["layer"] == TOY.edit_layer
    generator = load_generator(styled)
    encoder = load_encoder("styled", generator=generator)
    assert isinstance(encoder, StyleEncoder)
    assert (encoder.space, encoder.layer, encoder.digest) == ("w+", TOY.edit_layer, generator.digest)
    samples = Rendering(generator).from_code(generator.space("w+").sample(2, torch.Generator().manual_seed(0)))
    styles, state = encoder.predict(samples)
    info = generator.layer_info(encoder.layer)
    assert styles.shape == (2, *generator.space("w+").shape)
    assert state.features.shape == (2, info.channels, info.size, info.size)
    with pytest.raises(WeightsError, match="another generator"):
        load_encoder(plain, generator=MobileStyleGANGenerator.random(TOY.architecture, seed=1))


def test_the_command_says_in_which_space_the_code_is(
    styled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["ganinvert.cli.train_encoder"], "DEFAULT", TINY)
    done = run("train-encoder", "-g", styled, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert f"layer {TOY.edit_layer}: samples" in done.stderr
    assert "w+ of samples: mean cosine" in done.stderr
    assert "dB through w+" in done.stderr


def test_photos_are_read_at_the_side_of_the_encoder() -> None:
    large = MobileStyleGANGenerator.random(MobileStyleGANArchitecture((6, 6, 6), 4, (8,) * 14))
    assert (large.resolution, Rendering(large).side) == (512, 256)
    trainer = EncoderTrainer(
        replace(TINY, batch=4, noise=0.0),
        large,
        torch.zeros(10, 3, 256, 256, dtype=torch.uint8),
        device=CPU,
        dtype=torch.float32,
    )
    assert all(torch.isfinite(loss) for loss in trainer.step().values())


def test_quadrants_are_parts_of_the_averaged_image() -> None:
    large = MobileStyleGANGenerator.random(MobileStyleGANArchitecture((6, 6, 6), 4, (8,) * 14))
    rendering, w = Rendering(large), large.space("w+").sample(2, torch.Generator().manual_seed(0))
    whole = F.avg_pool2d(large(w, "w+"), 2)
    assert torch.allclose(rendering.from_code(w), whole, atol=1e-5)
    for quadrant in range(4):
        part = Window.tile(256, 2, quadrant).of(whole)
        assert torch.allclose(rendering.from_code(w, quadrant), part, atol=1e-5)
        assert torch.allclose(rendering.from_features(w, large.features(w, 5, "w+"), 5, quadrant), part, atol=1e-5)


@pytest.mark.parametrize(("layer", "reason"), [(0, "are the same in every image"), (4, "are nearly the image")])
def test_layers_whose_features_cannot_be_told_are_refused(layer: int, reason: str) -> None:
    flat = MobileStyleGANGenerator.random(MobileStyleGANArchitecture((6, 6, 6), 8, (8,) * 6))
    small = replace(TINY, layer=layer)
    generator: Generator = flat if layer == 0 else SKIPPED
    with pytest.raises(UsageError, match=reason) as caught:
        EncoderTrainer(small, generator, None, device=CPU, dtype=torch.float32)
    assert "from 1 to" in caught.value.hint


DAMAGES: dict[str, Callable[[dict[str, Tensor], dict[str, object]], object]] = {
    "a tensor is missing": lambda state, _: state.pop("offsets.bias"),
    "values are not finite": lambda state, _: state["code_mean"].fill_(torch.nan),
    "another number of styles": lambda _, numbers: numbers.update(styles=5),
    "no styles": lambda _, numbers: numbers.update(styles=0),
    "an absurd number": lambda _, numbers: numbers.update(channels=10**18),
    "another side": lambda _, numbers: numbers.update(side=64),
    "features of no size": lambda _, numbers: numbers.update(size=5),
    "a width is no number": lambda _, numbers: numbers.update(widths=["many"]),
    "numbers of PGGAN's encoder": lambda _, numbers: numbers.pop("styles"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_no_whole_encoder_is_refused(encoder: Path, damage: str) -> None:
    file = TensorFile.load(encoder)
    state, numbers = dict(file.tensors), json.loads(file.about["architecture"])
    DAMAGES[damage](state, numbers)
    save_file(state, encoder, {"kind": "style-encoder", "architecture": json.dumps(numbers)})
    with pytest.raises(WeightsError, match=r"encoder\.safetensors") as caught:
        read_encoder(encoder)
    assert caught.value.hint


@pytest.mark.parametrize(("space", "kind"), [("", "residuals"), ("f", "residuals"), ("w+", "latent")])
def test_the_method_takes_features_or_the_code(
    space: str, kind: str, styled: Path, encoder: Path, tmp_path: Path
) -> None:
    picture, chosen = photo(tmp_path / "a.png"), ["--space", space] if space else []
    done = run("invert", picture, "-g", styled, "--method", "encoder", *chosen, "--device", "cpu", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    bundle, generator = LatentBundle.load(tmp_path / "a.invert.pt"), load_generator(styled)
    assert (bundle.code["kind"], bundle.code["space"]) == (kind, "w+")
    assert set(bundle.tensors) == ({"z"} if space == "w+" else {"z", "d3"})
    styles, state = read_encoder(encoder).predict(square(picture))
    rendering = Rendering(generator)
    expected = rendering.from_code(styles) if space == "w+" else rendering.from_features(styles, state, 3)
    assert torch.allclose(bundle.render(generator), expected, atol=1e-4)


@pytest.mark.usefixtures("encoder")
def test_the_method_refuses_spaces_in_which_no_encoder_predicts(styled: Path, tmp_path: Path) -> None:
    picture = photo(tmp_path / "a.png")
    for generator, space, text in ((styled, "w", "cannot work in the space w"), (None, "w+", "has no latent space w+")):
        chosen = [] if generator is None else ["-g", generator]
        done = run("invert", picture, *chosen, "--method", "encoder", "--space", space, "--device", "cpu")
        assert (done.exit_code, text in " ".join(done.output.split())) == (2, True), done.output


def test_codes_start_at_the_encoders(styled: Path, encoder: Path, tmp_path: Path) -> None:
    generator, y = load_generator(styled), square(photo(tmp_path / "a.png"))
    styles, _ = read_encoder(encoder).predict(y)
    for space, expected in (("w+", styles), ("f", styles), ("w", styles.mean(dim=1))):
        settings = SingleCode("encoder", space=space)
        assert torch.equal(initial_codes(generator, y, Identity(), settings, count=1, seed=0)[:, 0], expected)
    with pytest.raises(UsageError, match=r"predicts codes of w\+, not z") as caught:
        initial_codes(generator, y, Identity(), SingleCode("encoder"), count=1, seed=0)
    assert "--space w+" in caught.value.hint


@pytest.mark.parametrize("method", [("single", "--space", "w+"), ("single",), ("bdinvert", "--layer", "3")])
def test_methods_start_at_the_encoders_code(
    method: tuple[str, ...], styled: Path, encoder: Path, tmp_path: Path
) -> None:
    picture = photo(tmp_path / "a.png")
    chosen = ["--method", *method, "--init", "encoder", "--steps", "1", "--lr", "1e-6", "--device", "cpu"]
    done = run("invert", picture, "-g", styled, *chosen, "-o", tmp_path)
    assert done.exit_code == 0, done.output
    styles = read_encoder(encoder).predict(square(picture))[0][0]
    z = LatentBundle.load(tmp_path / "a.invert.pt").tensors["z"]
    assert torch.allclose(z, styles if z.ndim == 2 else styles.mean(dim=0), atol=1e-4)
