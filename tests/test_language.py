"""Docstrings and help texts are full phrases: they begin with the noun or the verb that they are about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from rich.text import Text

import ganinvert
from ganinvert.cli import app

SOURCE = Path(ganinvert.__file__).parent
FRAGMENT = re.compile(r"(Of|What|How|Whether|That|Those)\b")
ENTRY = re.compile(r"^ +\*{0,2}\w+: +(.+)", re.MULTILINE)


def phrases(tree: ast.Module) -> Iterator[str]:
    """Docstrings, also of constants and fields, the entries of their sections, and the helps of options."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value.strip()
            yield from ENTRY.findall(node.value.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "number":
            yield ast.literal_eval(node.args[0])
        elif isinstance(node, ast.keyword) and node.arg == "help":
            yield from help_texts(node.value)
        elif (
            isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict) and ast.unparse(node.target) == "HELP"
        ):
            for text in node.value.values:
                yield from help_texts(text)


def help_texts(node: ast.expr) -> Iterator[str]:
    text = node.values[0] if isinstance(node, ast.JoinedStr) else node
    if isinstance(text, ast.Constant):
        yield re.sub(r"^\S+: ", "", str(text.value))


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_sentence_leaves_its_subject_out(path: Path) -> None:
    texts = phrases(ast.parse(path.read_text(encoding="utf-8")))
    assert not [text.split("\n")[0] for text in texts if FRAGMENT.match(text)]


def test_help_shows_every_word() -> None:
    """Words in brackets, such as the extra in ganinvert[ui], would be taken for markup, and left out."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        for text in [command.help, *(getattr(each, "help", "") for each in command.params)]:
            assert Text.from_markup(text or "").plain == (text or ""), name
