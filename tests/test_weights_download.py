from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganinvert.errors import MissingNetworkError, OutputError, WeightsError
from ganinvert.generators import load_discriminator, load_generator
from ganinvert.generators.fetch import import_file, load_cached, obtain, verify
from ganinvert.methods.adversarial import discriminator_of
from ganinvert.weights import TensorFile, read_perceptual
from ganinvert.weights import download as download_module
from ganinvert.weights.catalog import CATALOG, CONVOLUTIONS, Entry, Source
from ganinvert.weights.download import download
from ganinvert.weights.store import Store, etag_path
from ganinvert.weights.transfer import Note, Progress, RetryPolicy

from . import checkpoints, weights_server
from .commandline import wait_until
from .weights_server import Server, cut, half_then_wait, ignore_range, page, status

QUICK = RetryPolicy(attempts=4, first=0.001, longest=0.01, timeout=5)
CONTENT = bytes(range(256)) * 4000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("GANINVERT_OFFLINE", raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with weights_server.running() as running:
        running.content = CONTENT
        yield running


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "net.pth"
    return checkpoints.write("gandissect", checkpoints.network(8), path).read_bytes()


def fetch(server: Server, part: Path, *, expected: str = SHA, events: list[Any] | None = None) -> tuple[str, str]:
    watch = (events if events is not None else []).append
    return download([server.url], part, expected=expected, watch=watch, retry=QUICK)


def entry_for(*urls: str, sha256: str = "") -> Entry:
    source = Source("net.pth", urls, "gandissect", sha256)
    return Entry("test-8", "noise", 8, "PGGAN", (source,), "CC BY-NC 4.0", "a test")


def test_clean_download(server: Server, tmp_path: Path) -> None:
    events: list[Any] = []
    assert fetch(server, tmp_path / "a.part", events=events) == (server.url, SHA)
    assert (tmp_path / "a.part").read_bytes() == CONTENT
    steps = [event for event in events if isinstance(event, Progress)]
    assert [steps[0].done, steps[-1].done, steps[-1].total] == [0, len(CONTENT), len(CONTENT)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, len(CONTENT) - 1), etag=st.booleans(), known=st.booleans())
def test_resumes_after_a_cut_anywhere(server: Server, tmp_path: Path, position: int, etag: bool, known: bool) -> None:
    part = tmp_path / "a.part"
    part.unlink(missing_ok=True)
    etag_path(part).unlink(missing_ok=True)
    server.etag, server.requests = etag, []
    server.answers = [cut(position)]
    fetch(server, part, expected=SHA if known else "")
    assert part.read_bytes() == CONTENT
    assert len(server.requests) == 2
    # Without a digest or a version of the file nothing vouches for the first part: it is not continued.
    resumes = position > 0 and (etag or known)
    assert server.requests[1][1].get("Range") == (f"bytes={position}-" if resumes else None)


