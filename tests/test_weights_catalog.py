from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganinvert import paths
from ganinvert.errors import UsageError
from ganinvert.weights import TensorFile
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS, FACES, Entry, Source, find

ROOT = Path(__file__).parents[1]


def test_the_documented_table_is_that_of_the_catalogue() -> None:
    spec = importlib.util.spec_from_file_location("document_weights", ROOT / ".ci" / "document_weights.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.PAGE.read_text()
    assert page == module.updated(page), "run python .ci/document_weights.py"
    assert all(f"| `{name}` |" in page for name in CATALOG)


def test_every_entry_is_complete() -> None:
    for name, entry in CATALOG.items():
        assert name == entry.name
        assert entry.licence
        assert entry.origin
        for source in entry.sources:
            assert all(url.startswith(("https://", "http://gandissect.csail.mit.edu/")) for url in source.urls)
            assert source.is_fetchable or source.page
            if source.sha256:
                assert len(source.sha256) in (8, 64)
                assert source.package or source.sha256[:8] in source.file
            assert all(len(sha256) == 64 for _, sha256 in source.members)
            assert bool(source.members) == bool(source.package)
            # Files with digits in their names must not be fetched without looking at them.
            assert source.sha256 or source.format in ("nvidia-pkl", "genforce")
        assert entry.noncommercial == entry.origin.startswith("NVIDIA")
        assert entry.is_restricted == ("NVIDIA" in entry.origin + entry.licence)
    assert set(FACES) <= set(CATALOG)
    assert [CATALOG[name].domain.startswith("faces") for name in FACES] == [True] * len(FACES)
    assert {entry.network for entry in CATALOG.values()} == {"PGGAN", "MobileStyleGAN", *CONVOLUTIONS}


def test_known_images_are_embedded_for_the_entries_that_name_them() -> None:
    table = TensorFile.load(paths.embedded("fingerprints.safetensors")).tensors
    keys = {entry.fingerprints for entry in CATALOG.values()} - {""}
    assert {name.partition(".")[0] for name in table} == keys
    for key in keys:
        assert table[f"{key}.z"].shape[1:] == (512,)
        assert table[f"{key}.means"].shape == (len(table[f"{key}.z"]), 3, 16, 16)
        assert table[f"{key}.means"].dtype == torch.uint8


def test_guessed_names_are_answered() -> None:
    assert find("church-256").resolution == 256
    for guess, meant in (("chruch-256", "church-256"), ("celeba-hq-1024", "celebahq-1024"), ("vgg", "vgg16")):
        with pytest.raises(UsageError) as caught:
            find(guess)
        assert meant in caught.value.hint


@pytest.mark.parametrize("name", ["../evil", "a/b", "/etc/passwd", "..", "", "a\\b", "C:x", "x\x00y", ".hidden"])
def test_names_cannot_leave_the_cache(name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        Source(name, (), "genforce")
    with pytest.raises(ValueError, match="not a name"):
        Entry(name, "x", 8, "PGGAN", (), "x", "x")
    with pytest.raises(UsageError):
        find(name)


def test_the_catalogue_needs_no_torch() -> None:
    code = (
        "import sys, ganinvert.weights.catalog, ganinvert.weights.store, ganinvert.cli.fetch_weights;"
        "assert not {'torch', 'numpy', 'httpx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
