"""Measures the processor time of `--help` of every command: python tests/benchmarks/start_up.py.

Compiled files (`__pycache__`) are used as after an installation; the least of several runs is shown, in seconds.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys

import typer.main

from ganinvert.cli import app

RUNS = 7


def seconds(*arguments: str) -> float:
    """Processor time of a process of Python, of user and system together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def least(*arguments: str) -> float:
    """The least of several runs, after one that fills the caches."""
    return sorted(seconds(*arguments) for _ in range(RUNS + 1))[0]


def main() -> None:
    """Print the table."""
    print(f"Python {platform.python_version()}, {platform.machine()}; least of {RUNS} runs, seconds of processor time")
    print(f"{'python -c pass':24} {least('-c', 'pass'):.3f}")
    print(f"{'import typer, its help':24} {least('-c', 'import typer, typer.rich_utils'):.3f}")
    print(f"{'ganinvert --version':24} {least('-m', 'ganinvert', '--version'):.3f}")
    commands = getattr(typer.main.get_command(app), "commands", {})
    for name in ("", *commands):
        print(f"{'ganinvert ' + name:24} {least('-m', 'ganinvert', *name.split(), '--help'):.3f}")


if __name__ == "__main__":
    main()
