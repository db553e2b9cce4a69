"""Tasks on photos, by name. A further task is a file here, one in `ganinvert.tasks`, and a row."""

from __future__ import annotations

from ganinvert.settings.tasks.base import TaskOptions, Trial
from ganinvert.settings.tasks.colorize import ColorizeTask
from ganinvert.settings.tasks.inpaint import InpaintTask
from ganinvert.settings.tasks.invert import InvertTask
from ganinvert.settings.tasks.upscale import UpscaleTask

__all__ = ["TASKS", "ColorizeTask", "InpaintTask", "InvertTask", "TaskOptions", "Trial", "UpscaleTask"]

TASKS: dict[str, type[TaskOptions]] = {task.name: task for task in (InvertTask, ColorizeTask, UpscaleTask, InpaintTask)}
"""Every task on photos, in the order of the help."""
