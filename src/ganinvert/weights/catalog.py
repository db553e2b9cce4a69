"""Catalogue of pretrained networks: addresses, contents and licences. No torch here.

Only the package could be fetched while this table was written; the addresses are those that the origins publish. Where
an origin states no whole SHA-256, the first file that is fetched and passes the self-check pins it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from ganinvert.errors import UsageError

_NC = "CC BY-NC 4.0 (NVIDIA; derived networks alike)"
_GAN_ZOO = "https://dl.fbaipublicfiles.com/gan_zoo/PGAN/"
_MMGEN = "https://download.openmmlab.com/mmgen/pggan/"
_TORCHVISION = "https://download.pytorch.org/models/"
_HUGGAN = "https://huggingface.co/huggan/pggan-celebahq-1024/resolve/278449f8416d38a0233c980774528d32c4eee99c/"

_DATA = "random_face/data/"

_CROPPED_FACES = "faces (CelebA, cropped)"
ALIGNED_FACES = "faces (CelebA-HQ)"
"""Domain of the generators that know faces in the square of CelebA-HQ and FFHQ."""


@dataclass(frozen=True)
class Source:
    """One file that holds the network; a network may be published as several.

    Attributes:
        file: Name of the file at its origin.
        urls: Addresses of the same bytes, in the order to try; none if it can only be downloaded by hand.
        format: Name of the format, as `formats` has it.
        sha256: SHA-256 of the file, or the first digits that its name carries; empty if unknown.
        size: Approximate size in bytes; None if unknown.
        page: Web page from which a person can download it.
        package: Requirement of the Python package whose wheel the file is, which pip fetches; empty for others.
        members: Paths in the wheel, and SHA-256, of the files that hold the network.
    """

    file: str
    urls: tuple[str, ...]
    format: str
    sha256: str = ""
    size: int | None = None
    page: str = ""
    package: str = ""
    members: tuple[tuple[str, str], ...] = ()

    @property
    def is_fetchable(self) -> bool:
        """True if it can be fetched without a person."""
        return bool(self.urls or self.package)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]*", self.file, re.ASCII):
            raise ValueError(f"{self.file!r} is not a plain file name")


@dataclass(frozen=True)
class Entry:
    """A network with a name.

    Attributes:
        name: Name on the command line.
        domain: Subject of its images, or "ImageNet features".
        resolution: Side of its images in pixels.
        network: Family of the generator, "PGGAN" or "MobileStyleGAN"; else "VGG16" or "AlexNet".
        sources: Files that hold it, in the order to try.
        licence: Licence of the weights, in words.
        origin: Person or group that trained it.
        fingerprints: Key of its known (z, image) pairs, empty when there are none.
        digest: Digest of its canonical copy, where the conversion gives the same bits everywhere; empty for others.
    """

    name: str
    domain: str
    resolution: int
    network: str
    sources: tuple[Source, ...]
    licence: str
    origin: str
    fingerprints: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"{self.name!r} is not a name for a network")

    @property
    def is_styled(self) -> bool:
        """True for style-based generators."""
        return "Style" in self.network

    @property
    def noncommercial(self) -> bool:
        """True if commercial use is forbidden."""
        return "BY-NC" in self.licence

    @property
    def is_restricted(self) -> bool:
        """True if terms of use must be shown: commercial use is forbidden, or the network derives from such a one."""
        return self.noncommercial or "non-commercial" in self.licence

    @property
    def is_fetchable(self) -> bool:
        """True if it can be fetched without a person."""
        return any(source.is_fetchable for source in self.sources)

    @property
    def terms(self) -> str:
        """Licence of the weights, with what it forbids in capitals."""
        return f"{self.licence}{'; NON-COMMERCIAL USE ONLY' if self.noncommercial else ''}"

    @property
    def size(self) -> int | None:
        """Approximate size of the first source in bytes; None if unknown."""
        return self.sources[0].size if self.sources else None


def _gan_zoo(name: str, domain: str, resolution: int, file: str) -> Entry:
    source = Source(file, (_GAN_ZOO + file,), "gan-zoo", _digits(file))
    licence = "not stated for the weights (the repository is BSD-3-Clause)"
    return Entry(name, domain, resolution, "PGGAN", (source,), licence, "GAN Zoo, Facebook Research")


def _gandissect(file: str) -> Source:
    hosts = ("http://gandissect.csail.mit.edu/models/", "https://dissect.csail.mit.edu/models/")
    return Source(file, tuple(host + file for host in hosts), "gandissect", _digits(file))


def _lsun(name: str, category: str, digits: str) -> Entry:
    page = "https://drive.google.com/drive/folders/15hvzxt_XxuokSmj0uO4xxMTMWVc0cIMU"
    pickle = Source(f"karras2018iclr-lsun-{category}-256x256.pkl", (), "nvidia-pkl", page=page)
    sources = (_gandissect(f"proggan_{category}-{digits}.pth"), pickle)
    origin = "NVIDIA, Karras et al. 2018; converted by GANDissect"
    fingerprints = name if name == "bedroom-256" else ""
    return Entry(name, f"LSUN {category}", 256, "PGGAN", sources, _NC, origin, fingerprints)


def _mmgen(name: str, domain: str, resolution: int, file: str) -> Entry:
    file = f"pggan_{file}"
    source = Source(file, (_MMGEN + file,), "mmgen", _digits(file))
    return Entry(name, domain, resolution, "PGGAN", (source,), "Apache-2.0", "MMGeneration, own training")


def _torchvision(network: str, stem: str, sha256: str, megabytes: int) -> Entry:
    file = f"{stem}-{sha256[:8]}.pth"
    source = Source(file, (_TORCHVISION + file,), "torchvision", sha256, megabytes * 1_000_000)
    return Entry(network.lower(), "ImageNet features", 224, network, (source,), "BSD-3-Clause", "torchvision")


def _digits(file: str) -> str:
    # By torch.hub's convention the last part of the name is the beginning of the file's SHA-256.
    return file.rpartition(".")[0].rpartition("-")[2]


RANDOM_FACE = Source(
    "random_face-2021.7.21.1-py3-none-any.whl",
    (),
    "openvino",
    "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
    37_588_926,
    "https://pypi.org/project/random-face/2021.7.21.1/",
    "random-face==2021.7.21.1",
    (
        (_DATA + "MappingNetwork.bin", "212dd716bdb556e18db603ea97300d4fa3c872b878c726b2402fea80820e7305"),
        (_DATA + "MappingNetwork.xml", "73e2096cad6e696e4af47df2477e048ab4c42c0e0dec83c7c66604822689e55b"),
        (_DATA + "SynthesisNetwork.bin", "c7da15fa22d508c82e1c30dd6b4cdf67fe3ccdddaf85b310ee764dbf0c289645"),
        (_DATA + "SynthesisNetwork.xml", "7918fce515243954d3e06628cb39a23902d6b1d5d02932cc0c2faee7a2aeeedd"),
    ),
)
"""The only file in which a MobileStyleGAN is published."""

CATALOG: Mapping[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "ffhq-1024",
            ALIGNED_FACES,
            1024,
            "MobileStyleGAN",
            (RANDOM_FACE,),
            "Apache-2.0 as published; distilled from NVIDIA's StyleGAN2, whose licence is non-commercial",
            "Belousov 2021; package random-face",
            "ffhq-1024",
            "0d4a7ab4c07807f338751f2bfe8b6396d4cb5be6cfa418d54e5c087c85a95b19",
        ),
        Entry(
            "celebahq-1024",
            ALIGNED_FACES,
            1024,
            "PGGAN",
            (
                Source("pytorch_model.bin", (_HUGGAN + "pytorch_model.bin",), "genforce", size=92_300_000),
                Source(
                    "karras2018iclr-celebahq-1024x1024.pkl",
                    ("https://drive.google.com/uc?export=download&id=188K19ucknC6wg1R6jbuPEhTq9zoufOx4",),
                    "nvidia-pkl",
                    page="https://drive.google.com/file/d/188K19ucknC6wg1R6jbuPEhTq9zoufOx4",
                ),
                _gandissect("proggan_celebhq-620d161c.pth"),
            ),
            _NC,
            "NVIDIA, Karras et al. 2018",
            "celebahq-1024",
        ),
        _gan_zoo("celebahq-512", ALIGNED_FACES, 512, "celebaHQ16_december_s7_i96000-9c72988c.pth"),
        _gan_zoo("celebahq-256", ALIGNED_FACES, 256, "celebaHQ_s6_i80000-6196db68.pth"),
        _gan_zoo("celeba-128", _CROPPED_FACES, 128, "celebaCropped_s5_i83000-2b0acc76.pth"),
        _gan_zoo("textures-128", "textures (DTD)", 128, "testDTD_s5_i96000-04efa39f.pth"),
        _lsun("bedroom-256", "bedroom", "d8a89ff1"),
        _lsun("church-256", "churchoutdoor", "7e701dd5"),
        _lsun("conferenceroom-256", "conferenceroom", "21e85882"),
        _lsun("diningroom-256", "diningroom", "3aa0ab80"),
        _lsun("kitchen-256", "kitchen", "67f1e16c"),
        _lsun("livingroom-256", "livingroom", "5ef336dd"),
        _lsun("restaurant-256", "restaurant", "b8578299"),
        _mmgen("celebahq-1024-mmgen", ALIGNED_FACES, 1024, "celeba-hq_1024_g8_20210408_181911-f1ef51c3.pth"),
        _mmgen("celeba-128-mmgen", _CROPPED_FACES, 128, "celeba-cropped_128_g8_20210408_181931-85a2e72c.pth"),
        _mmgen("bedroom-128", "LSUN bedroom", 128, "lsun-bedroom_128x128_g8_20210408_182033-5e59f45d.pth"),
        _torchvision("VGG16", "vgg16", "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0", 553),
        _torchvision("AlexNet", "alexnet-owt", "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02", 244),
    )
}
"""Every known network by name, faces first."""

FACES = (
    "ffhq-1024",
    "celebahq-1024",
    "celebahq-512",
    "celebahq-256",
    "celebahq-1024-mmgen",
    "celeba-128",
    "celeba-128-mmgen",
)
"""Face generators, the best first."""

CONVOLUTIONS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "VGG16": {
        f"features.{n}": (outputs, inputs, 3, 3)
        for n, (inputs, outputs) in zip(
            (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
            pairwise((3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)),
            strict=True,
        )
    },
    "AlexNet": {
        "features.0": (64, 3, 11, 11),
        "features.3": (192, 64, 5, 5),
        "features.6": (384, 192, 3, 3),
        "features.8": (256, 384, 3, 3),
        "features.10": (256, 256, 3, 3),
    },
}
"""Shapes of the weights of the perceptual networks, OIHW."""


def find(name: str) -> Entry:
    """Find a network by its name; the hint of the UsageError names similar ones."""
    if name not in CATALOG:
        hint = f"{similar(name, CATALOG, cutoff=0.5)}`ganinvert fetch-weights --list` shows all names"
        raise UsageError(f"{name}: no network of that name", hint=hint)
    return CATALOG[name]


def similar(name: str, names: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Ask for similar names that were meant, as the beginning of a hint; empty if there are none."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(near)}? " if near else ""
