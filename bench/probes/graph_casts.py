"""Casts inside compiled code; a module of its own, because importing Inductor takes a second."""

from __future__ import annotations

import torch
from torch._inductor import config
from torch._inductor.custom_graph_pass import CustomGraphPass


class GraphCasts(CustomGraphPass):
    """An Inductor pass that changes nothing and counts the casts of graph inputs (weights, images).

    It sees a graph only when Inductor compiles it, so its count comes from the process with the empty
    cache. The constant uuid lets the cache work.
    """

    def __init__(self) -> None:
        self.casts = 0

    def __call__(self, graph: torch.fx.Graph) -> None:
        for node in graph.nodes:
            if node.target is torch.ops.prims.convert_element_type.default:
                source = node.args[0]
                self.casts += isinstance(source, torch.fx.Node) and source.op == "placeholder"

    def uuid(self) -> str:
        return "convbench counts casts of graph inputs"


def install() -> GraphCasts:
    """Let Inductor call a new counter for every graph that it compiles in this process."""
    counter = GraphCasts()
    config.post_grad_custom_post_pass = counter
    return counter
