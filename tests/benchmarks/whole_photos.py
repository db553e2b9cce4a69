"""Whole photos after restoration: known pixels in place, groups of faces, and the detection of faces beside holes.

Usage:
    python tests/benchmarks/whole_photos.py holes PHOTOS [-g GENERATOR] [--limit N] [--side PIXELS] [--steps N]
    python tests/benchmarks/whole_photos.py groups PHOTOS -o FOLDER [-g GENERATOR] [--faces N]
    python tests/benchmarks/whole_photos.py detection ALIGNED UNALIGNED [--limit N]

`holes` inpaints aligned photos with holes over the eyes, the mouth, the left half and the middle, and counts results
whose square is where it was, and whose known pixels are the same to the bit. `groups` pastes faces into a scene of
stripes, colorizes, fills and enlarges it, and tells seconds per face. `detection` looks for the faces of photos with
such holes, and tells how far the squares are from those of the whole photos, as shares of their sides.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageDraw

from ganinvert import Inverter, images
from ganinvert.faces import Alignment, detect, face_square, misplacement
from ganinvert.images import Picture, Placement
from ganinvert.settings import ColorizeTask, InpaintTask, UpscaleTask

HOLES = {
    "eyes": (0.25, 0.37, 0.75, 0.57),
    "mouth": (0.3, 0.62, 0.7, 0.85),
    "left half": (0.0, 0.0, 0.5, 1.0),
    "middle": (0.25, 0.25, 0.75, 0.75),
}
"""Left, top, right and bottom in the square of a face."""


def mask_of(hole: str, place: Placement) -> Image.Image:
    """A mask, white where a hole is missing in the square of a face."""
    left, top, right, bottom = HOLES[hole]
    (x, y), (ax, ay), (dx, dy) = place.corner, place.across, place.down
    corners = [
        (x + u * ax + v * dx, y + u * ay + v * dy)
        for u, v in ((left, top), (right, top), (right, bottom), (left, bottom))
    ]
    mask = Image.new("L", place.frame, 0)
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    return mask


def photos(folder: Path, limit: int) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))[:limit]


def check_holes(arguments: argparse.Namespace) -> None:
    inverter = load(InpaintTask(), arguments)
    for hole in HOLES:
        whole, inplace, count, start = 0, 0, 0, time.perf_counter()
        for path in photos(arguments.photos, arguments.limit):
            photo = images.read(path)
            if arguments.side:
                photo = Picture(photo.rgb.resize((arguments.side, arguments.side), Image.Resampling.LANCZOS))
            mask = mask_of(hole, images.default_placement(photo.rgb.size, "crop"))
            prepared = inverter.prepare(images.with_hole(photo, mask))
            result = inverter.run([prepared])[0]
            known = np.asarray(mask) == 0
            count += 1
            whole += np.array_equal(np.asarray(result.whole)[..., :3][known], np.asarray(photo.rgb)[known])
            inplace += prepared.fit.placement == images.default_placement(photo.rgb.size, "crop")
        seconds = (time.perf_counter() - start) / count
        print(
            f"{hole:10s} known pixels identical {whole}/{count}, left in place {inplace}/{count}, {seconds:.1f} s",
            flush=True,
        )


def load(task: ColorizeTask | InpaintTask | UpscaleTask, arguments: argparse.Namespace) -> Inverter:
    inverter = Inverter.load(arguments.generator, task=task, device="cpu")
    if arguments.steps is None:
        return inverter
    settings = inverter.request.settings_for(styled=inverter.generator.is_styled)
    quick = replace(settings, optimization=replace(settings.optimization, steps=arguments.steps))
    return Inverter.open(replace(inverter.request, settings=quick), generator=inverter.generator)


def scene(paths: list[Path], side: int) -> tuple[Image.Image, list[Placement]]:
    """Faces in rows before stripes, turned a little, with soft borders; and the squares of all."""
    columns = int(np.ceil(np.sqrt(1.6 * len(paths))))
    rows = -(-len(paths) // columns)
    step = round(1.15 * side)
    frame = columns * step, rows * step
    x, y = np.meshgrid(np.arange(frame[0]), np.arange(frame[1]))
    waves = 110 + 40 * np.sin(x / 90) + 40 * np.cos(y / 70 + x / 200)
    picture = Image.fromarray(np.stack([waves, waves * 0.9, waves * 0.8], axis=2).astype(np.uint8))
    distance = np.hypot(*np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side)))
    soft = Image.fromarray((255 * ((1 - distance) / 0.2).clip(0, 1)).astype(np.uint8))
    places = []
    for n, path in enumerate(paths):
        face = images.read(path).rgb.resize((side, side), Image.Resampling.LANCZOS)
        corner = (n % columns * step + side // 13, n // columns * step + side // 13)
        picture.paste(face, corner, soft)
        places.append(Placement(frame, corner, (side, 0), (0, side)))
    return picture, places


def restore_groups(arguments: argparse.Namespace) -> None:
    arguments.output.mkdir(parents=True, exist_ok=True)
    picture, places = scene(photos(arguments.photos, arguments.faces), arguments.side or 160)
    mask = Image.new("L", picture.size, 0)
    for place in places:
        mask.paste(255, mask=mask_of("eyes", place))
    small = picture.resize((picture.width // 4, picture.height // 4), Image.Resampling.BICUBIC)
    inputs = {
        "colorize": (ColorizeTask(), Picture(picture.convert("L").convert("RGB"))),
        "inpaint": (InpaintTask(), images.with_hole(Picture(picture), mask)),
        "upscale": (UpscaleTask(4), Picture(small)),
    }
    for name, (task, given) in inputs.items():
        inverter = load(task, arguments)
        start = time.perf_counter()
        prepared = inverter.prepare(given)
        found = time.perf_counter()
        result = inverter.run([prepared])[0]
        seconds = (time.perf_counter() - found) / len(result.faces)
        squares = [square.fit.placement for square in prepared.squares]
        truth = [place.scaled(given.rgb.size) for place in places]
        done = sum(min(misplacement(place, square) for square in squares) < 0.2 for place in truth)
        print(f"{name}: {done} of {len(places)} faces done, {len(squares) - done} others", end="; ")
        print(f"detection {found - start:.1f} s, {seconds:.1f} s a face", flush=True)
        given.rgb.save(arguments.output / f"{name}.input.png")
        (arguments.output / f"{name}.png").write_bytes(images.encode_png(result.raster))


def measure_detection(arguments: argparse.Namespace) -> None:
    for folder in arguments.photos:
        for hole in HOLES:
            moved, kept, refused = [], 0, 0
            for path in photos(folder, arguments.limit):
                photo = images.read(path)
                plain = images.default_placement(photo.rgb.size, "crop")
                faces = detect(photo)
                if not faces:
                    continue
                truth = face_square(faces[0], photo.rgb.size)
                truth = plain if misplacement(truth, plain) <= 0.1 else truth
                holed = images.with_hole(photo, mask_of(hole, truth))
                [(square, _)], notes = Alignment("auto").find(holed, mode="crop", knows_faces=True)
                kept += square == plain
                refused += any("a guess" in note.text for note in notes)
                moved.append(misplacement(truth, square))
            within = sum(distance <= 0.1 for distance in moved)
            print(f"{folder.name} {hole:10s} within a tenth {within}/{len(moved)}", end=", ")
            print(f"median {median(moved):.3f}, largest {max(moved):.2f}", end=", ")
            print(f"left as they are {kept}, refused {refused}", flush=True)

    for side in (24, 32, 48):
        picture, places = scene([path for folder in arguments.photos for path in photos(folder, 10)], side)
        sizes, found = [], 0
        faces = detect(Picture(picture), smallest=16)
        for place in places:
            near = [face for face in faces if misplacement(place, face_square(face, picture.size)) < 0.3]
            found += bool(near)
            sizes += [face.size for face in near]
        print(f"aligned squares of {side} pixels: {found} of {len(places)} faces found", end=", ")
        print(f"of {median(sizes or [0]):.0f} pixels; {len(faces) - len(sizes)} others", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=["holes", "groups", "detection"])
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("-g", "--generator", default="portraits-64")
    parser.add_argument("-o", "--output", type=Path, default=Path("groups"))
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--faces", type=int, default=6)
    parser.add_argument("--side", type=int)
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    if arguments.study != "detection":
        [arguments.photos] = arguments.photos
    {"holes": check_holes, "groups": restore_groups, "detection": measure_detection}[arguments.study](arguments)


if __name__ == "__main__":
    main()
