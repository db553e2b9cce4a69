"""The actor of a worker on a Ray cluster, and the versions of its machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import ganinvert
from ganinvert.batch.luggage import Mark
from ganinvert.errors import UsageError

PROBE = ".ganinvert.probe"
"""Name of the file by which a worker recognises a folder of results."""


def actor_class() -> type:
    """The class of the actors. It is sent as it stands, so that it can tell the version of another ganinvert."""

    class Actor:
        def look(self, marks: list[Mark]) -> dict[str, Any]:
            """Tell the versions and the name of this machine, and if it sees these files."""
            import platform

            import ray

            try:
                from ganinvert import __version__ as version
            except ImportError:
                version = "none"
            node = ray.get_runtime_context().get_node_id()
            about = {"python": platform.python_version(), "host": platform.node(), "node": node}
            return {**about, "ganinvert": version, "sees": self.sees(marks)}

        def sees(self, marks: list[Mark]) -> bool:
            """Tell if this machine has the files where the other one has them, and could replace the probes."""
            import os

            def here(path: str) -> tuple[str, int, int]:
                try:
                    status = os.stat(path)
                except OSError:
                    return path, -1, 0
                return path, status.st_size, status.st_mtime_ns

            probes = [os.path.dirname(each[0]) for each in marks if each[0].endswith(PROBE)]
            return all(here(each[0]) == each for each in marks) and all(os.access(each, os.W_OK) for each in probes)

        def open(self, work: Any, gpus: float, environment: dict[str, str], pieces: Any) -> None:
            """Begin to open the request."""
            import os

            import ray

            if not gpus:
                os.environ["CUDA_VISIBLE_DEVICES"] = ""
            from ganinvert.batch.desk import Desk

            self.desk = Desk(work, environment, pieces, ray.get)

        def exchange(self, *answers: Any) -> Any:
            return self.desk.exchange(*answers)

        def put(self, answer: Any) -> None:
            self.desk.put(answer)

        def close(self) -> None:
            self.desk.close()

    return Actor


def difference(about: Mapping[str, Any]) -> UsageError | None:
    """The reason why results of a worker would be others than those made here, or None."""
    if about["ganinvert"] == ganinvert.__version__:
        return None
    return UsageError(
        f"{about['host']} has ganinvert {about['ganinvert']} (Python {about['python']}), and this machine has"
        f" {ganinvert.__version__} (Python {platform.python_version()})",
        hint="install the same version on all machines of the cluster",
    )
