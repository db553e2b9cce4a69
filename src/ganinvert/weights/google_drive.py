"""What web pages say that come instead of a file, above all those of Google Drive."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit


def drive_problem(page: str) -> str | None:
    """Google Drive's reason for not giving a file, in our words; None when the page states none we know."""
    if "Quota exceeded" in page or "Too many users have viewed or downloaded" in page:
        return "Google Drive's daily quota of this file is used up: try again tomorrow, or fetch it with a browser"
    if "You need access" in page or "accounts.google.com" in page:
        return "Google Drive wants a login for this file"
    return None


def next_step(page: str, address: str) -> tuple[str, Mapping[str, str] | None] | None:
    """What Google Drive's page on files too large for its virus scan leads to.

    Args:
        page: HTML.
        address: Of the page.

    Returns:
        Address and parameters of the next request; None when the page is something else, or leads elsewhere.
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
        given = dict(attrs)
        if tag == "form" and given.get("id") == "download-form":
            self.target, self._inside = given.get("action"), True
        elif tag == "input" and self._inside and given.get("type") == "hidden" and given.get("name"):
            self.fields[str(given["name"])] = given.get("value") or ""
        elif tag == "a" and given.get("id") == "uc-download-link" and self.target is None:
            self.target = given.get("href")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
