"""Settings from flags, environment and file; completion; the doctor."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ganinvert import __version__, paths
from ganinvert.batch.events import BatchEnded, item_line, summary_line
from ganinvert.batch.inputs import Input
from ganinvert.batch.job import Job, JobResult
from ganinvert.cli import app
from ganinvert.cli._options import IO
from ganinvert.weights.catalog import CATALOG

from .commandline import names, photo, run

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text('codes = 2\nseed = 2\nsteps = 2\ndevice = "cpu"\n[invert]\nseed = 3\nsteps = 3\n')
    return path


def sources(text: str) -> dict[str, tuple[str, str]]:
    """Name, value and source of every line of `ganinvert config`."""
    return {row[0]: (row[1], row[2]) for row in (re.split(r"  +", line) for line in text.splitlines())}


def test_flags_beat_variables_beat_the_file_beats_defaults(
    file: Path, generator: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANINVERT_STEPS", "4")
    shown = sources(run("config", "--config", file).stdout)
    assert shown["steps"] == ("4", "environment, GANINVERT_STEPS")
    assert shown["seed"] == ("3", str(file))
    assert shown["codes"] == ("2", str(file))
    assert shown["layer"] == ("3", "default")
    assert shown["lr"] == ("1; varies by --method", "default")
    from ganinvert.bundle import LatentBundle

    command = ["invert", photo(tmp_path / "a.png"), "-o", tmp_path, "--config", file, *generator, "-R", 2]
    for extra, steps in (([], 4), (["--steps", "5", "--overwrite"], 5)):
        result = run(*command, *extra)
        assert result.exit_code == 0, result.stderr
        bundle = LatentBundle.load(tmp_path / "a.invert.pt")
        assert bundle.settings["optimization"]["steps"] == steps
        assert bundle.provenance["seed"] == 3
        assert bundle.settings["method"]["codes"] == 2


def test_the_users_file_is_read_unless_another_is_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANINVERT_CONFIG", str(file))
    assert sources(run("config").stdout)["steps"] == ("3", str(file))
    other = tmp_path / "other.toml"
    other.write_text("steps = 8")
    assert sources(run("config", "--config", other).stdout)["steps"] == ("8", str(other))
    monkeypatch.delenv("GANINVERT_CONFIG")
    assert paths.config_file().name == "config.toml"
    assert paths.config_file().parent.name == "ganinvert"


def test_a_tables_settings_are_its_commands_only(file: Path) -> None:
    assert sources(run("config", "discover", "--config", file).stdout)["seed"] == ("2", str(file))
    assert sources(run("config", "discover", "--config", file).stdout)["steps"][1] == "default"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("stesp = 3", "stesp is not a setting: did you mean steps?"),
        ("batch_size = 3", "did you mean batch-size?"),
        ("[invrt]\nsteps = 3", "invrt is not a setting: did you mean invert?"),
        ("[invert]\nstepps = 3", "[invert]: stepps is not a setting: did you mean steps?"),
        ("overwrite = true", "overwrite is not a setting"),
        ("invert = 3", "invert is a command, not a setting"),
        ("steps = 'many'", "steps cannot be 'many'"),
        ("seed = -1", "seed cannot be -1"),
        ("device = 'gpu'", "gpu: no such device"),
        ("preset = 'best'", "preset cannot be 'best'"),
        ("offline = 'yes'", "offline cannot be 'yes'"),
        ("steps = true", "steps cannot be True"),
        ("save = ['image']", "save takes one value"),
        ("steps = = 3", "is not TOML"),
    ],
)
def test_a_wrong_file_exits_2_and_says_where(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(content)
    for command in (["invert", tmp_path / "a.png"], ["config"]):
        result = run(*command, "--config", path)
        assert result.exit_code == 2
        assert words in result.stderr
        assert str(path) in result.stderr
        assert "hint: " in result.stderr
    assert names(tmp_path) == ["settings.toml"]


def test_a_file_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such configuration file" in run("config", "--config", tmp_path / "missing").stderr
    monkeypatch.setenv("GANINVERT_CONFIG", str(tmp_path / "missing"))
    assert run("config").exit_code == 2


def test_config_tells_of_offline_directories_and_variables_that_nothing_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANINVERT_OFFLINE", "1")
    monkeypatch.setenv("GANINVERT_DEVCIE", "cpu")
    result = run("config")
    shown = sources(result.stdout)
    assert shown["offline"] == ("True", "environment, GANINVERT_OFFLINE")
    assert shown["(cache directory)"] == (str(paths.cache_dir()), "environment, GANINVERT_CACHE_DIR")
    assert "GANINVERT_DEVCIE is set, but nothing reads it: did you mean GANINVERT_DEVICE?" in result.stderr
    assert run("config", "paint").exit_code == 2


def test_a_tilde_in_the_file_is_the_home_directory(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("output = '~/results'")
    assert sources(run("config", "--config", path).stdout)["output"][0] == str(Path.home() / "results")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("invert -g church", "church-256"),
        ("invert -g portr", "portraits-64"),
        ("invert --preset p", "paper"),
        ("invert --affinity thr", "thresholded"),
        ("invert --save image,b", "image,bundle"),
        ("invert --device cu", "cuda"),
        ("config disc", "discover"),
        ("fetch-weights cele", next(name for name in CATALOG if name.startswith("cele"))),
    ],
)
def test_the_shell_completes_names(typed: str, offered: str) -> None:
    from typer.testing import CliRunner

    words = f"ganinvert {typed}"
    variables = {"_GANINVERT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    result = CliRunner().invoke(app, [], prog_name="ganinvert", env=variables)
    assert offered in result.stdout.split()
    assert "torch" not in result.stdout


def test_every_command_has_its_options_in_the_same_panels() -> None:
    from typer.main import get_command

    known = {IO, "Method", "Optimisation", "Compute", "General", "Instead of fetching"}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # it is a group
        panels = {
            option.rich_help_panel for option in command.params
            if option.param_type_name == "option" and option.name != "help"
        }  # fmt: skip
        assert panels <= known, name
        assert any("--config" in option.opts for option in command.params), name


def test_the_doctor_tells_what_a_report_needs(data_dir: Path) -> None:
    result = run("doctor")
    assert result.exit_code == 0
    for words in (__version__, "torch 2", "cpu, ", "portraits-64 renders as it should", str(data_dir), "networks"):
        assert words in result.stdout
    assert "BROKEN" not in result.stdout


@pytest.mark.usefixtures("generator")
def test_the_doctor_lists_what_was_discovered() -> None:
    lines = run("doctor").stdout.splitlines()
    assert [line for line in lines if line.startswith("subspaces") and "/layer3/self-expression-" in line]


def test_the_doctor_works_where_torch_does_not(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch.so: cannot open shared object file')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    result = subprocess.run(
        [sys.executable, "-m", "ganinvert", "doctor"], capture_output=True, text=True, env=environment, check=False
    )
    assert result.returncode == 1
    assert result.stderr == ""
    assert "BROKEN: ImportError: libtorch.so" in result.stdout
    assert "packages     torch 2" in result.stdout
    assert "environment" in result.stdout


def documented(page: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, (REFERENCE / page).read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_every_variable_is_documented_and_exists() -> None:
    from typer.main import get_command

    from ganinvert.cli._config import options, variable

    commands = get_command(app).commands.values()  # type: ignore[attr-defined]
    known = {name for command in commands for _, option in options(command) if (name := variable(option))}
    known |= {"GANINVERT_CONFIG", "GANINVERT_CACHE_DIR", "GANINVERT_DATA_DIR"}
    assert documented("configuration.md", r"^\| `(GANINVERT_\w+)`") == known


def test_every_json_key_is_documented() -> None:
    job = Job((Input("a", Path("a"), "a"),), {})
    lines = [item_line(JobResult(job, "planned")), summary_line(BatchEnded("invert", "inverted", 1, Counter(), 0.1, 0))]
    keys = {key for line in lines for key in json.loads(line)}
    text = (REFERENCE / "json.md").read_text(encoding="utf-8")
    documented_keys = {key for row in re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE) for key in row.split(", ")}
    assert documented_keys == {f"`{key}`" for key in keys}
