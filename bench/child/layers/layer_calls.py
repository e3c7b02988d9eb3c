"""What each layer is given and gives in one step, and what that costs.

Tensors are kept as `meta` tensors: shape, dtype and memory format without the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

from bench.probes.meta_modules import CONVOLUTIONS, TRANSPOSED
from bench.schema.layer_phases import Layer


@dataclass
class Operand:
    """A storage that a layer reads or writes.

    parts           bytes of what was looked at, by what tells two views of the storage apart
    whole           bytes of the storage
    weight          whether it is a parameter of the network
    differentiated  whether its gradient is asked for
    leaves          whether somebody else reads it, or it is returned
    copies          bytes of the casts of its parts
    """

    whole: int
    weight: bool = False
    differentiated: bool = False
    leaves: bool = False
    parts: dict[object, int] = field(default_factory=dict)
    copies: dict[object, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Of all parts together, none of which counts twice."""
        return min(self.whole, sum(self.parts.values()))


@dataclass(eq=False)
class LayerCall:
    """One call of a layer.

    inputs      tensors among its arguments, with `requires_grad` as it was
    outputs     tensors that it returned; none where recomputation broke it off
    recomputed  whether it ran in backward
    flops       of its own operators: forward, and of its nodes in backward; None where they have none
    products    the place of each convolution and matrix product of its own among all in forward
    uncounted   operators that may have FLOPs and whose formula is not known
    read        what it did not make itself, by the number of the storage; buffers left out
    written     what its operators wrote, by the number of the storage
    gradient    what came back to the first output in backward; None where none was asked for
    """

    layer: Layer
    module: nn.Module
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...] = ()
    recomputed: bool = False
    flops: int | None = None
    flops_backward: int | None = None
    products: list[int] = field(default_factory=list)
    uncounted: set[str] = field(default_factory=set)
    read: dict[int, Operand] = field(default_factory=dict)
    written: dict[int, Operand] = field(default_factory=dict)
    gradient: Tensor | None = None

    @property
    def weight(self) -> Tensor | None:
        """Of a convolution or a linear layer that stores one; one that is computed is no parameter."""
        if isinstance(self.module, (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)):
            return self.module._parameters.get("weight")
        return None


def forward_flops(call: LayerCall) -> int | None:
    """2 x MACs of convolutions and matrix products, biases left out; None for a layer that has none:
    docs/method.md, "FLOPs and MACs"."""
    return call.flops


def backward_flops(call: LayerCall) -> int | None:
    """As `forward_flops`: as much as forward for each gradient that is asked for."""
    return call.flops_backward


def forward_bytes(call: LayerCall) -> int:
    """Inputs and weights read, outputs written, each once: the least that must move. Nothing for a view."""
    return _bytes(call.read.values()) + _bytes(_outputs(call))


def backward_bytes(call: LayerCall) -> int:
    """The gradient of the output, the input and the weights read, and the gradients asked for written."""
    inputs = [each for each in call.read.values() if not each.weight]
    gradients = [each for each in call.read.values() if each.differentiated]
    if not gradients:
        return 0
    weights = [each for each in call.read.values() if each.weight]
    back = any(each.differentiated for each in inputs)
    return _bytes(_outputs(call)) + _bytes(inputs) + _bytes(weights if back else ()) + _bytes(gradients)


def _outputs(call: LayerCall) -> Iterator[Operand]:
    return (each for each in call.written.values() if each.leaves)


def _bytes(operands: Iterable[Operand]) -> int:
    return sum(each.bytes for each in operands)
