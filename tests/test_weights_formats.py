from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganinvert.errors import MissingNetworkError, WeightsError
from ganinvert.generators import PGGANGenerator, load_discriminator, load_generator, read_discriminator, read_generator
from ganinvert.generators.pggan import PGGANArchitecture, pixel_norm
from ganinvert.generators.pggan.layouts import from_gan_zoo, from_mmgen, from_nvidia
from ganinvert.weights import TensorFile

from . import checkpoints

EXPECTED_FORMAT = {kind: kind.removesuffix("-fused").removesuffix("-legacy") for kind in checkpoints.FORMATS}


@pytest.mark.parametrize("resolution", [8, 64, 256])
@pytest.mark.parametrize("kind", checkpoints.FORMATS)
def test_every_format_renders_the_same_images(kind: str, resolution: int, tmp_path: Path) -> None:
    original = checkpoints.network(resolution, per_position=kind.startswith(("gan-zoo", "canonical")))
    # A name that says nothing: detection is by content.
    path = checkpoints.write(kind, original, tmp_path / "file.bin")
    loaded = load_generator(path)
    z = torch.randn(2, 16, generator=torch.Generator().manual_seed(3))
    assert loaded.resolution == resolution
    assert loaded.about["format"] == EXPECTED_FORMAT[kind]
    torch.testing.assert_close(loaded(z), original(z), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", checkpoints.FORMATS)
def test_the_canonical_copy_is_the_same_network(kind: str, tmp_path: Path) -> None:
    weights = read_generator(checkpoints.write(kind, checkpoints.network(8), tmp_path / "a.pth"), name="some-name")
    weights.save(tmp_path / "copy.safetensors")
    copy = read_generator(tmp_path / "copy.safetensors")
    assert (copy.digest, copy.architecture) == (weights.digest, weights.architecture)
    assert copy.about["format"] == EXPECTED_FORMAT[kind]
    assert all(torch.equal(copy.state_dict()[key], tensor) for key, tensor in weights.state_dict().items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("numpy", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_nvidia_pickles_of_every_protocol(protocol: int, numpy: str, tmp_path: Path) -> None:
    original = checkpoints.network(8)
    variables = checkpoints.tf_variables(original.state_dict(), fused=False)
    path = tmp_path / "network.pkl"
    path.write_bytes(checkpoints.nvidia_pickle(variables, protocol=protocol, numpy=numpy))
    z = torch.randn(2, 16)
    torch.testing.assert_close(load_generator(path)(z), original(z), rtol=0, atol=1e-5)


def _canonical_images(state: dict[str, Tensor], z: Tensor) -> Tensor:
    generator = PGGANGenerator(PGGANArchitecture.of(state))
    generator.load_state_dict(state)
    return generator(z)


def _fused_up(x: Tensor, kernel: Tensor) -> Tensor:
    """TensorFlow's fused upsampling: the kernel (in, out, 3, 3) summed over four shifts, transposed, stride 2."""
    padded = F.pad(kernel, (1, 1, 1, 1))
    summed = padded[..., 1:, 1:] + padded[..., :-1, 1:] + padded[..., 1:, :-1] + padded[..., :-1, :-1]
    return F.conv_transpose2d(x, summed, stride=2, padding=1)


def test_nvidia_conversion_agrees_with_the_tensorflow_network() -> None:
    # Independent of the writer: the layers as networks.py of NVIDIA's release states them, on random variables.
    rng = torch.Generator().manual_seed(5)
    shapes = {
        "4x4/Dense": (16, 6 * 16),
        "4x4/Conv": (3, 3, 6, 6),
        "8x8/Conv0_up": (3, 3, 4, 6),
        "8x8/Conv1": (3, 3, 4, 4),
    }
    variables = {f"{name}/weight": torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    for name, size in {"4x4/Dense": 6, "4x4/Conv": 6, "8x8/Conv0_up": 4, "8x8/Conv1": 4, "ToRGB_lod0": 3}.items():
        variables[f"{name}/bias"] = torch.randn(size, generator=rng)
    variables |= {"ToRGB_lod0/weight": torch.randn(1, 1, 4, 3, generator=rng), "lod": torch.tensor(0.0)}

    def finish(x: Tensor, name: str) -> Tensor:
        return pixel_norm(F.leaky_relu(x + variables[f"{name}/bias"][:, None, None], 0.2))

    def conv(x: Tensor, name: str, gain: float = sqrt(2)) -> Tensor:
        weight = variables[f"{name}/weight"]
        scale = gain / sqrt(weight.shape[0] * weight.shape[1] * weight.shape[2])
        return F.conv2d(x, weight.permute(3, 2, 0, 1) * scale, padding=weight.shape[0] // 2)

    z = torch.randn(3, 16, generator=rng)
    x = (pixel_norm(z) @ variables["4x4/Dense/weight"] * (sqrt(2) / 4 / sqrt(16))).reshape(3, 6, 4, 4)
    x = finish(x, "4x4/Dense")
    x = finish(conv(x, "4x4/Conv"), "4x4/Conv")
    x = finish(_fused_up(x, variables["8x8/Conv0_up/weight"].permute(3, 2, 0, 1) * sqrt(2 / (9 * 6))), "8x8/Conv0_up")
    x = finish(conv(x, "8x8/Conv1"), "8x8/Conv1")
    expected = conv(x, "ToRGB_lod0", 1) + variables["ToRGB_lod0/bias"][:, None, None]
    torch.testing.assert_close(_canonical_images(from_nvidia(variables), z), expected, rtol=0, atol=1e-5)


def test_gan_zoo_conversion_agrees_with_its_network_and_averaging_the_bias_would_not() -> None:
    rng = torch.Generator().manual_seed(6)
    shapes = {"formatLayer": (6 * 16, 16), "groupScale0.0": (6, 6, 3, 3), "scaleLayers.0.0": (4, 6, 3, 3)}
    shapes |= {"scaleLayers.0.1": (4, 4, 3, 3), "toRGBLayers.0": (3, 6, 1, 1), "toRGBLayers.1": (3, 4, 1, 1)}
    state = {f"{name}.module.weight": torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    state |= {f"{name}.module.bias": torch.randn(shape[0], generator=rng) for name, shape in shapes.items()}

    def layer(x: Tensor, name: str) -> Tensor:
        weight, bias = state[f"{name}.module.weight"], state[f"{name}.module.bias"]
        y = F.linear(x, weight, bias) if weight.ndim == 2 else F.conv2d(x, weight, bias, padding=weight.shape[2] // 2)
        return y * sqrt(2 / weight[0].numel())

    z = torch.randn(3, 16, generator=rng)
    x = pixel_norm(F.leaky_relu(layer(pixel_norm(z), "formatLayer"), 0.2).reshape(3, 6, 4, 4))
    x = pixel_norm(F.leaky_relu(layer(x, "groupScale0.0"), 0.2))
    x = F.interpolate(x, scale_factor=2)
    for name in ("scaleLayers.0.0", "scaleLayers.0.1"):
        x = pixel_norm(F.leaky_relu(layer(x, name), 0.2))
    canonical = dict(from_gan_zoo({key.replace(".module.", "."): tensor for key, tensor in state.items()}))
    expected = layer(x, "toRGBLayers.1")
    torch.testing.assert_close(_canonical_images(canonical, z), expected, rtol=0, atol=1e-5)
    bias = canonical["layers.0.bias"]
    canonical["layers.0.bias"] = bias.mean(dim=(1, 2), keepdim=True).expand_as(bias).clone()
    assert (_canonical_images(canonical, z) - expected).abs().mean() > 0.05


def test_mmgen_conversion_agrees_with_its_network() -> None:
    rng = torch.Generator().manual_seed(8)
    shapes = {"conv_blocks.0": (6, 6, 3, 3), "conv_blocks.1": (6, 4, 3, 3), "conv_blocks.2": (4, 4, 3, 3)}
    shapes |= {"torgb_layers.0": (3, 6, 1, 1), "torgb_layers.1": (3, 4, 1, 1)}
    state = {f"{name}.conv.weight_orig": torch.randn(shape, generator=rng) for name, shape in shapes.items()}
    sizes = {"conv_blocks.0": 6, "conv_blocks.1": 4, "conv_blocks.2": 4, "torgb_layers.0": 3, "torgb_layers.1": 3}
    state |= {f"{name}.conv.bias": torch.randn(size, generator=rng) for name, size in sizes.items()}
    state["noise2feat.linear.weight_orig"] = torch.randn(6 * 16, 16, generator=rng)
    state["noise2feat.bias"] = torch.randn(1, 6, 1, 1, generator=rng)

    def part(name: str, gain: float = sqrt(2)) -> tuple[Tensor, Tensor]:
        weight = state[f"{name}.conv.weight_orig"]
        return weight * gain / sqrt(weight.shape[1:].numel()), state[f"{name}.conv.bias"][:, None, None]

    def finish(x: Tensor) -> Tensor:
        return pixel_norm(F.leaky_relu(x, 0.2))

    z = torch.randn(3, 16, generator=rng)
    x = F.linear(pixel_norm(z), state["noise2feat.linear.weight_orig"] * (sqrt(2) / 4 / sqrt(16)))
    x = finish(x.reshape(3, 6, 4, 4) + state["noise2feat.bias"])
    weight, bias = part("conv_blocks.0")
    x = finish(F.conv2d(x, weight, padding=1) + bias)
    weight, bias = part("conv_blocks.1")
    x = finish(_fused_up(x, weight) + bias)
    weight, bias = part("conv_blocks.2")
    x = finish(F.conv2d(x, weight, padding=1) + bias)
    weight, bias = part("torgb_layers.1", 1)
    expected = F.conv2d(x, weight) + bias
    torch.testing.assert_close(_canonical_images(dict(from_mmgen(state)), z), expected, rtol=0, atol=1e-5)


def test_mmgen_without_fused_upsampling_is_recognised_by_its_shapes() -> None:
    original = checkpoints.network(64)
    state = checkpoints._mmgen(original.state_dict())
    for n in range(2, 10, 2):
        state[f"conv_blocks.{n - 1}.conv.weight_orig"] = checkpoints.raw(original.state_dict()[f"layers.{n}.weight"])
    z = torch.randn(2, 16)
    torch.testing.assert_close(_canonical_images(dict(from_mmgen(state)), z), original(z), rtol=0, atol=1e-5)


def test_gan_zoo_discriminator_gives_its_scores(tmp_path: Path) -> None:
    state = checkpoints.gan_zoo_discriminator(8, seed=9)
    torch.save({"netD": state}, tmp_path / "gan.pth")
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))

    def layer(x: Tensor, name: str) -> Tensor:
        weight, bias = state[f"{name}.module.weight"], state[f"{name}.module.bias"]
        y = F.linear(x, weight, bias) if weight.ndim == 2 else F.conv2d(x, weight, bias, padding=weight.shape[2] // 2)
        return y * sqrt(2 / weight[0].numel())

    x = F.leaky_relu(layer(images, "fromRGBLayers.1"), 0.2)
    for name in ("scaleLayers.0.0", "scaleLayers.0.1"):
        x = F.leaky_relu(layer(x, name), 0.2)
    x = F.avg_pool2d(x, 2)
    deviation = (x.var(dim=0) + 1e-8).sqrt().mean().expand(4, 1, 4, 4)
    x = F.leaky_relu(layer(torch.cat([x, deviation], dim=1), "groupScaleZero.0"), 0.2)
    x = F.leaky_relu(layer(x.flatten(1), "groupScaleZero.1"), 0.2)
    expected = layer(x, "decisionLayer")[:, 0]
    found = load_discriminator(tmp_path / "gan.pth")(images)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fused", [True, False])
def test_nvidias_discriminator_gives_its_scores(tmp_path: Path, fused: bool) -> None:
    variables = checkpoints.tf_discriminator(16, fused=fused)
    generator = checkpoints.tf_variables(checkpoints.network(16).state_dict())
    (tmp_path / "net.pkl").write_bytes(checkpoints.nvidia_pickle(generator, others=variables))
    state = {name: torch.from_numpy(np.array(value)) for name, value in variables}
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(1))

    def layer(x: Tensor, name: str, gain: float = sqrt(2), *, activated: bool = True) -> Tensor:
        weight, bias = state[f"{name}/weight"], state[f"{name}/bias"]
        weight = weight * gain / sqrt(weight[..., 0].numel())
        if weight.ndim == 2:
            y = x.flatten(1) @ weight + bias
        elif name.endswith("_down"):
            # Four shifts of the kernel make one of 4×4, which moves by two pixels.
            padded = F.pad(weight.permute(3, 2, 0, 1), (1, 1, 1, 1))
            kernel = (padded[..., 1:, 1:] + padded[..., :-1, 1:] + padded[..., 1:, :-1] + padded[..., :-1, :-1]) / 4
            y = F.conv2d(x, kernel, bias, stride=2, padding=1)
        else:
            y = F.conv2d(x, weight.permute(3, 2, 0, 1), bias, padding=weight.shape[0] // 2)
        return F.leaky_relu(y, 0.2) if activated else y

    x = layer(images, "FromRGB_lod0")
    for side in (16, 8):
        x = layer(x, f"{side}x{side}/Conv0")
        x = layer(x, f"{side}x{side}/Conv1_down") if fused else F.avg_pool2d(layer(x, f"{side}x{side}/Conv1"), 2)
    # Groups of four are strided: images 0, 2, 4, 6 make one.
    deviation = (x.unflatten(0, (4, 2)).var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3)).repeat(4)
    x = torch.cat([x, deviation[:, None, None, None].expand(8, 1, 4, 4)], dim=1)
    x = layer(layer(x, "4x4/Conv"), "4x4/Dense0")
    expected = layer(x, "4x4/Dense1", 1, activated=False)[:, 0]
    found = load_discriminator(tmp_path / "net.pkl")
    torch.testing.assert_close(found(images), expected, rtol=1e-5, atol=1e-4)
    assert [tuple(each.shape[2:]) for each in found.features(images)] == [(16, 16), (8, 8), (4, 4)]
    read_discriminator(tmp_path / "net.pkl").save(tmp_path / "kept.safetensors")
    assert torch.equal(load_discriminator(tmp_path / "kept.safetensors")(images), found(images))


def test_our_discriminators_are_told_from_pickles_whatever_the_length_of_their_header(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"")
    torch.save({"netD": checkpoints.gan_zoo_discriminator(8)}, tmp_path / "net.pth")
    discriminator = read_discriminator(tmp_path / "net.pth")
    firsts = set()
    for length in range(0, 264, 4):
        discriminator.about = {"credit": "x" * length}
        discriminator.save(tmp_path / "net.safetensors")
        firsts.add((tmp_path / "net.safetensors").read_bytes()[0])
        copy = read_discriminator(tmp_path / "net.safetensors")
        assert torch.equal(copy.state_dict()["score.bias"], discriminator.state_dict()["score.bias"])
    assert 0x80 in firsts


def test_a_discriminator_of_other_shapes_is_refused(tmp_path: Path) -> None:
    torch.save({"netD": checkpoints.gan_zoo_discriminator(8)}, tmp_path / "net.pth")
    discriminator = read_discriminator(tmp_path / "net.pth")
    for key in ("layers.0.weight", "dense.weight"):
        state = {**discriminator.state_dict(), key: torch.zeros(())}
        TensorFile(state, discriminator.header).save(tmp_path / "net.safetensors")
        with pytest.raises(WeightsError, match=r"do not have the shapes|dense.weight has shape \(\)"):
            read_discriminator(tmp_path / "net.safetensors")


def test_a_file_that_is_named_comes_before_a_name(tmp_path: Path, data_dir: Path) -> None:
    other, own = (checkpoints.gan_zoo_discriminator(8, seed=seed) for seed in (1, 2))
    torch.save({"netD": other}, tmp_path / "other.pth")
    read_discriminator(tmp_path / "other.pth").save(data_dir / "generators" / "net.discriminator.safetensors")
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.save({"netD": own}, tmp_path / "net.pth")
    assert not torch.equal(load_discriminator(tmp_path / "net.pth")(images), load_discriminator("net")(images))
    checkpoints.write("canonical", checkpoints.network(8), tmp_path / "net.pth")
    with pytest.raises(MissingNetworkError, match=r"net\.pth has no discriminator"):
        load_discriminator(tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="no such file"):
        load_discriminator(tmp_path / "none.pth")


def test_a_file_without_discriminator_says_so(tmp_path: Path) -> None:
    path = checkpoints.write("genforce", checkpoints.network(8), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="no discriminator"):
        read_discriminator(path)


def test_an_unknown_file_lists_what_was_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "picture.pth"
    path.write_bytes(b"\x89PNG....")
    with pytest.raises(WeightsError, match=r"picture\.pth: is of no known kind") as caught:
        read_generator(path)
    for word in ("safetensors", "NVIDIA", "genforce", "GANDissect", "GAN Zoo", "MMGeneration"):
        assert word in caught.value.hint
    path.write_text("<!DOCTYPE html><html>")
    with pytest.raises(WeightsError, match="web page"):
        read_generator(path)
    torch.save({"encoder.weight": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=r"unknown keys, such as encoder\.weight"):
        read_generator(path)


@pytest.mark.parametrize("kind", ["genforce", "gandissect", "canonical"])
def test_missing_and_extra_keys_are_named(kind: str, tmp_path: Path) -> None:
    path = checkpoints.write(kind, checkpoints.network(8), tmp_path / "a.pth")
    state = torch.load(path, weights_only=True)
    last = [key for key in state if ("3" in key and "bias" in key) or key == "layer4.wscale.b"][-1]
    torch.save({key: value for key, value in state.items() if key != last}, path)
    with pytest.raises(WeightsError, match=f"missing {last}"):
        read_generator(path)
    torch.save(state | {"surplus": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="extra surplus"):
        read_generator(path)


@pytest.mark.parametrize("kind", checkpoints.FORMATS)
def test_a_network_still_growing_or_with_nan_is_refused(kind: str, tmp_path: Path) -> None:
    generator = checkpoints.network(8)
    generator.state_dict()["layers.2.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(WeightsError, match="not finite"):
        read_generator(checkpoints.write(kind, generator, tmp_path / "a.pth"))


def test_lod_and_alpha_must_be_zero(tmp_path: Path) -> None:
    path = checkpoints.write("genforce", checkpoints.network(8), tmp_path / "a.pth")
    torch.save(torch.load(path, weights_only=True) | {"lod": torch.tensor(0.5)}, path)
    with pytest.raises(WeightsError, match=r"lod is 0\.5"):
        read_generator(path)
    state = checkpoints._gan_zoo(checkpoints.network(8).state_dict())
    torch.save({"config": {"alpha": 0.25}, "netG": state, "avgG": state}, path)
    with pytest.raises(WeightsError, match=r"alpha is 0\.25"):
        read_generator(path)


def test_shapes_of_another_network_are_refused_and_not_a_crash(tmp_path: Path) -> None:
    path = checkpoints.write("gandissect", checkpoints.network(8), tmp_path / "a.pth")
    state = torch.load(path, weights_only=True)
    for wrong in (torch.zeros(()), torch.zeros(12), torch.zeros(12, 9, 3, 3), torch.zeros(0, 16, 4, 4)):
        torch.save(state | {"layer2.conv.weight": wrong}, path)
        with pytest.raises(WeightsError):
            read_generator(path)


def test_a_header_that_describes_another_network_is_refused(tmp_path: Path) -> None:
    state = {key: value.contiguous() for key, value in checkpoints.network(8).state_dict().items()}
    for header in ('{"latent_dim": 16, "channels": [1, 1]}', "{"):
        TensorFile(state, {"architecture": header}).save(tmp_path / "a.safetensors")
        with pytest.raises(WeightsError, match="header"):
            read_generator(tmp_path / "a.safetensors")


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    path = checkpoints.write("gandissect", checkpoints.network(8), tmp_path / "a.pth")
    torch.save({key: value.half() for key, value in torch.load(path, weights_only=True).items()}, path)
    assert all(tensor.dtype == torch.float32 for tensor in read_generator(path).state_dict().values())


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("layers.1.weight", 0.0, "layer 2 gives nothing but zeros"),
        ("to_rgb.weight", 0.0, "same flat image"),
        ("to_rgb.weight", 1e3, "where about 1 is usual"),
        ("layers.3.weight", 1e38, "not finite"),
    ],
)
def test_the_self_check_refuses_what_no_trained_network_does(
    key: str, value: float, complaint: str, tmp_path: Path
) -> None:
    generator = checkpoints.network(256, per_position=True)
    state = generator.state_dict()
    state[key].mul_(value) if value < 1e30 else state[key].fill_(value)
    if value == 0:
        state[key.replace("weight", "bias")].zero_()
    with pytest.raises(WeightsError, match=complaint):
        load_generator(checkpoints.write("canonical", generator, tmp_path / "a.pth"))
