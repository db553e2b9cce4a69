"""Downloads that resume and are verified: the only module that uses the internet."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ganinvert.errors import OutputError, WeightsError
from ganinvert.files import write_atomically
from ganinvert.weights.google_drive import drive_problem, next_step
from ganinvert.weights.store import etag_path
from ganinvert.weights.transfer import Note, Progress, ProgressCallback, RetryPolicy, file_sha256

LARGEST = 4 << 30
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}


class _MirrorError(Exception):
    """The mirror does not give the file."""


class _TransientError(Exception):
    """The failure may be gone at the next attempt."""

    def __init__(self, message: str, *, cost: int = 1, requested: float | None = None) -> None:
        super().__init__(message)
        self.cost, self.requested = cost, requested


def download(
    urls: Sequence[str], part: Path, *, expected: str, watch: ProgressCallback, retry: RetryPolicy | None = None
) -> tuple[str, str]:
    """Download a file from the first mirror that gives it, resuming an earlier attempt.

    Args:
        urls: Addresses of the same file, in the order to try.
        part: File to write; bytes that are there already are not requested again.
        expected: SHA-256 of the file, or its first digits; empty if unknown.
        watch: Callback for progress and for mirrors that fail.
        retry: Number of attempts and waiting times.

    Returns:
        Address that gave the file, and the file's SHA-256.

    Raises:
        WeightsError: No mirror gave the right file. A wrong file is deleted, a partial one is kept for resuming.
        OutputError: The file cannot be written.
    """
    retry = retry or RetryPolicy()
    failures = []
    with _client(retry) as client:
        for url in urls:
            try:
                return url, _from_mirror(client, url, part, expected, watch, retry)
            except (_MirrorError, httpx.InvalidURL) as error:
                failures.append(f"{urlsplit(url).hostname}: {error}")
                watch(Note(failures[-1]))
            except OSError as error:
                raise OutputError(
                    f"{part}: cannot be written: {error.strerror or error}",
                    hint="check the free space and permissions, or choose another cache folder with --dir",
                ) from error
    raise WeightsError("; ".join(failures))


@contextmanager
def _client(retry: RetryPolicy) -> Iterator[httpx.Client]:
    agent = {"User-Agent": f"ganinvert/{version('ganinvert')}", "Accept-Encoding": "identity"}
    try:
        client = httpx.Client(headers=agent, timeout=retry.timeout, follow_redirects=True)
    except (ImportError, ValueError, OSError) as error:  # SOCKS without its package, a bad proxy or certificate file
        raise WeightsError(
            f"the internet settings cannot be used: {error}",
            hint="check HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
        ) from error
    with client:
        yield client


def _from_mirror(
    client: httpx.Client, url: str, part: Path, expected: str, watch: ProgressCallback, retry: RetryPolicy
) -> str:
    spent = failures = 0
    most, resumed = _size(part), _size(part) > 0
    while True:
        try:
            _receive(client, url, part, trusted=bool(expected), watch=watch)
        except (_TransientError, httpx.TransportError) as error:
            gained, most = _size(part) > most, max(most, _size(part))
            spent, failures = (0, 0) if gained else (spent + _cost(error), failures + 1)
            if spent >= retry.attempts:
                raise _MirrorError(f"gave up: {error}") from error
            wait = retry.wait(failures, error.requested if isinstance(error, _TransientError) else None)
            if wait >= 1:
                watch(Note(f"{urlsplit(url).hostname}: {error}; trying again in {wait:.0f} s"))
            time.sleep(wait)
            continue
        except httpx.HTTPError as error:
            raise _MirrorError(str(error)) from error
        sha256 = file_sha256(part)
        if sha256.startswith(expected):
            return sha256
        _discard(part)
        problem = f"its SHA-256 begins with {sha256[: max(len(expected), 8)][:16]}, not {expected[:16]}"
        if not resumed:
            raise _MirrorError(f"sent a wrong file, deleted: {problem}")
        watch(Note(f"{part.stem}: what was received earlier does not fit ({problem}): once more from the beginning"))
        resumed = False


def _cost(error: Exception) -> int:
    if isinstance(error, httpx.ConnectError):
        if "CERTIFICATE" in str(error).upper():
            raise _MirrorError(f"{error}; SSL_CERT_FILE names other certificates") from error
        return 2
    return error.cost if isinstance(error, _TransientError) else 1


def _receive(client: httpx.Client, url: str, part: Path, *, trusted: bool, watch: ProgressCallback) -> None:
    """Try once, following a confirmation page."""
    parameters: Mapping[str, str] | None = None
    for _ in range(3):
        page = _request(client, url, parameters, part, trusted=trusted, watch=watch)
        if page is None:
            return
        text, address = page
        if problem := drive_problem(text):
            raise _MirrorError(problem)
        step = next_step(text, address)
        if step is None:
            break
        url, parameters = step
    raise _MirrorError("sends a web page instead of the file")


def _request(
    client: httpx.Client,
    url: str,
    parameters: Mapping[str, str] | None,
    part: Path,
    *,
    trusted: bool,
    watch: ProgressCallback,
) -> tuple[str, str] | None:
    """Request the missing bytes and append them; if a web page comes instead, return its text and address."""
    part.parent.mkdir(parents=True, exist_ok=True)
    etag = etag_path(part).read_text() if etag_path(part).exists() else ""
    if not (trusted or etag):
        # Without a digest or a version, the parts of two different files could not be told apart.
        _discard(part)
    have = _size(part)
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and etag:
        headers["If-Range"] = etag
    with client.stream("GET", url, params=parameters, headers=headers) as response:
        status = response.status_code
        if status == 416 and _total(response) == have:
            return None
        if status == 416:
            _discard(part)
            raise _TransientError("has no such part of the file", requested=0)
        if status in _TRANSIENT:
            raise _TransientError(f"answers {status} {response.reason_phrase}", requested=_retry_after(response))
        if status not in (200, 206):
            raise _MirrorError(f"answers {status} {response.reason_phrase}")
        if response.headers.get("content-type", "").startswith("text/html"):
            return "".join(_beginning(response)), str(response.url)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise _MirrorError("sends the file in another encoding")
        if status == 206 and not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
            _discard(part)
            raise _TransientError("sends another part than was asked for", requested=0)
        _write(response, part, have if status == 206 else 0, watch)
    return None


def _write(response: httpx.Response, part: Path, start: int, watch: ProgressCallback) -> None:
    total = _total(response)
    if (total or 0) > LARGEST:
        raise _MirrorError(f"wants to send {total} bytes, more than any network has")
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start + total > free:
        # Twice, because the canonical copy is written before the received file is deleted.
        raise OutputError(
            f"{part.parent}: {free / 1e6:.0f} MB are free, {(2 * total - start) / 1e6:.0f} MB are needed",
            hint="make room, or choose another cache folder with --dir or GANINVERT_CACHE_DIR",
        )
    if start == 0:
        _discard(part)
        if (etag := response.headers.get("etag", "")).startswith('"'):  # a weak one does not identify bytes
            write_atomically(etag_path(part), etag.encode())
    done = start
    with part.open("ab") as file:
        watch(Progress(part.stem, done, total))
        for chunk in response.iter_raw():  # as they arrive, so that a broken connection loses nothing
            file.write(chunk)
            done += len(chunk)
            if done > LARGEST:
                raise _MirrorError("does not stop sending")
            watch(Progress(part.stem, done, total))
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done < total:
        raise _TransientError(f"ended after {done} of {total} bytes")
    if total is not None and done > total:
        _discard(part)
        raise _TransientError(f"sent {done} bytes instead of {total}")


def _total(response: httpx.Response) -> int | None:
    """Parse the size of the whole file from the response."""
    if stated := re.fullmatch(r"bytes .*/(\d+)", response.headers.get("content-range", "")):
        return int(stated[1])
    length = response.headers.get("content-length", "")
    return int(length) if length.isdecimal() and response.status_code == 200 else None


def _retry_after(response: httpx.Response) -> float | None:
    """Parse the seconds that the server asks to wait, given as a number or a date."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _beginning(response: httpx.Response) -> Iterator[str]:
    seen = 0
    for text in response.iter_text():
        yield text
        seen += len(text)
        if seen > 1_000_000:
            return


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    etag_path(part).unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
