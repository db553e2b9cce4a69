"""The script that runs others' programs against ours, on small programs of ours that have the same interface."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganinvert.devices import resolve_precision

from .commandline import photo

SCRIPT = Path(__file__).parent / "benchmarks" / "against_references.py"
CLONE = {
    "models/model_settings.py": "MODEL_POOL = {'pggan_bedroom': {'resolution': 256, 'weight_path': ''}}\n",
    "inversion/methods.py": "from torch.optim import SGD\n",  # benchmarks/inversion.py must not stand in its place
    "derivable_models/gan_utils.py": "PGGAN_Inter_Output_Layer_256 = [-1, 17, 14, 11, 8, 5, 2]\n",
    "derivable_models/derivable_generator.py": """
import torch
from models.model_settings import MODEL_POOL
from . import gan_utils

class Network(torch.nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.bias = torch.load(settings["weight_path"])["output2.wscale.bias"]
        self.side = settings["resolution"]
        assert gan_utils.PGGAN_Inter_Output_Layer_256 == [-1, 5, 2] and self.side == 16

    def forward(self, code, post_model=False):
        return (code.mean() + self.bias)[None, :, None, None].expand(1, 3, self.side, self.side)

def get_derivable_generator(model, kind, arguments):
    return Network(MODEL_POOL[model]).cuda()
""",
}
PROGRAM = """
import argparse, pickle, cv2, torch
from torchvision.models.vgg import vgg16
from derivable_models.derivable_generator import get_derivable_generator
from inversion.methods import SGD

parser = argparse.ArgumentParser()
parser.add_argument("-i")
parser.add_argument("--gan_model")
parser.add_argument("--iterations", type=int)
parser.add_argument("--matrix_dir")
arguments, _ = parser.parse_known_args()
assert float(vgg16(pretrained=True).features[0].weight[0, 0, 0, 0]) != 0
assert arguments.matrix_dir is None or pickle.load(open(arguments.matrix_dir, "rb")).shape == (512, 512)
generator = get_derivable_generator(arguments.gan_model, "kind", arguments)
code = torch.zeros(3, requires_grad=True)
optimizer = SGD([code], lr=0.1)
for step in range(arguments.iterations):
    loss = (generator(code, post_model=True) - 1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name, text in CLONE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(*arguments: object) -> str:
    done = subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_has_a_row_of_the_program_and_one_of_ours_for_each_data_type(clone: Path) -> None:
    (clone / "multi_code_inversion.py").write_text(PROGRAM)
    printed = run("--mganprior", clone, "--sizes", 16, "--seconds", 0.2)
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| 16")]
    auto = resolve_precision("auto", torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    ours = [f"mganprior, ours in {dtype}" for dtype in ("float32", *["bfloat16"] * (auto == torch.bfloat16))]
    assert [row[1] for row in rows] == ["mganprior", *ours]
    for _, _, steps, seconds, times, memory, psnr in rows:
        assert int(steps) >= 3
        assert float(seconds) > 0
        assert float(times) == pytest.approx(float(rows[0][3]) / float(seconds), rel=0.05, abs=0.06)
        assert 0.1 < float(memory) < 20
        assert 0 < float(psnr) < 60


def test_the_other_program_gets_its_matrix(clone: Path) -> None:
    (clone / "self_express_inversion.py").write_text(PROGRAM)
    (clone / "16").mkdir()
    photo(clone / "16" / "photo.png", (16, 16))
    torch.save({"output2.wscale.bias": torch.zeros(3)}, clone / "16.pth")
    run("--seconds", 0.2, "--row", "pmsfc", clone, 16, clone)
    assert json.loads((clone / "row.json").read_text())["steps"] >= 3
