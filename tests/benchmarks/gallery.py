"""The pictures of the gallery, made again by the commands that stand below them.

python tests/benchmarks/gallery.py PHOTOS [PICTURE…]

PHOTOS is a folder of aligned faces of FairFace by their numbers there, as docs/examples/CREDITS.md tells, and beside it
stands the folder `unaligned`; pictures are named as in docs/images, and all by default. The commands of
docs/gallery.md run in bash, each block in a folder of its own. They need ImageMagick.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^!\[[^\]]*\]\(images/(\S+)\)\n\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main(photos: Path, names: list[str]) -> None:
    """Run the blocks of some pictures, and put the pictures into their place."""
    blocks = dict(BLOCK.findall((ROOT / "docs" / "gallery.md").read_text()))
    for name in names or blocks:
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"PHOTOS": str(photos.resolve()), "REPOSITORY": str(ROOT)}
            subprocess.run(["bash", "-euxc", blocks[name]], cwd=folder, env=environment, check=True)
            shutil.copyfile(Path(folder) / name, ROOT / "docs" / "images" / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
