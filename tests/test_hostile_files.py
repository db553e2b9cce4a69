"""Damaged files of every kind: the readers answer with a `GanInvertError` or a result, soon, and leave nothing behind.

Seeded, so that a failure repeats; the number in its name makes the file again.
"""

from __future__ import annotations

import copy
import io
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
import torch
from PIL import Image, features

from ganinvert.bundle import LatentBundle
from ganinvert.errors import BundleError, GanInvertError, ImageError
from ganinvert.generators import PGGANGenerator
from ganinvert.images import Picture, fit, read
from ganinvert.methods import ComposedCode
from ganinvert.settings import PmSFC
from ganinvert.subspaces import SubspacePartition

from .pictures import deep_png, gray_profile, rgb_profile

IMAGES, BUNDLES = 500, 200
SECONDS = 5


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Ends what takes longer, with an error that no reader catches."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"still reading after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def flipped(content: bytes, chance: random.Random) -> bytes:
    """Some bits are others, most often in the first bytes, where headers are."""
    damaged = bytearray(content)
    for _ in range(chance.choice((1, 1, 4, 30))):
        at = chance.randrange(min(len(damaged), chance.choice((64, 1024, len(damaged)))))
        damaged[at] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def truncated(content: bytes, chance: random.Random) -> bytes:
    """The end is missing."""
    return content[: chance.randrange(len(content))]


def spliced(content: bytes, chance: random.Random) -> bytes:
    """A part stands elsewhere, twice or is missing."""
    a, b, c = sorted(chance.randrange(len(content)) for _ in range(3))
    return chance.choice(
        (content[:a] + content[b:], content[:b] + content[a:], content[:a] + content[b:c] + content[a:b] + content[c:])
    )


def overlong(content: bytes, chance: random.Random) -> bytes:
    """A number of four bytes, perhaps a length, is another."""
    at = chance.randrange(max(1, len(content) - 4))
    number = chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, chance.randrange(1 << 32)))
    return content[:at] + number.to_bytes(4, chance.choice(("big", "little"))) + content[at + 4 :]


def noisy(content: bytes, chance: random.Random) -> bytes:
    """Random bytes behind an honest beginning."""
    kept = chance.choice((0, 2, 8, 16, 64))
    return content[:kept] + chance.randbytes(chance.randrange(2000))


DAMAGES = (flipped, truncated, spliced, overlong, noisy)


def whole_images() -> list[bytes]:
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"

    def frames() -> dict[str, object]:
        return {"save_all": True, "append_images": [rgb.rotate(90)]}  # Pillow leaves marks in images that it saves

    deep = np.asarray(rgb).astype(np.uint16) * 257
    variants: list[tuple[str, Image.Image, dict[str, object]]] = [
        ("PNG", rgb, {"icc_profile": rgb_profile(), "exif": exif}),
        ("PNG", rgb.convert("LA"), {"icc_profile": gray_profile(1.8)}),
        ("PNG", rgb.quantize(16), {"transparency": 3}),
        ("PNG", rgb, frames()),
        ("JPEG", rgb, {"icc_profile": rgb_profile(), "exif": exif}),
        ("JPEG", rgb.convert("CMYK"), {"progressive": True}),
        ("MPO", rgb, frames()),
        ("GIF", rgb.quantize(16), frames()),
        ("WEBP", rgb.convert("RGBA"), {"exif": exif}),
        ("WEBP", rgb, frames()),
        ("TIFF", rgb, {"icc_profile": rgb_profile(), "exif": exif}),
        ("TIFF", rgb.convert("CMYK"), {"compression": "tiff_lzw"}),
        ("TIFF", Image.fromarray(deep[..., 0]), {}),
        ("TIFF", rgb, frames()),
        ("BMP", rgb, {}),
        ("PPM", rgb, {}),
        *([("AVIF", rgb, {"exif": exif})] if features.check("avif") else []),
    ]
    contents = []
    for form, image, options in variants:
        buffer = io.BytesIO()
        image.copy().save(buffer, form, **options)
        contents.append(buffer.getvalue())
    return [*contents, deep_png(deep)]


