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
        state[f"mapping.layers.{n}.weight"] = mapping.constant(product)
        state[f"mapping.layers.{n}.bias"] = mapping.constant(_next(mapping, product, "Add")).flatten()
    constant = synthesis.named("m.input.input")
    state["constant"] = constant.reshape(constant.shape[-3:])
    *convolutions, head = synthesis.of_kind("Convolution")
    for n, convolution in enumerate(convolutions):
        name = "m.conv1" if n == 0 else f"m.layers.{(n - 1) // 2}.conv{2 - n % 2}"
        weight, noise = synthesis.constant(convolution), synthesis.constant(_next(synthesis, convolution, "Add"))
        state[f"layers.{n}.weight"] = weight if n == 0 else weight.flatten(1)
        state[f"layers.{n}.noise"] = noise.reshape(noise.shape[-2:])
        state[f"layers.{n}.bias"] = synthesis.named(f"{name}.bias").flatten()
        state |= _style(synthesis, f"{name}.conv", f"layers.{n}.style")
        if n % 2:
            state |= _style(synthesis, f"m.layers.{n // 2}.up", f"layers.{n}.up")
    for n, depthwise in enumerate(synthesis.of_kind("GroupConvolution"), start=1):
        weight = synthesis.constant(depthwise)
        state[f"layers.{n}.depthwise"] = weight.reshape(-1, 1, *weight.shape[-2:])
    state["to_rgb.weight"] = synthesis.constant(head).flatten(1)
    state["to_rgb.bias"] = synthesis.constant(_next(synthesis, head, "Add")).flatten()
    return state | _style(synthesis, f"m.layers.{len(convolutions) // 2 - 1}.to_img.conv", "to_rgb.style")


def _style(graph: Graph, name: str, ours: str) -> dict[str, Tensor]:
    """The linear map from w to a style, with the constant factor that follows it, if any, folded in."""
    weight, bias = (graph.named(f"{name}.modulation.{part}") for part in ("weight", "bias"))
    added = graph.user_of(f"{name}.modulation.bias", "Add")
    factor = None if added is None else graph.user(added, "Multiply")
    scale = 1.0
    if factor is not None and any(graph.nodes[key].kind == "Const" for key in factor.inputs if key in graph.nodes):
        scale = float(graph.constant(factor))
    return {f"{ours}.weight": weight * scale, f"{ours}.bias": bias.flatten() * scale}


def _next(graph: Graph, node: Node, kind: str) -> Node:
    if (user := graph.user(node, kind)) is None:
        raise WeightsError(f"no {kind} follows the layer {node.name}", hint="it is another network")
    return user
