"""`ganinvert ui`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganinvert.cli import _options as options
from ganinvert.cli._console import output
from ganinvert.cli._options import IO, opt
from ganinvert.cli._transfers import choose_generator, ready_generator
from ganinvert.errors import ImageError

_HOST = "Address of this computer at which the page is served; others than the default let others in, by a password."
_PORT = "Port of the page."


def ui(
    photo: Annotated[
        Path | None, typer.Argument(metavar="PHOTO", help="Photo that is open at first.", show_default=False)
    ] = None,
    generator: options.Generator = None,
    host: Annotated[str, opt(IO, "--host", help=_HOST, metavar="HOST")] = "127.0.0.1",
    port: Annotated[
        int | None,
        opt(IO, "--port", help=_PORT, metavar="N", min=1, max=65535, show_default="the first free one from 7860"),
    ] = None,
    device: options.Device = "auto",
    offline: options.Offline = False,
) -> None:
    """Open a page for the browser: paint, restore, compare, edit; everything stays on this computer.

    Ctrl-C ends it. It needs the extra "ui" of the package.

    Example: ganinvert ui photo.jpg
    """
    from ganinvert.ui.server import require_gradio, serving, wait

    require_gradio()
    if photo is not None and not photo.is_file():
        raise ImageError(f"{photo}: no such file", hint="check the spelling of the path")
    name = ready_generator(*choose_generator(generator), offline=offline)
    output.say("loading")
    with serving(photo, generator=name, device=device, host=host, port=port, say=output.say) as address:
        output.say("open this address in a browser; Ctrl-C ends")
        output.data(address)
        wait()
