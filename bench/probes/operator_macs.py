"""Multiply-accumulates of torch's operators, from the shapes that they are given.

Convolutions, matrix products, fused attention and fused recurrent layers. Biases, norms, activations, pooling
and elementwise arithmetic are not counted. A complex multiply-accumulate counts as four real ones. Masks
take nothing off: an attention is counted as if each query met each key.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Literal, NamedTuple

from torch import Tensor
from torch.utils.flop_counter import flop_registry

Sort = Literal["convolution", "product", "attention", "recurrent"]

COMPLEX_MACS = 4
"""Real multiply-accumulates in a complex one."""


class Counted(NamedTuple):
    """What one operator does.

    factors   the two tensors that a product multiplies
    """

    macs: int
    sort: Sort
    factors: tuple[Any, ...] = ()


Given = Mapping[str, Any]
"""The arguments of an operator by the names in its schema."""

PRODUCTS = {
    "mm": ("self", "mat2"),
    "addmm": ("mat1", "mat2"),
    "_addmm_activation": ("mat1", "mat2"),
    "bmm": ("self", "mat2"),
    "baddbmm": ("batch1", "batch2"),
    "addbmm": ("batch1", "batch2"),
    "mv": ("self", "vec"),
    "addmv": ("mat", "vec"),
    "dot": ("self", "tensor"),
    "vdot": ("self", "other"),
    "_int_mm": ("self", "mat2"),
    "_scaled_mm": ("self", "mat2"),
}
"""The two factors of every product of dense matrices or vectors, by the names in its schema."""
TRANSPOSED_PRODUCTS = {"linear": ("input", "weight"), "mkldnn_linear": ("self", "weight")}
"""Those whose second factor is (out, in)."""
CONVOLUTIONS = {
    "convolution",
    "_convolution",
    "convolution_overrideable",
    "cudnn_convolution",
    "mkldnn_convolution",
    "miopen_convolution",
    "miopen_depthwise_convolution",
    "_slow_conv2d_forward",
    "thnn_conv2d",
    "slow_conv3d_forward",
    "_conv_depthwise2d",
    "conv_depthwise3d",
    "slow_conv_dilated2d",
    "slow_conv_dilated3d",
    "deform_conv2d",
}
TRANSPOSED_CONVOLUTIONS = {
    "cudnn_convolution_transpose",
    "miopen_convolution_transpose",
    "slow_conv_transpose2d",
    "slow_conv_transpose3d",
}
_SUSPECTS = re.compile(
    "mm$|mm_|mv$|dot|matmul|linear|conv(?!ert)|attention|lstm|gru|rnn|trilinear|einsum|fft|linalg|matrix_exp"
    "|cholesky|cdist|euclidean|solve|geqrf|orgqr|ormqr"
)
_INNOCENT = re.compile(
    "upsample|resolve|_thnn_fused|_thnn_diff|flatten_weight|linalg_vector_norm|linalg_cross|linalg_check|reorder_conv"
)
"""Names in aten of operators that multiply and add, less those that only sound like it."""
_OTHER_NAMESPACES = {"prim", "prims", "profiler", "debugprims", "rngprims"}
_TORCHVISION_WITHOUT_PRODUCTS = re.compile("nms|_?(ps_)?roi_(pool|align)(_backward)?")


def counted(operator: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> Counted | None:
    """The work of one call; None for an operator that does none of the kind, or that is not known."""
    _, name = _names(operator)
    formula = _formula(name)
    if formula is None:
        return None
    names = (each.name for each in operator._schema.arguments)
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return formula(
        name, given, result[0] if isinstance(result, tuple | list) and result else result, operator
    )


def is_known(operator: Any) -> bool:
    """Whether `counted` has a formula for the operator, or it is sure to do no work of the kind."""
    namespace, name = _names(operator)
    if _formula(name) is not None or namespace in _OTHER_NAMESPACES:
        return True
    if namespace == "aten":
        return not is_suspect(name)
    return namespace == "torchvision" and bool(_TORCHVISION_WITHOUT_PRODUCTS.fullmatch(name))


def is_suspect(name: str) -> bool:
    """Whether an operator of aten of that name multiplies and adds."""
    return bool(_SUSPECTS.search(name)) and not _INNOCENT.search(name)


def _names(operator: Any) -> tuple[str, str]:
    """Namespace and name; what works in place has the name of what does not."""
    namespace, _, name = operator._schema.name.partition("::")
    return namespace, name.removesuffix("_")


Formula = Callable[[str, Given, Any, Any], Counted]


@functools.cache
def _formula(name: str) -> Formula | None:
    return next((formula for names, formula in _FORMULAS if re.fullmatch(names, name)), None)


def _product(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """Every element of the first factor meets every column of the second."""
    if name in PRODUCTS:
        left, right = (given[each] for each in PRODUCTS[name])
        columns = right.shape[-1] if right.dim() > 1 else 1
    else:
        left, right = (given[each] for each in TRANSPOSED_PRODUCTS[name])
        columns = right.shape[0]
    return Counted(_real(left) * left.numel() * columns, "product", (left, right))


def _convolution(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """Every output, or of a transposed one every input, meets the weights of one filter."""
    data, weight = given.get("input", given.get("self")), given["weight"]
    assert data is not None
    transposed = name in TRANSPOSED_CONVOLUTIONS or bool(given.get("transposed"))
    swept = data if transposed else result
    return Counted(_real(data) * swept.numel() * _filter(weight), "convolution", (data, weight))


def _convolution_backward(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """As much as forward for each of the two gradients that is asked for."""
    swept = given["input"] if given["transposed"] else given["grad_output"]
    gradients = sum(map(bool, given["output_mask"][:2]))
    return Counted(_real(swept) * swept.numel() * _filter(given["weight"]) * gradients, "convolution")


def _deformable_backward(name: str, given: Given, result: Any, operator: Any) -> Counted:
    return Counted(2 * given["grad"].numel() * _filter(given["weight"]), "convolution")


def _convolution_tbc(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """Of a weight of shape (width, in, out); backward computes both gradients."""
    backward = name.endswith("backward")
    swept = given["self"] if backward else result
    return Counted((1 + backward) * swept.numel() * prod(given["weight"].shape[:2]), "convolution")


def _fused_attention(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """Two products forward; backward four and, since fused attention keeps no scores, the first one again.

    query (..., queries, width), key (..., keys, width), value (..., keys, out width).
    """
    query, key, value = given["query"], given["key"], given["value"]
    scores = query.numel() // query.shape[-1] * key.shape[-2]
    width, out = query.shape[-1], value.shape[-1]
    macs = scores * (3 * width + 2 * out if "backward" in name else width + out)
    return Counted(macs, "attention")


def _native_attention(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """torch's fast path of nn.MultiheadAttention: four projections and two products.

    query (batch, queries, width), key and value (batch, keys, width).
    """
    query, key = given["query"], given["key"]
    width = query.shape[-1]
    projections = 2 * (query.numel() + key.numel()) * width
    return Counted(projections + 2 * query.numel() * key.shape[-2], "attention")


def _encoder_layer(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """torch's fast path of nn.TransformerEncoderLayer: its attention and its two linear layers."""
    source = given["src"]
    attention = _native_attention(name, {"query": source, "key": source}, result, operator).macs
    tokens = source.numel() // source.shape[-1]
    linear = given["ffn_weight_1"].numel() + given["ffn_weight_2"].numel()
    return Counted(attention + tokens * linear, "attention")


