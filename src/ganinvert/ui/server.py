"""The server of the page: on this computer alone unless asked otherwise, without telemetry, leaving no files."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path

from ganinvert.errors import OutputError, UsageError
from ganinvert.settings.common import DEFAULT_GENERATOR

HOST, FIRST_PORT = "127.0.0.1", 7860
LARGEST_UPLOAD = "1gb"
USER = "ganinvert"
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""Variables by which Gradio and what it loads keep to this computer."""


def require_gradio() -> None:
    """Raise UsageError if Gradio is not installed."""
    if find_spec("gradio") is None:
        raise UsageError("the page needs Gradio, which is not installed", hint="pip install 'ganinvert[ui]'")


@contextmanager
def serving(
    photo: Path | None = None,
    *,
    generator: str = DEFAULT_GENERATOR,
    device: str = "auto",
    host: str = HOST,
    port: int | None = None,
    say: Callable[[str], object] = print,
) -> Iterator[str]:
    """Serve the page in the body; its address comes out. Files of the page are removed afterwards.

    Args:
        photo: Photo that is open at first.
        generator: Name or path of the generator.
        device: Device to compute on, as `--device` has it.
        host: Name or address at which the page is served.
        port: Port; None for the first one from `FIRST_PORT` that is free.
        say: Receives a warning and the password if others may reach the page.

    Raises:
        UsageError: Gradio is not installed.
        OutputError: The port is used already.
        WeightsError: The generator is unknown or damaged.
    """
    require_gradio()
    folder = Path(tempfile.mkdtemp(prefix="ganinvert-ui-"))
    os.environ.update(QUIET, GRADIO_TEMP_DIR=str(folder / "page"))
    try:
        from ganinvert.ui.page import look, make_page
        from ganinvert.ui.studio import Studio

        page = make_page(Studio(generator, device, folder, photo))
        password = None if is_loopback(host) else secrets.token_urlsafe(16)
        try:
            _, address, _ = page.launch(
                server_name=host,
                server_port=port,
                auth=None if password is None else (USER, password),
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                ssr_mode=False,
                enable_monitoring=False,
                run_history=False,
                footer_links=[],
                max_file_size=LARGEST_UPLOAD,
                allowed_paths=[str(folder)],
                show_error=True,
                **look(),
            )
        except OSError as error:
            raise OutputError(
                f"the page cannot be served at {host}, port {port or 'any'}: taken, or not of this computer",
                hint="choose another --port, or leave --port out to have a free one",
            ) from error
        if password is not None:
            say("warning: others can reach this page, and whoever has the password can read and change what is on it")
            say(f"user: {USER}  password: {password}")
        try:
            yield address
        finally:
            page.close(verbose=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_loopback(host: str) -> bool:
    """True if only this computer reaches a host of this name or address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def wait() -> None:
    """Wait until a signal comes."""
    threading.Event().wait()
