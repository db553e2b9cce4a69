"""Workers on a cluster of Ray. Ray itself, an extra of the package, is imported when one is opened."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ganinvert.batch.dispatch import Run
from ganinvert.batch.events import Listener
from ganinvert.batch.executors import available_cores
from ganinvert.batch.session import BatchRequest, RunOptions
from ganinvert.errors import UsageError

KINDS = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}
"""Names of Ray's own resources by ours; memory is in bytes."""
_REACHABLE = 5.0
"""Seconds in which a cluster must take a connection."""
_FREE = 5.0
"""Seconds in which the resources of workers that have just ended become free."""


@dataclass(frozen=True)
class RayExecutor:
    """Workers on the machines of a Ray cluster: one per GPU, or one per CPU core where there are none.

    A worker that sees the files of this machine reads and writes them itself, with the claims of all processes.
    Others receive the photos, and their results are written here. Results are those of `Serial` on a CPU whose number
    of threads is the same. What a worker that dies had in work is given to another, three times at most. The connection
    stays open for further batches until the process ends, or `ray.shutdown()`.

    Attributes:
        address: Address of the cluster, as "ray://host:10001" or "host:6379"; "" for that of `RAY_ADDRESS`, and
            without one for a cluster of this machine, which is started.
        workers: Most workers; None for as many as the cluster has room for.
        resources: Resources of each worker: "cpu" (also its number of CPU threads), "gpu", "memory" (bytes), and names
            of the cluster's own; by default 1 CPU, and 1 GPU if the request wants one.
        logs: Show the log of Ray.
    """

    address: str = ""
    workers: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    logs: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise UsageError(f"the number of workers cannot be {self.workers}", hint="choose at least 1")
        if wrong := [name for name, amount in self.resources.items() if not amount >= 0]:
            raise UsageError(f"a worker cannot have {self.resources[wrong[0]]} of {wrong[0]}", hint="choose 0 or more")

    @contextmanager
    def opened(self, request: BatchRequest, options: RunOptions, emit: Listener) -> Iterator[Run]:
        """Start an actor for each worker, which opens the request.

        Raises:
            UsageError: Ray is not installed, there is no such cluster, or it has no free resources for a worker.
        """
        ray = connect(self.address, logs=self.logs)
        from ganinvert.batch.cluster import Cluster

        needs = _needs(ray, self.resources, request.device)
        count = _room(ray, needs)
        cluster = Cluster(ray, request, options, emit, needs)
        try:
            for number in range(count if self.workers is None else min(count, self.workers)):
                cluster.start(number)
            cluster.until_open()
            yield cluster.run
        finally:
            cluster.close()


def connect(address: str, *, logs: bool) -> Any:
    """Connect this process to a cluster unless it is, and return the module of Ray; see `RayExecutor` for errors."""
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "workers on Ray need Ray, which is not installed here", hint="pip install 'ganinvert[ray]'"
        ) from error
    if ray.is_initialized():
        return ray
    address = address or os.environ.get("RAY_ADDRESS", "") or "local"
    options: dict[str, Any] = {}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options = {"num_cpus": available_cores(), "include_dashboard": False}
    elif address != "auto":
        _require_reachable(address)
    on_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    level = logging.INFO if logs else logging.CRITICAL
    _keep_off_stdout(logs)
    try:
        with warnings.catch_warnings(action="default" if logs else "ignore"):
            ray.init(address=address, log_to_driver=logs, logging_level=level, **options)
    except Exception as error:  # of many kinds, by what the cluster is
        raise _refused(address, error) from error
    finally:
        if on_main and handler is not None:  # Ray's own skips the end of a batch
            signal.signal(signal.SIGTERM, handler)
    return ray


def _keep_off_stdout(logs: bool) -> None:
    """Send what Ray prints about machines and workers to stderr, or nowhere: stdout is for results."""
    from ray._private import worker

    def show(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        for line in data["lines"] if logs else ():
            sys.stderr.write(f"({data.get('pid', 'ray')}) {line}\n")

    worker.print_to_stdstream = show  # Ray has no option for its messages about lost machines


def _require_reachable(address: str) -> None:
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port or 10001
    except ValueError:
        host = None
    if host is None:
        raise UsageError(f"{address} is no address of a Ray cluster", hint="for instance ray://host:10001")
    try:
        socket.create_connection((host, port), timeout=_REACHABLE).close()
    except OSError as error:
        raise UsageError(
            f"no Ray cluster takes connections at {address}: {error.strerror or error}",
            hint="`ray start --head` starts one, and prints its address; ray://HOST:10001 reaches it from elsewhere",
        ) from error


def _refused(address: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())
    if "ersion" in reason:
        return UsageError(
            f"the cluster at {address} has another version of Python or Ray: {reason}",
            hint="install the same versions on all machines",
        )
    hint = "`ray start --head` starts a cluster; without RAY_ADDRESS, one is started on this machine"
    return UsageError(f"no connection to a Ray cluster at {address}: {reason[:300]}", hint=hint)


def _needs(ray: Any, resources: Mapping[str, float], device: str) -> dict[str, float]:
    """Resources of a worker under Ray's names."""
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    wants_gpu = device.startswith("cuda") or (device == "auto" and has_gpus)
    given = {KINDS.get(name, name): amount for name, amount in resources.items()}
    return {"CPU": 1.0, **({"GPU": 1.0} if wants_gpu else {}), **given}


def _room(ray: Any, needs: Mapping[str, float]) -> int:
    """Number of workers that the cluster could hold if it were free."""
    total = ray.cluster_resources()
    wanted = {name: amount for name, amount in needs.items() if amount > 0}
    room = min((int(total.get(name, 0) // amount) for name, amount in wanted.items()), default=1)
    described = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items())
    if room < 1:
        lacking = next(name for name, amount in wanted.items() if total.get(name, 0) < amount)
        there = f"it has {total.get(lacking, 0):g} {lacking}"
        hint = "--device cpu works without a GPU" if lacking == "GPU" else "ask for less with --worker-resources"
        raise UsageError(f"the cluster has no room for a worker with {described}: {there}", hint=hint)
    deadline = time.monotonic() + _FREE
    while any(ray.available_resources().get(name, 0) < amount for name, amount in wanted.items()):
        if time.monotonic() > deadline:
            free = ray.available_resources()
            scarce = next((name for name, amount in wanted.items() if free.get(name, 0) < amount), "CPU")
            raise UsageError(
                f"no {scarce} is free on the cluster: {free.get(scarce, 0):g} of {total[scarce]:g} are left",
                hint="wait for others to end, or ask for a part of one, such as --worker-resources gpu=0.5",
            )
        time.sleep(0.2)
    return room