def _flash_attention(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """By torch's own formula, which knows how sequences of unequal length are packed."""
    formula = flop_registry[operator._overloadpacket]
    return Counted(int(formula(**given, out_val=result)) // 2, "attention")


def _recurrent(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """Every step of every sequence meets every weight matrix once, and twice in backward."""
    data = given["input"]
    steps = data.numel() // data.shape[-1]
    elements = sum(each.numel() for each in given["weight"] if each.dim() > 1)
    return Counted(steps * elements * (2 if name.endswith("backward") else 1), "recurrent")


def _mkldnn_recurrent(name: str, given: Given, result: Any, operator: Any) -> Counted:
    weights = [given[each] for each in ("weight0", "weight1", "weight2") if each in given]
    return _recurrent(name, {"input": given["input"], "weight": weights[:2]}, result, operator)


def _trilinear(name: str, given: Given, result: Any, operator: Any) -> Counted:
    """Two products, one after the other (of nn.Bilinear: the first input by the weights, that by the second).

    An index that the third factor does not have is summed over before the third comes in.
    """
    sizes: dict[int, int] = {}
    for factor, missing in (("i1", "expand1"), ("i2", "expand2"), ("i3", "expand3")):
        whole = given[factor]
        for dimension in sorted(given[missing]):
            whole = whole.unsqueeze(dimension)
        for dimension, size in enumerate(whole.shape):
            sizes[dimension] = max(size, sizes.get(dimension, 1))
    summed = set(given["sumdim"]) & set(given["expand3"])
    left = prod(size for dimension, size in sizes.items() if dimension not in summed)
    macs = _real(given["i1"]) * (prod(sizes.values()) + left)
    return Counted(macs, "product", (given["i1"], given["i2"]))


_FORMULAS: tuple[tuple[str, Formula], ...] = (
    ("|".join((*PRODUCTS, *TRANSPOSED_PRODUCTS)), _product),
    ("|".join((*CONVOLUTIONS, *TRANSPOSED_CONVOLUTIONS)), _convolution),
    ("convolution_backward(_overrideable)?", _convolution_backward),
    ("_deform_conv2d_backward", _deformable_backward),
    ("conv_tbc(_backward)?", _convolution_tbc),
    (r"_(flash|efficient)_attention_(forward|backward)", _flash_attention),
    ("_native_multi_head_attention", _native_attention),
    ("_transformer_encoder_layer_fwd", _encoder_layer),
    (r"_scaled_dot_product_\w*attention\w*", _fused_attention),
    ("mkldnn_rnn_layer(_backward)?", _mkldnn_recurrent),
    ("(_cudnn|miopen)_rnn(_backward)?", _recurrent),
    ("_trilinear", _trilinear),
)


def _filter(weight: Tensor) -> int:
    """Weights in one filter."""
    return weight[0].numel() if weight.shape[0] else 0


def _real(tensor: Tensor) -> int:
    return COMPLEX_MACS if tensor.is_complex() else 1
