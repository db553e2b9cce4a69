from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from ganinvert.cli import app
from ganinvert.cli._console import output
from ganinvert.generators import load_generator, read_discriminator
from ganinvert.weights import catalog
from ganinvert.weights.catalog import CATALOG, Entry, Source
from ganinvert.weights.fetch import obtain
from ganinvert.weights.store import Store
from ganinvert.weights.transfer import RetryPolicy

from . import checkpoints, weights_server
from .weights_server import Server, status


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GANINVERT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("GANINVERT_DATA_DIR", str(tmp_path / "data"))
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy", "GANINVERT_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield
    output.verbosity = 0


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with a small network, which the catalogue knows as church-256 and celebahq-256."""
    network = checkpoints.write("gandissect", checkpoints.network(8), tmp_path / "net.pth").read_bytes()
    digits = hashlib.sha256(network).hexdigest()[:8]
    with weights_server.running() as running:
        running.content = network
        source = Source("net.pth", (running.url,), "gandissect", digits, len(network))
        entries = {
            name: Entry(name, domain, 8, "PGGAN", (source,), "CC BY-NC 4.0", "a test")
            for name, domain in (("church-256", "churches"), ("celebahq-256", "faces"))
        }
        monkeypatch.setattr(obtain, "__kwdefaults__", {**obtain.__kwdefaults__, "retry": QUICK})
        for name, entry in entries.items():
            monkeypatch.setitem(catalog.CATALOG, name, entry)  # type: ignore[arg-type]  # a dict underneath
        yield running


QUICK = RetryPolicy(attempts=2, first=0.001, longest=0.01, timeout=5)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def fetch(*arguments: str | Path) -> Result:
    return run("fetch-weights", *arguments)


def test_fetch_says_the_terms_and_prints_the_path(server: Server, tmp_path: Path) -> None:
    first = fetch("church-256")
    path = tmp_path / "cache" / "weights" / "church-256.safetensors"
    assert (first.exit_code, first.stdout) == (0, f"{path}\n")
    assert "licence of the weights: CC BY-NC 4.0; NON-COMMERCIAL USE ONLY" in first.stderr
    again = fetch("church-256")
    assert (again.exit_code, again.stdout) == (0, f"{path}\n")
    assert "already in the cache" in again.stderr
    assert "NON-COMMERCIAL" in again.stderr
    assert len(server.requests) == 1


def test_quiet_still_says_that_use_is_restricted(server: Server) -> None:
    result = fetch("church-256", "-q")
    assert result.exit_code == 0
    assert "NON-COMMERCIAL" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert len(server.requests) == 1


def test_json_lines(server: Server, tmp_path: Path) -> None:
    server.answers = [weights_server.serve, status(404)]
    result = fetch("church-256", "celebahq-256", "--json")
    good, bad, summary = map(json.loads, result.stdout.splitlines())
    path = str(tmp_path / "cache" / "weights" / "church-256.safetensors")
    assert good == {"event": "item", "name": "church-256", "status": "fetched", "path": path}
    assert bad.keys() == {"event", "name", "status", "path", "error", "hint"}
    assert (bad["status"], bad["path"]) == ("failed", None)
    assert "answers 404" in bad["error"]
    assert summary == {"event": "summary", "schema": 1, "done": 1, "failed": 1}
    assert result.exit_code == 3


def test_list_shows_everything_and_what_is_cached(server: Server) -> None:
    fetch("church-256")
    table = fetch("--list")
    lines = {line.split()[0]: line for line in table.stdout.splitlines()[1:]}
    assert lines.keys() == CATALOG.keys()
    assert " yes " in lines["church-256"]
    assert "non-commercial" in lines["church-256"]
    assert " no " in lines["celebahq-256"]
    items = [json.loads(line) for line in fetch("--list", "--json").stdout.splitlines()]
    assert items[-1] == {"event": "summary", "schema": 1, "done": len(CATALOG), "failed": 0}
    cached = {item["name"]: item["cached"] for item in items[:-1]}
    assert cached == {name: name == "church-256" for name in CATALOG}
    assert len(fetch("--list", "vgg16", "--json").stdout.splitlines()) == 2
    assert len(server.requests) == 1


def test_verify_and_remove(server: Server, tmp_path: Path) -> None:
    fetch("church-256")
    path = tmp_path / "cache" / "weights" / "church-256.safetensors"
    assert fetch("--verify", "--all").stdout == f"{path}\n"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    broken = fetch("--verify", "church-256")
    assert broken.exit_code == 3
    assert "it was deleted" in broken.stderr
    assert not path.exists()
    assert fetch("--verify", "church-256").exit_code == 3
    fetch("church-256")
    assert fetch("--remove", "church-256").exit_code == 0
    assert not path.exists()
    assert "was not in the cache" in fetch("--remove", "church-256").stderr
    assert len(server.requests) == 2


def test_from_file_and_dir(server: Server, tmp_path: Path) -> None:
    result = fetch("--from-file", tmp_path / "net.pth", "--as", "church-256", "--dir", tmp_path / "stick")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'stick' / 'church-256.safetensors'}\n")
    assert "NON-COMMERCIAL" in result.stderr
    assert not (tmp_path / "cache").exists()
    assert server.requests == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "no network named"),
        (["chruch-256"], "did you mean church-256"),
        (["--list", "--remove"], "exclude one another"),
        (["--from-file", "x.pth"], "belong together"),
        (["--as", "church-256"], "belong together"),
        (["--from-file", "x.pth", "--as", "../../etc/passwd"], "no network of that name"),
        (["../church-256"], "no network of that name"),
    ],
)
def test_wrong_usage(arguments: list[str], complaint: str) -> None:
    result = fetch(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stdout == ""


def test_a_missing_file_and_offline_exit_with_3(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch("--from-file", "missing.pth", "--as", "church-256").exit_code == 3
    assert fetch("church-256", "--offline").exit_code == 3
    monkeypatch.setenv("GANINVERT_OFFLINE", "1")
    result = run("discover", "-g", "church-256")
    assert result.exit_code == 3
    assert "church-256.safetensors" in result.stderr
    assert "ganinvert fetch-weights church-256" in result.stderr
    assert server.requests == []


def test_a_perceptual_network_is_no_generator_and_not_fetched() -> None:
    result = run("discover", "-g", "alexnet")
    assert result.exit_code == 2
    assert "alexnet is not a generator" in result.stderr


def test_discover_fetches_a_name_on_first_use(server: Server) -> None:
    result = run("discover", "-g", "church-256", "-R", "2", "--steps", "1", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert "NON-COMMERCIAL" in result.stderr
    assert "learned: church-256, layer 3" in result.stderr
    assert len(server.requests) == 1


def test_without_g_the_best_usable_face_is_taken(server: Server, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64), (200, 120, 90)).save(tmp_path / "face.png")
    invert = ["invert", tmp_path / "face.png", "-o", tmp_path, "-K", "1", "--steps", "1", "--device", "cpu"]
    embedded = run(*invert)
    assert embedded.exit_code == 0, embedded.stderr
    assert "generator: portraits-64 (embedded); larger: `ganinvert fetch-weights ffhq-1024`" in embedded.stderr
    fetch("celebahq-256")
    unusable = run(*invert, "--overwrite")
    assert unusable.exit_code == 0, unusable.stderr
    assert "`ganinvert discover -g celebahq-256` once makes it usable" in unusable.stderr
    assert "portraits-64, 64 px" in unusable.stderr
    discovered = run("discover", "-R", "6", "--steps", "1", "--device", "cpu")
    assert "generator: celebahq-256 (from the cache" in discovered.stderr
    best = run(*invert, "--overwrite")
    assert best.exit_code == 0, best.stderr
    assert "(celebahq-256, 8 px)" in best.stderr
    refined = run(*invert, "--overwrite", "--refine", "near-perfect")
    assert "(celebahq-256, 8 px)" in refined.stderr
    assert "celebahq-256 has no discriminator: tuned without" in refined.stderr
    assert len(server.requests) == 1


@pytest.mark.usefixtures("server")
def test_a_method_that_needs_a_discriminator_takes_a_face_that_has_one(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64), (200, 120, 90)).save(tmp_path / "face.png")
    fetch("celebahq-256")
    command = ["invert", tmp_path / "face.png", "-o", tmp_path, "--method", "dgp", "--steps", "1", "--device", "cpu"]
    without = run(*command)
    assert without.exit_code == 0, without.stderr
    assert "generator: portraits-64 (embedded): its discriminator is there" in " ".join(without.stderr.split())
    torch.save({"netD": checkpoints.gan_zoo_discriminator(8)}, tmp_path / "net.pth")
    read_discriminator(tmp_path / "net.pth").save(Store().path(CATALOG["celebahq-256"], ".discriminator"))
    with_it = run(*command, "--overwrite")
    assert with_it.exit_code == 0, with_it.stderr
    assert "(celebahq-256, 8 px)" in with_it.stderr


def test_the_bundle_carries_the_licence(server: Server, tmp_path: Path) -> None:
    from PIL import Image

    from ganinvert import LatentBundle

    Image.new("RGB", (64, 64), (200, 120, 90)).save(tmp_path / "a.png")
    arguments = ["-g", "church-256", "-R", "1", "-K", "1", "--steps", "1", "--device", "cpu"]
    result = run("invert", tmp_path / "a.png", "-o", tmp_path, *arguments)
    assert result.exit_code == 0, result.stderr
    assert "non-commercial use only" in LatentBundle.load(tmp_path / "a.invert.pt").provenance["licence"]
    assert len(server.requests) == 1


def test_the_library_fetches_names_too(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    generator = load_generator("church-256")
    assert (generator.name, generator.resolution) == ("church-256", 8)
    assert "NON-COMMERCIAL USE ONLY" in caplog.text
    assert generator.digest == Store().pinned_digest(CATALOG["church-256"])
    assert len(server.requests) == 1
