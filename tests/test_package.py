from __future__ import annotations

import inspect
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

import ganinvert

from .commandline import photo
from .conftest import EXAMPLE

HEAVY = ("torch", "numpy", "PIL", "sklearn", "matplotlib", "lpips")
SLOW = ("pydantic", "multiprocessing", "filelock", "importlib.metadata")
"""Modules that no help needs; each takes 10 to 100 ms to import."""


@pytest.mark.parametrize(
    "code",
    [
        "import ganinvert",
        "import ganinvert; ganinvert.PmSFC; ganinvert.UsageError",
        "import sys; sys.argv = ['ganinvert', '--help']; from ganinvert.cli import main; main()",
        "import sys; sys.argv = ['ganinvert', '--version']; from ganinvert.cli import main; main()",
        "import sys; sys.argv = ['ganinvert', 'invert', '-h']; from ganinvert.cli import main; main()",
        "import sys; sys.argv = ['ganinvert', 'discover', '-h']; from ganinvert.cli import main; main()",
        "import sys; sys.argv = ['ganinvert', 'train', '-h']; from ganinvert.cli import main; main()",
        "import sys; sys.argv = ['ganinvert', 'fetch-weights', '--list']; from ganinvert.cli import main; main()",
        "import sys; sys.argv = ['ganinvert', 'config']; from ganinvert.cli import main; main()",
    ],
)
def test_start_up_imports_nothing_heavy(code: str) -> None:
    watch = f"import atexit, sys; atexit.register(lambda: print('LOADED', [m for m in {HEAVY} if m in sys.modules]))\n"
    result = subprocess.run([sys.executable, "-c", watch + code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("LOADED []")


@pytest.mark.parametrize("command", ["", "invert", "edit", "evaluate", "fetch-weights"])
def test_help_imports_nothing_slow(command: str) -> None:
    watch = f"import atexit, sys; atexit.register(lambda: print('LOADED', [m for m in {SLOW} if m in sys.modules]))\n"
    code = f"sys.argv = ['ganinvert', *{command.split()}, '--help']; from ganinvert.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", watch + code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("LOADED []")


def test_inversions_import_nothing_that_they_do_not_need(tmp_path: Path) -> None:
    """Each takes seconds, or half of one: torchvision brings torch.compile, which brings sympy."""
    slow = ("torchvision", "torch._dynamo", "sympy", "scipy", "sklearn", "matplotlib")
    watch = f"import atexit, sys; atexit.register(lambda: print('LOADED', [m for m in {slow} if m in sys.modules]))\n"
    code = f"sys.argv = ['ganinvert', 'invert', {str(EXAMPLE)!r}, '--steps', '1', '-o', {str(tmp_path)!r}]\n"
    code += "from ganinvert.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", watch + code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("LOADED []")
    assert "LPIPS" in result.stderr


WRONG = """
invert
invert -r empty
invert --from-file missing.txt
invert a.jpg --method pmsfd
invert a.jpg -R 0
invert a.jpg -K 0
invert a.jpg --layer -1
invert a.jpg --steps 0
invert a.jpg --lr 0
invert a.jpg --seed -1
invert a.jpg --method single -R 3
invert a.jpg --method optimized --codes 3
invert a.jpg --method dgp --refine pti
invert a.jpg --reals .
invert a.jpg --save picture
invert a.jpg --name {stme}
invert a.jpg --device gpu
invert a.jpg --batch-size many
invert a.jpg -o a.jpg
invert a.jpg b.jpg -o c.png
invert a.jpg -g portrait-64
invert a.jpg --face 0
invert a.jpg --config missing.toml
invert a.jpg --config wrong.toml
invert --nonsense
colorize
colorize a.jpg --luma red
upscale a.jpg --factor 1
inpaint a.jpg --box 1,2
inpaint a.jpg --mask a.jpg --box 1,2,3,4
inpaint a.jpg --mask missing.png
swap a.jpg
swap a.pt b.pt --device gpu
interpolate a.pt
interpolate a.pt b.pt --frames 0
render
render --scale x a.pt
discover -R 0
discover --steps 0
discover -o a.jpg
discover -g portrait-64
evaluate
evaluate a.jpg --task blur
train
train missing
train . --steps 0
train-encoder --steps 0
train-encoder -g portrait-64
fetch-weights
fetch-weights chruch-256
ui --port 0
ui -g portrait-64
config paint
paint
"""


def test_a_usage_error_comes_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("a.jpg", "b.jpg", "a.pt", "b.pt"):
        (tmp_path / name).touch()
    (tmp_path / "wrong.toml").write_text("stesp = 3")
    program = f"""
import sys
from typer.testing import CliRunner
from ganinvert.cli import app
for line in {WRONG!r}.strip().splitlines():
    result = CliRunner().invoke(app, line.split())
    for name in {HEAVY}:
        if name in sys.modules:
            sys.exit(f"{{line}} imports {{name}}: {{result.stderr}}")
    if result.exit_code not in (2, 3) or "rror" not in result.stderr:
        print(line, result.exit_code, result.stderr, result.exception)
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("", "")


TEXT = "error: text.jpg: is not an image of a supported format"
MISSING = "error: missing.jpg: no such file"
MISSING_BUNDLE = "error: missing.pt: no such file"
HOUSE = ["-g", "portraits-64"]


@pytest.mark.parametrize(
    ("commands", "errors"),
    [
        ([["colorize", "text.jpg", *HOUSE], ["colorize", "missing.jpg", *HOUSE]], [[TEXT], [MISSING]]),
        ([["colorize", "text.jpg", "missing.jpg", *HOUSE]], [[TEXT, MISSING]]),
        ([["edit", "text.jpg", "--direction", "sefa-0", *HOUSE], ["render", "missing.pt"]], [[TEXT], [MISSING_BUNDLE]]),
        ([["swap", "missing.pt", "missing.jpg", "--subspaces", "2"]], [[MISSING_BUNDLE]]),
    ],
)
def test_files_that_are_missing_or_no_pictures_are_told_before_torch_is_imported(
    commands: list[list[str]], errors: list[list[str]], tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    program = f"""
import sys
from typer.testing import CliRunner
from ganinvert.cli import app
for command in {commands}:
    result = CliRunner().invoke(app, command)
    print(result.exit_code, "torch" in sys.modules, [line for line in result.stderr.splitlines() if "error" in line])
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [f"1 False {each}" for each in errors]


def test_torch_is_not_imported_for_weights_that_cannot_be_fetched(tmp_path: Path) -> None:
    program = """
import socket, sys
from typer.testing import CliRunner
from ganinvert.cli import app
def unknown(*arguments, **options):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
socket.getaddrinfo = unknown
for command in (["fetch-weights", "church-256"], ["invert", "photo.jpg", "-g", "church-256"]):
    result = CliRunner().invoke(app, command)
    print(result.exit_code, "torch" in sys.modules, "could not be fetched" in result.stderr)
"""
    photo(tmp_path / "photo.jpg")
    environment = {**os.environ, "GANINVERT_CACHE_DIR": str(tmp_path / "cache")}
    environment.pop("GANINVERT_OFFLINE", None)
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["3 False True"] * 2


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("ganinvert", cache_dir=None)  # what type checkers alone import counts, too
    imports = {file: graph.find_modules_directly_imported_by(file) for file in graph.modules}
    TopologicalSorter(imports).prepare()


def test_module_runs_as_a_program() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ganinvert", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"ganinvert {ganinvert.__version__}\n"


def test_every_exported_name_exists_and_is_documented() -> None:
    assert {"invert", "LatentBundle", "UsageError"} < set(ganinvert.__all__) == set(dir(ganinvert))
    for name in ganinvert.__all__:
        value = getattr(ganinvert, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ganinvert.nonsense
