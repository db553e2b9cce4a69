"""Tasks on photos, by name. A further task is a file here, one in `ganinvert.tasks`, and a row."""

from ganinvert.settings.tasks.base import InvertTask as InvertTask
from ganinvert.settings.tasks.base import TaskOptions as TaskOptions
from ganinvert.settings.tasks.base import Trial as Trial
from ganinvert.settings.tasks.colorize import ColorizeTask as ColorizeTask
from ganinvert.settings.tasks.inpaint import InpaintTask as InpaintTask
from ganinvert.settings.tasks.restore import RestoreTask as RestoreTask
from ganinvert.settings.tasks.upscale import UpscaleTask as UpscaleTask

TASKS: dict[str, type[TaskOptions]] = {
    task.name: task for task in (InvertTask, ColorizeTask, UpscaleTask, InpaintTask, RestoreTask)
}
"""Every task on photos, in the order of the help."""
