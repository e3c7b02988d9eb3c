"""What Inductor did to a graph; a module of its own, because importing Inductor takes a second."""

from __future__ import annotations

from typing import Any

import torch
from torch._inductor import config
from torch._inductor.custom_graph_pass import CustomGraphPass

from bench.schema.case import Layout

_CONVOLUTION = torch.ops.aten.convolution.default


class GraphCasts(CustomGraphPass):
    """An Inductor pass that changes nothing. It counts the casts of graph inputs (weights, images), and says
    in which layout convolutions run: None for none, or where torch does not tell.

    It sees a graph only when Inductor compiles it, so what it knows comes from the process with the empty
    cache. The constant uuid lets the cache work.
    """

    def __init__(self, *, is_inference: bool) -> None:
        self.casts = 0
        self.conv_layout: Layout | None = None
        self._is_inference = is_inference

    def __call__(self, graph: torch.fx.Graph) -> None:
        for node in graph.nodes:
            if node.target is torch.ops.prims.convert_element_type.default:
                source = node.args[0]
                self.casts += isinstance(source, torch.fx.Node) and source.op == "placeholder"
        self.conv_layout = self.conv_layout or _conv_layout(graph, self._is_inference)

    def uuid(self) -> str:
        return "convbench counts casts of graph inputs"


def _conv_layout(graph: torch.fx.Graph, is_inference: bool) -> Layout | None:
    """Inductor decides for a whole forward graph, after this pass, whether its convolutions run
    channels-last; it is asked the same question. Else they run as their images come."""
    from torch._inductor.graph import GraphLowering

    images = [node.args[0].meta["val"] for node in graph.nodes if node.target is _CONVOLUTION]
    decide: Any = getattr(GraphLowering, "decide_layout_opt", None)  # private: it may go
    if decide is None or graph.owning_module is None:
        return None
    if decide(graph.owning_module, is_inference=is_inference):
        return "channels-last"
    if not images:
        return None
    return "nchw" if images[0].is_contiguous() else "channels-last"


def install(*, is_inference: bool) -> GraphCasts:
    """Let Inductor call a new one for every graph that it compiles in this process."""
    seen = GraphCasts(is_inference=is_inference)
    config.post_grad_custom_post_pass = seen
    return seen
