"""Web pages that a server, above all Google Drive, sends instead of a file."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit


def drive_problem(page: str) -> str | None:
    """Describe why Google Drive refuses a file; None if the page states no known reason."""
    if "Quota exceeded" in page or "Too many users have viewed or downloaded" in page:
        return "Google Drive's daily quota of this file is used up: try again tomorrow, or fetch it with a browser"
    if "You need access" in page or "accounts.google.com" in page:
        return "Google Drive wants a login for this file"
    return None


def next_step(page: str, address: str) -> tuple[str, Mapping[str, str] | None] | None:
    """Parse the address and parameters to which Google Drive's page on files too large for its virus scan leads.

    Returns None if the page is another one, or leads to another host.
    """
    form = _Form()
    form.feed(page)
    if form.target is None:
        return None
    target = urljoin(address, form.target)
    here, there = urlsplit(address), urlsplit(target)
    google = (there.hostname or "").endswith((".google.com", ".googleusercontent.com")) and there.scheme == "https"
    if not google and (here.scheme, here.netloc) != (there.scheme, there.netloc):
        return None
    return target, form.fields or None


class _Form(HTMLParser):
    """The form `download-form` with its hidden fields, or the older link `uc-download-link`."""

    def __init__(self) -> None:
        super().__init__()
        self.target: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and values.get("id") == "download-form":
            self.target, self._inside = values.get("action"), True
        elif tag == "input" and self._inside and values.get("type") == "hidden" and values.get("name"):
            self.fields[str(values["name"])] = values.get("value") or ""
        elif tag == "a" and values.get("id") == "uc-download-link" and self.target is None:
            self.target = values.get("href")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
