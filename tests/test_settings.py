"""Arguments of the library are checked once, as the command line checks its options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ganinvert
from ganinvert import ColorizeTask, InpaintTask, Request, RestoreTask, UpscaleTask
from ganinvert.errors import UsageError

WRONG: list[tuple[type[Any], dict[str, Any]]] = [
    *((Request, {"align": value}) for value in (False, True, None, "on")),
    *((Request, {"fit": value}) for value in ("stretch", 1)),
    *((Request, {"dtype": value}) for value in ("float16", None)),
    *((Request, {"face": value}) for value in ("smallest", True, 1.5)),
    *((Request, {"seed": value}) for value in ("1", 1.5, None, -1)),
    *((Request, {"device": value}) for value in (0, None)),
    *(
        (
            Request,
            {"square": "no"},
        ),
        (Request, {"generator": 7}),
        (Request, {"settings": 3}),
        (Request, {"task": "invert"}),
    ),
    (ColorizeTask, {"luma": "bt2020"}),
    *((UpscaleTask, each) for each in ({"kernel": "cubic"}, {"factor": "4"}, {"factor": 2.5}, {"detail": "all"})),
    *((InpaintTask, each) for each in ({"mask": "mask.png"}, {"box": (1, 2)}, {"box": (0, 0, 1.5, 2)}, {"paint": 255})),
    *((RestoreTask, each) for each in ({"gray": "yes"}, {"noise": "5"}, {"jpeg": 1.5})),
]


@pytest.mark.parametrize(("kind", "values"), WRONG, ids=str)
def test_values_of_the_wrong_kind_are_usage_errors_with_hints(kind: type[Any], values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"^{next(iter(values))} cannot be ") as caught:
        kind(**values)
    assert caught.value.hint.startswith("choose ")


@pytest.mark.parametrize(("name", "hint"), [("pmsf", "did you mean pmsfc?"), ("", "choose from "), ("PTI", "choose ")])
def test_methods_of_unknown_names_are_refused(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"^there is no method {name}") as caught:
        Request(settings=name)
    assert caught.value.hint.startswith(hint)


def test_a_hint_names_the_choices() -> None:
    with pytest.raises(UsageError) as caught:
        Request(align=False)  # type: ignore[arg-type]
    assert caught.value.hint == "choose 'auto' or 'off' or 'force'"


def test_values_of_the_right_kind_are_taken() -> None:
    Request(seed=3, face="all", square=True, reals=Path("reals"), generator=Path("own.pt"))
    UpscaleTask(4, "area", 1)
    InpaintTask(box=(0, 0, 4, 4))


def test_functions_check_before_anything_is_read() -> None:
    for options in ({"align": False}, {"fit": "stretch"}, {"dtype": "half"}, {"seed": "1"}):
        with pytest.raises(UsageError, match="cannot be"):
            ganinvert.invert("missing.jpg", **options)  # type: ignore[arg-type]
