from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import ganinvert

HEAVY = ("torch", "numpy", "PIL", "sklearn", "matplotlib", "lpips")


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
