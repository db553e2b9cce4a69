"""Downloads that resume and are verified: the only module that uses the internet."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ganinvert import __version__
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

    def __init__(self, message: str, *, requested: float | None = None) -> None:
        super().__init__(message)
        self.requested = requested


def download(
    urls: Sequence[str], part: Path, *, expected: str, watch: ProgressCallback, retry: RetryPolicy | None = None
) -> tuple[str, str]:
    """Download a file from the first mirror that gives it, resuming an earlier attempt.

    Bytes of `part` that are there already are not requested again. `expected` is the SHA-256 of the file, or its first
    digits; empty if unknown. Returns the address that gave the file, and the file's SHA-256.

    Raises:
        WeightsError: No mirror gave the right file. A wrong file is deleted, a partial one is kept for resuming.
        OutputError: The file cannot be written.
    """
    failures = []
    with _client(retry or RetryPolicy()) as client:
        receiver = _Receiver(client, part, expected, watch, retry or RetryPolicy())
        for url in urls:
            try:
                return url, receiver.fetch(url)
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
    agent = {"User-Agent": f"ganinvert/{__version__}", "Accept-Encoding": "identity"}
    try:
        client = httpx.Client(headers=agent, timeout=retry.timeout, follow_redirects=True)
    except (ImportError, ValueError, OSError) as error:  # SOCKS without its package, a bad proxy or certificate file
        raise WeightsError(
            f"the internet settings cannot be used: {error}",
            hint="check HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
        ) from error
    with client:
        yield client


@dataclass(frozen=True)
class _Receiver:
    client: httpx.Client
    part: Path
    expected: str
    watch: ProgressCallback
    retry: RetryPolicy

    def fetch(self, url: str) -> str:
        """Receive the whole file from one mirror, and return its SHA-256."""
        spent = failures = 0
        most, resumed = self._size(), self._size() > 0
        while True:
            try:
                self._follow(url)
            except (_TransientError, httpx.TransportError) as error:
                gained, most = self._size() > most, max(most, self._size())
                spent, failures = (0, 0) if gained else (spent + _cost(error), failures + 1)
                if spent >= self.retry.attempts:
                    raise _MirrorError(f"gave up: {error}") from error
                wait = self.retry.wait(failures, error.requested if isinstance(error, _TransientError) else None)
                if wait >= 1:
                    self.watch(Note(f"{urlsplit(url).hostname}: {error}; trying again in {wait:.0f} s"))
                time.sleep(wait)
                continue
            except httpx.HTTPError as error:
                raise _MirrorError(str(error)) from error
            sha256 = file_sha256(self.part)
            if sha256.startswith(self.expected):
                return sha256
            self._discard()
            digits = sha256[: max(len(self.expected), 8)][:16]
            problem = f"its SHA-256 begins with {digits}, not {self.expected[:16]}"
            if not resumed:
                raise _MirrorError(f"sent a wrong file, deleted: {problem}")
            again = f"what was received earlier does not fit ({problem}): once more from the beginning"
            self.watch(Note(f"{self.part.stem}: {again}"))
            resumed = False

    def _follow(self, url: str) -> None:
        """Try once, following a confirmation page."""
        parameters: Mapping[str, str] | None = None
        for _ in range(3):
            page = self._request(url, parameters)
            if page is None:
                return
            if problem := drive_problem(page[0]):
                raise _MirrorError(problem)
            if (step := next_step(*page)) is None:
                break
            url, parameters = step
        raise _MirrorError("sends a web page instead of the file")

    def _request(self, url: str, parameters: Mapping[str, str] | None) -> tuple[str, str] | None:
        """Request the missing bytes and append them; if a web page comes instead, return its text and address."""
        self.part.parent.mkdir(parents=True, exist_ok=True)
        etag = etag_path(self.part).read_text() if etag_path(self.part).exists() else ""
        if not (self.expected or etag):
            # Without a digest or a version, the parts of two different files could not be told apart.
            self._discard()
        have = self._size()
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and etag:
            headers["If-Range"] = etag
        with self.client.stream("GET", url, params=parameters, headers=headers) as response:
            status, answer = response.status_code, f"answers {response.status_code} {response.reason_phrase}"
            if status == 416 and _total(response) == have:
                return None
            if status == 416:
                self._discard()
                raise _TransientError("has no such part of the file", requested=0)
            if status in _TRANSIENT:
                raise _TransientError(answer, requested=_retry_after(response))
            if status not in (200, 206):
                raise _MirrorError(answer)
            if response.headers.get("content-type", "").startswith("text/html"):
                return next(response.iter_text(1_000_000), ""), str(response.url)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise _MirrorError("sends the file in another encoding")
            if status == 206 and not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
                self._discard()
                raise _TransientError("sends another part than was asked for", requested=0)
            self._write(response, have if status == 206 else 0)
        return None

    def _write(self, response: httpx.Response, done: int) -> None:
        part, total = self.part, _total(response)
        if (total or 0) > LARGEST:
            raise _MirrorError(f"wants to send {total} bytes, more than any network has")
        free = shutil.disk_usage(part.parent).free
        if total is not None and 2 * total - done > free:
            # Twice, because the canonical copy is written before the received file is deleted.
            raise OutputError(
                f"{part.parent}: {free / 1e6:.0f} MB are free, {(2 * total - done) / 1e6:.0f} MB are needed",
                hint="make room, or choose another cache folder with --dir or GANINVERT_CACHE_DIR",
            )
        if done == 0:
            self._discard()
            if (etag := response.headers.get("etag", "")).startswith('"'):  # a weak one does not identify bytes
                write_atomically(etag_path(part), etag.encode())
        with part.open("ab") as file:
            self.watch(Progress(part.stem, done, total))
            for chunk in response.iter_raw():  # as they arrive, so that a broken connection loses nothing
                file.write(chunk)
                done += len(chunk)
                if done > LARGEST:
                    raise _MirrorError("does not stop sending")
                self.watch(Progress(part.stem, done, total))
            file.flush()
            os.fsync(file.fileno())
        if total is not None and done < total:
            raise _TransientError(f"ended after {done} of {total} bytes")
        if total is not None and done > total:
            self._discard()
            raise _TransientError(f"sent {done} bytes instead of {total}")

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        etag_path(self.part).unlink(missing_ok=True)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0


def _cost(error: Exception) -> int:
    """Failures that an error counts as; one that further attempts cannot change is a `_MirrorError`."""
    if isinstance(error, httpx.ConnectError):
        if _is_nameless(error):
            raise _MirrorError("its name is not known here: is there internet?") from error
        if "CERTIFICATE" in str(error).upper():
            raise _MirrorError(f"{error}; SSL_CERT_FILE names other certificates") from error
        return 2
    return 1


def _is_nameless(error: BaseException | None) -> bool:
    """True if the host's name has no address, which is a cause of the error."""
    while error is not None and not isinstance(error, socket.gaierror):
        error = error.__cause__ or error.__context__
    return error is not None


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
