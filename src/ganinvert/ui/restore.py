"""The tab that restores photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from ganinvert import images
from ganinvert.errors import UsageError
from ganinvert.settings import TASKS
from ganinvert.settings.tasks import InpaintTask, InvertTask, RestoreTask, TaskOptions
from ganinvert.tasks import Inversion
from ganinvert.ui.commands import Run, program, script
from ganinvert.ui.parts import (
    AT_ONCE,
    LIVE,
    buttons,
    controls,
    end_work,
    image,
    painted_mask,
    painting,
    results,
    steps_and_seed,
    unpainted,
    work_on,
    working,
)
from ganinvert.ui.studio import Studio, save, view
from ganinvert.ui.work import Work, bar, shown

CHOICES = {
    "Colorize: the photo is gray": "colorize",
    "Upscale: the photo is small": "upscale",
    "Inpaint: a part of the photo is missing": "inpaint",
    "Restore: it has noise, blur or JPEG artefacts, or lost several things": "restore",
}
LOSSES = ("gray", "downscale", "blur", "noise", "jpeg")
"""Options of `restore` on the page, in order; each that is 0, and a factor of 1, stands for no loss."""
MOST_SAMPLES = 8


@dataclass
class Sample:
    """One result: the photo and it as pictures for the page, its files, and how it was made."""

    before: Any
    picture: Any
    files: list[Path]
    run: Run
    summary: str
    stopped: str


@dataclass
class Restoration:
    """State of one browser tab."""

    path: Path | None = None
    before: Any = None
    work: Work[Any] | None = None
    samples: list[Sample] = field(default_factory=list)


def restore_tab(studio: Studio, page: Any) -> None:
    """Make the tab."""
    state, handlers = gr.State(Restoration()), _Handlers(studio)
    with gr.Row():
        with gr.Column():
            photo = gr.File(label="Photo to restore", height=140, value=studio.photo and str(studio.photo))
            task = gr.Radio(list(CHOICES), value=next(iter(CHOICES)), label="What happened to it")
            faces = image("Faces that were found", height=340, buttons=["fullscreen"], visible=False)
            hole = painting("Paint over what is missing", "hole", gr.Brush(24, ["#e01b8a"], color_mode="fixed"))
            mask = gr.File(label="Or a mask, white where the photo is missing", height=140, visible=False)
            found = gr.Markdown()
            with gr.Group(visible=False) as group:
                losses = [
                    gr.Checkbox(False, label="It has lost its colours"),
                    gr.Slider(1, 16, 1, step=1, label="Factor by which it is smaller than the wanted image"),
                    gr.Slider(0, 8, 0, step=0.1, label="Blur: standard deviation in pixels"),
                    gr.Slider(0, 50, 0, step=1, label="Noise: standard deviation in levels of 255"),
                    gr.Slider(0, 100, 0, step=1, label="Quality of its JPEG compression, 0 if none matters"),
                ]
            with gr.Accordion("More options", open=False):
                samples = gr.Slider(1, MOST_SAMPLES, 1, step=1, label="Different results to choose from")
                steps, seed = steps_and_seed()
            run, stop = buttons("Restore", "restore")
        with gr.Column():
            progress, present = working("restore")
            compared = gr.ImageSlider(label="Before | after", interactive=False, max_height=560, visible=False)
            gallery = gr.Gallery(
                label="Results to choose from",
                columns=4,
                allow_preview=False,
                height=180,
                object_fit="contain",
                visible=False,
            )
            summary = gr.Markdown()
            outputs = [compared, summary, *results("restore")]
    gr.on(
        [photo.change, *([page.load] if studio.photo else [])],
        handlers.open,
        [state, photo, task],
        [faces, hole, mask, group, found],
        **LIVE,
    )
    task.change(_chosen, [state, task], [faces, hole, mask, group], **AT_ONCE)
    states = [run, stop, progress, present]
    given = [state, task, hole, mask, samples, steps, seed, *losses]
    work_on(run, handlers.restore, given, states, [gallery, *outputs])
    stop.click(end_work, state, stop, **AT_ONCE)
    gallery.select(_select, state, outputs, **AT_ONCE)


def _chosen(state: Restoration, task: str) -> list[Any]:
    """Show what the task needs: the faces, or the photo to paint on and the mask; and the losses."""
    is_open, name = state.path is not None, CHOICES[task]
    is_holed = is_open and name in ("inpaint", "restore")
    return [
        gr.update(visible=is_open and not is_holed),
        *[gr.update(visible=is_holed)] * 2,
        gr.update(visible=name == "restore"),
    ]


def _select(state: Restoration, chosen: gr.SelectData) -> list[Any]:
    return _shown_sample(state.samples[chosen.index])


def _shown_sample(sample: Sample) -> list[Any]:
    """Values of the outputs that show a sample."""
    return [
        gr.update(value=(sample.before.resize(sample.picture.size), sample.picture), visible=True),
        sample.summary,
        gr.update(value=list(map(str, sample.files)), visible=True),
        script([sample.run.command()], sample.stopped),
        program(sample.run.python()),
    ]


@dataclass(frozen=True)
class _Handlers:
    studio: Studio

    @shown
    def open(self, state: Restoration, file: str | None, task: str) -> list[Any]:
        """Read the photo, and show the faces in it."""
        state.path, state.samples = None, []
        if file is None:
            return [*_chosen(state, task), ""]
        path = Path(file)
        picture = images.read(path)
        prepared = self.studio.session(InvertTask(), face="all", square=False).prepare(path)
        small = view(picture.rgb)
        squares = [square.fit.placement.scaled(small.size).corners for square in prepared.squares]
        notes = dict.fromkeys(note.text for square in prepared.squares for note in square.notes)
        state.path, state.before = path, small
        there = _chosen(state, task)
        return [
            there[0] | {"value": images.outlined(small, squares)},
            there[1] | {"value": unpainted(small)},
            *there[2:],
            "; ".join(notes),
        ]

    @shown
    def restore(
        self,
        state: Restoration,
        task: str,
        hole: Any,
        mask: str | None,
        samples: int,
        steps: int | None,
        seed: int | None,
        gray: bool,
        downscale: float,
        blur: float,
        noise: float,
        jpeg: float,
        request: gr.Request,
    ) -> Iterator[Any]:
        """Restore the photo, once for every sample."""
        if state.path is None:
            raise UsageError("there is no photo", hint="drop one first")
        folder, name = self.studio.new_folder(), CHOICES[task]
        losses = _losses((gray, int(downscale), float(blur), float(noise), int(jpeg))) if name == "restore" else {}
        chosen = _task(name, folder / f"{state.path.stem}.mask.png", hole, mask, losses)
        path, before, state.samples = state.path, state.before, []
        made_samples = state.samples  # another photo may be opened meanwhile
        for n in range(int(samples)):
            made = Run(
                name,
                path.name,
                self.studio.name,
                self.studio.generator.is_styled,
                mask=chosen.mask.name if isinstance(chosen, InpaintTask) and chosen.mask else "",
                steps=int(steps) if steps else None,
                seed=int(seed or 0) + n,
                losses=losses,
            )
            work = Work(partial(self._one, path, chosen, made))
            state.work = self.studio.running[str(request.session_hash)] = work
            for _ in work.looks():
                text = f"result {n + 1} of {samples}: {work.text}" if samples > 1 else work.text
                share = (n + work.share) / samples
                yield controls(True, bar(text, share), work.picture) + [gr.skip()] * 6
            made_samples.append(_sample(before, work.result, made, folder / str(n + 1), chosen))
            shown_now = _gallery(made_samples) + _shown_sample(made_samples[-1])
            yield controls(True, bar("done", 1), work.picture) + shown_now
            if work.is_ended:
                break

    def _one(self, path: Path, task: TaskOptions, made: Run, work: Work[Any]) -> Inversion:
        session = self.studio.session(task, made.steps, seed=made.seed)
        return session.run([session.prepare(path)], callback=work.watch)[0]


def _gallery(samples: Sequence[Sample]) -> list[Any]:
    pictures = [(sample.picture, f"seed {sample.run.seed}") for sample in samples]
    return [gr.update(value=pictures, visible=len(pictures) > 1, selected_index=None)]


def _losses(values: Sequence[float]) -> dict[str, float]:
    """The losses that there are, by the names of `restore`'s options."""
    there = dict(zip(LOSSES, values, strict=True))
    return {name: value for name, value in there.items() if value and (name, value) != ("downscale", 1)}


