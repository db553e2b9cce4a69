"""The commands of the tasks on photos: each is made from its `TaskOptions`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from ganinvert.cli._options import METHOD, opt
from ganinvert.cli._photos import Photos
from ganinvert.cli._signature import assembled, field_options, from_options
from ganinvert.settings import Refinement, TaskOptions, preset_of

_REFINE = Annotated[
    Refinement | None,
    opt(
        METHOD,
        "--refine",
        help="Fine-tune a copy of the generator for each photo afterwards; only its changes are stored.",
        env=True,
    ),
]
_REALS = Annotated[
    Path | None,
    opt(
        METHOD,
        "--reals",
        help="near-perfect: folder of photos like those that the generator was trained on.",
        metavar="FOLDER",
        show_default="its own samples stand in",
    ),
]


def task_command(task: type[TaskOptions]) -> Callable[..., None]:
    """The command of a task."""

    def command(photos: Photos, **given: Any) -> None:
        refinement, reals = given.pop("refine", None), given.pop("reals", None)
        photos.treat(from_options(task, given), refinement=refinement, reals=reals)

    command.__name__, command.__doc__ = task.name, task.help
    own = field_options(task)
    if task.refinable:
        own += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in (("refine", _REFINE), ("reals", _REALS))
        ]
    return assembled(command, Photos, preset_of("pmsfc", task.name), own, task=task.name)