def damaged(wholes: Sequence[bytes], number: int) -> bytes:
    chance = random.Random(number)
    content = chance.choice(wholes)
    for _ in range(chance.choice((1, 1, 2))):
        content = chance.choice(DAMAGES)(content or b"\0", chance)
    return content


def survey(cases: Iterable[bytes], use: Callable[[bytes], object], error: type[GanInvertError]) -> Counter[str]:
    """How many damaged files were read and refused; anything else fails."""
    seen = Counter[str]()
    for n, content in enumerate(cases):
        try:
            with limited(SECONDS):
                use(content)
            seen["read"] += 1
        except error as refusal:
            seen["refused" if refusal.hint else "refused without a hint"] += 1
        except Exception as other:
            pytest.fail(f"damaged file {n}: {type(other).__name__}: {other}")
    return seen


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where readers might leave something: the working and the temporary directory."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield place
    assert list(place.iterdir()) == []


def test_damaged_images(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"

    def use(content: bytes) -> None:
        path.write_bytes(content)
        picture = read(path)
        assert isinstance(picture, Picture)
        assert picture.rgb.mode == "RGB"
        assert picture.alpha is None or picture.alpha.size == picture.rgb.size
        if picture.rgb.width * picture.rgb.height < 1_000_000:
            assert np.isfinite(fit(picture, 16).pixels).all()

    wholes = whole_images()
    for content in wholes:
        use(content)
    seen = survey((damaged(wholes, n) for n in range(IMAGES)), use, ImageError)
    assert seen["read"] > 50  # the damage is not always fatal, so decoding was reached
    assert seen["refused"] == IMAGES - seen["read"] > 200


def a_bundle(generator: PGGANGenerator) -> LatentBundle:
    method = PmSFC(subspaces=2, codes=2)
    partition = SubspacePartition(torch.tensor([0, 1] * 4), "given")
    code = ComposedCode(torch.randn(1, 2, 2, generator.space().shape[0]), torch.ones(1, 2, 8), partition, method)
    return LatentBundle(
        task="invert",
        method="pmsfc",
        generator=generator.name,
        digest=generator.digest,
        composition=vars(method),
        code={"kind": "composition", "space": ""},
        layer=method.layer,
        tensors=code.tensors(0),
        partition=partition,
        losses=torch.rand(7),
        metrics={"psnr": 30.0, "ssim": 0.9, "lpips": 0.1},
        settings={"method": vars(method)},
        provenance={"seed": 0, "notes": "", "outcome": "GOOD"},
    )


WRONG: tuple[object, ...] = (
    None,
    -1,
    2**62,
    float("nan"),
    "text",
    [],
    {},
    b"bytes",
    torch.zeros(0),
    torch.full((8,), 2**62),
    torch.full((8,), -5),
    torch.zeros(2, 2, 3, dtype=torch.int8),
)


def tampered(content: dict[str, object], number: int) -> bytes:
    """A bundle's file in which one value is another, missing or one too many."""
    chance = random.Random(number)
    content = copy.deepcopy(content)
    table = content
    while isinstance(below := table[key := chance.choice(sorted(table))], dict) and below and chance.random() < 0.8:
        table = below
    match chance.randrange(6):
        case 0:
            del table[key]
        case 1:
            table["more"] = chance.choice(WRONG)
        case _:
            table[key] = chance.choice(WRONG)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_damaged_bundles(tmp_path: Path, small: PGGANGenerator) -> None:
    path = tmp_path / "picture.pt"

    def use(content: bytes) -> None:
        path.write_bytes(content)
        bundle = LatentBundle.load(path)
        assert isinstance(bundle, LatentBundle)
        image = bundle.render(small)
        assert image.shape == (1, 3, 16, 16)

    whole = a_bundle(small).encode()
    use(whole)
    seen = survey((damaged([whole], n) for n in range(BUNDLES // 2)), use, BundleError)
    assert seen["refused"] == BUNDLES // 2 - seen["read"] > 80
    # A whole container with wrong content: nothing that is done with what was read stumbles over it.
    content = torch.load(io.BytesIO(whole), weights_only=True)
    seen = survey((tampered(content, n) for n in range(BUNDLES // 2)), use, BundleError)
    assert seen["refused"] == BUNDLES // 2 - seen["read"] > 40
