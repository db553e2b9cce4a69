"""A file server on 127.0.0.1 that misbehaves as asked."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler", bytes], None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        answer = self.server.answers.pop(0) if self.server.answers else self.server.otherwise
        answer(self, self.server.content)

    def log_message(self, *_arguments: Any) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def wanted(self) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else None


def serve(handler: Handler, content: bytes) -> None:
    """As a good server: with ranges."""
    _send(handler, content, len(content))


def cut(position: int) -> Answer:
    """The right length in the header, but the connection ends at that byte of the file."""
    return lambda handler, content: _send(handler, content, position)


def _send(handler: Handler, content: bytes, end: int) -> None:
    start = handler.wanted()
    headers = {"ETag": '"v1"'} if handler.server.etag else {}
    if start is None or handler.headers.get("If-Range", '"v1"') != '"v1"':
        handler.reply(200, content[:end], length=len(content), **headers)
    elif start >= len(content):
        handler.reply(416, Content_Range=f"bytes */{len(content)}")
    else:
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.reply(206, content[start : max(end, start)], length=len(content) - start, **headers)


def ignore_range(handler: Handler, content: bytes) -> None:
    handler.reply(200, content)


def status(code: int, **headers: str) -> Answer:
    return lambda handler, _content: handler.reply(code, b"no", **headers)


def page(text: str) -> Answer:
    return lambda handler, _content: handler.reply(200, text.encode(), Content_Type="text/html; charset=utf-8")


def half_then_wait(handler: Handler, content: bytes) -> None:
    """Sends half, then nothing until the client is gone."""
    handler.reply(200, content[: len(content) // 2], length=len(content), ETag='"v1"')
    handler.wfile.flush()
    handler.server.halfway.set()
    handler.connection.settimeout(60)
    handler.connection.recv(1)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = b""
        self.answers: list[Answer] = []
        self.otherwise: Answer = serve
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.etag = True
        self.halfway = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/net.pth"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that were killed


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
