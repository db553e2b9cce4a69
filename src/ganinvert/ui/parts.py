"""Parts of the page that several tabs have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from ganinvert.ui.work import bar

PRIVATE = {"api_visibility": "private"}
AT_ONCE: dict[str, Any] = {"queue": False, **PRIVATE}
"""Arguments of handlers that need no waiting."""
LONG: dict[str, Any] = {"concurrency_id": "work", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
"""Arguments of handlers of long work: there is one at a time, and others wait for their turn."""
LIVE: dict[str, Any] = {"concurrency_id": "live", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
"""Arguments of handlers that answer in a moment, also while long work runs."""


def image(label: str, **options: Any) -> Any:
    """A picture to look at, with its label as text for those who do not see it."""
    return gr.Image(label=label, alt_text=label, interactive=False, **options)


def painting(label: str, kind: str, brush: Any) -> Any:
    """An editor in which people paint over a picture with a brush."""
    return gr.ImageEditor(
        label=label,
        type="numpy",
        sources=(),
        transforms=(),
        layers=False,
        brush=brush,
        buttons=[],
        height=460,
        visible=False,
        elem_id=kind,
    )


def unpainted(picture: Any) -> dict[str, Any]:
    """Value of an editor that shows a picture, before anything is painted."""
    pixels = np.asarray(picture)
    return {"background": pixels, "layers": [np.zeros((*pixels.shape[:2], 4), np.uint8)], "composite": pixels}


def painted(value: Any) -> Any:
    """The painted layer (h, w, 4) of an editor's value, uint8; None if there is none."""
    layers = value["layers"] if value else []
    return next((layer for layer in layers if layer is not None and layer[..., 3].any()), None)


def painted_mask(hole: Any) -> Any:
    """The painted part of an editor's value, white on black, (3, h, w) in [0, 1]; None if there is none."""
    if (layer := painted(hole)) is None:
        return None
    return np.repeat(layer[None, ..., 3].astype(np.float32) / 255, 3, axis=0)


def buttons(name: str, kind: str) -> tuple[Any, Any]:
    """The buttons that begin work and end it early; `kind` tells those of several tabs apart."""
    with gr.Row():
        begin = gr.Button(name, variant="primary", elem_id=kind)
        end = gr.Button("Stop and keep what is there", interactive=False, elem_id=f"{kind}-stop")
    return begin, end


def working(kind: str) -> tuple[Any, Any]:
    """The progress of work, and the image of its present step."""
    progress = gr.HTML(elem_id=f"{kind}-progress")
    present = image("Image of the present step", height=256, buttons=[], visible=False, elem_id=f"{kind}-present")
    return progress, present


def results(kind: str) -> tuple[Any, Any, Any]:
    """Files to download, and the commands that make them."""
    files = gr.File(label="Download", interactive=False, file_count="multiple", visible=False, elem_id=f"{kind}-files")
    with gr.Accordion("Show the command", open=False):
        command = _code("Command line")
        python = _code("Python")
    return files, command, python


def _code(label: str) -> Any:
    """Lines to copy, in one colour, which everybody can read."""
    return gr.Code(label=label, interactive=False, lines=1, wrap_lines=True, show_line_numbers=False)


def steps_and_seed() -> tuple[Any, Any]:
    """Options of every optimisation."""
    steps = gr.Number(None, precision=0, minimum=0, label="Steps of the optimisation (empty: as usual)")
    seed = gr.Number(0, precision=0, minimum=0, label="Random seed")
    return steps, seed


def controls(runs: bool, progress: str, picture: Any) -> list[Any]:
    """Values of the buttons, the progress and the image of the present step, while work runs or afterwards."""
    return [
        gr.update(interactive=not runs),
        gr.update(interactive=runs),
        progress,
        gr.update(value=picture, visible=runs and picture is not None),
    ]


def work_on(button: Any, handler: Callable[..., Any], given: list[Any], states: list[Any], outputs: list[Any]) -> None:
    """Have a button begin long work, whose state `controls` shows while it waits for its turn, and while it runs."""
    waiting = button.click(lambda: controls(True, bar("waiting for its turn", 0), None), None, states, **AT_ONCE)
    ended = waiting.then(handler, given, [*states, *outputs], **LONG)
    ended.then(lambda: controls(False, "", None), None, states, **AT_ONCE)  # well or not


def end_work(state: Any) -> Any:
    """Have the work of a tab end with what there is; its button waits for the next work."""
    if state.work is not None:
        state.work.end()
    return gr.update(interactive=False)
