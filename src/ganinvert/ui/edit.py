"""The tab that inverts photos and edits them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from ganinvert import images, progress
from ganinvert.bundle import LatentBundle
from ganinvert.directions import find_directions
from ganinvert.errors import UsageError
from ganinvert.generators import Generator
from ganinvert.settings.directions import DirectionKind
from ganinvert.tasks import Edit, interpolate, render
from ganinvert.ui.changes import LAST, Changes
from ganinvert.ui.commands import program, script
from ganinvert.ui.glance import GLANCE, Glance
from ganinvert.ui.parts import (
    AT_ONCE,
    LIVE,
    buttons,
    controls,
    end_work,
    image,
    results,
    steps_and_seed,
    work_on,
    working,
)
from ganinvert.ui.sources import Source, invert
from ganinvert.ui.studio import Studio, save_edit, view
from ganinvert.ui.work import Work, bar, shown

DIRECTIONS, STRONGEST = 6, 4.0
"""Number of directions that have sliders, and the largest strength along them."""
FRAMES, SIDE = 30, 300


@dataclass
class Editing:
    """State of one browser tab."""

    sources: list[Source] = field(default_factory=list)
    work: Work[Any] | None = None
    history: list[tuple[Changes, Any]] = field(default_factory=list)
    edited: Edit | None = None


def edit_tab(studio: Studio) -> None:
    """Make the tab."""
    state, handlers = gr.State(Editing()), _Handlers(studio)
    with gr.Row():
        with gr.Column():
            photo = gr.File(label="Photo or bundle", height=140, value=studio.photo and str(studio.photo))
            other = gr.File(label="Second photo or bundle, to take from", height=140)
            with gr.Accordion("More options of the inversion", open=False):
                steps, seed = steps_and_seed()
            run, stop = buttons("Invert", "invert")
            shown_progress, present = working("invert")
            sliders = _sliders(studio)
        with gr.Column():
            with gr.Row():
                target = image("Photo", height=SIDE, visible=False, buttons=[], elem_classes="enlarged")
                inverted = image("Inversion", height=SIDE, visible=False, buttons=[], elem_classes="enlarged")
            quality = gr.Markdown()
            edited = image(
                "Edited",
                height=2 * SIDE,
                visible=False,
                buttons=["fullscreen"],
                elem_id="edited",
                elem_classes="enlarged",
            )
            with gr.Row():
                keep = gr.Button("Keep this in the history", interactive=False)
                film = gr.Button("Film from the inversion to this", interactive=False)
            history = gr.Gallery(
                label="History", columns=6, allow_preview=False, height=180, object_fit="contain", visible=False
            )
            moving = image(
                "Film", height=SIDE, visible=False, buttons=["fullscreen"], elem_id="film", elem_classes="enlarged"
            )
            files, command, python = results("edit")
    shown_edit = [edited, command, python]
    states = [run, stop, shown_progress, present]
    opened = [target, inverted, quality, keep, film, history, files, *shown_edit, *sliders]
    work_on(run, handlers.invert, [state, photo, other, steps, seed], states, opened)
    stop.click(end_work, state, stop, **AT_ONCE)
    for slider in sliders:
        slider.change(handlers.change, [state, *sliders], shown_edit, trigger_mode="always_last", **LIVE)
    keep.click(handlers.keep, [state, *sliders], [history, files], **LIVE)
    work_on(film, handlers.film, [state], states, [moving, files])
    history.select(_go_back, state, sliders, **AT_ONCE)


def _sliders(studio: Studio) -> list[Any]:
    """Sliders for what the generator can: the kind of directions, directions, styles and subspaces."""
    generator, count = studio.generator, studio.session(preset="edit").partition.subspaces
    kinds, styled = _kinds(generator), generator.is_styled
    with gr.Accordion("Directions, in standard deviations"):
        kind = gr.Radio(kinds, value=kinds[0], label="Kind of the directions", visible=len(kinds) > 1)
        made = [
            gr.Slider(-STRONGEST, STRONGEST, 0, step=0.1, label=f"Direction {n}", elem_id=f"direction-{n}")
            for n in range(DIRECTIONS)
        ]
    with gr.Accordion("Styles of the second photo", visible=styled):
        last = _last_style(generator)
        first = gr.Slider(0, max(last, 1), 0, step=1, label="From style", visible=styled)
        end = gr.Slider(0, max(last, 1), last // 2, step=1, label="To style", visible=styled)
        mixing = gr.Slider(0, 1, 0, step=0.05, label="Share of these styles", visible=styled, elem_id="mixing")
    with gr.Accordion("Subspaces of the second photo", visible=count > 1):
        shares = [
            gr.Slider(0, 1, 0, step=0.05, label=f"Subspace {n}", elem_id=f"subspace-{n}") for n in range(1, count + 1)
        ]
    return [kind, *made, first, end, mixing, *(shares if count > 1 else [])]


def _kinds(generator: Generator) -> list[DirectionKind]:
    """Kinds of directions that can be found for a generator."""
    return [kind for kind in get_args(DirectionKind) if kind != "sefa" or generator.style_inputs()]


def _last_style(generator: Generator) -> int:
    return max(len(generator.style_inputs()) - 1, 0)


def _changes(values: Sequence[Any]) -> Changes:
    kind, *numbers = values
    strengths, (first, last, mixing), shares = numbers[:DIRECTIONS], numbers[DIRECTIONS:][:3], numbers[DIRECTIONS + 3 :]
    rounded = [tuple(round(float(each), 2) for each in group) for group in (strengths, shares)]
    return Changes(kind, rounded[0], (int(first), int(last)), round(float(mixing), 2), rounded[1])


def _positions(changes: Changes) -> list[Any]:
    """Values of the sliders for these changes."""
    return [changes.kind, *changes.directions, *changes.styles, changes.mixing, *changes.subspaces]


def _go_back(state: Editing, chosen: gr.SelectData) -> list[Any]:
    return _positions(state.history[chosen.index][0])


@dataclass(frozen=True)
class _Handlers:
    studio: Studio

    @shown
    def invert(
        self,
        state: Editing,
        photo: str | None,
        other: str | None,
        steps: int | None,
        seed: int | None,
        request: gr.Request,
    ) -> Iterator[Any]:
        """Invert the photos that are no bundles, one after another."""
        if photo is None:
            raise UsageError("there is no photo", hint="drop one first")
        paths = [Path(each) for each in (photo, other) if each is not None]
        state.sources, state.history, state.edited = [], [], None
        others = [gr.skip()] * (10 + len(self._zero()))
        for n, path in enumerate(paths):
            work = Work(partial(self._source, path, steps, seed))
            state.work = self.studio.running[str(request.session_hash)] = work
            for _ in work.looks():
                text = f"{path.name}: {work.text}"
                yield controls(True, bar(text, (n + work.share) / len(paths)), work.picture) + others
            state.sources.append(work.result)
        yield controls(True, bar("done", 1), None) + self._opened(state)

    def _source(self, path: Path, steps: int | None, seed: int | None, work: Work[Any]) -> Source:
        source = invert(self.studio, path, steps, seed, work)
        for kind in _kinds(self.studio.generator):  # sliders shall not wait for them
            progress.report("finding directions", 0, 1)
            find_directions(self.studio.editor, kind)
        editor = self.studio.editor
        return replace(source, glance=Glance.of(source.bundle, editor)) if editor.resolution > GLANCE else source

    def _zero(self) -> list[Any]:
        last = _last_style(self.studio.generator)
        count = self.studio.session(preset="edit").partition.subspaces
        return _positions(Changes(directions=(0.0,) * DIRECTIONS, styles=(0, last // 2), subspaces=_zeros(count)))

    def _opened(self, state: Editing) -> list[Any]:
        """Values of the outputs after an inversion; see `edit_tab`."""
        first, positions = state.sources[0], self._zero()
        return [
            gr.update(value=first.target, visible=first.target is not None),
            gr.update(value=first.picture, visible=True),
            first.quality,
            gr.update(interactive=True),
            gr.update(interactive=True),
            gr.update(value=None, visible=False),
            gr.update(value=_files(state.sources), visible=True),
            *self._edit(state, _changes(positions), None),
            *positions,
        ]

    @shown
    def change(self, state: Editing, *values: Any) -> Iterator[list[Any]]:
        """Make the changes that the sliders ask for, and show a first look, then the image and the commands."""
        if not state.sources:
            yield [gr.skip()] * 3
            return
        changes = _changes(values)
        edited, glance = self._changed(state, changes), state.sources[0].glance
        if edited is not None and glance is not None:
            yield [gr.update(value=glance.look(edited, self.studio.editor), visible=True), gr.skip(), gr.skip()]
        yield self._edit(state, changes, edited)

    def _changed(self, state: Editing, changes: Changes) -> LatentBundle | None:
        first, *others = state.sources
        if changes.needs_other and not others:
            raise UsageError("there is no second photo to take from", hint="drop one, and invert again")
        return changes.apply(first.bundle, others[0].bundle if others else None, self.studio.editor)

    def _edit(self, state: Editing, changes: Changes, edited: LatentBundle | None) -> list[Any]:
        first, *others = state.sources
        state.edited = None if edited is None else render(edited, self.studio.editor)
        picture = first.picture if state.edited is None else view(state.edited.image)
        a, b = first.files[-1].name, (others or [first])[0].files[-1].name
        runs = [source.run for source in (state.sources if changes.needs_other else [first]) if source.run is not None]
        commands = [*(run.command() for run in runs), *changes.commands(a, b, self.studio.name)]
        lines = [line for run in runs for line in [*run.python(), ""]]
        lines += changes.python(a, b, self.studio.name) if state.edited is not None else []
        return [gr.update(value=picture, visible=True), script(commands), program(lines)]

    @shown
    def keep(self, state: Editing, *values: Any) -> list[Any]:
        """Put the edit into the history, and its files among those to download."""
        changes, edited = _changes(values), self._present(state)
        state.history.append((changes, view(edited.image)))
        files = save_edit(edited.image, edited.bundle, self.studio.new_folder(), LAST)
        pictures = [(picture, f"edit {n}") for n, (_, picture) in enumerate(state.history, 1)]
        return [
            gr.update(value=pictures, visible=True, selected_index=None),
            gr.update(value=[*_files(state.sources), *map(str, files)], visible=True),
        ]

    @shown
    def film(self, state: Editing) -> Iterator[Any]:
        """Make a film from the inversion to the edit."""
        edited, first = self._present(state), state.sources[0].bundle
        work = Work(lambda _: interpolate(first, edited.bundle, self.studio.editor, frames=FRAMES))
        for _ in work.looks():
            yield [*controls(True, bar(work.text, work.share), None), gr.skip(), gr.skip()]
        frames = [each.image for each in work.result]
        path = self.studio.new_folder() / f"{LAST}.webp"
        path.write_bytes(images.encode_animation([*frames, *reversed(frames)], "webp"))
        files = gr.update(value=[*_files(state.sources), str(path)], visible=True)
        yield [*controls(True, bar("done", 1), None), gr.update(value=str(path), visible=True), files]

    def _present(self, state: Editing) -> Edit:
        if state.edited is None:
            raise UsageError("nothing is changed yet", hint="move a slider first")
        return state.edited


def _zeros(count: int) -> tuple[float, ...]:
    return (0.0,) * count if count > 1 else ()


def _files(sources: Sequence[Source]) -> list[str]:
    return [str(file) for source in sources for file in source.files]
