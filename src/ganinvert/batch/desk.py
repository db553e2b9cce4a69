"""The desk of a worker on another machine, where its messages wait until the dispatcher asks for them."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from ganinvert import files, paths
from ganinvert.batch.dispatch import Death, serve
from ganinvert.batch.job import JobResult
from ganinvert.batch.luggage import Parcel, Piece, unpack
from ganinvert.batch.session import BatchRequest, RunOptions
from ganinvert.errors import OutputError

_FOLDER = "ganinvert-worker-"
"""Beginning of the name of a worker's temporary folder."""
_MOMENT = 0.1
"""Seconds that news of a worker may wait for further ones."""
PATIENCE = 10.0
"""Seconds that a worker has to end a step and its writing when the batch is stopped."""


class Desk:
    """A worker in a thread of this process, and the queues of its messages: the `Channel` of `serve`.

    Args:
        work: Number of the worker, request, options of the batch, and number of CPU threads.
        environment: Variables of the environment to set.
        pieces: Files of the request, which are laid out in a folder of its own; None if this machine sees them where
            the dispatcher does.
        fetch: Function that gets the content of a piece.
    """

    def __init__(
        self,
        work: tuple[int, BatchRequest, RunOptions, int],
        environment: Mapping[str, str],
        pieces: Sequence[Piece] | None,
        fetch: Callable[[Any], bytes],
    ) -> None:
        _clear_away()
        self.folder = Path(tempfile.mkdtemp(prefix=_FOLDER))
        self._claim = ExitStack()
        self._claim.enter_context(files.claim(self.folder / _FOLDER))
        self._arrived: SimpleQueue[Any] = SimpleQueue()
        self._leaving: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._parcels: dict[str, tuple[Parcel, Path]] = {}
        self._is_closed = False
        number, request, options, threads = work
        os.environ.update(environment)
        if pieces is not None:
            request = unpack(request, pieces, self.folder, fetch)
            for name in ("cache", "data"):
                os.environ[f"GANINVERT_{name.upper()}_DIR"] = str(self.folder / name)
        self._thread = Thread(target=self._work, args=(number, request, options, threads), daemon=True)
        self._thread.start()

    def exchange(self, *answers: Any) -> list[tuple[str, Any]]:
        """Pass answers on, and return the worker's messages up to one that needs an answer, or those of a moment."""
        for answer in answers:
            self.put(answer)
        messages = [self._leaving.get()]
        end = time.monotonic() + _MOMENT
        with suppress(Empty):
            while messages[-1][0] in ("event", "result"):  # one call for all messages of a short job
                messages.append(self._leaving.get(timeout=max(0, end - time.monotonic())))
        return messages

    def put(self, answer: Any) -> None:
        """Pass an answer on to the worker: a job, a parcel with one, or None."""
        self._arrived.put(answer)

    def close(self) -> None:
        """Stop the worker after its step, or when it has written a result."""
        self._is_closed = True
        self._arrived.put(None)
        self._thread.join(PATIENCE)
        self._claim.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def send(self, message: tuple[str, Any]) -> None:
        """Queue a message of the worker; the files of a job that came in a parcel go back with its result."""
        if self._is_closed:
            raise BrokenPipeError
        kind, content = message
        if kind == "result" and isinstance(content, JobResult) and content.job.label in self._parcels:
            parcel, folder = self._parcels.pop(content.job.label)
            content = parcel.collect(content, folder)
        self._leaving.put((kind, content))

    def recv(self) -> Any:
        """Wait for an answer; the files of a parcel are laid out."""
        answer = self._arrived.get()
        if self._is_closed:
            raise EOFError
        if not isinstance(answer, Parcel):
            return answer
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        self._parcels[answer.job.label] = answer, folder
        return answer.unpack(folder)

    def _work(self, *work: Any) -> None:
        try:
            serve(self, *work)
        except SystemExit:
            pass
        except BaseException as error:
            self._leaving.put(("death", Death(f"{type(error).__name__}: {error}")))


def _clear_away() -> None:
    """Remove the folders of workers of this machine that have died."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with suppress(OutputError), files.claim(folder / _FOLDER) as is_left:
            if is_left:
                shutil.rmtree(folder, ignore_errors=True)


def environment_of(*, shared: bool) -> dict[str, str]:
    """Variables of the environment of a worker, which may have the same files."""
    offline = {"GANINVERT_OFFLINE": os.environ["GANINVERT_OFFLINE"]} if "GANINVERT_OFFLINE" in os.environ else {}
    folders = {"GANINVERT_CACHE_DIR": paths.cache_dir(), "GANINVERT_DATA_DIR": paths.data_dir()} if shared else {}
    return offline | {name: os.path.abspath(folder) for name, folder in folders.items()}
