"""A user's program, as mypy --strict sees it: every public name has a type, and results are what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

import ganinvert

PROGRAM = """
from pathlib import Path
from typing import assert_type

import torch
from PIL.Image import Image

import ganinvert
from ganinvert import Inversion, Inverter, LatentBundle, Objective, Optimization, Outcome, PmSFC, Step, UsageError


def report(step: Step) -> None:
    assert_type(step.index, int)
    assert_type(step.psnr, torch.Tensor)


def main(photo: Path) -> Path | None:
    settings = ganinvert.preset_of("pmsfc", "invert")
    assert_type(settings, ganinvert.InversionSettings)
    assert_type(settings.objective, Objective)
    assert_type(settings.optimization, Optimization)
    method = PmSFC(subspaces=6, codes=5)
    try:
        result = ganinvert.invert(photo, method=method, device="cpu", seed=3, callback=report)
    except UsageError as error:
        assert_type(error.exit_code, int)
        return None
    assert_type(result, Inversion)
    assert_type(result.image, Image)
    assert_type(result.metrics["psnr"], float)
    assert_type(result.outcome, Outcome)
    result.bundle.save(photo.with_suffix(".pt"))
    bundle = LatentBundle.load(photo.with_suffix(".pt"))
    assert_type(bundle, LatentBundle)
    assert_type(bundle.tensors["z"], torch.Tensor)
    assert_type(ganinvert.render(bundle, ganinvert.load_generator()).image, Image)
    assert_type(ganinvert.colorize(photo, luma="lab").image, Image)
    assert_type(Inverter.load(settings=settings, device="cpu"), Inverter)
    return photo
"""


def check(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """Type-check a program against the ganinvert that these tests import."""
    source = folder / "program.py"
    source.write_text(program)
    root = Path(__file__).resolve().parents[1]
    monkeypatch.chdir(root)  # mypy's settings, and the cache that `mypy src` left
    monkeypatch.setenv("MYPYPATH", str(Path(ganinvert.__file__).parents[1]))
    output, errors, status = api.run(["--strict", "--no-error-summary", str(source)])
    assert not errors
    return output, status


def test_a_users_program_is_well_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(PROGRAM, tmp_path, monkeypatch) == ("", 0)


def test_no_public_name_is_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"reveal_type(ganinvert.{name})" for name in ganinvert.__all__]
    output, status = check("\n".join(["import ganinvert", *names]), tmp_path, monkeypatch)
    types = re.findall('Revealed type is "(.*)"', output)
    assert (status, len(types)) == (0, len(names))
    assert "Any" not in types


def test_a_wrong_option_is_an_error_for_the_type_checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = 'import ganinvert\nganinvert.invert("a.jpg", fit="corp")\nganinvert.invret'
    output, status = check(program, tmp_path, monkeypatch)
    assert status == 1
    assert output.count("error:") == 2


def test_type_checkers_are_told_that_the_package_is_typed() -> None:
    assert Path(ganinvert.__file__).with_name("py.typed").exists()
