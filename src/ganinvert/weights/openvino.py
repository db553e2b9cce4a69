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
        number: Number of the layer, by which edges name it.
        name: Name of the layer; often only a number.
        kind: Operation, such as "Convolution".
        data: Attributes of the operation.
        inputs: Numbers of the layers that feed its ports, in the ports' order.
    """

    number: str
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
            port = _number(edge.attrib, "to-port")
            feeds.setdefault(edge.get("to-layer", ""), []).append((port, edge.get("from-layer", "")))
        self.nodes: dict[str, Node] = {}
        for layer in root.iterfind("layers/layer"):
            data, key = layer.find("data"), layer.get("id", "")
            inputs = tuple(source for _, source in sorted(feeds.get(key, [])))
            attributes = {} if data is None else data.attrib
            self.nodes[key] = Node(key, layer.get("name", ""), layer.get("type", ""), attributes, inputs)
        self._binary = binary
        self._users: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            for source in node.inputs:
                self._users.setdefault(source, []).append(node)

    def of_kind(self, kind: str) -> Iterator[Node]:
        """All layers of a kind, in the order of the file."""
        return (node for node in self.nodes.values() if node.kind == kind)

    def named(self, name: str) -> Node:
        """The constant of a name; `WeightsError` if there is none."""
        for node in self.of_kind("Const"):
            if node.name == name:
                return node
        raise WeightsError(f"has no constant {name}", hint="it is another network")

    def constant(self, node: Node) -> Node | None:
        """The constant that a layer takes, directly or reshaped; None if it takes none."""
        numbers = list(node.inputs)
        for number in node.inputs:
            if number in self.nodes and self.nodes[number].kind == "Reshape":
                numbers += self.nodes[number].inputs[:1]
        sources = (self.nodes[number] for number in numbers if number in self.nodes)
        return next((source for source in sources if source.kind == "Const"), None)

    def user(self, node: Node, kind: str) -> Node | None:
        """The first layer of a kind that takes a layer's result, directly or reshaped; None if there is none."""
        users = self._users.get(node.number, [])
        reshaped = [user for each in users if each.kind == "Reshape" for user in self._users.get(each.number, [])]
        return next((user for user in (*users, *reshaped) if user.kind == kind), None)

    def operand(self, node: Node) -> Tensor:
        """The values of the constant that a layer takes; `WeightsError` if it takes none."""
        if (constant := self.constant(node)) is None:
            raise WeightsError(f"the layer {node.name} takes no constant", hint="it is another network")
        return self.values(constant)

    def values(self, node: Node) -> Tensor:
        """Read the values of a constant, after checking that they lie in the file and have the stated shape.

        Raises:
            WeightsError: They are no float32 numbers, or do not lie in the file, or do not have the stated size.
        """
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


def _number(data: Mapping[str, str], key: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text := data.get(key, ""), re.ASCII):
        raise WeightsError(f"its {key} is {text[:20]!r}, not a number", hint=_HINT)
    return int(text)