def _task(name: str, file: Path, hole: Any, mask: str | None, losses: Mapping[str, Any]) -> TaskOptions:
    """The task with its options; a painted hole is written into a mask's file.

    Raises:
        UsageError: Nothing says what is missing.
    """
    if name not in ("inpaint", "restore"):
        return TASKS[name]()
    painted = painted_mask(hole) if mask is None else None
    if painted is not None:
        file.write_bytes(images.encode_png(images.to_pil(painted)))
        mask = str(file)
    if mask is None and not losses:
        hint = "paint over what is missing, or give a mask"
        raise UsageError("nothing is painted", hint=f"{hint}, or say what else it lost" if name == "restore" else hint)
    given = None if mask is None else Path(mask)
    return InpaintTask(given) if name == "inpaint" else RestoreTask(given, **losses)


def _sample(before: Any, result: Inversion, made: Run, folder: Path, task: TaskOptions) -> Sample:
    folder.mkdir()
    files = save(result, folder, made.stem)
    if isinstance(task, InpaintTask) and task.mask is not None:
        files.append(task.mask)
    metrics, stopped = result.metrics, str(result.bundle.provenance.get("stopped", ""))
    sentences = [f"explains what is known to PSNR {metrics['psnr']:.2f} dB, LPIPS {metrics['lpips']:.3f}"]
    sentences += [f"stopped {stopped}"] if stopped else []
    sentences += [note.text for note in result.notes]
    sentences += [result.outcome.value] if result.outcome.value else []
    return Sample(before, view(result.whole or result.image), files, made, "; ".join(sentences), stopped)
