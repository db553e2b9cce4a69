"""Graphs of OpenVINO's intermediate representation, version 10, read as data; nothing in them is executed.

An XML file lists layers, each with its number, kind and data, and edges between their ports. A `Const` layer tells
where its values lie in a second file, as little-endian numbers.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganinvert.errors import WeightsError

_LONGEST = 4 << 20  # bytes of XML; the known ones have 0.4 MB
_HINT = "the file is damaged or hostile: fetch it again"


@dataclass(frozen=True)
class Node:
    """A layer of a graph.

    Attributes:
        name: Name of the layer; often only a number.
        kind: Operation, such as "Convolution".
        data: Attributes of the operation.
        inputs: Numbers of the layers that feed its ports, in the ports' order.
    """

    name: str
    kind: str
    data: Mapping[str, str]
    inputs: tuple[str, ...]


class Graph:
    """A network as OpenVINO stores it.

    Args:
        xml: Content of the XML file.
        binary: Content of the file of constants.

    Raises:
        WeightsError: The XML has a document type, which could blow it up or read other files, or is no such graph.
    """

    def __init__(self, xml: bytes, binary: bytes) -> None:
        root = _parsed(xml)
        feeds: dict[str, list[tuple[int, str]]] = {}
        for edge in root.iterfind("edges/edge"):
            feeds.setdefault(edge.get("to-layer", ""), []).append((_count(edge, "to-port"), edge.get("from-layer", "")))
        self.nodes: dict[str, Node] = {}
        for layer in root.iterfind("layers/layer"):
            data, key = layer.find("data"), layer.get("id", "")
            inputs = tuple(source for _, source in sorted(feeds.get(key, [])))
            attributes = {} if data is None else data.attrib
            self.nodes[key] = Node(layer.get("name", ""), layer.get("type", ""), attributes, inputs)
        self._binary = binary
        self._users: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            for source in node.inputs:
                self._users.setdefault(source, []).append(node)
        self._numbers = {id(node): key for key, node in self.nodes.items()}

    def of_kind(self, kind: str) -> Iterator[Node]:
        """All layers of a kind, in the order of the file."""
        return (node for node in self.nodes.values() if node.kind == kind)

    def named(self, name: str) -> Tensor:
        """The values of the constant of a name; `WeightsError` if there is none."""
        for node in self.of_kind("Const"):
            if node.name == name:
                return self._values(node)
        raise WeightsError(f"has no constant {name}", hint="it is another network")

    def constant(self, node: Node) -> Tensor:
        """The values of the constant that a layer takes, directly or reshaped; `WeightsError` if it takes none."""
        for source in self._sources(node):
            if source.kind == "Reshape":
                source = next(self._sources(source), source)
            if source.kind == "Const":
                return self._values(source)
        raise WeightsError(f"the layer {node.name} takes no constant", hint="it is another network")

    def user(self, node: Node, kind: str) -> Node | None:
        """The first layer of a kind that takes a layer's result, directly or reshaped; None if there is none."""
        users = self._users.get(self._numbers[id(node)], [])
        users = users + [user for each in users if each.kind == "Reshape" for user in self._users_of(each)]
        return next((user for user in users if user.kind == kind), None)

    def user_of(self, name: str, kind: str) -> Node | None:
        """As `user`, for the constant of a name."""
        constant = next((node for node in self.of_kind("Const") if node.name == name), None)
        return self.user(constant, kind) if constant else None

    def _users_of(self, node: Node) -> list[Node]:
        return self._users.get(self._numbers[id(node)], [])

    def _sources(self, node: Node) -> Iterator[Node]:
        return (self.nodes[key] for key in node.inputs if key in self.nodes)

    def _values(self, node: Node) -> Tensor:
        """Read the values of a constant, after checking that they lie in the file and have the stated shape."""
        text = node.data.get("shape", "")
        shape = [int(part) for part in re.findall(r"\d{1,9}", text)]
        if node.data.get("element_type") != "f32" or not re.fullmatch(r"(\d{1,9}(, ?\d{1,9})*)?", text, re.ASCII):
            raise WeightsError(f"the constant {node.name} does not hold float32 numbers of a shape", hint=_HINT)
        offset, size = _number(node.data, "offset"), _number(node.data, "size")
        if size != 4 * math.prod(shape) or not size:
            raise WeightsError(f"the constant {node.name} has {size} bytes, which its shape does not make", hint=_HINT)
        if offset + size > len(self._binary):
            raise WeightsError(
                f"the constant {node.name} ends at byte {offset + size} of {len(self._binary)}: the file is cut short",
                hint=_HINT,
            )
        values = torch.frombuffer(bytearray(self._binary[offset : offset + size]), dtype=torch.float32)
        return values.reshape(shape)


def _parsed(xml: bytes) -> ET.Element:
    if len(xml) > _LONGEST:
        raise WeightsError(f"has {len(xml)} bytes of XML, more than any known graph", hint=_HINT)
    try:
        text = xml.decode()  # strictly UTF-8, whatever the text itself states, so that nothing hides in another code
    except UnicodeDecodeError as error:
        raise WeightsError("its XML is not UTF-8", hint=_HINT) from error
    if "<!" in text or "\0" in text:
        raise WeightsError("its XML has a document type or entities, which no graph needs", hint=_HINT)
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise WeightsError(f"its XML cannot be read: {error}", hint=_HINT) from error
    if root.tag != "net" or root.get("version") != "10":
        raise WeightsError("is not a graph of OpenVINO, version 10", hint="it is another file")
    return root


def _count(element: ET.Element, key: str) -> int:
    return _number(element.attrib, key)


def _number(data: Mapping[str, str], key: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text := data.get(key, ""), re.ASCII):
        raise WeightsError(f"its {key} is {text[:20]!r}, not a number", hint=_HINT)
    return int(text)
