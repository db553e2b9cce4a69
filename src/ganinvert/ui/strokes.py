"""The tab that edits results by strokes that people paint on them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from ganinvert import images
from ganinvert.errors import UsageError
from ganinvert.settings.strokes import Strokes
from ganinvert.tasks import edit_strokes, film, transfer_edit
from ganinvert.tasks.strokes import MILLISECONDS, describe
from ganinvert.ui.commands import program, script
from ganinvert.ui.parts import (
    AT_ONCE,
    buttons,
    controls,
    end_work,
    image,
    painted,
    painting,
    results,
    steps_and_seed,
    unpainted,
    work_on,
    working,
)
from ganinvert.ui.sources import Source, invert
from ganinvert.ui.studio import Studio, save_edit, view
from ganinvert.ui.work import Work, bar, shown

KINDS = {"Colours that the image shall have": "strokes", "Lines that shall be its edges": "sketch"}
COLOURS = ["#e6c878", "#7a4a20", "#2a1a14", "#e8b99a", "#c02038", "#2850c8", "#ffffff", "#808080"]
"""Colours to begin with: of hair, skin, lips and grounds; the editor offers all others, too."""
SIDE = 512
"""Least side in pixels of the picture that is painted on."""


@dataclass
class Painting:
    """State of one browser tab."""

    source: Source | None = None
    work: Work[Any] | None = None


@dataclass(frozen=True)
class Edited:
    """A finished edit: its picture, the film, the whole photo if it was changed, and files."""

    picture: Any
    film: Path
    whole: Any
    files: list[Path]
    summary: str


def strokes_tab(studio: Studio) -> None:
    """Make the tab."""
    state, handlers = gr.State(Painting()), _Handlers(studio)
    with gr.Row():
        with gr.Column():
            photo = gr.File(label="Photo or bundle to paint on", height=140, value=studio.photo and str(studio.photo))
            with gr.Accordion("More options of the inversion to paint on", open=False):
                steps, seed = steps_and_seed()
            begin = gr.Button("Invert, to paint on it", elem_id="paint")
            canvas = painting(
                "Paint what you want to see", "strokes-canvas", gr.Brush(24, COLOURS, color_mode="defaults")
            )
            kind = gr.Radio(list(KINDS), value=next(iter(KINDS)), label="What the strokes are")
            closeness = gr.Slider(0, 1, Strokes().closeness, step=0.01, label="Closeness to the image before")
            whole = gr.Checkbox(False, label="Change the whole photo, too")
            run, stop = buttons("Change the image", "strokes")
            progress, present = working("strokes")
        with gr.Column():
            changed = image("Changed image", height=SIDE, visible=False, elem_id="changed", elem_classes="enlarged")
            summary = gr.Markdown()
            moving = image("Film of the change", height=SIDE // 2, visible=False, elem_classes="enlarged")
            photo_changed = image("Changed photo", height=SIDE, visible=False, elem_classes="enlarged")
            files, command, python = results("strokes")
    states = [run, stop, progress, present]
    work_on(begin, handlers.open, [state, photo, steps, seed], states, [canvas])
    given = [state, canvas, kind, closeness, whole]
    outputs = [changed, summary, moving, photo_changed, files, command, python]
    work_on(run, handlers.change, given, states, outputs)
    stop.click(end_work, state, stop, **AT_ONCE)


@dataclass(frozen=True)
class _Handlers:
    studio: Studio

    @shown
    def open(
        self, state: Painting, file: str | None, steps: int | None, seed: int | None, request: gr.Request
    ) -> Iterator[Any]:
        """Invert the photo, or read the bundle, and show its image to paint on."""
        if file is None:
            raise UsageError("there is no photo", hint="drop one first")
        state.source = None
        work = Work(partial(invert, self.studio, Path(file), steps, seed))
        yield from self._looks(state, work, request, others=1)
        state.source = work.result
        side = max(SIDE, state.source.picture.width)
        ground = unpainted(state.source.picture.resize((side, side)))
        yield [*controls(True, bar("done", 1), None), gr.update(value=ground, visible=True)]

    @shown
    def change(
        self, state: Painting, canvas: Any, kind: str, closeness: float, whole: bool, request: gr.Request
    ) -> Iterator[Any]:
        """Move the code until the image obeys the strokes."""
        source, layer = state.source, painted(canvas)
        if source is None:
            raise UsageError("there is nothing to paint on yet", hint="invert a photo first")
        if layer is None:
            raise UsageError("nothing is painted", hint="paint over the image what you want to see")
        if whole and source.photo is None:
            raise UsageError("a bundle has no photo that could be changed", hint="give the photo instead")
        options, folder = {KINDS[kind]: f"{source.files[-1].stem}.{KINDS[kind]}.png"}, self.studio.new_folder()
        strokes = folder / options[KINDS[kind]]
        strokes.write_bytes(images.encode_png(images.Raster(layer[..., :3], layer[..., 3])))
        chosen, photo = Strokes(closeness=round(float(closeness), 2)), source.photo if whole else None
        work = Work(partial(self._edit, source, KINDS[kind], strokes, chosen, photo))
        yield from self._looks(state, work, request, others=7)
        made = work.result
        yield [
            *controls(True, bar("done", 1), None),
            gr.update(value=made.picture, visible=True),
            made.summary,
            gr.update(value=str(made.film), visible=True),
            gr.update(value=made.whole, visible=made.whole is not None),
            gr.update(value=[str(path) for path in (*source.files, *made.files)], visible=True),
            *_commands(source, self.studio.name, KINDS[kind], strokes.name, chosen, photo),
        ]

    def _looks(self, state: Painting, work: Work[Any], request: gr.Request, *, others: int) -> Iterator[Any]:
        state.work = self.studio.running[str(request.session_hash)] = work
        for _ in work.looks():
            yield controls(True, bar(work.text, work.share), work.picture) + [gr.skip()] * others

    def _edit(
        self, source: Source, kind: str, strokes: Path, chosen: Strokes, photo: Path | None, work: Work[Any]
    ) -> Edited:
        before, editor, given = source.bundle, self.studio.editor, {kind: strokes}
        edited = edit_strokes(before, self.studio.generator, **given, settings=chosen, callback=work.watch)
        stem, folder = f"{source.files[-1].stem}.edit", strokes.parent
        files = [strokes, *save_edit(edited.image, edited.bundle, folder, stem), folder / f"{stem}.webp"]
        frames = film(before, edited.bundle, editor)
        animation = images.encode_animation([frame.image for frame in frames], "webp", milliseconds=MILLISECONDS)
        files[-1].write_bytes(animation)
        whole = None
        if photo is not None:
            raster = transfer_edit(before, edited.bundle, editor, photo, frames=frames)
            files.append(folder / f"{stem}.whole.png")
            files[-1].write_bytes(images.encode_png(raster))
            whole = view(raster.image)
        return Edited(view(edited.image), folder / f"{stem}.webp", whole, files, describe(edited.bundle.metrics))


def _commands(
    source: Source, generator: str, kind: str, strokes: str, chosen: Strokes, photo: Path | None
) -> list[str]:
    """The command lines, and the lines of Python, of an edit."""
    bundle, run = source.files[-1].name, source.run
    words = ["ganinvert", "edit", bundle, "-g", generator, f"--{kind}", strokes, "--closeness", f"{chosen.closeness:g}"]
    words += ["--film", *(["--transfer", photo.name] if photo is not None else [])]
    stem = f"{source.files[-1].stem}.edit"
    lines = [
        *([*run.python(), ""] if run is not None else []),
        f"generator = ganinvert.load_generator({generator!r})",
        f"bundle = ganinvert.LatentBundle.load({bundle!r})",
        f"settings = ganinvert.Strokes(closeness={chosen.closeness:g})",
        f"edited = ganinvert.edit_strokes(bundle, generator, {kind}={strokes!r}, settings=settings)",
        f"edited.image.save({stem + '.png'!r})",
        f"edited.bundle.save({stem + '.pt'!r})",
    ]
    if photo is not None:
        lines += [
            f"whole = ganinvert.transfer_edit(bundle, edited.bundle, generator, {photo.name!r})",
            f"whole.image.save({stem + '.whole.png'!r})",
        ]
    return [script([*([run.command()] if run is not None else []), shlex.join(words)]), program(lines)]
