"""A MobileStyleGAN written as its publisher's OpenVINO files are: names, kinds and order of the layers."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import torch
from torch import Tensor

from ganinvert.generators.mobilestylegan import MobileStyleGANArchitecture, MobileStyleGANGenerator

DATA = "random_face/data/"


def tiny(seed: int = 0) -> MobileStyleGANGenerator:
    """A network of 32 px with random weights."""
    return MobileStyleGANGenerator.random(MobileStyleGANArchitecture((6, 6, 6), 4, (8, 8, 8, 12, 8, 8)), seed=seed)


class Writer:
    """Layers and edges of a graph that grows."""

    def __init__(self) -> None:
        self.layers: list[str] = []
        self.edges: list[str] = []
        self.binary = b""

    def add(self, kind: str, *inputs: int, name: str = "", data: str = "") -> int:
        number = len(self.layers)
        name = quoteattr(name or f"{kind}_{number}")
        self.layers.append(f'<layer id="{number}" name={name} type="{kind}" version="opset1"><data {data}/></layer>')
        self.edges += [
            f'<edge from-layer="{source}" from-port="0" to-layer="{number}" to-port="{port}"/>'
            for port, source in reversed(list(enumerate(inputs)))  # the order of the ports is not that of the file
        ]
        return number

    def constant(self, value: Tensor, name: str = "") -> int:
        content = value.detach().float().contiguous().numpy().tobytes()
        shape = ", ".join(map(str, value.shape))
        place = f'element_type="f32" shape="{shape}" offset="{len(self.binary)}" size="{len(content)}"'
        self.binary += content
        return self.add("Const", name=name or str(len(self.layers)), data=place)

    @property
    def xml(self) -> bytes:
        body = f"<layers>{''.join(self.layers)}</layers><edges>{''.join(self.edges)}</edges>"
        return f'<?xml version="1.0" ?><net name="x" version="10">{body}</net>'.encode()


def mapping(state: Mapping[str, Tensor]) -> Writer:
    graph = Writer()
    x = graph.add("Parameter", name="var")
    for n in range(sum(key.startswith("mapping.layers.") for key in state) // 2):
        bias = graph.constant(state[f"mapping.layers.{n}.bias"])
        shape = graph.add("Reshape", bias)
        product = graph.add("MatMul", x, graph.constant(state[f"mapping.layers.{n}.weight"]))
        x = graph.add("Add", product, shape)
    return graph


def synthesis(state: Mapping[str, Tensor]) -> Writer:
    """The styles come from the last to the first; those of convolutions are divided by a scale that the graph has."""
    graph = Writer()
    count = sum(key.endswith(".noise") for key in state)
    w = graph.add("Parameter", name="style")
    h = graph.constant(state["constant"][None], "m.input.input")

    def style(ours: str, theirs: str, scale: float | None) -> int:
        weight, bias = state[f"{ours}.weight"], state[f"{ours}.bias"][None]
        weight, bias = (x / (scale or 1.0) for x in (weight, bias))
        product = graph.add("MatMul", w, graph.constant(weight, f"{theirs}.modulation.weight"))
        shaped = graph.add("Reshape", graph.add("Add", product, graph.constant(bias, f"{theirs}.modulation.bias")))
        return (
            shaped if scale is None else graph.add("Multiply", shaped, graph.constant(torch.full((1, 1, 1, 1), scale)))
        )

    names = ["m.conv1", *(f"m.layers.{n // 2}.conv{n % 2 + 1}" for n in range(count - 1))]
    head = f"m.layers.{count // 2 - 1}.to_img"
    styles = {head: style("to_rgb.style", f"{head}.conv", 0.5)}
    for n in reversed(range(count)):
        styles[names[n]] = style(f"layers.{n}.style", f"{names[n]}.conv", 0.25)
        if n % 2:
            styles[f"up{n}"] = style(f"layers.{n}.up", f"m.layers.{n // 2}.up", None)
    for n, name in enumerate(names):
        if n % 2:
            h = graph.add("Multiply", styles[f"up{n}"], h)
        h = graph.add("Multiply", styles[name], h)
        weight = state[f"layers.{n}.weight"]
        if n:
            depthwise = state[f"layers.{n}.depthwise"][:, None]
            h = graph.add("GroupConvolution", h, graph.constant(depthwise, f"{name}.conv.weight_dw"))
            weight = weight[:, :, None, None]
        h = graph.add("Convolution", h, graph.constant(weight, f"Mul_{n}_copy"))
        h = graph.add("Add", h, graph.constant(state[f"layers.{n}.noise"][None, None]))
        h = graph.add("Add", h, graph.constant(state[f"layers.{n}.bias"][None, :, None, None], f"{name}.bias"))
        h = graph.add("PReLU", h, graph.constant(torch.tensor([0.2])))
    weight = graph.constant(state["to_rgb.weight"][:, :, None, None], f"{head}.conv.weight")
    h = graph.add("Convolution", graph.add("Multiply", styles[head], h), weight)
    graph.add("Add", h, graph.constant(state["to_rgb.bias"][None, :, None, None], f"{head}.bias"))
    return graph


def files(state: Mapping[str, Tensor]) -> dict[str, bytes]:
    """The four files, by their paths in the wheel."""
    graphs = {"MappingNetwork": mapping(state), "SynthesisNetwork": synthesis(state)}
    contents = {f"{DATA}{name}.xml": graph.xml for name, graph in graphs.items()}
    return contents | {f"{DATA}{name}.bin": graph.binary for name, graph in graphs.items()}


def digests(contents: Mapping[str, bytes]) -> tuple[tuple[str, str], ...]:
    return tuple((name, hashlib.sha256(content).hexdigest()) for name, content in contents.items())


def wheel(path: Path, contents: Mapping[str, bytes], *, version: str = "2021.7.21.1") -> Path:
    """Write a wheel."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**contents, f"random_face-{version}.dist-info/WHEEL": b"Wheel-Version: 1.0\n"}.items():
            archive.writestr(name, content)
    return path
