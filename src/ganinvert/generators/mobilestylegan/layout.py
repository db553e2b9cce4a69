"""The published MobileStyleGAN as OpenVINO stores it, turned into the canonical state dict (see `formats`)."""

from __future__ import annotations

from torch import Tensor

from ganinvert.errors import WeightsError
from ganinvert.weights.openvino import Graph, Node


def from_openvino(mapping: Graph, synthesis: Graph) -> dict[str, Tensor]:
    """Take the weights of the two graphs by name where they have one, else by the operation that takes them.

    Statistics of the mapping network, `mapping.mean` and `mapping.deviation`, are not among them.
    """
    state: dict[str, Tensor] = {}
    for n, product in enumerate(mapping.of_kind("MatMul")):
        state[f"mapping.layers.{n}.weight"] = mapping.operand(product)
        state[f"mapping.layers.{n}.bias"] = mapping.operand(_next(mapping, product, "Add")).flatten()
    constant = _named(synthesis, "m.input.input")
    state["constant"] = constant.reshape(constant.shape[-3:])
    convolutions = list(synthesis.of_kind("Convolution"))
    head = convolutions.pop()
    for n, convolution in enumerate(convolutions):
        name = "m.conv1" if n == 0 else f"m.layers.{(n - 1) // 2}.conv{2 - n % 2}"
        weight, noise = synthesis.operand(convolution), synthesis.operand(_next(synthesis, convolution, "Add"))
        state[f"layers.{n}.weight"] = weight if n == 0 else weight.flatten(1)
        state[f"layers.{n}.noise"] = noise.reshape(noise.shape[-2:])
        state[f"layers.{n}.bias"] = _named(synthesis, f"{name}.bias").flatten()
        state |= _style(synthesis, f"{name}.conv", f"layers.{n}.style")
        if n % 2:
            state |= _style(synthesis, f"m.layers.{n // 2}.up", f"layers.{n}.up")
    for n, depthwise in enumerate(synthesis.of_kind("GroupConvolution"), start=1):
        weight = synthesis.operand(depthwise)
        state[f"layers.{n}.depthwise"] = weight.reshape(-1, 1, *weight.shape[-2:])
    state["to_rgb.weight"] = synthesis.operand(head).flatten(1)
    state["to_rgb.bias"] = synthesis.operand(_next(synthesis, head, "Add")).flatten()
    return state | _style(synthesis, f"m.layers.{len(convolutions) // 2 - 1}.to_img.conv", "to_rgb.style")


def _style(graph: Graph, name: str, ours: str) -> dict[str, Tensor]:
    """The linear map from w to a style, with the constant factor that follows it, if any, folded in."""
    bias = graph.named(f"{name}.modulation.bias")
    factor = graph.user(_next(graph, bias, "Add"), "Multiply")
    scale = None if factor is None else graph.constant(factor)
    folded = 1.0 if scale is None else float(graph.values(scale))
    weight = _named(graph, f"{name}.modulation.weight")
    return {f"{ours}.weight": weight * folded, f"{ours}.bias": graph.values(bias).flatten() * folded}


def _named(graph: Graph, name: str) -> Tensor:
    return graph.values(graph.named(name))


def _next(graph: Graph, node: Node, kind: str) -> Node:
    if (user := graph.user(node, kind)) is None:
        raise WeightsError(f"no {kind} follows the layer {node.name}", hint="it is another network")
    return user