def test_continues_what_an_earlier_run_left(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    fetch(server, tmp_path / "a.part")
    assert server.requests[0][1]["Range"] == "bytes=1000-"
    assert (tmp_path / "a.part").read_bytes() == CONTENT


def test_a_changed_file_is_not_glued_to_the_old_one(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"old" * 50)
    etag_path(tmp_path / "a.part").write_text('"v0"')
    fetch(server, tmp_path / "a.part", expected="")
    assert (tmp_path / "a.part").read_bytes() == CONTENT


def test_a_server_that_ignores_range_makes_it_start_over(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    server.otherwise = ignore_range
    fetch(server, tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == CONTENT


def test_416_for_a_complete_file_verifies_it(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT)
    fetch(server, tmp_path / "a.part")
    assert len(server.requests) == 1


def test_416_for_too_long_a_file_starts_over(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT + b"more")
    fetch(server, tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == CONTENT


def test_a_wrong_beginning_is_found_and_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    events: list[Any] = []
    fetch(server, tmp_path / "a.part", events=events)
    assert (tmp_path / "a.part").read_bytes() == CONTENT
    assert any("once more from the beginning" in event.text for event in events if isinstance(event, Note))


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_429_waits_as_long_as_the_server_wants(
    server: Server, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(download_module.time, "sleep", waits.append)
    value = "7" if kind == "seconds" else time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 7))
    server.answers = [status(429, Retry_After=value)]
    download([server.url], tmp_path / "a.part", expected=SHA, watch=lambda _: None, retry=RetryPolicy(longest=60))
    assert waits == [pytest.approx(7, abs=1.5)]


def test_waiting_grows_and_is_spread() -> None:
    retry = RetryPolicy(first=1, longest=10)
    for attempt, most in ((0, 1), (1, 2), (2, 4), (9, 10)):
        waits = {retry.wait(attempt, None) for _ in range(20)}
        assert most / 2 <= min(waits) < max(waits) <= most
    assert retry.wait(0, 1e6) == 10


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
def test_server_errors_pass(server: Server, tmp_path: Path, code: int) -> None:
    server.answers = [status(code), status(code)]
    fetch(server, tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == CONTENT


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_refusals_are_final(server: Server, tmp_path: Path, code: int) -> None:
    server.otherwise = status(code)
    with pytest.raises(WeightsError, match=f"answers {code}"):
        fetch(server, tmp_path / "a.part")
    assert len(server.requests) == 1


@pytest.mark.parametrize("expected", ["0" * 64, "00000000"])
def test_a_wrong_hash_deletes_the_file_and_says_so(server: Server, tmp_path: Path, expected: str) -> None:
    with pytest.raises(WeightsError, match=f"deleted: its SHA-256 begins with {SHA[:8]}.*, not {expected[:16]}"):
        fetch(server, tmp_path / "a.part", expected=expected)
    assert list(tmp_path.iterdir()) == []


def test_a_body_always_cut_short_gives_up_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.otherwise = cut(5000)
    with pytest.raises(WeightsError, match="gave up"):
        fetch(server, tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == CONTENT[:5000]


def test_gaining_a_little_each_time_is_no_failure(server: Server, tmp_path: Path) -> None:
    server.answers = [cut(n * 100_000) for n in range(1, 10)]
    fetch(server, tmp_path / "a.part")
    assert (tmp_path / "a.part").read_bytes() == CONTENT


def test_a_dead_first_mirror_is_passed_by(server: Server, tmp_path: Path) -> None:
    with weights_server.running() as other:
        dead = other.url
    events: list[Any] = []
    used, _sha = download([dead, server.url], tmp_path / "a.part", expected=SHA, watch=events.append, retry=QUICK)
    assert used == server.url
    assert any("gave up" in event.text for event in events if isinstance(event, Note))


@pytest.mark.parametrize("code", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_a_name_that_is_not_known_is_looked_up_once(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def resolve(host: object, *_rest: object, **_more: object) -> NoReturn:
        asked.append(host)
        raise socket.gaierror(code, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(time, "sleep", lambda _seconds: pytest.fail("waits"))
    urls = ["https://a.example/net.pth", "https://b.example/net.pth"]
    with pytest.raises(WeightsError, match=r"a\.example: its name is not known.*; b\.example: its name is not known"):
        download(urls, tmp_path / "net.part", expected=SHA, watch=lambda _event: None)
    assert asked == ["a.example", "b.example"]


def test_drives_confirmation_page_is_answered(server: Server, tmp_path: Path) -> None:
    form = """<html><title>Google Drive - Virus scan warning</title>
        <form id="download-form" action="/download" method="get">
        <input type="submit" value="Download anyway"><input type="hidden" name="id" value="188K">
        <input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="a-b"></form></html>"""
    server.answers = [page(form)]
    fetch(server, tmp_path / "a.part")
    assert server.requests[1][0] == "/download?id=188K&confirm=t&uuid=a-b"
    server.answers = [page('<a id="uc-download-link" href="/uc?export=download&amp;confirm=Xy&amp;id=1">')]
    fetch(server, tmp_path / "b.part")
    assert server.requests[3][0] == "/uc?export=download&confirm=Xy&id=1"


def test_a_form_that_leads_elsewhere_is_not_followed(server: Server, tmp_path: Path) -> None:
    server.otherwise = page('<form id="download-form" action="http://169.254.169.254/x"></form>')
    with pytest.raises(WeightsError, match="a web page instead"):
        fetch(server, tmp_path / "a.part")
    assert len(server.requests) == 1


def test_a_confirmation_without_end_is_given_up(server: Server, tmp_path: Path) -> None:
    server.otherwise = page('<form id="download-form" action="/again"></form>')
    with pytest.raises(WeightsError, match="a web page instead"):
        fetch(server, tmp_path / "a.part")
    assert len(server.requests) == 3


def test_drives_quota_page_is_explained(server: Server, tmp_path: Path) -> None:
    server.otherwise = page("<html><title>Google Drive - Quota exceeded</title></html>")
    with pytest.raises(WeightsError, match="daily quota of this file is used up: try again tomorrow"):
        fetch(server, tmp_path / "a.part")


def test_too_little_space_is_said_before_anything_is_written(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(OutputError, match="0 MB are free, 2 MB are needed"):
        fetch(server, tmp_path / "a.part")
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_from_the_environment_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    url = "http://weights.invalid/net.pth"
    download([url], tmp_path / "a.part", expected=SHA, watch=lambda _: None, retry=QUICK)
    assert server.requests[0][0] == url
    monkeypatch.setenv("HTTP_PROXY", "nonsense://")
    with pytest.raises(WeightsError, match="internet settings"):
        fetch(server, tmp_path / "b.part")


def test_obtain_fetches_once_checks_and_pins(server: Server, tmp_path: Path, checkpoint: bytes) -> None:
    server.content, store, entry = checkpoint, Store(tmp_path), entry_for(server.url)
    events: list[Any] = []
    path = obtain(entry, store, watch=events.append, retry=QUICK)
    assert path == obtain(entry, store)
    assert len(server.requests) == 1
    assert "NON-COMMERCIAL USE ONLY" in events[0].text
    weights = load_cached(entry, store)
    assert (weights.name, weights.about["source_sha256"]) == ("test-8", hashlib.sha256(checkpoint).hexdigest())
    assert "non-commercial" in weights.about["licence"]
    assert store.expected(entry, entry.sources[0]) == hashlib.sha256(checkpoint).hexdigest()
    assert list((tmp_path / "downloads").iterdir()) == []
    assert verify(entry, store) == 0


def test_what_was_trusted_once_must_stay_the_same(
    server: Server, tmp_path: Path, checkpoint: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server.content, store, entry = checkpoint, Store(tmp_path), entry_for(server.url)
    obtain(entry, store, retry=QUICK)
    store.remove(entry)
    other = checkpoints.write("gandissect", checkpoints.network(8, seed=5), tmp_path_factory.mktemp("x") / "a.pth")
    server.content = other.read_bytes()
    with pytest.raises(WeightsError, match="SHA-256 begins with"):
        obtain(entry, store, retry=QUICK)
    assert not store.has(entry)


def test_a_changed_copy_in_the_cache_is_deleted(server: Server, tmp_path: Path, checkpoint: bytes) -> None:
    server.content, store, entry = checkpoint, Store(tmp_path), entry_for(server.url)
    path = obtain(entry, store, retry=QUICK)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="does not match its digest; it was deleted"):
        load_cached(entry, store)
    assert not path.exists()
    # A whole, valid file of another network under the name is no better.
    obtain(entry, store, retry=QUICK)
    replacement = load_cached(entry, store)
    replacement.load_state_dict(checkpoints.network(8, seed=5).state_dict())
    replacement.save(path)
    with pytest.raises(WeightsError, match="its digest is"):
        verify(entry, store)
    assert not path.exists()


def test_a_file_that_fails_the_self_check_is_not_kept(server: Server, tmp_path: Path) -> None:
    dead = checkpoints.network(8)
    dead.state_dict()["layers.1.weight"].zero_()
    dead.state_dict()["layers.1.bias"].zero_()
    server.content = checkpoints.write("gandissect", dead, tmp_path / "a.pth").read_bytes()
    store = Store(tmp_path / "cache")
    with pytest.raises(WeightsError, match="self-check failed: layer 2") as caught:
        obtain(entry_for(server.url), store, retry=QUICK)
    assert "--from-file net.pth --as test-8" in caught.value.hint
    assert not store.has(entry_for(server.url))
    assert list((tmp_path / "cache" / "downloads").iterdir()) == []


def test_a_file_that_fails_gives_way_to_the_next_source(server: Server, tmp_path: Path, checkpoint: bytes) -> None:
    server.content = checkpoint
    server.answers = [lambda handler, _content: handler.reply(200, b"\x80\x04N.")]
    first = Source("other.pkl", (server.url,), "nvidia-pkl")
    entry = replace(entry_for(server.url), sources=(first, *entry_for(server.url).sources))
    events: list[Any] = []
    path = obtain(entry, Store(tmp_path), watch=events.append, retry=QUICK)
    assert load_cached(entry, Store(tmp_path)).about["source"] == "net.pth"
    assert path.exists()
    assert any(
        "other.pkl: " in event.text and "trying another file" in event.text
        for event in events[:4]
        if isinstance(event, Note)
    )


def test_the_resolution_must_be_the_catalogues(server: Server, tmp_path: Path) -> None:
    content = io.BytesIO()
    torch.save(checkpoints._gandissect(checkpoints.network(16).state_dict()), content)
    server.content = content.getvalue()
    with pytest.raises(WeightsError, match="for 16 pixels, not 8"):
        obtain(entry_for(server.url), Store(tmp_path), retry=QUICK)


def test_fingerprints_must_match(server: Server, tmp_path: Path) -> None:
    from ganinvert.generators import checks

    network = checkpoints.network(8)
    z = torch.randn(3, 16)
    means = ((checks.fingerprint(network(z)) + 1) * 127.5).round().to(torch.uint8)
    table = {"test-8.z": z, "test-8.means": means}
    assert checks.check_fingerprints(network, "test-8", known=table) == 3
    assert checks.check_fingerprints(network, "test-8", known=table, limit=1) == 1
    with pytest.raises(WeightsError, match="another image than it should"):
        checks.check_fingerprints(checkpoints.network(8, seed=3), "test-8", known=table)
    # The embedded table is of 512-dimensional codes: a fetched file that claims the name fails before it is kept.
    server.content = checkpoints.write("gandissect", network, tmp_path / "a.pth").read_bytes()
    store, entry = Store(tmp_path / "cache"), replace(entry_for(server.url), fingerprints="celebahq-1024")
    with pytest.raises(WeightsError, match="length 16, not 512"):
        obtain(entry, store, retry=QUICK)
    assert not store.has(entry)


def test_offline_names_the_file_and_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_for("http://127.0.0.1:9/net.pth")
    for offline in (True, False):
        monkeypatch.setenv("GANINVERT_OFFLINE", "0" if offline else "1")
        with pytest.raises(WeightsError, match=r"test-8\.safetensors.*switched off") as caught:
            obtain(entry, Store(tmp_path), offline=offline, retry=QUICK)
        assert "ganinvert fetch-weights test-8" in caught.value.hint
        assert caught.value.exit_code == 3


@pytest.mark.parametrize("kind", ["gan-zoo", "nvidia-pkl"])
def test_a_discriminator_in_the_same_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("GANINVERT_CACHE_DIR", str(tmp_path))
    file = checkpoints.write(kind, checkpoints.network(8), tmp_path / "net.pth")
    entry = replace(entry_for(), sources=(Source("net.pth", (), kind),))
    monkeypatch.setitem(CATALOG, entry.name, entry)  # type: ignore[arg-type]  # it is a dict
    import_file(file, entry, Store())
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    generator = load_generator("test-8")
    kept = discriminator_of(generator)
    assert kept.digest == generator.digest
    assert torch.equal(kept(images), load_discriminator(file)(images))
    assert torch.equal(kept(images), discriminator_of(load_generator(file))(images))
    verify(entry, Store())
    # Another file of the same network, which has none, does not leave the old one behind.
    plain = replace(entry, sources=(Source("plain.pth", (), "gandissect"),))
    import_file(checkpoints.write("gandissect", checkpoints.network(8), tmp_path / "plain.pth"), plain, Store())
    with pytest.raises(MissingNetworkError) as caught:
        load_discriminator("test-8")
    assert "fetch-weights --remove test-8" in caught.value.hint
    import_file(file, entry, Store())
    companion = Store().path(entry, ".discriminator")
    companion.write_bytes(companion.read_bytes()[:-1] + b"!")
    with pytest.raises(WeightsError):
        verify(entry, Store())
    assert not companion.exists()


def test_a_spoilt_discriminator_does_not_keep_the_generator_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GANINVERT_CACHE_DIR", str(tmp_path))
    spoilt = checkpoints.gan_zoo_discriminator(8)
    spoilt["groupScaleZero.1.module.weight"] = torch.zeros(6, 7)
    monkeypatch.setattr(checkpoints, "gan_zoo_discriminator", lambda _resolution: spoilt)
    file = checkpoints.write("gan-zoo", checkpoints.network(8), tmp_path / "net.pth")
    entry = replace(entry_for(), sources=(Source("net.pth", (), "gan-zoo"),))
    import_file(file, entry, Store())
    assert Store().has(entry)
    assert not Store().path(entry, ".discriminator").exists()
    assert "test-8: its discriminator is left out: " in caplog.text


def test_importing_by_hand(tmp_path: Path, checkpoint: bytes) -> None:
    mine = tmp_path / "downloaded (1).pth"
    mine.write_bytes(checkpoint)
    digits = hashlib.sha256(checkpoint).hexdigest()[:8]
    store, entry = Store(tmp_path / "cache"), entry_for(sha256=digits)
    assert import_file(mine, entry, store) == store.path(entry)
    assert mine.read_bytes() == checkpoint
    named = mine.rename(tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="not ffffffff"):
        import_file(named, entry_for(sha256="ffffffff"), Store(tmp_path / "other"))
    assert named.exists()
    stray = named.rename(tmp_path / "stray.pth")
    with pytest.raises(WeightsError, match="none of the files that are known as test-8"):
        import_file(stray, entry_for(sha256="ffffffff"), Store(tmp_path / "other"))
    other = checkpoints.write("genforce", checkpoints.network(8), tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"has the format genforce, where net\.pth has gandissect"):
        import_file(other, entry_for(), Store(tmp_path / "other"))
    with pytest.raises(WeightsError, match="no such file"):
        import_file(tmp_path / "none.pth", entry, store)


def test_perceptual_networks_keep_their_convolutions(server: Server, tmp_path: Path) -> None:
    state = {}
    for name, shape in CONVOLUTIONS["AlexNet"].items():
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.randn(shape), torch.randn(shape[0])
    whole = io.BytesIO()
    torch.save(state | {"classifier.1.weight": torch.zeros(2, 2)}, whole)
    server.content = whole.getvalue()
    source = Source("net.pth", (server.url,), "torchvision")
    entry = Entry("test-alexnet", "ImageNet features", 224, "AlexNet", (source,), "BSD-3-Clause", "a test")
    kept = TensorFile.load(obtain(entry, Store(tmp_path), retry=QUICK))
    assert kept.tensors.keys() == state.keys()
    assert all(torch.equal(kept.tensors[key], tensor) for key, tensor in state.items())
    assert kept.about["licence"] == "BSD-3-Clause"
    assert verify(entry, Store(tmp_path)) == 0
    torch.save({key: value for key, value in state.items() if key != "features.3.bias"}, tmp_path / "less.pth")
    with pytest.raises(WeightsError, match=r"missing features\.3\.bias"):
        read_perceptual(tmp_path / "less.pth", convolutions=CONVOLUTIONS["AlexNet"])
    with pytest.raises(WeightsError, match="not a generator"):
        load_generator("alexnet")


_CHILD = """
import json, sys
from pathlib import Path
from ganinvert.generators import load_discriminator, load_generator
from ganinvert.generators.fetch import obtain
from ganinvert.weights.catalog import Entry, Source
from ganinvert.weights.store import Store
entry = Entry("test-8", "noise", 8, "PGGAN", (Source("net.pth", (sys.argv[1],), "gandissect"),), "x", "x")
print(obtain(entry, Store(Path(sys.argv[2]))))
"""


def _child(server: Server, root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _CHILD, server.url, str(root)], stdout=subprocess.PIPE)


def test_two_processes_download_once(server: Server, tmp_path: Path, checkpoint: bytes) -> None:
    server.content = checkpoint
    children = [_child(server, tmp_path) for _ in range(2)]
    outputs = [child.communicate(timeout=90)[0].decode().strip() for child in children]
    assert outputs == [str(tmp_path / "test-8.safetensors")] * 2
    assert len(server.requests) == 1


def test_kill_in_the_middle_then_again(server: Server, tmp_path: Path, checkpoint: bytes) -> None:
    server.content, server.answers = checkpoint, [half_then_wait]
    child = _child(server, tmp_path)
    assert server.halfway.wait(60)
    part = tmp_path / "downloads" / "net.pth.part"
    wait_until(part.exists)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate(timeout=20)
    assert not (tmp_path / "test-8.safetensors").exists()
    assert not (tmp_path / "pins").exists()
    received = part.stat().st_size
    store, entry = Store(tmp_path), entry_for(server.url)
    obtain(entry, store, retry=QUICK)
    assert load_cached(entry, store).architecture.resolution == 8
    assert server.requests[-1][1].get("Range") == (f"bytes={received}-" if received else None)
    assert json.loads((tmp_path / "pins" / "test-8.json").read_text())["digest"]
